"""Rule: the text a machine boots with holds no secret, packed or not. Owns what looks like one.

Anybody on the machine may read that text, and it is in the state. Refuses to quote what was found.
"""

import base64
import binascii
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress

from .rule import Resource, Rule

LOOKS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a token of Vault", re.compile(rb"\bhv[sbr]\.[A-Za-z0-9_-]{20}|\b[sb]\.[A-Za-z0-9]{24}\b")),
    ("an access key of AWS", re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("a private key", re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY")),
    ("a secret key of age", re.compile(rb"\bAGE-SECRET-KEY-1[A-Z0-9]", re.IGNORECASE)),
)
_PACKED = re.compile(rb"[A-Za-z0-9+/][A-Za-z0-9+/\s]{62,}={0,2}")
"""Base64 of 64 characters or more, line breaks and indentation included."""
_PACKED_85 = re.compile(rb"[0-9A-Za-z!#$%&()*+\-;<=>?@^_`{|}~]{64,}")
"""Base85 as Python writes it (RFC 1924's alphabet), 64 characters or more, on one line."""
_MOST_BYTES = 1 << 24
"""Of one unpacked layer: user-data has 32 KiB, so more than 16 MiB is no honest content."""
_LAYERS = 4


def _check(resource: Resource) -> Iterator[str]:
    for name in ("userData", "userDataBase64"):
        if resource.known(name) and resource.get(name):
            layers = _unpacked(str(resource.get(name)).encode())
            found = dict.fromkeys(what for layer in layers for what, pattern in LOOKS if pattern.search(layer))
            yield from (f"{name} holds {what}" for what in found)


def _unpacked(content: bytes, layers: int = _LAYERS) -> Iterator[bytes]:
    """The content, and whatever is packed into it, layer by layer."""
    yield content
    if layers:
        for inner in _inside(content):
            yield from _unpacked(inner, layers - 1)


def _inside(content: bytes) -> Iterator[bytes]:
    """What an archive, a compressed text, base64 or base85 holds; what can't be unpacked holds nothing."""
    if content[257:262] == b"ustar":
        with suppress(tarfile.TarError, EOFError), tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            files = [archive.extractfile(member) for member in archive.getmembers() if member.isfile()]
            yield from [file.read() for file in files if file]
    if content.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):
            yield zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, _MOST_BYTES)
    if content.startswith(b"\xfd7zXZ"):
        import lzma  # noqa: PLC0415 - some Pythons are built without it; the program needs it to make such a layer

        with suppress(lzma.LZMAError):
            yield lzma.LZMADecompressor().decompress(content, _MOST_BYTES)
    # The text of a key, or of a certificate, is base64 as well; unpacking it finds nothing and does no harm.
    for found in _PACKED.finditer(content):
        plain = b"".join(found.group().split()).rstrip(b"=")
        with suppress(binascii.Error):
            yield base64.b64decode(plain + b"=" * (-len(plain) % 4))
    for found in _PACKED_85.finditer(content):
        with suppress(ValueError):
            yield base64.b85decode(found.group())


RULE = Rule(
    name="user-data-holds-no-secret",
    sentence="The user-data of a machine holds no token, no access key and no private key, packed or not.",
    remediation="Have the machine make the key itself, or let an operator bring it once the machine is up.",
    source="Hetzner, Servers API: user_data is readable on the machine; CWE-312; Checkov CKV_AWS_46",
    types=(
        "aws:ec2/instance:Instance",
        "aws:ec2/launchTemplate:LaunchTemplate",
        "hcloud:index/server:Server",
    ),
    check=_check,
)
