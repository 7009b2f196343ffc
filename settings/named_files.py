"""Files that settings name, which hold something public or a first password.

Owns the sentence that tells which setting named which file. Refuses a private key where its public half is meant: what
is read here goes into user-data, state and Vault. Quotes nothing of what a file holds.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from settings.loading import WHOLE

_PRIVATE = re.compile(r"PRIVATE KEY|AGE-SECRET-KEY-", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Something public that a file may hold."""

    pattern: str
    """Of the whole text, without white space around it."""
    words: str


CERTIFICATE = Kind(pattern=r"(?s).*-----BEGIN CERTIFICATE-----\s.*-----END CERTIFICATE-----", words="a PEM certificate")
PGP_KEY = Kind(
    pattern=r"(?s)-----BEGIN PGP PUBLIC KEY BLOCK-----\s.*-----END PGP PUBLIC KEY BLOCK-----",
    words="an armored OpenPGP public key",
)
SSH_KEY = Kind(pattern=r"(?:ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]+=*(?: .*)?", words="one line of an OpenSSH public key")


def text(setting: str, file: str) -> str:
    """What a file holds.

    Raises:
        ValueError: it can't be read, or is no text.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        msg = f"{_named(setting, file)} can't be read: {error.strerror}"
        raise ValueError(msg) from None
    except UnicodeDecodeError:
        msg = f"{_named(setting, file)} can't be read: it is no text"
        raise ValueError(msg) from None


def public(setting: str, file: str, kind: Kind) -> str:
    """What a file holds that has to be of a kind.

    Raises:
        ValueError: it can't be read, holds a private key, or something else than `kind`.
    """
    content = text(setting, file)
    if _PRIVATE.search(content):
        msg = f"{_named(setting, file)} holds a private key; expected {kind.words}"
        raise ValueError(msg)
    if not re.fullmatch(kind.pattern, content.strip()):
        msg = f"{_named(setting, file)} holds something else; expected {kind.words}"
        raise ValueError(msg)
    return content


def _named(setting: str, file: str) -> str:
    return f"{WHOLE}.{setting} {file!r}"
