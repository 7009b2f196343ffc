"""What an earlier release left must go on living: today's code previews on its state with no replace and no delete.

Not proven: the update itself, and the server's data, which `tests/engine` covers within one version.
"""

import json
from pathlib import Path

import pytest

from ops.console import Console
from tests.support.checkouts import checkout
from tests.upgrade.recording import STATES, opened

RELEASES = sorted(folder.name for folder in STATES.iterdir())


def test_there_is_a_recording() -> None:
    assert "0.1.0" in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_a_state_of_an_earlier_release_is_neither_replaced_nor_deleted(release: str, tmp_path: Path) -> None:
    recorded = STATES / release
    with checkout(tmp_path) as made:
        made.stack_file.write_text((recorded / "Pulumi.local.yaml").read_text())
        first_password = made.directory / ".estate/local/postgres/initial-password"
        first_password.parent.mkdir(parents=True)
        first_password.write_text("-".join(("another", "first", "password")))
        with opened(made) as one, Console(as_json=True).stage("previewing") as steps:
            workspace = one.run.stack.workspace
            workspace.pulumi_command.run(
                ["stack", "import", "--stack", "local", "--file", str(recorded / "state.json")],
                workspace.work_dir,
                workspace.env_vars,
            )
            before = {resource["urn"] for resource in one.run.deployment()["resources"]}
            changes = one.run.operate("preview", steps)

    recorded_urns = {one["urn"] for one in json.loads((recorded / "state.json").read_text())["deployment"]["resources"]}
    assert before == recorded_urns, "the recording was not put back"
    assert set(changes.counts) <= {"same", "update", "create"}, changes.resources
    assert changes.counts["same"] > 50
