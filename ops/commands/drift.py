"""What on a stack's server differs from its state: changed or deleted by another hand. Changes neither."""

from ops import stack_file
from ops.commands import session
from ops.commands.session import Choices
from ops.console import Console
from ops.engine import state
from ops.engine.listening import Changes
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.vault.login import log_in


def drift(paths: Paths, stack: str, console: Console, choices: Choices) -> tuple[Changes, str]:
    """Look at each object on its server: what differs there, and why fake providers were used if they were.
    Raises EstateError: nothing is built, or the server can't be asked."""
    chosen = platform_of(paths, stack_file.read(paths, stack), sandbox=choices.sandbox)
    with (
        session.locked(paths),
        chosen.ready("preview", console) as platform,
        session.opened(platform, console, "preview", choices) as opened,
    ):
        address = state.exports(opened.run.deployment()).get("address")
        if not address:
            raise EstateError(f"stack {stack!r} isn't built here; expected one that is: {platform.up_command}")
        # One sentence where it is away; the engine would say it of each object.
        with log_in(platform.endpoint(address)):
            pass
        with console.stage(f"looking at each object of {stack}") as steps:
            return opened.run.operate("drift", steps), opened.providers.reason
