"""Programs that the engine runs inside of a test."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from pulumi import automation

from ops.engine.finding import find
from ops.engine.inline_program import InlineProgram


@contextmanager
def trial_stack(
    directory: Path, attached: Mapping[str, str], program: Callable[[], None]
) -> Iterator[automation.Stack]:
    """A stack whose state is in `directory`; the engine inherits this process's environment, so that is restored."""
    directory.mkdir(exist_ok=True)
    (directory / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
    engine = find(lambda _: None).executable.parent
    variables = {
        **attached,
        "PATH": f"{engine}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{directory}",
        "PULUMI_CONFIG_PASSPHRASE": "trial",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        workspace = automation.LocalWorkspaceOptions(work_dir=str(directory), env_vars=variables)
        inline = InlineProgram(program)
        yield automation.create_or_select_stack("one", project_name="trial", program=inline, opts=workspace)
        inline.end()


def changes(result: automation.UpResult | automation.RefreshResult | automation.DestroyResult) -> dict[str, int]:
    """What an operation did, without what stayed the same."""
    return {str(kind): count for kind, count in (result.summary.resource_changes or {}).items() if kind != "same"}
