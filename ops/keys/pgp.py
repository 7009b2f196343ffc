"""The operator's PGP key pair of a local platform, for whoever has none of their own.

Owns `DIRECTORY/operator`: `private.asc` (0600) and `public.asc`. Refuses to replace a private key: its key share
needs it.
"""

from datetime import datetime
from pathlib import Path

from pysequoia import Cert, Profile, Tsk
from pysequoia.packet import PacketPile, SignatureType, Tag

from composition.private_files import private_directory, write_private
from ops.errors import EstateError


def ensure_operator(directory: Path) -> Path:
    """Make the pair in `directory` unless it is there; the public key's path.
    Raises EstateError for a broken one, and where the private key was lost: key shares may need it."""
    private, public = directory / "private.asc", directory / "public.asc"
    private_directory(directory)
    if private.exists():
        pair = _load(private)
    elif public.exists():
        raise EstateError(
            f"{private} is missing, while {public.name} is there; expected both, or neither to make a new pair"
        )
    else:
        # The profile of 2007 (RFC 4880), since neither gpg 2.2 nor the servers read keys of the one of 2024.
        pair = Tsk.generate("vault-estate local operator <operator@localhost>", profile=Profile.RFC4880)
        write_private(private, str(pair).encode())
    write_private(public, str(pair.extract_certificate()).encode())
    return public


def read_public_key(operator: str, path: Path) -> str:
    """The armored public key of an operator from a file. Raises EstateError if it isn't one."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise EstateError(f"operator {operator!r}: {path} can't be read; expected an armored PGP public key") from error
    if "PRIVATE KEY BLOCK" in text:
        raise EstateError(f"operator {operator!r}: {path} holds a private key; expected the exported public key")
    try:
        Cert.from_bytes(text.encode())
    except RuntimeError as error:
        raise EstateError(f"operator {operator!r}: {path} holds none; expected an armored PGP public key") from error
    return text


def expiration(text: str) -> datetime | None:
    """When the first of a public key's parts ends; None: none ever does, or it can't be read. A part that is prolonged
    counts by its newest signature."""
    try:
        whole, certificate = PacketPile.from_bytes(text.encode()), Cert.from_bytes(text.encode())
    except RuntimeError:
        return None
    ends: dict[str, tuple[datetime, datetime | None]] = {}
    created: datetime | None = None
    key = ""
    for packet in whole:
        if packet.tag in (Tag.PublicKey, Tag.PublicSubkey):
            key, created = str(packet.fingerprint), packet.key_created
        elif packet.signature_type == SignatureType.SubkeyBinding and created and packet.signature_created:
            period = packet.key_validity_period
            last = created + period if period else None
            if key not in ends or ends[key][0] <= packet.signature_created:
                ends[key] = (packet.signature_created, last)
    found = [certificate.expiration, *(last for _, last in ends.values())]
    return min((one for one in found if one), default=None)


def _load(private: Path) -> Tsk:
    try:
        return Tsk.from_bytes(private.read_bytes())
    except RuntimeError as error:
        raise EstateError(f"{private} is no PGP private key; expected the real one: a key share needs it") from error
