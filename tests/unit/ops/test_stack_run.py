"""The engine's environment, its helpers on PATH, and what is asked of the Automation API.

No engine runs here: the stack is a fake, events are made by hand. Real runs are in `tests/engine`.
"""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pulumi import automation
from pulumi.automation import events

from ops.console import Console
from ops.engine import environment as engine_environment
from ops.engine import lifeline, operations
from ops.engine.environment import Backend, environment
from ops.engine.finding import Engine
from ops.engine.inline_program import InlineProgram
from ops.engine.listening import Listener
from ops.engine.operations import Run
from ops.errors import EstateError
from ops.paths import ROOT
from tests.unit.ops.events import URN, Told, diagnostic, exported, pre, summary
from tests.unit.ops.fakes import checkout

ENGINE = Engine(executable=Path("/opt/engine/pulumi"), version="9.9.9", source="PATH")


class TestEnvironment:
    """What the engine and its children see."""

    @pytest.fixture(autouse=True)
    def operators(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An operator who also works with another Vault."""
        monkeypatch.setenv("PATH", "/usr/bin")
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
        monkeypatch.delenv("GOGC", raising=False)
        for name in ("VAULT_ADDR", "VAULT_SKIP_VERIFY", "VAULT_NAMESPACE", "BAO_ADDR", "TERRAFORM_VAULT_MAX_TTL"):
            monkeypatch.setenv(name, "another")
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")

    def test_of_a_stack_with_a_state_of_its_own(self, tmp_path: Path) -> None:
        backend = Backend(state=tmp_path / "state", passphrase_file=tmp_path / "passphrase")

        seen = environment(ENGINE, backend, tmp_path / "shims")

        assert seen["PATH"] == f"{tmp_path}/shims:/opt/engine:/usr/bin"
        assert seen["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/state?metadata=skip"
        assert seen["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(tmp_path / "passphrase")
        assert seen["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] == "true"
        assert seen["PULUMI_SKIP_UPDATE_CHECK"] == seen["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
        assert seen["PULUMI_ERROR_OUTPUT_STRING"] == "true"
        assert seen["GOGC"] == "50"
        assert seen["HTTPS_PROXY"] == "http://proxy:3128"
        assert "PULUMI_CONFIG_PASSPHRASE" not in seen
        assert "another" not in seen.values()

    def test_of_a_stack_of_the_users_own_login(self, tmp_path: Path) -> None:
        seen = environment(ENGINE, Backend(), tmp_path / "shims")

        assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in seen
        assert "PULUMI_BACKEND_URL" not in seen or seen["PULUMI_BACKEND_URL"] == os.environ["PULUMI_BACKEND_URL"]
        assert seen["PULUMI_CONFIG_PASSPHRASE"] == "another"
        assert seen["VAULT_ADDR"] == "another"  # the Vault that encrypts the stack's secrets, perhaps

    def test_with_stand_ins(self, tmp_path: Path) -> None:
        seen = environment(ENGINE, Backend(), tmp_path / "shims", {"PULUMI_DEBUG_PROVIDERS": "vault:1"})

        assert seen["PULUMI_DEBUG_PROVIDERS"] == "vault:1"


def _shims(folder: Path) -> dict[str, Path]:
    environment(ENGINE, Backend(), folder)
    return {path.name: path for path in folder.iterdir()}


def test_two_shims_are_written_once(tmp_path: Path) -> None:
    shims = _shims(tmp_path / "shims")
    run = f"{sys.executable} -u {lifeline.__file__}"

    assert {name: path.read_text() for name, path in shims.items()} == {
        "pulumi-resource-pulumi-python": f'#!/bin/sh\nexec {run} pulumi.dynamic "$@"\n',
        "pulumi-analyzer-policy-python": f'#!/bin/sh\nexec {run} pulumi.policy "$@"\n',
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in shims.values()} == {0o755}
    before = {name: path.stat().st_mtime_ns for name, path in shims.items()}
    assert {name: path.stat().st_mtime_ns for name, path in _shims(tmp_path / "shims").items()} == before


def test_shims_of_another_python_are_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _shims(tmp_path)
    monkeypatch.setattr("sys.executable", "/opt/my python/bin/python")

    shim = _shims(tmp_path)["pulumi-resource-pulumi-python"]

    assert "exec '/opt/my python/bin/python' -u" in shim.read_text()
    assert subprocess.run(["sh", "-n", shim], check=False).returncode == 0


def test_shims_are_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers and a reader at once: the text is whole whenever there is a file."""
    shim = tmp_path / "pulumi-resource-pulumi-python"
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if shim.is_file():
                seen.add(shim.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        monkeypatch.setattr("sys.executable", f"/python/{number}/{'x' * 2_000}")
        engine_environment._write_shims(tmp_path)
    done.set()
    reader.join()

    assert all(text.startswith("#!/bin/sh\nexec /python/") and text.endswith('pulumi.dynamic "$@"\n') for text in seen)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(engine_environment._SHIMS)


class FakeStack:
    """An Automation API stack that answers what it is told to, and remembers what it was asked."""

    def __init__(self, *, fail: bool = False) -> None:
        self.name = "local"
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._fail = fail
        self.workspace = SimpleNamespace(
            remove_stack=lambda name, **options: self.asked.append(("remove", {"name": name, **options})),
            work_dir="/work",
            env_vars={"A": "b"},
            pulumi_command=SimpleNamespace(run=self._command),
        )
        self.exported: object = {"resources": []}

    def _command(self, arguments: list[str], folder: str, variables: dict[str, str]) -> SimpleNamespace:
        self.asked.append((" ".join(arguments), {"folder": folder, "variables": variables}))
        return SimpleNamespace(stdout=json.dumps({"version": 3, "deployment": self.exported}))

    def _operate(self, operation: str, options: dict[str, Any]) -> SimpleNamespace:
        self.asked.append((operation, options))
        options["on_event"](diagnostic("error" if self._fail else "warning", "look here"))
        options["on_event"](diagnostic("warning", "look here"))
        options["on_event"](pre(events.OpType.CREATE))
        if self._fail:
            result = automation.CommandResult(stdout="", stderr="error: update failed", code=255)
            raise automation.CommandError(result)
        options["on_event"](exported({"address": "https://vault"}))
        options["on_event"](summary({events.OpType.CREATE: 1, events.OpType.SAME: 2}))
        return SimpleNamespace()

    def __getattr__(self, operation: str) -> Any:
        return lambda **options: self._operate(operation, options)


def _program() -> None:
    """The program of a fake run."""


def _run(fake: FakeStack, policy_pack: Path | None = None) -> Run:
    return Run(stack=fake, policy_pack=policy_pack, inline=_program)  # type: ignore[arg-type]  # a fake


OPERATIONS: tuple[operations.Operation, ...] = ("preview", "up", "refresh", "destroy")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_counts_what_it_did(operation: operations.Operation) -> None:
    fake = FakeStack()

    changes = _run(fake).operate(operation, Told())

    assert changes.counts == {"create": 1, "same": 2}
    assert changes.outputs == {"address": "https://vault"}
    assert changes.resources == (("create", URN),)
    assert changes.warnings == ("vault:index/mount:Mount kv-secret-mount: look here",)
    assert [name for name, _ in fake.asked] == [operation]
    assert fake.asked[0][1]["program"] == InlineProgram(_program)


@pytest.mark.parametrize(
    ("operation", "checked"), [("preview", True), ("up", True), ("refresh", False), ("destroy", False)]
)
def test_the_policy_pack_judges_what_is_to_be_made(operation: operations.Operation, checked: bool) -> None:
    fake = FakeStack()

    _run(fake, Path("/pack")).operate(operation, Told())

    assert fake.asked[0][1].get("policy_packs") == (["/pack"] if checked else None)


def test_a_failure_is_said_also_where_the_program_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_: InlineProgram) -> None:
        raise TimeoutError("still runs")

    monkeypatch.setattr(InlineProgram, "end", end)

    with pytest.raises(EstateError, match=r"up failed:\n .*: look here"):
        _run(FakeStack(fail=True)).operate("up", Told())


def test_the_program_may_be_wrapped_for_one_operation() -> None:
    fake = FakeStack()

    def wrap(program: object) -> Any:
        return ("wrapped", program)

    _run(fake).operate("up", Told(), wrap=wrap)

    assert fake.asked[0][1]["program"] == InlineProgram(("wrapped", _program))  # type: ignore[arg-type]  # a fake


def test_what_is_to_be_replaced_is_named_to_the_engine() -> None:
    fake = FakeStack()

    _run(fake).operate("up", Told(), replace=(URN,))
    _run(fake).operate("up", Told())

    assert [options.get("replace") for _, options in fake.asked] == [[URN], None]


def test_a_failed_operation_tells_the_engines_diagnostics() -> None:
    with pytest.raises(EstateError) as caught:
        _run(FakeStack(fail=True)).operate("up", Told())

    assert str(caught.value) == "up failed:\n  vault:index/mount:Mount kv-secret-mount: look here"
    assert caught.value.__suppress_context__


def test_the_state_is_read_without_decrypting_it() -> None:
    fake = FakeStack()
    run = _run(fake)

    assert run.deployment() == {"resources": []}
    assert fake.asked == [("stack export --stack local", {"folder": "/work", "variables": {"A": "b"}})]
    fake.exported = None
    assert run.deployment() == {}


def test_forgetting_a_stack_keeps_its_settings_file() -> None:
    fake = FakeStack()

    _run(fake).forget()

    assert fake.asked == [("remove", {"name": "local", "preserve_config": True})]


@pytest.fixture
def selected(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the Automation API was asked to select; it is a fake."""
    asked: list[dict[str, Any]] = []

    def select(name: str, **options: Any) -> FakeStack:
        asked.append({"name": name, "environment": dict(os.environ), **options})
        return FakeStack()

    monkeypatch.setattr("ops.engine.operations.automation.create_or_select_stack", select)
    return asked


def test_a_stack_works_on_copies_of_its_files(tmp_path: Path, selected: list[dict[str, Any]]) -> None:
    paths = checkout(tmp_path / "project")
    copies = tmp_path / "own" / "stacks"
    before = (paths.project / "Pulumi.local.yaml").read_bytes()

    with operations.opened(
        name="local", project=paths.project, engine=ENGINE, variables={"A": "b"}, copies=copies
    ) as run:
        assert run.inline is operations.program

    described = yaml.safe_load((copies / "Pulumi.yaml").read_text())
    assert (copies / described["main"]).resolve() == paths.project.resolve()
    assert described["name"] == "vault-estate"
    assert (copies / "Pulumi.local.yaml").read_bytes() == before
    assert selected[0]["name"] == "local"
    assert selected[0]["project_name"] == "vault-estate"
    assert selected[0]["opts"].work_dir == str(copies)
    assert selected[0]["opts"].env_vars == {"A": "b"}
    assert str(selected[0]["opts"].pulumi_command.version) == ENGINE.version


def test_a_stack_of_the_users_own_works_on_the_files_themselves(tmp_path: Path, selected: list[dict[str, Any]]) -> None:
    paths = checkout(tmp_path)

    with operations.opened(name="local", project=paths.project, engine=ENGINE, variables={}, copies=None):
        pass

    assert selected[0]["opts"].work_dir == str(tmp_path)


def test_the_process_sees_the_engines_variables_and_gets_its_own_back(
    tmp_path: Path, selected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_SKIP_VERIFY", "true")
    before = dict(os.environ)
    variables = {name: value for name, value in before.items() if name != "VAULT_SKIP_VERIFY"} | {"NEW": "1"}
    paths = checkout(tmp_path)

    with (
        pytest.raises(RuntimeError),
        operations.opened(name="local", project=paths.project, engine=ENGINE, variables=variables, copies=None),
    ):
        raise RuntimeError

    assert selected[0]["environment"] == variables
    assert dict(os.environ) == before


def test_the_program_is_the_repositorys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, str]] = []
    monkeypatch.setattr("ops.engine.operations.runpy.run_path", lambda path, run_name: ran.append((path, run_name)))

    operations.program()

    assert ran == [(str(ROOT / "__main__.py"), "vault_estate_program")]


def test_steps_of_a_console_take_what_the_listener_tells(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().stage("applying") as steps:
        Listener(steps=steps)(pre(events.OpType.CREATE))

    assert capsys.readouterr().err == "applying\n"


def test_a_reason_to_wait_is_shown_as_a_step() -> None:
    """What else helpers print stays out."""
    told = Told()
    listener = Listener(steps=told)

    listener(diagnostic("info", "waiting for Vault at https://x:8200 to be initialised; up to 9 s more\n"))
    listener(diagnostic("info#err", "waiting for the same on the other stream"))
    listener(diagnostic("info", "hello"))

    assert told.steps == [
        ("waiting for Vault at https://x:8200 to be initialised; up to 9 s more", False),
        ("waiting for the same on the other stream", False),
    ]
