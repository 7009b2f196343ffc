"""What the commands do to a stack whose server is elsewhere: keys beside the project, and the engine's operations.

Owns the keys under `.estate/<stack>/` that the stack's file names and nobody made yet. Refuses to make people's own.
"""

from ops import replacing, session
from ops.console import Console
from ops.errors import EstateError
from ops.keys.engine import ensure_placed
from ops.local.authority import ensure_administrator
from ops.local.files import private_directory
from ops.local.operators import ensure_operator
from ops.paths import Paths
from ops.session import Choices
from ops.stack import Changes
from ops.stackfile import StackFile

_PUBLIC_KEY = "public.asc"


def ensure_keys(paths: Paths, file: StackFile, console: Console) -> None:
    """Make the administrator's pair and the operators' pairs that the stack's file places under `.estate/`.

    Keys at any other place are people's own and are never made here.

    Raises:
        EstateError: one half of a pair is missing, or an operator's key under `.estate/` isn't named `public.asc`.
    """
    first = file.settings.bootstrap
    if first.administrator.certificate and first.administrator.private_key:
        certificate = paths.project / first.administrator.certificate
        key = paths.project / first.administrator.private_key
        if certificate.is_relative_to(paths.own) and key.is_relative_to(paths.own):
            if not certificate.exists():
                console.say(f"making the administrator's certificate {first.administrator.certificate}")
            private_directory(certificate.parent)
            private_directory(key.parent)
            ensure_administrator(certificate, key)
    for operator in first.operators:
        public = paths.project / operator.pgp_key
        if not public.is_relative_to(paths.own):
            continue
        if public.name != _PUBLIC_KEY:
            msg = f"operator {operator.name!r}: pgp_key is {operator.pgp_key!r}; expected {_PUBLIC_KEY} in its folder"
            raise EstateError(msg)
        if not public.exists():
            console.say(f"making a key pair for operator {operator.name}: {operator.pgp_key}")
        private_directory(public.parent.parent)
        ensure_operator(public.parent)


def up(paths: Paths, file: StackFile, console: Console, choices: Choices) -> tuple[Changes, str]:
    """Build the stack with the official plugins: what changed, and why stand-ins were used (never).

    Raises:
        EstateError: the plugins or the cloud's credentials are missing, or it failed.
    """
    ensure_keys(paths, file, console)
    with session.opened(file, paths, console, "up", choices) as opened:
        replace = replacing.urns(opened.run.deployment, file.stack, choices.replace)
        with console.stage(f"applying {file.stack}") as steps:
            changes = opened.run.operate("up", steps, replace=replace)
        return changes, opened.providers.reason


def down(paths: Paths, file: StackFile, console: Console, choices: Choices) -> Changes:
    """Destroy what isn't protected. Keys and settings stay.

    Raises:
        EstateError: the plugins or the cloud's credentials are missing, or it failed.
    """
    with session.opened(file, paths, console, "down", choices) as opened:
        session.refuse_protected(opened)
        ensure_placed(paths, file, console)
        with console.stage(f"destroying {file.stack}") as steps:
            return opened.run.operate("destroy", steps)
