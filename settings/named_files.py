"""Files that settings name, which hold something public or a first password, or are used as they are.

Owns the sentence that tells which setting named which file. Refuses a private key where its public half is meant: what
is read here goes into user-data, state and Vault. Quotes nothing of what a file holds, but for the checksum of one.
"""

import hashlib
import re
from pathlib import Path

from components.model import Form
from settings.layers import WHOLE

_PRIVATE = re.compile(r"PRIVATE KEY|AGE-SECRET-KEY-", re.IGNORECASE)

CERTIFICATE = Form(r"(?s).*-----BEGIN CERTIFICATE-----\s.*-----END CERTIFICATE-----", "a PEM certificate")
PGP_KEY = Form(
    r"(?s)-----BEGIN PGP PUBLIC KEY BLOCK-----\s.*-----END PGP PUBLIC KEY BLOCK-----", "an armored OpenPGP public key"
)
SSH_KEY = Form(r"(?:ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]+=*(?: .*)?", "one line of an OpenSSH public key")


def text(setting: str, file: str, project: Path = Path()) -> str:
    """What a file holds that a setting names, relative to the project's root. Raises ValueError where it isn't text."""
    try:
        return (project / file).read_text(encoding="utf-8")
    except OSError as error:
        why = error.strerror
    except UnicodeDecodeError:
        why = "it isn't text"
    raise ValueError(f"{WHOLE}.{setting} is {file!r}, which can't be read: {why}; expected a file of text") from None


def public(setting: str, file: str, form: Form, project: Path = Path()) -> str:
    """What a file of a form holds. Raises ValueError for a private key, and whatever else isn't of that form."""
    content = text(setting, file, project)
    private = _PRIVATE.search(content)
    if private or not re.fullmatch(form.pattern, content.strip()):
        held = "a private key" if private else "something else"
        raise ValueError(f"{WHOLE}.{setting} is {file!r}, which holds {held}; expected {form.words}")
    return content


def verify(setting: str, file: str, checksum: str, project: Path = Path()) -> None:
    """Hold a file to its SHA-256, where it is there; whoever uses it says where it isn't. Raises ValueError where it is
    another one."""
    path = project / file
    if not path.is_file():
        return
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != checksum:
        raise ValueError(f"{WHOLE}.{setting} is {checksum!r}; expected {found!r}, or another file at {file!r}")
