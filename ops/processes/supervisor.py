"""The process that keeps the local servers running after the command that started them has ended.

`python -P -m ops.processes.supervisor DIRECTORY` reads DIRECTORY/supervisor.spec.json, starts each child it lists,
restarts a child that died (after 0.5 s, doubling to 30 s), rotates logs, and takes its children with it at SIGTERM.
What happens is written to supervisor.state.json for `LocalServers`, and in words to standard error.
Standard library only: it stays small.

Refuses to run twice for one directory (exit 3), and knows nothing of what the children are.
"""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from composition.private_files import write_private
from ops.processes.rotation import RotatedLog, expire, rotate

SPEC = "supervisor.spec.json"
STATE = "supervisor.state.json"
PID = "supervisor.pid"
LOCK = "supervisor.lock"
LOG = "supervisor.log"
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 30.0
"""A child that ran this long is taken to be well; its next restart is quick again."""
ROTATION_SECONDS = 5.0
ALREADY_RUNNING = 3


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """One server: how it is run and stopped."""

    name: str
    argv: Sequence[str]
    directory: str
    """Working directory."""
    environment: Mapping[str, str]
    """The whole environment; nothing is inherited, so a stray VAULT_* variable changes nothing."""
    log: str
    """File that gets standard output and error."""
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0
    """How long it may take to end before it is killed."""
    logs: Sequence[RotatedLog] = ()
    """The logs to keep small. One rotated by rename makes the child get a SIGHUP."""


@dataclass(kw_only=True)
class Child:
    """A server that runs, or waits to be run again."""

    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    delay: float = FIRST_DELAY_SECONDS
    exits: list[int] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        """Run it. Raises OSError if the program can't be run or its log can't be written."""
        descriptor = os.open(self.spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self.process = subprocess.Popen(
                list(self.spec.argv),
                cwd=self.spec.directory,
                env=dict(self.spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                umask=0o077,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self.started = time.monotonic()
        return self.process

    def failed(self, code: int) -> None:
        """Note that it ended or could not be run, and when to try again."""
        now = time.monotonic()
        if self.process is not None and now - self.started > STEADY_SECONDS:
            self.delay = FIRST_DELAY_SECONDS
        self.process = None
        self.exits = [*self.exits, code][-20:]
        self.due = now + self.delay
        self.delay = min(self.delay * 2, LONGEST_DELAY_SECONDS)

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.spec.stop_signal)

    def wait(self, until: float) -> None:
        """Wait for its end until the given monotonic time, then kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """The loop. One instance per process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        spec = json.loads((directory / SPEC).read_text(encoding="utf-8"))
        self.children = [Child(spec=_child_spec(child)) for child in spec["children"]]
        self.own_log = RotatedLog(path=directory / LOG, max_bytes=1 << 20, keep=2)
        self.ending = False
        self.next_rotation = 0.0
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self.wake_write, False)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop
        signal.signal(signal.SIGHUP, lambda *_: None)  # the terminal that started it may go
        try:
            while not self.ending:
                if self._step():
                    self._write_state()
                self._sleep()
        finally:
            for child in self.children:
                child.stop()
            started = time.monotonic()
            for child in self.children:
                child.wait(started + child.spec.stop_seconds)
            say("stopped")

    def _end(self, *_: object) -> None:
        self.ending = True

    def _step(self) -> bool:
        changed = False
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                child.failed(code)
                say(f"{child.spec.name} ended with {code}; starting it again in {child.due - time.monotonic():.1f} s")
                changed = True
            if child.process is None and time.monotonic() >= child.due:
                try:
                    child.start()
                    say(f"{child.spec.name} started")
                except OSError as error:
                    child.failed(-1)
                    say(f"{child.spec.name} could not be started: {error}")
                changed = True
        if time.monotonic() >= self.next_rotation:
            self._rotate()
        return changed

    def _sleep(self) -> None:
        now = time.monotonic()
        waiting = [child.due for child in self.children if child.process is None]
        wake = min([self.next_rotation, *waiting])
        select.select([self.wake_read], [], [], max(0.0, wake - now))
        with suppress(BlockingIOError):
            os.read(self.wake_read, 4096)

    def _rotate(self) -> None:
        self.next_rotation = time.monotonic() + ROTATION_SECONDS
        try:
            rotate(self.own_log)
            for child in self.children:
                renamed = [self._renamed(log) for log in child.spec.logs if log.by_rename]
                if any(renamed) and child.process is not None:
                    child.process.send_signal(signal.SIGHUP)
                for log in child.spec.logs:
                    if not log.by_rename:
                        rotate(log)
        except OSError as error:
            say(f"logs could not be rotated: {error}")

    def _renamed(self, log: RotatedLog) -> bool:
        """Whether a log was rotated that is kept for its time; what goes before that is told."""
        expire(log)
        full = log.oldest.exists()
        rotated = rotate(log)
        if rotated and full:
            say(f"{log.oldest} was removed before its time: {log.keep} files of {log.max_bytes} bytes are kept")
        return rotated

    def _write_state(self) -> None:
        state = {
            child.spec.name: {"pid": child.process.pid if child.process else None, "exits": child.exits}
            for child in self.children
        }
        try:
            write_private(self.directory / STATE, json.dumps(state).encode())
        except OSError as error:
            say(f"the state could not be written: {error}")


def say(text: str) -> None:
    """Write a line with the time to standard error; a full disk must not end the supervisor."""
    with suppress(OSError):
        os.write(2, f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n".encode())


def spec_text(children: Sequence[ChildSpec]) -> str:
    """What goes into the spec file."""
    return json.dumps({"children": [asdict(child) for child in children]}, indent=1, sort_keys=True, default=str)


def _child_spec(entry: dict[str, Any]) -> ChildSpec:
    logs = [RotatedLog(**{**log, "path": Path(log["path"])}) for log in entry["logs"]]
    return ChildSpec(**{**entry, "logs": logs})


def main(arguments: Sequence[str]) -> int:
    """Supervise the one directory named. Returns the exit code."""
    directory = Path(arguments[0])
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another supervisor runs here")
        return ALREADY_RUNNING
    try:
        write_private(directory / PID, f"{os.getpid()}\n".encode())
        Supervisor(directory).run()
    finally:
        for left in (PID, STATE):
            (directory / left).unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
