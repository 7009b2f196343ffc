"""`./estate keys`: the administrator's pair in the stack's file, for everyone who may decrypt the stack's secrets.

Owns the stack's file for the length of one atomic replacement. Refuses to make a second pair where there is one, and to
take a pair apart of which one half is missing. The private key is on the engine's standard input and in this process's
memory, nowhere else.
"""

import datetime
from dataclasses import dataclass

from composition import administrator_pair
from composition.administrator_pair import Pair
from composition.private_files import write_private
from ops import stack_file
from ops.commands import session
from ops.console import Console
from ops.errors import EstateError
from ops.keys import secrets_provider
from ops.keys.certificates import new_administrator
from ops.keys.editing import EncryptedPair, with_pair
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.stack_file import StackFile

SECRET = "administrator-key"  # noqa: S105 - the name of the setting, not its value


@dataclass(frozen=True, kw_only=True)
class Made:
    """What the stack's file holds now."""

    stack: str
    outcome: str
    """`made`, `taken over`, `rotated` or `there already`."""
    certificate: str
    """PEM."""
    fingerprint: str
    """SHA-256 of the certificate in hexadecimal."""
    ends: str
    """When the certificate ends, ISO 8601 in UTC."""
    secret: str
    """Name of the encrypted setting."""


def make(paths: Paths, stack: str, console: Console) -> Made:
    """Have the stack's file hold a pair: the one of the files it named, or a new one. Raises EstateError if the stack
    is local, one half is missing, or the engine can't encrypt. The file is as it was then."""
    with session.locked(paths):
        platform = cloud_platform(paths, stack)
        file = platform.file
        name = file.settings.bootstrap.administrator.private_key_secret or SECRET
        with secrets_provider.opened(paths, file, platform.backend, console) as held:
            administrator = file.settings.bootstrap.administrator
            if administrator.certificate_pem and administrator.private_key_secret:
                there = checked(administrator.certificate_pem, held.decrypt(name))
                return told(file, there, name, "there already")
            found = _pair_of_files(paths, file)
            pair = found or new_pair()
            kept = held.encrypt(name, pair.private_key, pair.certificate)
        write_pair(file, kept)
        return told(file, pair, name, "taken over" if found else "made")


def new_pair() -> Pair:
    """A new pair, on the curve P-256, self-signed: the server knows the certificate itself."""
    certificate, private_key = new_administrator(datetime.datetime.now(datetime.UTC))
    return Pair(certificate=certificate.decode(), private_key=private_key.decode())


def checked(certificate: str, private_key: str) -> Pair:
    """A pair of which both halves came from somewhere. Raises EstateError if they don't belong together."""
    try:
        return administrator_pair.checked(certificate, private_key)
    except ValueError as error:
        raise EstateError(str(error)) from None


def cloud_platform(paths: Paths, stack: str) -> PlatformDriver:
    """The platform of a stack whose administrator is a person.
    Raises EstateError if it is this machine's, whose pair `./estate up` makes; or the file is wrong."""
    platform = platform_of(paths, stack_file.read(paths, stack))
    if platform.makes_administrator:
        msg = f"stack {stack!r} is this machine's, whose administrator `./estate up` makes; expected a cloud stack"
        raise EstateError(msg)
    return platform


def _pair_of_files(paths: Paths, file: StackFile) -> Pair | None:
    """The pair in the files that the settings name; a server may know it already, so that a new one would be locked
    out."""
    administrator = file.settings.bootstrap.administrator
    if not (administrator.certificate and administrator.private_key):
        half = "certificate_pem" if administrator.certificate_pem else "private_key_secret"
        raise EstateError(
            f"{file.named('bootstrap.administrator')} has {half} and a file beside it; expected both halves in files, "
            "for `keys` to take them over, or both in the stack's file"
        )
    names = (administrator.certificate, administrator.private_key)
    missing = [name for name in names if not (paths.project / name).is_file()]
    if len(missing) == len(names):
        return None
    if missing:
        msg = f"{missing[0]} is missing, while its other half is there; expected both, or neither to make a new pair"
        raise EstateError(msg)
    try:
        certificate, key = ((paths.project / name).read_text(encoding="ascii") for name in names)
    except (OSError, UnicodeDecodeError):
        raise EstateError(f"{' or '.join(names)} can't be read; expected the two halves of a pair as PEM") from None
    return checked(certificate, key)


def write_pair(file: StackFile, kept: EncryptedPair) -> None:
    """Put the pair into the stack's file, in one step. Raises EstateError if its layout doesn't let single lines be
    changed. Raises OSError if it can't be written; it is as it was then."""
    whole = file.path.resolve()  # a link stays one
    text = with_pair(whole.read_bytes().decode(), kept)
    write_private(whole, text.encode(), mode=whole.stat().st_mode & 0o777)


def told(file: StackFile, pair: Pair, name: str, outcome: str) -> Made:
    """What to tell of a pair: nothing of its secret half."""
    return Made(
        stack=file.stack,
        outcome=outcome,
        certificate=pair.certificate,
        fingerprint=pair.fingerprint,
        ends=pair.ends.isoformat().replace("+00:00", "Z"),
        secret=name,
    )
