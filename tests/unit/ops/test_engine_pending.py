"""The engine's record of what it had under way, taken out of a state."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops.engine import pending


class FakeStack:
    """A stack whose state is here."""

    def __init__(self, deployment: dict[str, Any] | None) -> None:
        self.name = "dev"
        self.document: dict[str, Any] = {"version": 3, "deployment": deployment}
        self.asked: list[str] = []
        self.workspace = SimpleNamespace(work_dir="/work", env_vars={}, pulumi_command=SimpleNamespace(run=self._run))

    def _run(self, arguments: list[str], _folder: str, _variables: object) -> SimpleNamespace:
        self.asked.append(arguments[1])
        assert arguments[-2:] == ["--stack", "dev"]
        if arguments[1] == "import":
            file = Path(arguments[3])
            assert file.stat().st_mode & 0o077 == 0
            self.document = json.loads(file.read_text())
        return SimpleNamespace(stdout=json.dumps(self.document))


def test_a_pending_operation_is_removed_and_nothing_else() -> None:
    stack = FakeStack({"resources": [{"urn": "a"}], "pending_operations": [{"type": "creating"}]})

    pending.settle(stack)  # type: ignore[arg-type]  # a fake

    assert stack.document == {"version": 3, "deployment": {"resources": [{"urn": "a"}]}}
    assert stack.asked == ["export", "import"]


@pytest.mark.parametrize("deployment", [None, {}, {"resources": []}, {"pending_operations": []}])
def test_a_state_without_it_is_left_alone(deployment: dict[str, Any] | None) -> None:
    stack = FakeStack(deployment)

    pending.settle(stack)  # type: ignore[arg-type]  # a fake

    assert stack.asked == ["export"]
