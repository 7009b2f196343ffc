"""A command's hold on a checkout: the lock, the engine's own locks, the passphrase, where state belongs.

The engines and servers here are fakes; opening a real stack is proven in `tests/engine` and `tests/live`.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from fake_providers.attach import attach_apart
from ops import stack_file
from ops.commands import session
from ops.commands.session import Choices
from ops.console import Console
from ops.engine.environment import Backend
from ops.engine.finding import Engine
from ops.engine.plugins import Choice
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.platforms.driver import FakeCloud, PlatformDriver
from ops.platforms.local import Local
from tests.unit.ops.fakes import checkout, fake_program

HOLD = """
import pathlib, sys
from ops.commands import session
from ops.paths import Paths
with session.locked(Paths(project=pathlib.Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def _holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the checkout until its block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_second_command_is_told_which_process_is_at_work(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)

    with _holding(tmp_path) as holder, pytest.raises(EstateError) as caught, session.locked(paths):
        pass

    assert str(caught.value) == (
        f"another ./estate command is at work here (process {holder.pid}); expected it to end first"
    )


def test_a_killed_command_holds_nothing(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)
    with _holding(tmp_path) as holder:
        holder.kill()
        holder.wait()
        assert (tmp_path / ".estate" / "lock.holder").is_file()

    with session.locked(paths):
        assert (tmp_path / ".estate" / "lock.holder").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / ".estate" / "lock.holder").exists()


def test_a_holder_that_has_not_said_its_name_yet(tmp_path: Path) -> None:
    with _holding(tmp_path):
        (tmp_path / ".estate" / "lock.holder").unlink()
        with pytest.raises(EstateError, match="process unknown"), session.locked(Paths(project=tmp_path)):
            pass


def test_a_command_that_failed_lets_go(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)
    with pytest.raises(RuntimeError), session.locked(paths):
        raise RuntimeError
    with session.locked(paths):
        pass


def test_what_belongs_to_the_checkout_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / ".estate").mkdir(mode=0o755)

    with session.locked(Paths(project=tmp_path)):
        pass

    assert stat.S_IMODE((tmp_path / ".estate").stat().st_mode) == 0o700


def _engine_lock(state: Path, content: str) -> Path:
    lock = state / ".pulumi" / "locks" / "organization" / "vault-estate" / "local" / "a.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(content)
    return lock


@contextmanager
def _process(folder: Path, name: str) -> Iterator[psutil.Process]:
    """A living process of that name, which does nothing."""
    program = folder / name
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    running = subprocess.Popen([program, "60"])
    try:
        yield psutil.Process(running.pid)
    finally:
        running.kill()
        running.wait()


def _dead_pid() -> int:
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def test_a_dead_engines_lock_is_removed(tmp_path: Path) -> None:
    lock = _engine_lock(tmp_path, json.dumps({"pid": _dead_pid()}))

    session.release_dead_locks(tmp_path)

    assert not lock.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": "x"}', '{"pid": null}', '{"pid": -1}'])
def test_a_lock_that_names_nobody_is_removed(tmp_path: Path, content: str) -> None:
    lock = _engine_lock(tmp_path, content)

    session.release_dead_locks(tmp_path)

    assert not lock.exists()


def test_a_living_engines_lock_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_ENGINE_END_SECONDS", 0.2)

    with _process(tmp_path, "pulumi") as engine:
        lock = _engine_lock(tmp_path, json.dumps({"pid": engine.pid}))
        with pytest.raises(EstateError) as caught:
            session.release_dead_locks(tmp_path)

    assert str(caught.value) == (
        f"an engine (process {engine.pid}) is still at work on {tmp_path}; expected it to end first"
    )
    assert lock.exists()


def test_an_engine_that_ends_soon_is_waited_for(tmp_path: Path) -> None:
    with _process(tmp_path, "pulumi") as engine:
        lock = _engine_lock(tmp_path, json.dumps({"pid": engine.pid}))
        engine.terminate()
        session.release_dead_locks(tmp_path)

    assert not lock.exists()


def test_a_number_that_another_program_has_now_holds_nothing(tmp_path: Path) -> None:
    with _process(tmp_path, "something-else") as other:
        lock = _engine_lock(tmp_path, json.dumps({"pid": other.pid}))
        session.release_dead_locks(tmp_path)
        assert other.is_running()

    assert not lock.exists()


