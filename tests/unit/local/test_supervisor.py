"""The supervisor with small children of its own: restarts, backing off, stopping, one per directory."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.processes import supervisor
from ops.processes.rotation import RotatedLog
from ops.processes.servers import Servers
from ops.processes.supervisor import Child, ChildSpec
from tests.support.servers import eventually

ROOT = Path(__file__).resolve().parents[3]
STAYS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"


def child(directory: Path, name: str, code: str, **more: Any) -> ChildSpec:
    return ChildSpec(
        name=name,
        argv=[sys.executable, "-c", code],
        directory=str(directory),
        environment={"ONLY": "this"},
        log=str(directory / f"{name}.log"),
        **more,
    )


class Running:
    """A supervisor process."""

    def __init__(self, directory: Path, *children: ChildSpec) -> None:
        self.directory = directory
        (directory / supervisor.SPEC).write_text(supervisor.spec_text(children))
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "ops.processes.supervisor", str(self.directory)]
        with (self.directory / supervisor.LOG).open("ab") as log:
            return subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}, stderr=log, cwd=self.directory)

    def state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.directory / supervisor.STATE).read_text())
        except FileNotFoundError:
            return {}
        return state


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[Running]]:
    started: list[Running] = []
    yield started
    for one in started:
        one.process.terminate()
        one.process.wait(30)


def test_a_child_that_dies_is_started_again_and_its_exits_are_told(tmp_path: Path, running: list[Running]) -> None:
    one = Running(tmp_path, child(tmp_path, "stays", STAYS))
    running.append(one)
    log = tmp_path / "stays.log"
    assert eventually(lambda: log.exists() and log.read_text() == "up\n")
    assert eventually(lambda: bool(one.state().get("stays", {}).get("pid")))
    first = one.state()["stays"]["pid"]
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: one.state()["stays"]["pid"] not in (None, first))
    assert one.state()["stays"]["exits"] == [-9]
    assert eventually(lambda: log.read_text() == "up\nup\n")


def test_a_child_that_cant_start_is_tried_ever_more_slowly(tmp_path: Path, running: list[Running]) -> None:
    missing = ChildSpec(
        name="missing", argv=["/no/such/program"], directory="/", environment={}, log=str(tmp_path / "log")
    )
    one = Running(tmp_path, child(tmp_path, "ends", "raise SystemExit(7)"), missing)
    running.append(one)
    assert eventually(lambda: one.state().get("ends", {}).get("exits") == [7, 7, 7])
    assert one.state()["missing"]["exits"][:2] == [-1, -1]
    said = (tmp_path / supervisor.LOG).read_text()
    assert [f"in {delay} s" in said for delay in ("0.5", "1.0", "2.0")] == [True, True, True]
    assert "missing could not be started: [Errno 2] No such file or directory" in said


def test_waiting_grows_to_half_a_minute_and_is_short_again_after_a_steady_run(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Child(spec=ChildSpec(name="x", argv=["true"], directory="/", environment={}, log="/dev/null"))
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    delays = []
    for _ in range(9):
        one.failed(1)
        delays.append(one.due - now)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    one.start()
    process = one.process
    now += 31
    one.failed(0)
    assert one.due - now == 0.5
    assert process is not None
    process.wait()
    assert one.exits == [*[1] * 9, 0]


def test_it_takes_its_children_with_it_even_stubborn_ones(tmp_path: Path, running: list[Running]) -> None:
    one = Running(tmp_path, child(tmp_path, "stays", STAYS), child(tmp_path, "stubborn", STUBBORN, stop_seconds=0.5))
    running.append(one)
    assert eventually(
        lambda: (tmp_path / "stubborn.log").exists() and (tmp_path / "stubborn.log").read_text() == "up\n"
    )
    pids = [entry["pid"] for entry in one.state().values()]
    assert (tmp_path / supervisor.PID).read_text() == f"{one.process.pid}\n"
    one.process.terminate()
    assert one.process.wait(10) == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert not (tmp_path / supervisor.PID).exists()
    assert not (tmp_path / supervisor.STATE).exists()


def test_there_is_one_per_directory(tmp_path: Path, running: list[Running]) -> None:
    one = Running(tmp_path, child(tmp_path, "stays", STAYS))
    running.append(one)
    assert eventually(lambda: bool(one.state()))
    assert one.start().wait(10) == supervisor.ALREADY_RUNNING
    assert (tmp_path / supervisor.PID).read_text() == f"{one.process.pid}\n"


def test_a_pid_file_names_a_supervisor_of_its_own_folder_only(tmp_path: Path, running: list[Running]) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    one = Running(home, child(home, "stays", STAYS))
    running.append(one)
    assert eventually(lambda: Servers(home).running() == {"stays": True})
    shutil.copytree(home, elsewhere)
    assert Servers(elsewhere).running() == {}
    for damaged in ("", "x\ny\n", f"{os.getpid()}\n", f"{2**22 + 1}\n"):
        (elsewhere / supervisor.PID).write_text(damaged)
        assert Servers(elsewhere).running() == {}
    one.process.kill()
    os.kill(one.state()["stays"]["pid"], signal.SIGKILL)
    # It is a zombie now, which can't be signalled into doing anything.
    assert eventually(lambda: Servers(home).running() == {})


def test_children_inherit_nothing(tmp_path: Path, running: list[Running]) -> None:
    code = "import os, signal; print(sorted(os.environ), os.umask(0), signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    one = Running(tmp_path, child(tmp_path, "tells", f"{code}; {STAYS}"))
    running.append(one)
    assert eventually(
        lambda: "up" in (tmp_path / "tells.log").read_text() if (tmp_path / "tells.log").exists() else False
    )
    told = (tmp_path / "tells.log").read_text().splitlines()[0]
    assert told.replace("'LC_CTYPE', ", "") == "['ONLY'] 63 set()"


def test_logs_are_rotated_and_a_renamed_one_is_told_to_its_writer(tmp_path: Path, running: list[Running]) -> None:
    code = (
        "import signal, time; path = 'audit'; open(path, 'a').write('x' * 99);"
        "signal.signal(signal.SIGHUP, lambda *_: open(path, 'a').write('reopened'));"
        "print('y' * 99, flush=True)\nwhile True: time.sleep(1)"
    )
    logs = [
        RotatedLog(path=tmp_path / "audit", max_bytes=50, keep=1, by_rename=True),
        RotatedLog(path=tmp_path / "writes.log", max_bytes=50, keep=1),
    ]
    one = Running(tmp_path, child(tmp_path, "writes", code, logs=logs))
    running.append(one)
    assert eventually(lambda: (tmp_path / "audit.1").exists() and (tmp_path / "audit").exists())
    assert (tmp_path / "audit.1").read_text() == "x" * 99
    assert (tmp_path / "audit").read_text() == "reopened"
    copied = tmp_path / "writes.log.1"  # after the other one, whose writer may be quicker
    assert eventually(lambda: copied.exists() and copied.read_text() == "y" * 99 + "\n")


def test_what_goes_before_its_time_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = RotatedLog(path=tmp_path / "audit", max_bytes=1, keep=1, by_rename=True, max_age_seconds=60)
    (tmp_path / supervisor.SPEC).write_text(supervisor.spec_text([child(tmp_path, "a", STAYS, logs=[log])]))
    one = supervisor.Supervisor(tmp_path)
    log.path.write_text("first")
    one._rotate()
    assert capfd.readouterr().err == ""
    log.path.write_text("second")
    one._rotate()
    assert f"{tmp_path}/audit.1 was removed before its time: 1 files of 1 bytes are kept" in capfd.readouterr().err
    assert (tmp_path / "audit.1").read_text() == "second"


def test_a_spec_reads_back_as_it_was(tmp_path: Path) -> None:
    spec = child(tmp_path, "a", STAYS, logs=[RotatedLog(path=tmp_path / "l", max_bytes=1, keep=2, by_rename=True)])
    (tmp_path / supervisor.SPEC).write_text(supervisor.spec_text([spec]))
    read = supervisor.Supervisor(tmp_path).children[0].spec
    assert read == ChildSpec(**{**vars(spec), "logs": list(spec.logs)})


@pytest.fixture
def own_signals() -> Iterator[None]:
    """What the supervisor does to the process it runs in is undone."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_whole_life(tmp_path: Path, own_signals: None, capfd: pytest.CaptureFixture[str]) -> None:
    """In this process: from the spec to the end of the children, with a restart, a rotation and a lock between."""
    logs = [RotatedLog(path=tmp_path / "audit", max_bytes=1, keep=1, by_rename=True)]
    (tmp_path / "audit").write_text("line")
    spec = supervisor.spec_text(
        [child(tmp_path, "ends", "raise SystemExit(7)"), child(tmp_path, "stays", STAYS, logs=logs)]
    )
    (tmp_path / supervisor.SPEC).write_text(spec)
    seen: list[Any] = []

    def watch() -> None:
        state = tmp_path / supervisor.STATE
        eventually(lambda: state.exists() and len(json.loads(state.read_text())["ends"]["exits"]) > 1)
        seen.append(json.loads(state.read_text()))
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert supervisor.main([str(tmp_path)]) == 0
    watcher.join()
    assert seen[0]["ends"]["exits"] == [7, 7]
    assert not Path(f"/proc/{seen[0]['stays']['pid']}").exists()
    assert (tmp_path / "audit.1").read_text() == "line"
    assert capfd.readouterr().err.endswith(" stopped\n")
    assert sorted(path.name for path in tmp_path.glob("supervisor*")) == ["supervisor.lock", "supervisor.spec.json"]


def test_a_full_disk_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    (tmp_path / supervisor.SPEC).write_text(supervisor.spec_text([child(tmp_path, "a", STAYS)]))
    one = supervisor.Supervisor(tmp_path)

    def full(*arguments: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(supervisor, "write_private", full)
    monkeypatch.setattr(supervisor, "rotate", full)
    one._write_state()
    one._rotate()
    said = capfd.readouterr().err
    assert "the state could not be written: [Errno 28] No space left on device" in said
    assert "logs could not be rotated: [Errno 28] No space left on device" in said
    monkeypatch.setattr(os, "write", full)
    supervisor.say("not even this")
