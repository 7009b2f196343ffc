"""Keys of snapshots that a stack's file places under `.estate/`: made on first use, for one person.

Owns the pairs of certificates and the age identities there, and the pair with which a person logs in to a node to bring
them. Refuses to make any elsewhere: those are people's own.
"""

from collections.abc import Callable
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from composition.private_files import create_private, private_directory
from ops.console import Console
from ops.errors import EstateError
from ops.keys.certificates import ensure_administrator
from ops.paths import Paths
from ops.stack_file import StackFile

RECIPIENT, IDENTITY = "recipient.txt", "identity.txt"
"""Names of an age key's two halves in a folder of ours."""


def private_key_of(certificate: Path) -> Path:
    """Where a certificate's private key is."""
    return certificate.with_suffix(".key")


def ensure(paths: Paths, file: StackFile, console: Console) -> None:
    """Make what is missing under `.estate/`.

    Raises:
        EstateError: one half of a pair is missing, or a recipient under `.estate/` has another name.
    """
    snapshots = file.settings.snapshots
    if snapshots is None:
        return
    # On this machine everything is made on first use, and nothing of it is worth a line.
    say = console.say if not file.is_local else lambda _: None
    for name in filter(None, (snapshots.certificate, snapshots.node_certificate)):
        certificate = paths.project / name
        if certificate.is_relative_to(paths.own):
            if not certificate.exists():
                say(f"making a certificate for snapshots: {name}")
            private_directory(certificate.parent)
            ensure_administrator(certificate, private_key_of(certificate))
    platform = file.settings.platform
    for name in platform.ssh.public_keys if platform.kind == "hetzner" and platform.ssh else ():
        public = paths.project / name
        if public.is_relative_to(paths.own) and not public.exists():
            say(f"making a key to log in to the node with: {name}")
            _make_ssh(public)
    for name in snapshots.recipients:
        recipient = paths.project / name
        if recipient.is_relative_to(paths.own):
            if recipient.name != RECIPIENT:
                msg = f"snapshots.recipients has {name!r}; expected {RECIPIENT} in its folder"
                raise EstateError(msg)
            _ensure_identity(recipient, say)


def _make_ssh(public: Path) -> None:
    """A pair for whoever brings the node its credentials."""
    key = ed25519.Ed25519PrivateKey.generate()
    form, none = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    private_directory(public.parent)
    create_private(public.with_suffix(""), key.private_bytes(serialization.Encoding.PEM, form, none))
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    create_private(public, line + b"\n")


def _ensure_identity(recipient: Path, say: Callable[[str], None]) -> None:
    identity = recipient.with_name(IDENTITY)
    if recipient.exists():
        if not identity.exists():
            msg = f"{identity}: missing, while {RECIPIENT} is there; bring it back, or nobody can open the snapshots"
            raise EstateError(msg)
        return
    private_directory(recipient.parent)
    if not identity.exists():
        say(f"making a key for snapshots: {identity}")
        create_private(identity, f"{pyrage.x25519.Identity.generate()}\n".encode())
    create_private(recipient, f"{identity_in(identity).to_public()}\n".encode())


def identity_in(file: Path) -> pyrage.x25519.Identity:
    """The age identity in a file. Nothing of it is ever quoted.

    Raises:
        EstateError: it can't be read, or holds none.
    """
    try:
        text = file.read_text(encoding="utf-8")
        (line,) = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return pyrage.x25519.Identity.from_str(line)
    except OSError as error:
        msg = (
            f"age identity {file} can't be read: {error.strerror}; expected the private key of a recipient (--identity)"
        )
        raise EstateError(msg) from None
    except (ValueError, pyrage.IdentityError):
        msg = f"age identity {file} holds none; expected one line, as age-keygen writes it"
        raise EstateError(msg) from None


def default_identity(paths: Paths, file: StackFile) -> Path:
    """Where the identity of this checkout is."""
    snapshots = file.settings.snapshots
    own = [paths.project / name for name in (snapshots.recipients if snapshots else ())]
    found = [one.with_name(IDENTITY) for one in own if one.is_relative_to(paths.own)]
    return found[0] if found else paths.own / file.stack / "snapshots" / IDENTITY
