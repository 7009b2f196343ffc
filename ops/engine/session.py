"""One command's hold on one stack: lock, settings, engine, providers, state. Everything a command needs before it acts.

Refuses to let two commands work on one checkout at once, and a stand-in run to see a real stack's state.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from composition.administrator_files import for_stand_ins
from fake_providers.attach import attach_apart
from fake_providers.faults import Fault
from ops.console import Console
from ops.engine import finding, plugins
from ops.engine import operations as engine_stack
from ops.errors import EstateError
from ops.paths import Paths
from ops.snapshots import keys as snapshot_keys
from ops.stack_file import StackFile
from settings import Settings

_PACKAGES = {"local": ("vault",), "hetzner": ("hcloud", "vault")}
"""The provider packages a stack needs besides Pulumi's own, by the kind of its platform."""
_CREDENTIALS = {"local": (), "hetzner": ("HCLOUD_TOKEN",)}
"""The variables a platform's plugins take their credentials from."""

_ENGINE = "pulumi"
"""Name of the engine's process."""
_ENGINE_END_SECONDS = 30.0
"""How long an engine that lost its command may take to end by itself."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the operator asked for on the command line."""

    sandbox: bool = False
    policies: bool = True
    replace: tuple[str, ...] = ()
    """Logical names of resources that are made anew although nothing calls for it."""
    faults: tuple[Fault, ...] = ()
    """For tests only: calls on which the stand-in providers misbehave."""


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What a sandbox run of a cloud stack has besides stand-ins, once the world around its node is there."""

    machines: Path
    """Folder of the machines that boot."""
    secrets: Mapping[str, str] = field(repr=False)
    """Encrypted settings, by name."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A stack, ready to be operated on."""

    file: StackFile
    paths: Paths
    engine: finding.Engine
    providers: plugins.Choice
    backend: engine_stack.Backend
    run: engine_stack.Run

    @property
    def is_local(self) -> bool:
        """Whether the stack's server is a process on this machine."""
        return self.file.is_local


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


def backend(paths: Paths, file: StackFile, *, stand_ins: Path | None) -> engine_stack.Backend:
    """Where the stack's state belongs: our own folder for the local stack and for stand-ins, else the user's login.

    Args:
        paths: of the checkout.
        file: of the stack.
        stand_ins: folder of what the stand-ins of a cloud stack keep, where they are used.
    """
    if file.is_local:
        return engine_stack.Backend(state=paths.state, passphrase_file=paths.own / "passphrase")
    if stand_ins:
        return engine_stack.Backend(state=stand_ins / "state", passphrase_file=stand_ins / "passphrase")
    return engine_stack.Backend()


def stand_in_folder(paths: Paths, file: StackFile, *, sandbox: bool) -> Path:
    """What the stand-ins of a cloud stack keep: a world that was asked for, or the nothing a preview starts from."""
    return paths.own / ("sandbox" if sandbox else "previews") / file.stack


def packages(file: StackFile) -> Sequence[str]:
    """The provider packages the stack needs."""
    needs_aws = has_bucket(file.settings) or _makes_seal_key(file.settings)
    return (*(("aws",) if needs_aws else ()), *_PACKAGES[file.settings.platform.kind])


def _makes_seal_key(settings: Settings) -> bool:
    """Whether the key of the seal is the estate's own, in AWS KMS."""
    platform = settings.platform
    return platform.kind == "hetzner" and platform.seal.kind == "awskms" and platform.seal.key_arn is None


def has_bucket(settings: Settings) -> bool:
    """Whether the stack has a bucket for snapshots, which an S3 provider makes."""
    snapshots = settings.snapshots
    return settings.platform.kind == "hetzner" and snapshots is not None and snapshots.store.kind == "bucket"


def _credentials(file: StackFile) -> Sequence[str]:
    store = file.settings.snapshots.store if file.settings.snapshots else None
    own = store is not None and store.kind == "bucket" and store.profile is not None
    bucket = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if has_bucket(file.settings) and not own else ()
    return (*_CREDENTIALS[file.settings.platform.kind], *bucket)


