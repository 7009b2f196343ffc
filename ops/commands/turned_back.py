"""What a restore turned back with everything else: credentials that somebody outside of Vault has newer ones of.

Owns the administrator's pair and the databases' passwords, each found out by trying it. Refuses to guess: what can't be
renewed from here is named, with what does it. A password is in memory, in TLS, and at the database's own socket.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import hvac
from hvac import exceptions

from ops import stack_file
from ops.commands import regain, rotation, session
from ops.commands.shares import Givers, own_keys
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.vault import renewed
from ops.vault.endpoint import VaultEndpoint
from ops.vault.login import log_in
from settings.sources import DatabaseWithPasswords

Ask = Callable[[str], str]
"""Asks for a secret without showing it."""


@dataclass(frozen=True, kw_only=True)
class TurnedBack:
    """What was found, and what became of it."""

    pair: str
    """Of the administrator: `as it was`, `put in again`, or what a person has to do."""
    passwords: Mapping[str, str] = field(default_factory=dict)
    """By connection, or `connection/static role`: `renewed`, or what a person has to do."""
    shares: str = "as they were"
    """Of the key: that, or what a person has to do."""


def mend(platform: PlatformDriver, endpoint: VaultEndpoint, console: Console, taken: datetime) -> TurnedBack:
    """Find what the restored server has old credentials of, by a snapshot `taken` then, and renew them.
    Raises EstateError."""
    pair, shares = _mend_pair(platform, endpoint, console), _shares(platform, taken)
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(log_in(endpoint))
        except EstateError:
            return TurnedBack(pair=pair, shares=shares)
        return TurnedBack(pair=pair, passwords=_mend_passwords(platform, client), shares=shares)


def _shares(platform: PlatformDriver, taken: datetime) -> str:
    stack = platform.file.stack
    last = renewed.last(platform.paths, stack)
    if last is None or last < taken:
        return "as they were"
    return (
        f"those of before {last:%Y-%m-%d %H:%M} UTC, when they were renewed, are good again, and the present ones "
        f"void; renew them by the old ones: ./estate renew-shares {stack}"
    )


def _mend_pair(platform: PlatformDriver, endpoint: VaultEndpoint, console: Console) -> str:
    stack = platform.file.stack
    with contextlib.suppress(EstateError), log_in(endpoint):
        return "as it was"
    if platform.makes_administrator:
        console.say("the restored server knows an earlier pair of the administrator's: its key shares let this one in")
        with contextlib.suppress(EstateError):
            givers = Givers(ask=lambda _: "", keys=own_keys(platform))
            if regain.regain_on(platform, endpoint, console, givers).done:
                return "put in again"
    login = endpoint.login
    present = (platform.paths.project / login.certificate_file).read_text(encoding="ascii")
    for earlier in rotation.earlier_pairs(platform, console):
        with contextlib.suppress(EstateError):
            rotation.put_in(platform, endpoint, earlier, present)
            with log_in(endpoint):
                return "put in again"
    return (
        "the restored server refuses it, and no earlier one is here that it takes; let it in by key shares: "
        f"./estate regain {stack}"
    )


def _mend_passwords(platform: PlatformDriver, client: hvac.Client) -> Mapping[str, str]:
    database: DatabaseWithPasswords | None = platform.file.settings.database
    told: dict[str, str] = {}
    if database is None:
        return told
    for name, connection in database.connections.items():
        if not connection.rotate_root:
            continue
        if _rotated(client, f"{database.path}/rotate-root/{name}"):
            told[name] = "renewed"
            continue
        password = platform.first_database_password(connection)
        if password is None:
            told[name] = (
                f"the database has another password than Vault: give its user {connection.username!r} one, then "
                f"./estate database-password {platform.file.stack} {name}"
            )
            continue
        _tell(client, database.path, name, password)
        told[name] = "renewed"
    for name, role in database.static_roles.items():
        if told.get(role.connection, "renewed") == "renewed":
            rotated = _rotated(client, f"{database.path}/rotate-role/{name}")
            told[f"{role.connection}/{name}"] = "renewed" if rotated else "not renewed: ./estate up makes it anew"
    return told


def _rotated(client: hvac.Client, path: str) -> bool:
    try:
        client.write_data(path, data={})
    except (exceptions.InternalServerError, exceptions.InvalidRequest, exceptions.InvalidPath):
        return False
    return True


def _tell(client: hvac.Client, mount: str, name: str, password: str) -> None:
    """Have Vault log in by a password that the database has, and replace it."""
    client.write_data(f"{mount}/config/{name}", data={"password": password, "verify_connection": True})
    client.write_data(f"{mount}/rotate-root/{name}", data={})


def database_password(paths: Paths, stack: str, connection: str, console: Console, ask: Ask, *, sandbox: bool) -> str:
    """Have Vault log in to a database again whose root password was lost, or set outside of Vault, and replace it; how
    it came to the password.

    Raises:
        EstateError: no such connection, nobody gave a password, or the database refuses it.
    """
    file = stack_file.read(paths, stack)
    database = file.settings.database
    if database is None or connection not in database.connections:
        there = ", ".join(database.connections) if database else "none: the settings have no section database"
        raise EstateError(f"connection {connection!r} is unknown; expected one of: {there}")
    with session.locked(paths), platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        wanted = database.connections[connection]
        password, how = platform.first_database_password(wanted), "set anew"
        if password is None:
            password, how = ask(f"password that the database now has for {wanted.username} (hidden): "), "as given"
        if not password:
            raise EstateError(f"no password was given; expected the one that {wanted.username!r} has now")
        with log_in(platform.find_administrator(console)) as client:
            _tell(client, database.path, connection, password)
        return how
