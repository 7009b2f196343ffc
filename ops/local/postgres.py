"""PostgreSQL on this machine, for Vault's database engine: its files, how it is run, its databases.

Owns `DIRECTORY/postgres`: a cluster that listens on loopback with SCRAM only, the superuser whose password Vault takes
over, and a maintenance role without password that is only reached through the socket in a 0700 directory. Refuses to
create users of the machine or to change owners: as root it runs in a user namespace instead, since PostgreSQL won't run
as root.
"""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from composition.private_files import create_private, private_directory, write_private
from ops import installing
from ops.errors import EstateError
from ops.processes.logs import redact
from ops.processes.ports import LOOPBACK
from ops.processes.rotation import RotatedLog
from ops.processes.supervisor import ChildSpec

ROOT_ROLE = "vault_root"
MAINTENANCE_ROLE = "estate_maintenance"
NOBODY = "65534"
SOCKET_PATH_BYTES = 107
"""Longest path of a Unix socket on Linux (unix(7), `sun_path`), without the closing zero."""
# The socket lies in a 0700 directory: whoever reaches it is the directory's owner (or root), so `trust` adds no one.
ACCESS_RULES = f"""\
local all {MAINTENANCE_ROLE} trust
local all all reject
host all {MAINTENANCE_ROLE} all reject
host all all {{address}}/32 scram-sha-256
"""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """The one cluster of the local platform."""

    directory: Path
    """Absolute directory of the platform."""
    port: int
    address: str = LOOPBACK
    """IPv4 address of this machine it listens on; sessions are taken from this very address only."""

    @property
    def home(self) -> Path:
        """Its own directory."""
        return self.directory / "postgres"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.home / "server.log"

    @property
    def password_file(self) -> Path:
        """First password of `vault_root`; worth nothing once Vault has rotated it."""
        return self.home / "initial-password"

    @property
    def marks(self) -> tuple[str, ...]:
        """Arguments that only this server is run with."""
        return ("-D", str(self.home / "db"))

    def prepare(self) -> None:
        """Make the cluster, unless it is there. To be called when nothing of it runs. Raises EstateError or OSError."""
        private_directory(self.home)
        private_directory(self.home / "socket")
        create_private(self.password_file, secrets.token_urlsafe(32).encode())
        cluster = self.home / "db"
        if not cluster.exists():
            unfinished = self.home / "db.unfinished"  # renamed when whole: a killed initdb leaves no half cluster
            shutil.rmtree(unfinished, ignore_errors=True)
            arguments = ["-D", str(unfinished), "-U", MAINTENANCE_ROLE, "--auth=reject", "-E", "UTF8", "--locale=C"]
            self._run([_program("initdb"), *arguments])
            unfinished.rename(cluster)
        write_private(cluster / "pg_hba.conf", ACCESS_RULES.format(address=self.address).encode())
        # Left by a server that was killed. PostgreSQL would ask whether the pid in them lives, and a zombie or a
        # recycled pid says yes; the caller knows better.
        for lock in (cluster / "postmaster.pid", *(self.home / "socket").iterdir()):
            lock.unlink(missing_ok=True)

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            [*_as_nobody(), *command],
            cwd=self.home,
            env=_environment(self.home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            umask=0o077,
        )
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip().splitlines()
            wrong = [line for line in told if "error" in line.lower() or "could not" in line.lower()]
            raise EstateError(f"postgres: {Path(command[0]).name} failed: {redact((wrong or told or ['no word'])[-1])}")

    def child(self) -> ChildSpec:
        """How the supervisor runs it."""
        settings = {
            "listen_addresses": self.address,
            "unix_socket_directories": "../socket",  # relative to the cluster: an absolute path may be too long
            "password_encryption": "scram-sha-256",
            "max_connections": "100",
            "log_min_error_statement": "panic",  # a failing statement may hold a password: never log statements
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ChildSpec(
            name="postgres",
            argv=[*_as_nobody(), _program("postgres"), *self.marks, "-p", str(self.port), *options],
            directory=str(self.home),
            environment=_environment(self.home),
            log=str(self.log),
            stop_signal=signal.SIGINT,  # "fast": ends sessions, then stops cleanly
            logs=[RotatedLog(path=self.log, max_bytes=8 << 20, keep=3)],
        )

    @contextlib.contextmanager
    def maintenance(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        """A session of the maintenance role through the socket, committing each statement.
        Raises EstateError if the socket's path is too long for this system, psycopg.OperationalError if nobody
        answers."""
        with _short_path(self.home / "socket", self.port) as host:
            connection = psycopg.connect(
                host=host, port=self.port, user=MAINTENANCE_ROLE, dbname=database, autocommit=True, connect_timeout=5
            )
        try:
            yield connection
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether it takes sessions."""
        try:
            with self.maintenance():
                return True
        except (psycopg.OperationalError, FileNotFoundError):
            return False  # the latter before it was prepared, where a path is too long for a socket's address

    def ensure_root_role(self) -> None:
        """Create `vault_root` with its initial password, unless it is there. Never resets it: Vault may own it."""
        with self.maintenance() as session:
            known = session.execute("select 1 from pg_roles where rolname = %s", [ROOT_ROLE]).fetchone()
            if known is None:
                self._set_initial_password(session, "create role {} superuser login password {}")

    def reset_root_role(self) -> None:
        """Give `vault_root` its initial password again, for a Vault that is about to be told of it anew."""
        with self.maintenance() as session:
            self._set_initial_password(session, "alter role {} password {}")

    def _set_initial_password(self, session: psycopg.Connection, statement: LiteralString) -> None:
        password = self.password_file.read_text(encoding="ascii")
        # Sent as a SCRAM verifier, so that the password is neither in a statement nor in a log.
        verifier = session.pgconn.encrypt_password(password.encode(), ROOT_ROLE.encode(), b"scram-sha-256")
        session.execute(sql.SQL(statement).format(sql.Identifier(ROOT_ROLE), sql.Literal(verifier.decode())))

    def ensure_databases(self, names: Sequence[str]) -> None:
        """Create each database with an owner role of the same name that can't log in, unless they are there.

        Works before and after Vault rotated the superuser's password. Public access to the schema is withdrawn.
        """
        with self.maintenance() as session:
            for name in names:
                identifier = sql.Identifier(name)
                if session.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone() is None:
                    session.execute(sql.SQL("create role {} nologin").format(identifier))
                if session.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
                    session.execute(sql.SQL("create database {0} owner {0}").format(identifier))
                # Connecting stays open to all: Vault's creation statements don't name the database. Without rights on
                # its schema there is nothing to see.
                session.execute(sql.SQL("revoke temporary on database {} from public").format(identifier))
        for name in names:
            with self.maintenance(name) as session:
                session.execute(sql.SQL("alter schema public owner to {}").format(sql.Identifier(name)))
                session.execute("revoke all on schema public from public")


def _program(name: str) -> str:
    installing.require(installing.SERVERS)
    # Importing the package would look for a runtime directory of the user's and warn where there is none.
    package = importlib.util.find_spec("pgserver")
    if package is None or package.origin is None:
        raise EstateError("postgres: the package pgserver isn't installed; expected ./estate to have installed it")
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(home), "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}


def _as_nobody() -> list[str]:
    """What to put before a PostgreSQL program so that it doesn't see root."""
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]


def require_namespaces() -> None:
    """Raise EstateError if we are root and may not make the user namespace that PostgreSQL is run in."""
    prefix = _as_nobody()
    if not prefix:
        return
    try:
        tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EstateError(
            "postgres: `unshare` (util-linux) is missing; expected it to be installed, or an ordinary user"
        ) from error
    if tried.returncode != 0:
        raise EstateError(
            f"postgres: won't run as root, and a user namespace is denied ({tried.stderr.strip()}); expected an "
            "ordinary user, or allowed ones (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)"
        )


@contextlib.contextmanager
def _short_path(directory: Path, port: int) -> Iterator[str]:
    """The directory under a name short enough for a socket's address."""
    if len(os.fsencode(directory / f".s.PGSQL.{port}")) <= SOCKET_PATH_BYTES:
        yield str(directory)
        return
    if not Path("/proc/self/fd").is_dir():
        raise EstateError(f"{directory} is too long a path for a socket; expected the project at a shorter path")
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