@contextmanager
def opened(
    file: StackFile,
    paths: Paths,
    console: Console,
    operation: plugins.Operation,
    choices: Choices,
    *,
    outside: Outside | None = None,
) -> Iterator[Session]:
    """Open a stack for one operation. The caller holds the lock.

    Args:
        file: of the stack.
        paths: of the checkout.
        console: told what is going on.
        operation: what the stack is opened for.
        choices: of the operator.
        outside: of a sandbox run whose machines boot; None: the cloud's servers stay in memory.

    Raises:
        EstateError: no engine, or the stack may not be operated on with what is there.
    """
    paths.make_own()
    snapshot_keys.ensure(paths, file, console)
    engine = finding.find(console.say)
    shims = paths.own / "shims"
    providers = plugins.choose(
        operation=operation,
        cloud=not file.is_local,
        sandbox=choices.sandbox,
        packages=packages(file),
        lacking=() if choices.sandbox else lacking_plugins(file, paths, console, engine),
        credentials=all(os.environ.get(name) for name in _credentials(file)),
    )
    if providers.stand_ins:
        console.say(f"stand-in providers for {', '.join(providers.stand_ins)}: {providers.reason}")
    folder = stand_in_folder(paths, file, sandbox=choices.sandbox)
    state = backend(paths, file, stand_ins=folder if providers.stand_ins else None)
    if state.state:
        state.state.mkdir(parents=True, exist_ok=True)
        release_dead_locks(state.state)
    if state.passphrase_file:
        _make_passphrase(state.passphrase_file)
    world = folder / "world.json" if providers.stand_ins and not file.is_local else None
    with _attached(providers.stand_ins, choices.faults, world, outside) as attached:
        variables = engine_stack.environment(engine, state, shims, attached)
        # The pack's own settings: as a program it is handed none by the engine.
        variables["ESTATE_PROTECT"] = "true" if file.settings.protect else "false"
        if file.is_local:
            variables["PULUMI_SKIP_CHECKPOINTS"] = "true"  # ops.engine.adoption takes care of a killed run
        with engine_stack.opened(
            name=file.stack,
            project=paths.project,
            variables=variables,
            copies=paths.own / "stacks" if state.state else None,
            policy_pack=engine_stack.pack_program(shims, paths.project / "policies") if choices.policies else None,
            stand_in_secrets=_invented(file, outside) if providers.stand_ins and not file.is_local else None,
            content=for_stand_ins(file.written, file.stack),
            secrets=outside.secrets if outside else None,
        ) as run:
            yield Session(file=file, paths=paths, engine=engine, providers=providers, backend=state, run=run)


def _invented(file: StackFile, outside: Outside | None) -> Sequence[str]:
    """The encrypted settings nobody has a value for."""
    return [name for name in secret_names(file) if outside is None or name not in outside.secrets]


def secret_names(file: StackFile) -> Sequence[str]:
    """The encrypted settings that the stack's settings refer to."""
    database = file.settings.database
    connections = database.connections.values() if database else ()
    return [connection.password_secret for connection in connections if connection.password_secret]


@contextmanager
def _attached(
    stand_ins: Sequence[str], faults: Sequence[Fault], world: Path | None, outside: Outside | None
) -> Iterator[Mapping[str, str]]:
    """The stand-ins, in a process of their own: in this one they would share the program's interpreter lock."""
    if not stand_ins:
        yield {}
        return
    machines = outside.machines if outside else None
    with attach_apart(stand_ins, faults=faults, world=world, machines=machines) as attached:
        yield attached


def lacking_plugins(file: StackFile, paths: Paths, console: Console, engine: finding.Engine) -> list[str]:
    """The packages of the stack whose official plugin can't be had; tries to install each, at most once a day."""
    variables = engine_stack.environment(engine, engine_stack.Backend(), paths.own / "shims")
    return plugins.missing(engine, packages(file), variables, paths.own / "plugins-refused.json", console.say)


def release_dead_locks(state: Path) -> None:
    """Remove the engine's locks whose process is gone; a killed engine leaves its own behind.

    Raises:
        EstateError: an engine is still at work on this state.
    """
    for lock in state.glob(".pulumi/locks/**/*.json"):
        holder = _holder(lock)
        if holder and not _ends(holder):
            msg = f"an engine (process {holder.pid}) is still at work on {state}; expected it to end first"
            raise EstateError(msg)
        lock.unlink(missing_ok=True)


def _holder(lock: Path) -> psutil.Process | None:
    """The living engine that a lock names; None when it is gone, or its number now belongs to another program."""
    try:
        process = psutil.Process(int(json.loads(lock.read_text())["pid"]))
        return process if process.name() == _ENGINE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
        return None


def _ends(process: psutil.Process) -> bool:
    try:
        process.wait(timeout=_ENGINE_END_SECONDS)
    except psutil.TimeoutExpired:
        return False
    return True


def refuse_protected(opened: Session) -> None:
    """Refuse to destroy before anything is touched; the engine would refuse half-way.

    Raises:
        EstateError: something in the state is protected.
    """
    protected = [one["urn"] for one in opened.run.deployment().get("resources") or [] if one.get("protect")]
    if protected:
        msg = (
            f"{len(protected)} resources of {opened.file.stack} are protected; expected protect: false in "
            f"{opened.file.path.name}, brought about by an `up` of its own, before an estate is taken down"
        )
        raise EstateError(msg)


def remove_state(paths: Paths) -> None:
    """Remove what is left of the local stack's state after it was destroyed."""
    for folder in (paths.state, paths.own / "stacks"):
        shutil.rmtree(folder, ignore_errors=True)


def _make_passphrase(file: Path) -> None:
    """Make the passphrase that encrypts secrets in the state, once."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_urlsafe(32))
