"""What the commands do to a cloud stack whose node boots on this machine, in a world of its own.

Owns the order of things: world, replaced settings, the engine's operation, access checks; and at the end none of it.
Refuses to touch the real stack: state and passphrase of the world are in the world's folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import requests

from components.platform.readiness import NotReadyError, wait_until_ready
from fake_providers.aws import AwsProvider
from fake_providers.hcloud import HcloudProvider
from fake_providers.machines import MachineError, found
from ops.console import Console
from ops.engine import adoption, session
from ops.engine.operations import Changes
from ops.engine.session import Choices, Outside, Session
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms import hetzner as lifecycle_cloud
from ops.sandbox import overlay, world
from ops.sandbox.world import World
from ops.stack_file import StackFile
from ops.vault import endpoint as reaching
from ops.vault import status as looking
from ops.vault.access_checks import AccessChecks, check_access
from ops.vault.login import LOGIN_ROLE
from settings import Settings
from settings.hetzner import HetznerPlatform

_REVIVAL_SECONDS = 120
"""How long a node may take to serve after it was switched on; measured here: 4 s."""
_ANSWER_SECONDS = 5.0


def up(paths: Paths, file: StackFile, console: Console, choices: Choices) -> tuple[Changes, AccessChecks, Session]:
    """Boot the stack's node in a world of its own, configure it, and check each application's access.

    Raises:
        EstateError: no machine can boot here, or the first thing that went wrong. The same command goes on from there.
    """
    world.refuse_here()
    overlay.refuse_flavour(file)
    there = World(paths=paths, stack=file.stack)
    with console.stage("starting the world around the node"):
        file, outside = entered(there, file, console)
    lifecycle_cloud.ensure_keys(paths, file, console)
    console.table(
        "replaced for this run, since nothing outside this machine is reached",
        ["setting", "in the file", "here"],
        [[one.setting, one.declared, one.used] for one in file.replaced],
    )
    with (
        world.names_known(there.facts()),
        session.opened(file, paths, console, "up", choices, outside=outside) as opened,
    ):
        _drop_unknown(there, opened, console)
        _revive(there, reaching.outputs(paths, file, console, sandbox=True).get("address"), opened, console)
        if file.settings.database and not adoption.knows_database(opened.run.deployment()):
            # A killed run may have had Vault replace the first password; the connection is about to be made with it.
            there.postgres.reset_root_role()
        changes = lifecycle_cloud.applied(opened, console, choices)
        where = reaching.at(paths, file, changes.outputs["address"])
        with reaching.administering(where) as client:
            checks = check_access(client, where, file.settings, console)
    return changes, checks, opened


def _drop_unknown(there: World, opened: Session, console: Console) -> None:
    """Take away what a killed run made in the world's clouds before the engine recorded it: names would be taken.

    Nothing of it is in use. In a real cloud a person does this, who can tell what is whose.
    """
    resources = opened.run.deployment().get("resources") or []
    known = {(str(one["type"]), str(one.get("id"))) for one in resources}
    storage = AwsProvider(there.file)
    try:
        lost = [
            *HcloudProvider(there.file, there.machines).drop_unknown(None, known),
            *storage.drop_unknown(storage.configure({"endpoints": [{"s3": there.facts().storage}]}), known),
        ]
    except ValueError as error:
        raise EstateError(f"--sandbox: {error}") from None
    if lost:
        console.say(f"an earlier run did not end: took away {', '.join(token.rpartition(':')[2] for token in lost)}")


def _revive(there: World, address: str | None, opened: Session, console: Console) -> None:
    """Switch machines on that went off with this machine, and wait for the Vault on them as at first boot."""
    off = [machine for machine in found(there.machines) if not machine.is_running]
    if not off or address is None:
        return
    where = reaching.at(opened.paths, opened.file, address)
    with console.stage(f"switching on {', '.join(machine.name for machine in off)}"):
        try:
            for machine in off:
                machine.power_on()
            wait_until_ready(
                {
                    "address": address,
                    "certificate_file": str(where.certificate),
                    "private_key_file": str(where.private_key),
                    "ca_certificate_file": str(where.ca_file) if where.ca_file else None,
                    "login_path": "cert",
                    "login_role": LOGIN_ROLE,
                    "timeout_seconds": _REVIVAL_SECONDS,
                }
            )
        except (MachineError, NotReadyError) as error:
            raise EstateError(f"--sandbox: {error}") from None


def entered(there: World, file: StackFile, console: Console) -> tuple[StackFile, Outside]:
    """The world, running, and the stack's file as it is in it.

    Raises:
        EstateError: it can't be had here.
    """
    platform = file.settings.platform
    assert isinstance(platform, HetznerPlatform)  # noqa: S101 - the only cloud there is; mypy can't see it
    architecture = overlay.architecture(platform)
    facts = there.start(platform.image, databases(file.settings), architecture, console.say)
    password = there.postgres.password_file.read_text(encoding="ascii")
    connections = file.settings.database.connections.values() if file.settings.database else ()
    secrets = {one.password_secret: password for one in connections if one.password_secret}
    return overlay.overlaid(file, facts), Outside(machines=there.machines, secrets=secrets)


def databases(settings: Settings) -> list[str]:
    """The databases that the connections name."""
    connections = settings.database.connections.values() if settings.database else ()
    return sorted({connection.database for connection in connections})


@contextmanager
def previewed(paths: Paths, file: StackFile, console: Console) -> Iterator[tuple[StackFile, Outside | None]]:
    """What a preview opens the stack with: the world, if an `up` has made one; else the file as it is, in memory.

    Raises:
        EstateError: the world can't be started again.
    """
    there = World(paths=paths, stack=file.stack)
    if not there.exists:
        yield file, None
        return
    world.refuse_here()
    entry = entered(there, file, console)
    with world.names_known(there.facts()):
        yield entry


def down(paths: Paths, file: StackFile, console: Console, choices: Choices) -> Changes:
    """Destroy the stack by the engine, then remove the world with machines, servers, network, state and keys.

    Raises:
        EstateError: something could not be ended or removed.
    """
    there = World(paths=paths, stack=file.stack)
    changes = Changes(counts={})
    if not there.exists:
        console.say(f"{file.stack} has no sandbox here")
    else:
        file, outside = entered(there, file, console)
        with (
            world.names_known(there.facts()),
            session.opened(file, paths, console, "down", choices, outside=outside) as opened,
        ):
            with console.stage(f"destroying {file.stack}") as steps:
                changes = opened.run.operate("destroy", steps)
            opened.run.forget()
    there.remove()
    return changes


@contextmanager
def seen(paths: Paths, file: StackFile) -> Iterator[StackFile]:
    """The stack's file as its world has it, and that world's names while the block runs; the world isn't touched.

    Raises:
        EstateError: there is none.
    """
    facts = World(paths=paths, stack=file.stack).facts()
    with world.names_known(facts):
        yield overlay.overlaid(file, facts)


@dataclass(frozen=True, kw_only=True)
class MachineStatus:
    """One machine of a world as it is now."""

    name: str
    address: str
    running: bool


@dataclass(frozen=True, kw_only=True)
class WorldStatus:
    """A world as it is now."""

    servers: Mapping[str, bool]
    """What runs around the machines, by name; empty where no world is."""
    machines: Sequence[MachineStatus]
    address: str | None
    """Of Vault's API; None before the first `up` ended."""
    health: Mapping[str, object]
    """What Vault says of itself; empty where it doesn't answer."""
    vault: looking.Seen | None = None
    """Vault as anybody sees it; None before the first `up` ended."""