class Opening:
    """What `session.opened` asked of the things a unit test replaces by fakes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        paths = checkout(folder)
        self.platform: PlatformDriver = Local(paths=paths, file=stack_file.read(paths, "local"))
        self.engine = Engine(executable=fake_program(folder / "bin" / "pulumi"), version="9.9.9", source="PATH")
        self.lacking: list[str] = []
        self.opened: list[dict[str, Any]] = []
        self.attached: list[tuple[Any, ...]] = []
        monkeypatch.setattr("ops.commands.session.finding.find", lambda _: self.engine)
        monkeypatch.setattr("ops.commands.session.plugins.missing", lambda *_: self.lacking)
        monkeypatch.setattr("ops.commands.session.attach_apart", self._attached)
        monkeypatch.setattr("ops.commands.session.operations.opened", self._open)

    @contextmanager
    def _attached(self, fakes: Any, **cloud: Any) -> Iterator[dict[str, str]]:
        self.attached.append((tuple(fakes), cloud["world"]))
        yield {"PULUMI_DEBUG_PROVIDERS": "vault:1"} if fakes else {}

    @contextmanager
    def _open(self, **arguments: Any) -> Iterator[SimpleNamespace]:
        self.opened.append(arguments)
        yield SimpleNamespace(name="a fake run")


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    return Opening(tmp_path, monkeypatch)


def test_the_local_stack_opens_with_the_official_plugin(
    opening: Opening, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with session.opened(opening.platform, Console(), "up", Choices()) as opened:
        assert opened.providers == Choice(fakes=(), reason="")

    (arguments,) = opening.opened
    assert arguments["name"] == "local"
    assert arguments["project"] == tmp_path
    assert arguments["engine"] == opening.engine
    assert arguments["copies"] == tmp_path / ".estate" / "stacks"
    assert arguments["policy_pack"] == tmp_path / ".estate" / "shims" / "vault-estate-policies"
    assert str(tmp_path / "policies") in arguments["policy_pack"].read_text()
    assert arguments["variables"]["ESTATE_PROTECT"] in {"true", "false"}
    assert "PULUMI_SKIP_CHECKPOINTS" not in arguments["variables"]
    assert "PULUMI_DEBUG_PROVIDERS" not in arguments["variables"]
    assert opening.attached == [((), None)]
    assert (tmp_path / ".estate" / "state").is_dir()
    assert capsys.readouterr().err == ""


def test_a_fake_provider_is_announced_first(opening: Opening, capsys: pytest.CaptureFixture[str]) -> None:
    opening.lacking = ["vault"]

    with session.opened(opening.platform, Console(), "preview", Choices(policies=False)) as opened:
        assert opened.providers.fakes == ("vault",)

    assert capsys.readouterr().err == ("fake providers for vault: the official plugin can't be had here: vault\n")
    assert opening.opened[0]["variables"]["PULUMI_DEBUG_PROVIDERS"] == "vault:1"
    assert opening.opened[0]["policy_pack"] is None


@dataclass(frozen=True, kw_only=True)
class Cloud(Local):
    """A platform with an account somewhere."""

    @property
    def backend(self) -> Backend:
        return Backend()

    @property
    def fake_cloud(self) -> FakeCloud:
        return FakeCloud(folder=self.paths.own / "fake")


@pytest.fixture
def cloud(opening: Opening) -> Opening:
    """The same stack, in an account."""
    opening.platform = Cloud(paths=opening.platform.paths, file=opening.platform.file)
    return opening


def test_a_cloud_stack_with_fake_providers_keeps_a_state_apart(cloud: Opening, tmp_path: Path) -> None:
    with session.opened(cloud.platform, Console(), "up", Choices(sandbox=True)):
        pass

    own = tmp_path / ".estate" / "fake"
    assert cloud.attached == [(("vault",), own / "world.json")]
    assert cloud.opened[0]["variables"]["PULUMI_BACKEND_URL"] == f"file://{own / 'state'}?metadata=skip"
    assert cloud.opened[0]["invented_secrets"] == []


def test_a_cloud_stack_with_the_official_plugins_is_the_users_own(cloud: Opening) -> None:
    with session.opened(cloud.platform, Console(), "up", Choices()):
        pass

    (arguments,) = cloud.opened
    assert (arguments["copies"], arguments["invented_secrets"], arguments["secrets"]) == (None, None, None)


def test_an_up_of_a_cloud_stack_never_falls_back_by_itself(cloud: Opening) -> None:
    cloud.lacking = ["vault"]

    with (
        pytest.raises(EstateError, match="up of a cloud stack: the official plugin can't be had here: vault"),
        session.opened(cloud.platform, Console(), "up", Choices()),
    ):
        pass
    assert cloud.opened == []


def test_the_passphrase_is_made_once_and_closed_to_others(opening: Opening, tmp_path: Path) -> None:
    passphrase = tmp_path / ".estate" / "passphrase"

    with session.opened(opening.platform, Console(), "up", Choices()):
        first = passphrase.read_text()
    with session.opened(opening.platform, Console(), "up", Choices()):
        assert passphrase.read_text() == first

    assert len(first) >= 40
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    variables = opening.opened[0]["variables"]
    assert variables["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(passphrase)
    assert first not in variables.values()


def test_two_checkouts_have_two_passphrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for name in ("one", "two"):
        opening = Opening(tmp_path / name, monkeypatch)
        with session.opened(opening.platform, Console(), "up", Choices()):
            made.append((tmp_path / name / ".estate" / "passphrase").read_text())

    assert made[0] != made[1]


def test_nothing_is_attached_where_no_fake_provider_is_needed() -> None:
    with attach_apart(()) as attached:
        assert attached == {}
