"""Putting the administrator's pair where the provider's plugin reads it: its login takes the names of files only.

Called by the program when it starts, under `./estate` and under plain `pulumi` alike (ADR 8). Owns two files,
`.estate/<stack>/administrator.crt` and `.key`, and these only where the settings hold the pair themselves. Refuses a
key that isn't the certificate's, before anything is written.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from composition.private_files import private_directory, write_private
from settings import Settings


def place(settings: Settings, stack: str, secret: Callable[[str], str | None], project: Path = Path()) -> None:
    """Write what the settings hold of the pair, unless it is there already. Names begin at the project's root.

    Raises ValueError where the halves don't belong together, or the secret that the settings name isn't in the stack's
    config; OSError where a file can't be read or written.
    """
    administrator = settings.bootstrap.administrator
    if not (administrator.certificate_pem or administrator.private_key_secret):
        return
    certificate_file, key_file = (project / file for file in administrator.login(stack).files)
    certificate = administrator.certificate_pem or certificate_file.read_text(encoding="ascii")
    if administrator.private_key and not key_file.is_file():
        _write(certificate_file, certificate)  # whoever logs in says that the other half is missing
        return
    if administrator.private_key_secret:
        key = secret(administrator.private_key_secret)
        if key is None:
            msg = (
                f"vault-estate:{administrator.private_key_secret} is missing; expected the administrator's private "
                f"key, as `./estate keys {stack}` puts it there"
            )
            raise ValueError(msg)
    else:
        key = key_file.read_text(encoding="ascii")
    from composition.administrator_pair import checked  # noqa: PLC0415 - its cryptography costs every other start 40 ms

    pair = checked(certificate, key)
    # The key first: a certificate without its key looks like a pair of which one half was lost.
    if administrator.private_key_secret:
        _write(key_file, pair.private_key)
    if administrator.certificate_pem:
        _write(certificate_file, pair.certificate)


def for_fake_providers(written: Mapping[str, Any], stack: str) -> Mapping[str, Any]:
    """Settings of a preview that nobody's secrets are decrypted for: the private key would be in a file of its own.

    Nothing logs in during a preview of what doesn't exist, so the file needn't be there. At the real key's place a
    fake one would be in the way.
    """
    first = written.get("bootstrap", {})
    administrator = first.get("administrator", {})
    if "private_key_secret" not in administrator:
        return written
    kept = {name: value for name, value in administrator.items() if name != "private_key_secret"}
    kept["private_key"] = f".estate/sandbox/{stack}/administrator.key"
    return {**written, "bootstrap": {**first, "administrator": kept}}


def _write(file: Path, content: str) -> None:
    if file.is_file() and file.read_bytes() == content.encode():
        return
    private_directory(file.parent)
    write_private(file, content.encode())
