"""Keys that a stack's file places under `.estate/`: made when they are first needed, for one person.

Owns the administrator's pair, the operators' PGP pairs, and what snapshots need: certificates, an age identity, a pair
to log in to the node with. Refuses to make any elsewhere: those are people's own, and of these only the public half is
looked at.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from components.render.bootstrap import Bootstrap
from composition.private_files import create_private, private_directory
from ops.errors import EstateError
from ops.keys.age import IDENTITY, RECIPIENT, identity_in, private_key_of
from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator, read_public_key
from ops.paths import Paths
from ops.stack_file import StackFile

_PUBLIC_KEY = "public.asc"

Say = Callable[[str], None]
"""Told of each key that is made."""


def ensure_administrator_pair(paths: Paths, bootstrap: Bootstrap, say: Say) -> None:
    """Make the administrator's pair, where both halves are files of ours. Raises EstateError if one half is missing."""
    named, key = bootstrap.administrator.certificate, bootstrap.administrator.private_key
    if named and key:
        certificate, private_key = paths.project / named, paths.project / key
        if certificate.is_relative_to(paths.own) and private_key.is_relative_to(paths.own):
            _ensure_pair(certificate, private_key, f"the administrator's certificate {named}", say)


def ensure_operators(paths: Paths, bootstrap: Bootstrap, say: Say) -> list[tuple[str, Path]]:
    """Make the operators' pairs that are ours; each operator's name, and the file of the public key.
    Raises EstateError if one under `.estate/` isn't named `public.asc`, or one elsewhere is no public key."""
    found = []
    for operator in bootstrap.operators:
        public = paths.project / operator.pgp_key
        if not public.is_relative_to(paths.own):
            read_public_key(operator.name, public)
        elif public.name != _PUBLIC_KEY:
            msg = f"operator {operator.name!r}: pgp_key is {operator.pgp_key!r}; expected {_PUBLIC_KEY} in its folder"
            raise EstateError(msg)
        else:
            if not public.exists():
                say(f"making a key pair for operator {operator.name}: {operator.pgp_key}")
            private_directory(public.parent.parent)
            ensure_operator(public.parent)
        found.append((operator.name, public))
    return found


def ensure_snapshot_keys(paths: Paths, file: StackFile, ssh_keys: Sequence[str], say: Say) -> None:
    """Make what snapshots need, and the pairs that bring the node its credentials, by the files of their public keys.
    Raises EstateError if one half of a pair is missing, or a recipient under `.estate/` has another name."""
    snapshots, named = file.settings.snapshots, file.named("snapshots.recipients")
    if snapshots is None:
        return
    for name in filter(None, (snapshots.certificate, snapshots.node_certificate)):
        certificate = paths.project / name
        if certificate.is_relative_to(paths.own):
            _ensure_pair(certificate, private_key_of(certificate), f"a certificate for snapshots: {name}", say)
    for name in ssh_keys:
        public = paths.project / name
        if public.is_relative_to(paths.own) and not public.exists():
            say(f"making a key to log in to the node with: {name}")
            _make_ssh(public)
    for name in snapshots.recipients:
        recipient = paths.project / name
        if recipient.is_relative_to(paths.own):
            if recipient.name != RECIPIENT:
                raise EstateError(f"{named} has {name!r}; expected {RECIPIENT} in its folder")
            _ensure_identity(recipient, say)


def _ensure_pair(certificate: Path, private_key: Path, what: str, say: Say) -> None:
    if not certificate.exists():
        say(f"making {what}")
    private_directory(certificate.parent)
    private_directory(private_key.parent)
    ensure_administrator(certificate, private_key)


def _make_ssh(public: Path) -> None:
    """A pair for whoever brings the node its credentials."""
    key = ed25519.Ed25519PrivateKey.generate()
    form, none = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    private_directory(public.parent)
    create_private(public.with_suffix(""), key.private_bytes(serialization.Encoding.PEM, form, none))
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    create_private(public, line + b"\n")


def _ensure_identity(recipient: Path, say: Say) -> None:
    identity = recipient.with_name(IDENTITY)
    if recipient.exists():
        if not identity.exists():
            msg = f"{identity} is missing, while {RECIPIENT} is there; expected it, or nobody can open the snapshots"
            raise EstateError(msg)
        return
    private_directory(recipient.parent)
    if not identity.exists():
        say(f"making a key for snapshots: {identity}")
        create_private(identity, f"{pyrage.x25519.Identity.generate()}\n".encode())
    create_private(recipient, f"{identity_in(identity).to_public()}\n".encode())
