"""Ciphertexts of a transit key, brought to the key's newest version inside Vault.

Owns the form of a ciphertext, which tells the version of its key, and how many are sent at once. Never sees a
plaintext.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MOST_CIPHERTEXTS = 200
"""Of one request. OpenBao takes 1,000 texts in a JSON document: each has two, or four with its context."""
MOST_BYTES = 1_048_576
"""Of the ciphertexts of one request, unless one is longer; servers take 32 MiB unless they are told otherwise."""
_FORM = re.compile(r"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/=]+")


@dataclass(frozen=True, kw_only=True)
class WrappedText:
    """One ciphertext."""

    ciphertext: str
    context: bytes | None = field(default=None, repr=False)
    """Of a derived key's: what it was encrypted with."""

    @property
    def is_ciphertext(self) -> bool:
        """Whether it has the form of one."""
        return _FORM.fullmatch(self.ciphertext) is not None

    @property
    def version(self) -> int:
        """Of the key by which it is; 0: it is no ciphertext."""
        found = _FORM.fullmatch(self.ciphertext)
        return int(found[1]) if found else 0

    @property
    def document(self) -> dict[str, str]:
        """As Vault takes it."""
        if self.context is None:
            return {"ciphertext": self.ciphertext}
        return {"ciphertext": self.ciphertext, "context": base64.b64encode(self.context).decode("ascii")}


def batches(wrapped: Sequence[WrappedText]) -> Iterator[Sequence[WrappedText]]:
    """They all, in order, as many at once as a server takes."""
    begun, size = 0, 0
    for number, one in enumerate(wrapped):
        length = len(one.ciphertext)
        if number > begun and (number - begun == MOST_CIPHERTEXTS or size + length > MOST_BYTES):
            yield wrapped[begun:number]
            begun, size = number, 0
        size += length
    if wrapped:
        yield wrapped[begun:]
