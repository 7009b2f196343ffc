"""An operator's key share, opened by the operator's own PGP key.

Owns reading the file that the bootstrap wrote. Refuses to show a share, a passphrase or the PGP library's own words,
which may hold parts of what it read.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysequoia import PyDecryptor, Tsk, decrypt

from ops.errors import EstateError

UNSEAL = "secret"
"""What the file calls key shares that unseal; those of a server with auto-unseal are `recovery`."""


@dataclass(frozen=True, kw_only=True)
class EncryptedShare:
    """A share that only its operator can open."""

    operator: str
    fingerprint: str
    """Of the operator's key, in upper case."""
    message: bytes


def shares(file: Path) -> list[EncryptedShare]:
    """The shares in a file of key shares.
    Raises EstateError: it can't be read, holds no key shares, or such that open no seal."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        kind = document.get("keys")
        found = listed(document)
    except OSError as error:
        raise EstateError(f"--share-file {file} can't be read: {error.strerror}; expected key shares") from None
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        msg = f"--share-file {file} is not a file of key shares; expected shares.json as the first boot wrote it"
        raise EstateError(msg) from None
    if kind != UNSEAL or not found:
        held = "recovery shares, which open no seal" if kind == "recovery" else "no share"
        msg = f"--share-file {file} holds {held}; expected the key shares of a server whose seal is 'shamir'"
        raise EstateError(msg)
    return found


def listed(document: Mapping[str, Any]) -> list[EncryptedShare]:
    """The shares in what such a file holds, of whatever kind. Raises ValueError, KeyError or TypeError."""
    return [
        EncryptedShare(
            operator=str(one["operator"]),
            fingerprint=str(one["fingerprint"]).upper(),
            message=base64.b64decode(one["encrypted_share"], validate=True),
        )
        for one in document.get("shares", [])
    ]


def open_with(document: Mapping[str, Any], private_key: Path, passphrase: Callable[[str], str]) -> str | None:
    """The share that a private key opens; None if none is its own. A secret: never print or log it. Raises EstateError
    if the file is no private key, or the passphrase doesn't open it."""
    key = _key(private_key)
    fingerprint = str(key.extract_certificate().fingerprint).upper()
    for share in listed(document):
        if share.fingerprint == fingerprint:
            return _opened(share, private_key, key, passphrase)
    return None


def open_share(file: Path, private_key: Path, passphrase: Callable[[str], str]) -> str:
    """Decrypt the share in `file` that belongs to the operator's PGP private key, a file that is armored or binary. The
    result is a secret: never print or log it. `passphrase` is called, with what to ask, only where the key has one.
    Raises EstateError: the key is none, the passphrase doesn't open it, or none of the key shares is its own."""
    key = _key(private_key)
    fingerprint = str(key.extract_certificate().fingerprint).upper()
    held = shares(file)
    mine = [share for share in held if share.fingerprint == fingerprint]
    if not mine:
        names = ", ".join(share.operator for share in held)
        raise EstateError(f"--key {private_key} opens no share of {file}; expected the private key of one of: {names}")
    return _opened(mine[0], private_key, key, passphrase)


def _opened(share: EncryptedShare, private_key: Path, key: Tsk, passphrase: Callable[[str], str]) -> str:
    try:
        opened = decrypt(share.message, decryptor=_decryptor(key, private_key, passphrase)).bytes
    except RuntimeError:
        opened = None
    if not opened:
        msg = f"--key {private_key} doesn't open the share of {share.operator}; expected the key it was made for"
        raise EstateError(msg)
    try:
        return opened.decode("ascii").strip()
    except UnicodeDecodeError:
        msg = f"the share of {share.operator} is not a key share; expected what the server encrypted"
        raise EstateError(msg) from None


def _key(file: Path) -> Tsk:
    try:
        return Tsk.from_bytes(file.read_bytes())
    except OSError as error:
        raise EstateError(f"--key {file} can't be read: {error.strerror}; expected a PGP private key") from None
    except RuntimeError:
        raise _no_private_key(file) from None


def _no_private_key(file: Path) -> EstateError:
    return EstateError(
        f"--key {file} is not a PGP private key that decrypts; "
        "expected one as `gpg --export-secret-keys --armor` writes it"
    )


def _decryptor(key: Tsk, file: Path, passphrase: Callable[[str], str]) -> PyDecryptor:
    try:
        return key.decryptor()
    except RuntimeError as error:
        # A public key alone is read as a private one without secrets.
        if "encrypted" not in str(error).partition("\n")[0]:
            raise _no_private_key(file) from None
    try:
        return key.decryptor(passphrase(f"passphrase of {file}: "))
    except RuntimeError:
        raise EstateError(f"--key {file} isn't opened by this passphrase; expected its own") from None
