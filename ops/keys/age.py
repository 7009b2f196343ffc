"""Where keys of snapshots are, and how an age identity is read. `ops.keys.first_use` makes them.

Refuses to quote anything of an identity.
"""

from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types

from ops.errors import EstateError
from ops.paths import Paths
from ops.stack_file import StackFile

RECIPIENT, IDENTITY = "recipient.txt", "identity.txt"
"""Names of an age key's two halves in a folder of ours."""


def private_key_of(certificate: Path) -> Path:
    """Where a certificate's private key is."""
    return certificate.with_suffix(".key")


def identity_in(file: Path) -> pyrage.x25519.Identity:
    """The age identity in a file. Nothing of it is ever quoted.
    Raises EstateError if it can't be read, or holds none."""
    try:
        text = file.read_text(encoding="utf-8")
        (line,) = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return pyrage.x25519.Identity.from_str(line)
    except OSError as error:
        raise EstateError(
            f"age identity {file} can't be read: {error.strerror}; expected the private key of a recipient (--identity)"
        ) from None
    except (ValueError, pyrage.IdentityError):
        raise EstateError(f"age identity {file} holds none; expected one line, as age-keygen writes it") from None


def default_identity(paths: Paths, file: StackFile) -> Path:
    """Where the identity of this checkout is."""
    snapshots = file.settings.snapshots
    own = [paths.project / name for name in (snapshots.recipients if snapshots else ())]
    found = [one.with_name(IDENTITY) for one in own if one.is_relative_to(paths.own)]
    return found[0] if found else paths.own / file.stack / "snapshots" / IDENTITY
