"""Opening an operator's key share in tests, as their own PGP program does."""

from pathlib import Path

from pysequoia import Tsk, decrypt


def open_share(private_key: Path, encrypted_share: bytes) -> bytes:
    """Decrypt a share. Raises RuntimeError where it is another operator's."""
    opened = decrypt(encrypted_share, decryptor=Tsk.from_bytes(private_key.read_bytes()).decryptor()).bytes
    assert opened is not None
    return opened
