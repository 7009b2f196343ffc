"""Taking over what a stack's Vault holds and its state has lost: seen before anything is changed, done when asked for.

A `down` of the local stack that didn't end has left just that: what goes with its server is taken out of the state
first, and is on the server until that is removed. So an `up` that follows one takes over, too.

Owns the records that either is under way. Refuses to delete or replace anything meanwhile, and an `up` that would begin
anew where an estate is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ops.commands.session import Choices, Session
from ops.console import Console
from ops.errors import EstateError
from ops.platforms.driver import PlatformDriver

_SHOWN = 3
_IN_USE = "path is already in use"


def begin_destroying(platform: PlatformDriver) -> None:
    """Record that a `down` has begun; `remove` of the platform ends it. Not of a cloud, whose state may be shared."""
    if platform.fake_cloud is None:
        platform.paths.make_own()
        platform.paths.taking_down.touch(mode=0o600)


def after_down(platform: PlatformDriver, choices: Choices, console: Console) -> Choices:
    """The choices of an `up`, which takes over where a `down` didn't end.
    Raises EstateError: something is to be replaced meanwhile."""
    if platform.fake_cloud or choices.adopt or not platform.paths.taking_down.is_file():
        return choices
    if choices.replace:
        raise EstateError(f"--replace: the last `down` didn't end; expected {platform.up_command} without it first")
    console.say("the last `down` didn't end: what it left is taken over")
    return replace(choices, adopt=True)


@contextmanager
def adopting(
    platform: PlatformDriver, opened: Session, deployment: Mapping[str, Any], console: Console, choices: Choices
) -> Iterator[None]:
    """Around an `up`, before which the state was `deployment`. What is created and there already is taken over where
    that was asked for. Raises EstateError: it wasn't, and should be; or something would be lost."""
    # Until it ends, a state in which authorities look as if a killed run had just begun them: those would be emptied.
    record = platform.paths.taking_over
    command = f"{platform.up_command} --adopt"
    if not choices.adopt:
        if record.is_file():
            msg = f"`{command}` didn't end; expected it to be run again, before anything else is changed"
            raise EstateError(msg)
        refuse_lost(platform, deployment)
        try:
            yield
        except EstateError as error:
            if _IN_USE not in str(error) or platform.fake_cloud:
                raise
            told = next(line.strip() for line in str(error).splitlines() if _IN_USE in line)
            msg = f"Vault holds what the state doesn't know ({told}); expected {command}, which takes it over"
            raise EstateError(msg) from None
        return
    console.say("taking over what Vault holds: nothing of it is deleted or replaced")
    if deployment.get("resources"):
        with console.stage("looking what would be lost") as steps:
            planned = opened.run.operate("preview", steps).resources
        lost = sorted(urn.rpartition("::")[2] for kind, urn in planned if "delete" in kind or "replace" in kind)
        if lost:
            raise EstateError(f"--adopt: {', '.join(lost[:_SHOWN])} would be deleted; expected settings that have it")
    record.touch(mode=0o600)
    yield
    record.unlink()
    platform.paths.taking_down.unlink(missing_ok=True)


def refuse_lost(platform: PlatformDriver, deployment: Mapping[str, Any], *, running: bool = True) -> None:
    """Refuse to build where an estate is that the state knows nothing of. Not `running`: the server need not be.
    Raises EstateError."""
    resources = deployment.get("resources") or []
    if deployment.get("pending_operations") or any(str(one["type"]).startswith("vault:") for one in resources):
        return
    try:
        held = platform.held()
    except EstateError:
        if running:
            raise
        return
    if not held:
        return
    what = ", ".join(held[:_SHOWN]) + (f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else "")
    raise EstateError(
        f"the state of stack {platform.file.stack!r} is lost or new, but its Vault holds {what}; "
        f"expected the state back in its place, or {platform.up_command} --adopt, which takes over what "
        "is there and deletes nothing"
    )