def status(paths: Paths, file: StackFile, console: Console) -> WorldStatus:
    """What runs of a stack's world. Changes nothing."""
    there = World(paths=paths, stack=file.stack)
    if not there.exists:
        return WorldStatus(servers={}, machines=(), address=None, health={})
    machines = [
        MachineStatus(name=one.name, address=one.address, running=one.is_running) for one in found(there.machines)
    ]
    exported = reaching.outputs(paths, file, console, sandbox=True)
    address, seen_vault = exported.get("address"), None
    health: Mapping[str, object] = {}
    if address:
        with seen(paths, file) as built, suppress(OSError):  # it may not answer
            where = reaching.at(paths, built, address)
            seen_vault = looking.look(where, exported.get("cluster_id"))
            answer = requests.get(f"{address}/v1/sys/seal-status", verify=str(where.ca_file), timeout=_ANSWER_SECONDS)
            health = answer.json()
    return WorldStatus(
        servers=there.outside.running(), machines=machines, address=address, health=health, vault=seen_vault
    )


def variables(paths: Paths, file: StackFile) -> Mapping[str, str]:
    """What lets other clients find the names of the stack's world.

    Raises:
        EstateError: there is none.
    """
    return world.proxy_variables(World(paths=paths, stack=file.stack).facts())
