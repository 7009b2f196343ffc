"""What an engine that was killed had under way, in the state it left. Owns taking it out again, and no more of it."""

import json
import tempfile

from pulumi import automation


def settle(stack: automation.Stack) -> None:
    """Remove it. To be called after an `up` that succeeded.

    The engine itself would keep it, and warn of it at each run, until somebody clears it by hand.
    """
    workspace = stack.workspace
    run, named = workspace.pulumi_command.run, ["--stack", stack.name]
    answer = run(["stack", "export", *named], workspace.work_dir, workspace.env_vars)
    document = json.loads(answer.stdout)
    if not (document.get("deployment") or {}).pop("pending_operations", None):
        return
    # Closed to others, and the secrets in it are encrypted.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        run(["stack", "import", "--file", file.name, *named], workspace.work_dir, workspace.env_vars)
