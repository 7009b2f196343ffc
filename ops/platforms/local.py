"""The servers of this machine, as the commands use them: OpenBao and PostgreSQL, with state and keys in the checkout.

Owns their start, their first boot, and the claim of one stack on them. Refuses to share them between two stacks.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import psycopg

from components.platform.local import ADMINISTRATOR_NETWORKS
from components.render import acl
from components.render.administrator import administrator_policy
from ops.console import Console
from ops.engine import connections, state
from ops.engine.environment import Backend
from ops.errors import EstateError
from ops.keys.first_use import ensure_operators, ensure_snapshot_keys
from ops.local.bootstrap import bootstrap
from ops.local.openbao import REGAIN_SOCKET, wheel_version
from ops.local.postgres import ROOT_ROLE
from ops.local.servers import LocalServers
from ops.platforms.driver import PlatformDriver, Purpose, Status, Table
from ops.snapshots.ages import Ages, ages
from ops.snapshots.local_seal_keys import LocalSealKeys
from ops.snapshots.unfinished import emptying
from ops.vault import status
from ops.vault.endpoint import VaultEndpoint
from ops.vault.login import log_in
from settings.platform import LocalPlatform
from settings.sources import ConnectionWithPassword


class Local(PlatformDriver):
    """The servers that `./estate up` starts."""

    packages = ("vault",)
    seal_kind = "static"
    """A key on this machine."""
    makes_administrator = True
    """At the servers' first boot."""

    @cached_property
    def servers(self) -> LocalServers:
        """The servers themselves.
        Raises EstateError: the settings keep the administrator's files somewhere else than the servers do."""
        described = cast("LocalPlatform", self.file.settings.platform)  # the registry chose this driver by them
        servers = LocalServers(
            self.paths.local,
            api_port=described.api_port,
            cluster_port=described.cluster_port,
            postgres_port=described.postgres_port,
            section=self.file.named("platform"),
            audit_retention=self.file.settings.audit_retention,
        )
        wanted = self.file.settings.bootstrap.administrator
        for name, given, there in (
            ("certificate", wanted.certificate, servers.administrator_certificate),
            ("private_key", wanted.private_key, servers.administrator_key),
        ):
            if given is None or self.paths.project / given != there:
                expected = there.relative_to(self.paths.project)
                found = "not given" if given is None else repr(given)
                setting = self.file.named(f"bootstrap.administrator.{name}")
                msg = f"{setting} is {found}; expected {str(expected)!r} on the local platform"
                raise EstateError(msg)
        return servers

    @property
    def backend(self) -> Backend:
        """In the checkout: nobody has to have an account to try an estate."""
        return Backend(state=self.paths.state, passphrase_file=self.paths.own / "passphrase")

    @property
    def authority_file(self) -> Path | None:
        """The checkout's own."""
        return self.servers.ca_file

    def find_endpoint(self, console: Console) -> VaultEndpoint:  # noqa: ARG002 - as the base has it
        """Where the settings say; nothing has to be built for it."""
        return self.endpoint(self.servers.address)

    @property
    def is_unbuilt(self) -> bool:
        """There is no storage of it."""
        return not (self.servers.openbao.home / "data").is_dir()

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:  # noqa: ARG002 - as the base has it
        """The servers are this stack's, and its keys are there; made on first use, and not worth a line."""
        if purpose in ("up", "down"):
            self._claim()
        if purpose in ("up", "preview"):
            self._check_version()
            ensure_operators(self.paths, self.file.settings.bootstrap, _silent)
            ensure_snapshot_keys(self.paths, self.file, (), _silent)
        yield self

    def _claim(self) -> None:
        """Say that the servers of this checkout are this stack's; there is one set of them."""
        owner = self.paths.make_own() / "local-stack"
        if owner.is_file() and owner.read_text().strip() != self.file.stack:
            raise EstateError(
                f"the local servers here are stack {owner.read_text().strip()!r}'s; expected that one, or another "
                f"checkout for {self.file.stack!r}"
            )
        owner.write_text(f"{self.file.stack}\n")

    def _check_version(self) -> None:
        wanted, packaged = self.file.settings.server.version, wheel_version()
        if wanted != packaged:
            setting = self.file.named("server.version")
            raise EstateError(f"{setting} is {wanted!r}; expected {packaged!r}, which the local server comes in")

    def start(self, deployment: Mapping[str, Any], console: Console) -> None:
        """Start and bootstrap the servers, as far as they are not yet."""
        settings, servers = self.file.settings, self.servers
        console.say(f"local servers: OpenBao on {servers.address}, PostgreSQL on 127.0.0.1:{servers.postgres_port}")
        servers.start()
        fresh = bootstrap(
            servers,
            policy=acl.render(administrator_policy()),
            operators=ensure_operators(self.paths, settings.bootstrap, _silent),
            threshold=settings.bootstrap.threshold,
            token_ttl_seconds=settings.bootstrap.administrator.token_ttl,
            told=console.say if not console.as_json else None,
        )
        if fresh:
            console.say("bootstrapped: key shares written, administrator's login enabled, root token revoked and dead")
        if settings.database:
            connections = settings.database.connections.values()
            own = {one.database for one in connections if one.port == servers.postgres_port}
            servers.ensure_databases(sorted(own))
            if self._sends_first_password(deployment):
                # Vault replaced it when it had the engine, or a connection of that user, before.
                servers.postgres.reset_root_role()

    def _sends_first_password(self, deployment: Mapping[str, Any]) -> bool:
        """Whether this `up` has Vault log in by the password that the database's own user began with."""
        database, built = self.file.settings.database, connections.built(deployment)
        if database is None or (not built and f"{database.path}/" in self.held()):
            return False
        sent = [
            one
            for name, one in database.connections.items()
            if name not in built or built[name].password_version != one.password_version
        ]
        # While a lost state is taken over, no password is sent.
        return any(map(self.gives_first_password, sent)) and not any(record.exists() for record in self._records)

    @property
    def _records(self) -> tuple[Path, Path]:
        """While there is one, the server holds what the state doesn't know."""
        return self.paths.taking_over, self.paths.taking_down

    def held(self) -> Sequence[str]:
        """Mounts and auth methods of the settings."""
        settings = self.file.settings
        engines = [*settings.kv, *(one.path for one in (settings.database, settings.transit) if one)]
        if settings.pki:
            engines += [settings.pki.root_path, settings.pki.intermediate_path]
        wanted = [("sys/mounts", "", path) for path in engines]
        wanted += [("sys/auth", "auth/", path) for path in settings.auth_paths.values()]
        with log_in(self.endpoint(self.servers.address)) as client:
            there = {place: client.read(place) for place in ("sys/mounts", "sys/auth")}
        return tuple(f"{prefix}{path}/" for place, prefix, path in wanted if f"{path}/" in _data(there[place]))

    def nothing_to_destroy(self) -> str:
        """Without a state there is none."""
        if (self.paths.state / ".pulumi").is_dir():
            return ""
        if self.file.settings.protect and self.servers.custody.is_file():
            raise EstateError(
                f"{self.file.named('protect')} is true and the state is lost; expected {self.up_command} --adopt, "
                "which takes over what the server holds, or false to lose it"
            )
        return f"{self.file.stack} has no state here"

    def remove(self) -> None:
        """Servers, data, keys, state and the claim."""
        self.servers.wipe()
        names = ("passphrase", "local-stack", f"regaining-{self.file.stack}")
        for file in (*(self.paths.own / name for name in names), *self._records):
            file.unlink(missing_ok=True)
        for folder in (self.paths.state, self.paths.own / "stacks"):
            shutil.rmtree(folder, ignore_errors=True)

    def status(self, console: Console) -> Status:
        """The servers, and what the last `up` left."""
        found, address = self.servers.status(), self.servers.address
        record = state.read_record(self.paths, self.file.stack, self.backend, console)
        unfinished = self.servers.is_half_booted or (record is not None and record.is_unfinished)
        vault = status.ask(self.endpoint(address)) if found.openbao.running else None
        rows = [
            ["OpenBao", "running" if found.openbao.running else "stopped", str(found.openbao.port), address],
            ["PostgreSQL", "running" if found.postgres.running else "stopped", str(found.postgres.port), ""],
        ]
        silent = "not answering" if found.openbao.running else "stopped"
        server = {None: silent, True: "sealed", False: "unsealed"}[found.sealed]
        return Status(
            tables=[
                Table(title=f"stack {self.file.stack}", columns=("server", "state", "port", "address"), rows=rows),
                *Table.of_vault(vault),
            ],
            vault=vault,
            sentence=f"OpenBao is {server}; {'an' if unfinished else 'no'} `up` is unfinished",
            document={
                **asdict(found),
                "address": address,
                "unfinished": unfinished,
                "vault": asdict(vault) if vault else None,
            },
        )

    def snapshot_ages(self, cluster: str | None) -> Ages | None:
        """In the settings' folder."""
        return ages(self.paths, self.file, cluster) if self.file.settings.snapshots else None

    @property
    def audit_log(self) -> Path | None:
        """The first of two that hold the same."""
        return self.servers.openbao.audit_logs[0]

    @property
    def shares_file(self) -> Path | None:
        """As the first boot left it."""
        return self.servers.custody

    @property
    def regain_socket(self) -> Path | None:
        """In OpenBao's folder."""
        return self.servers.openbao.home / REGAIN_SOCKET

    @property
    def administrator_networks(self) -> Sequence[str]:
        """This machine."""
        return ADMINISTRATOR_NETWORKS

    def gives_first_password(self, connection: ConnectionWithPassword) -> bool:
        """Of the user that was made here."""
        return (connection.port, connection.username) == (self.servers.postgres_port, ROOT_ROLE)

    def first_database_password(self, connection: ConnectionWithPassword) -> str | None:
        """The one it began with, of the user that was made here."""
        postgres = self.servers.postgres
        if not self.gives_first_password(connection):
            return None
        try:
            postgres.reset_root_role()
        except (psycopg.Error, FileNotFoundError):
            raise EstateError("the local PostgreSQL doesn't run; expected it to: ./estate up") from None
        return postgres.password_file.read_text(encoding="ascii").strip()

    @property
    def seal_keys(self) -> LocalSealKeys | None:
        """Beside OpenBao's data."""
        return LocalSealKeys(self.servers)

    @property
    def seal_key_mark(self) -> Path:
        """It goes with the servers."""
        return self.servers.directory / "moving-seal-key"

    def start_for_restore(self) -> Callable[[str], None] | None:
        """Also where OpenBao's storage is empty: a restore fills it."""
        directory = self.servers.directory
        if not directory.is_dir():
            msg = f"{directory} is not there, and with it the key of the seal; expected it: {self.up_command}"
            raise EstateError(msg)
        self.servers.start()
        return emptying(self.servers)


def _data(answer: Any) -> Mapping[str, Any]:
    return dict(answer["data"]) if isinstance(answer, dict) else {}


def _silent(_: str) -> None:
    """Nobody is told."""
