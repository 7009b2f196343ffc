"""The local platform: OpenBao and PostgreSQL under one directory, kept running by a supervisor.

Owns everything in that directory and the processes behind it. Refuses to touch what it didn't make: a port held by
someone else, a process that isn't ours, an entry of the directory it doesn't know.
"""

import contextlib
import shutil
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from filelock import FileLock, Timeout

from composition.private_files import private_directory
from ops.errors import EstateError
from ops.local.openbao import OpenBao
from ops.local.postgres import ROOT_ROLE, Postgres, require_namespaces
from ops.processes import supervisor
from ops.processes.logs import last_error, size
from ops.processes.ports import require_free
from ops.processes.servers import Supervised, end, eventually
from ops.processes.supervisor import ChildSpec

UNSEAL_SECONDS = 10.0
"""How long it may stay sealed from its first answer on; it unseals itself, measured here in 0.1 s."""
RELOAD_SECONDS = 5.0
"""How long it may take to show a new certificate; measured here in 0.02 s."""
ENTRIES = (
    "openbao",
    "postgres",
    "tls",
    "operator",
    "snapshots",
    "bootstrap",
    "custody.json",
    "custody.json.complete",
    "custody.json.next",
    "administrator.crt",
    "administrator.key",
    "secret-ids.json",
    "shares-renewed",
    "moving-seal-key",
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


@dataclass
class LocalServers(Supervised):
    """OpenBao and PostgreSQL under one directory, usually `.estate/local`, which is made on first use, 0700.
    Every method is safe to repeat and to interrupt."""

    title = "local platform"
    api_port: int = field(kw_only=True)
    cluster_port: int = field(kw_only=True)
    postgres_port: int = field(kw_only=True)
    section: str = field(kw_only=True, default="platform")
    """Of the settings that the ports are from, as messages name it."""
    audit_retention: int = field(kw_only=True, default=0)
    """How old rotated audit logs may become, in seconds; 0: any age."""

    def __post_init__(self) -> None:
        self.directory = self.directory.absolute()
        ports = {"api_port": self.api_port, "cluster_port": self.cluster_port, "postgres_port": self.postgres_port}
        if len(set(ports.values())) != len(ports):
            raise EstateError(f"local ports are {ports}; expected three that differ")
        self.openbao = OpenBao(
            directory=self.directory,
            api_port=self.api_port,
            cluster_port=self.cluster_port,
            section=self.section,
            audit_retention=self.audit_retention,
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

    @property
    def is_half_booted(self) -> bool:
        """Whether a first boot was begun and not finished."""
        return (self.openbao.home / "data").is_dir() and not self.custody.with_name("custody.json.complete").exists()

    def start(self) -> None:
        """Bring both servers up with the data they had, or for the first time; nothing happens if they are up.
        Raises EstateError with what the server said if one can't start; then neither runs."""
        with self._storage_errors(), self._lock():
            if self._keeps(self._children()):
                self.openbao.prepare()
                self._reload_certificate()
                # With a little patience for one that was just restarted.
                if eventually(lambda: self.openbao.is_ready() and self.postgres.is_ready(), 5):
                    return
            running = self._running()
            ours = {process.pid for process in (*running["openbao"], *running["postgres"])}
            # Nothing is stopped for the sake of a port that can't be had, nor afterwards missed.
            self._require_free(ours)
            self._stop()
            self._require_free(set())
            require_namespaces()
            self.openbao.prepare()
            self.postgres.prepare()
            try:
                self._launch()
            except BaseException:
                self._stop()
                raise

    def stop(self) -> None:
        """End the supervisor and both servers, whoever of them is left. Raises EstateError if one can't be ended."""
        if self.directory.exists():
            with self._storage_errors(), self._lock():
                self._stop()

    def wipe(self) -> None:
        """Stop, and remove all that was made here: data, keys, key shares. Entries of others stay."""
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

    def empty_vault(self) -> None:
        """Take OpenBao's storage away and start it again, as if for the first time. Everything else stays."""
        self.stop()
        with self._storage_errors():
            shutil.rmtree(self.openbao.home / "data")
        self.start()

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

    # --- starting and stopping

    def _children(self) -> list[ChildSpec]:
        return [self.openbao.child(), self.postgres.child()]

    def _reload_certificate(self) -> None:
        if not self.openbao.shows_an_old_certificate():
            return
        for process in self._running()["openbao"]:
            process.send_signal(signal.SIGHUP)
        # Until it is taken up our own server looks like a stranger's: a new authority never signed the old certificate.
        eventually(lambda: not self.openbao.shows_an_old_certificate(), RELOAD_SECONDS)

    def _require_free(self, ours: Collection[int]) -> None:
        for setting in ("api_port", "cluster_port", "postgres_port"):
            require_free(f"{self.section}.{setting}", getattr(self, setting), ours)

    def _launch(self) -> None:
        before = size(self.openbao.log)
        deadline: float | None = None

        def unsealed() -> bool:
            nonlocal deadline
            health = self.openbao.health()
            # One that waits for its first boot says that it is sealed, too.
            if health and health["initialized"] and health["sealed"]:
                deadline = deadline or time.monotonic() + UNSEAL_SECONDS
                if time.monotonic() > deadline:
                    raise EstateError(f"openbao stays sealed: {last_error(self.openbao.log, before)}")
            return self.openbao.is_ready()

        self._bring_up(self._children(), {"openbao": unsealed, "postgres": self.postgres.is_ready})
        try:
            self.postgres.ensure_root_role()
        except psycopg.Error as error:
            raise EstateError(f"postgres: {ROOT_ROLE} could not be made: {error}") from error

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

    def _end_left_over(self) -> None:
        running = self._running()
        end(running["openbao"], signal.SIGTERM)
        end(running["postgres"], signal.SIGINT)

    # --- guards

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        private_directory(self.directory)
        try:
            held = FileLock(self.directory / "platform.lock", mode=0o600).acquire(timeout=0)
        except Timeout:
            raise EstateError(
                f"{self.directory} is being started or stopped by another command; expected that one to end first"
            ) from None
        with held:
            yield

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.directory
            raise EstateError(
                f"{where}: {error.strerror or error}; expected a place where the local platform can write"
            ) from error


def _server_status(state: dict[str, Any] | None, running: list[psutil.Process], port: int) -> ServerStatus:
    restarts = len(state["exits"]) if state else 0
    return ServerStatus(running=bool(running), pid=running[0].pid if running else None, port=port, restarts=restarts)
