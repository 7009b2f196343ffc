"""One command's hold on one stack: lock, engine, providers, state. Everything a command needs before it acts.

Refuses to let two commands work on one checkout at once, and a run with fake providers to see a real stack's state.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from composition.administrator_files import for_fake_providers
from fake_providers.attach import attach_apart
from ops import stack_file
from ops.console import Console
from ops.engine import finding, operations, plugins
from ops.engine.environment import Backend, environment, pack_program
from ops.engine.plugins import Operation
from ops.engine.state import LOCKS
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.stack_file import StackFile

_ENGINE = "pulumi"
"""Name of the engine's process."""
_ENGINE_END_SECONDS = 30.0
"""How long an engine that lost its command may take to end by itself."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the operator asked for on the command line."""

    sandbox: bool = False
    hashicorp: bool = False
    """HashiCorp's server in the sandbox, in place of OpenBao."""
    policies: bool = True
    replace: tuple[str, ...] = ()
    """Logical names of resources that are replaced although nothing calls for it."""
    adopt: bool = False
    """Take over what the local stack's Vault holds and its state doesn't know."""
    refresh: bool = False
    """Whether each object is looked at on its server first."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A stack, ready to be operated on."""

    providers: plugins.Choice
    backend: Backend
    run: operations.Run


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Hold the checkout against other commands.

    Raises:
        EstateError: another one holds it; names its process.
    """
    folder = paths.make_own()
    holder = folder / "lock.holder"
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text().strip() if holder.is_file() else "unknown"
        msg = f"another ./estate command is at work here (process {who}); expected it to end first"
        raise EstateError(msg) from None
    try:
        holder.write_text(f"{os.getpid()}\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def opened(platform: PlatformDriver, console: Console, operation: Operation, choices: Choices) -> Iterator[Session]:
    """Open a stack for one operation. The caller holds the lock, and the platform is ready for it.

    Raises:
        EstateError: no engine, or the stack may not be operated on with what is there.
    """
    paths, file = platform.paths, platform.file
    paths.make_own()
    if choices.adopt and (platform.fake_cloud or choices.replace):
        what = "--replace is given" if choices.replace else f"stack {file.stack!r} runs on a cloud"
        raise EstateError(f"--adopt: {what}; expected the local stack, and no --replace")
    engine = finding.find(console.say)
    shims = paths.own / "shims"
    providers = plugins.choose(
        operation=operation,
        cloud=platform.fake_cloud is not None,
        sandbox=choices.sandbox,
        packages=platform.packages,
        lacking=() if choices.sandbox else lacking_plugins(platform, console, engine),
        credentials=all(os.environ.get(name) for name in platform.credentials),
        has_sandbox=platform.has_sandbox,
    )
    if choices.adopt:
        # No official provider takes over an authority, or a role that it would have to create.
        providers = plugins.Choice(fakes=tuple(platform.packages), reason="they alone take over what Vault holds")
    if providers.fakes:
        console.say(f"fake providers for {', '.join(providers.fakes)}: {providers.reason}")
    fake = platform.fake_cloud if providers.fakes else None
    if not fake:
        refuse_missing_secrets(file)
    backend = fake.backend if fake else platform.backend
    backend.prepare()
    if backend.state:
        release_dead_locks(backend.state, remove=operation != "preview")
    world, machines = (fake.objects, fake.machines) if fake else (None, None)
    with attach_apart(providers.fakes, world=world, machines=machines, adopting=choices.adopt) as attached:
        variables = environment(engine, backend, shims, attached)
        # The pack's own settings: as a program it is handed none by the engine.
        variables["ESTATE_PROTECT"] = "true" if file.settings.protect else "false"
        with operations.opened(
            name=file.stack,
            project=paths.project,
            engine=engine,
            variables=variables,
            copies=paths.own / "stacks" if backend.state else None,
            policy_pack=pack_program(shims, paths.project / "policies") if choices.policies else None,
            invented_secrets=[name for name in secret_names(file) if name not in fake.secrets] if fake else None,
            content=for_fake_providers(file.written, file.stack),
            secrets=fake.secrets if fake else None,
        ) as run:
            yield Session(providers=providers, backend=backend, run=run)


def refuse_missing_secrets(file: StackFile) -> None:
    """Raises EstateError: an encrypted setting isn't in the stack's file. The engine would say so late, and in five
    lines."""
    there = stack_file.config_of(file.path)
    for name in secret_names(file):
        if f"{stack_file.PROJECT}:{name}" not in there:
            raise EstateError(
                f"{file.path.name}: {stack_file.PROJECT}:{name} is missing; expected an encrypted value: "
                f"pulumi config set --secret {name} --stack {file.stack}"
            )


def secret_names(file: StackFile) -> Sequence[str]:
    """The encrypted settings that the stack's settings refer to."""
    database = file.settings.database
    connections = database.connections.values() if database else ()
    issuer = file.settings.people.oidc if file.settings.people else None
    named = [*(one.password_secret for one in connections), issuer and issuer.client_secret_setting]
    return [name for name in named if name]


def lacking_plugins(platform: PlatformDriver, console: Console, engine: finding.Engine) -> list[str]:
    """The packages of the stack whose official plugin can't be had; tries to install each, at most once a day."""
    own = platform.paths.own
    variables = environment(engine, Backend(), own / "shims")
    return plugins.missing(engine, platform.packages, variables, own / "plugins-refused.json", console.say)


def release_dead_locks(state: Path, *, remove: bool = True) -> None:
    """Remove the engine's locks whose process is gone; a killed engine leaves its own behind. A preview needs no lock,
    and leaves it to tell that an `up` is unfinished.

    Raises:
        EstateError: an engine is still at work on this state.
    """
    for lock in state.glob(LOCKS):
        holder = _holder(lock)
        try:
            if holder:
                holder.wait(timeout=_ENGINE_END_SECONDS)
        except psutil.TimeoutExpired as error:
            msg = f"an engine (process {error.pid}) is still at work on {state}; expected it to end first"
            raise EstateError(msg) from None
        if remove:
            lock.unlink(missing_ok=True)


def _holder(lock: Path) -> psutil.Process | None:
    """The living engine that a lock names; None when it is gone, or its number now belongs to another program."""
    try:
        process = psutil.Process(int(json.loads(lock.read_text())["pid"]))
        return process if process.name() == _ENGINE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
        return None
