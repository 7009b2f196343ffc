"""`vault-estate rewrap`: ciphertexts that an application keeps, brought to their key's newest version.

Owns the form of the lines. Prints nothing unless every line is done: whatever is kept is replaced as a whole, or not.
No plaintext leaves Vault.
"""

import argparse
import base64
import binascii
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vault_estate.cli.tables import show
from vault_estate.cli.telling import tell
from vault_estate.errors import ConfigurationError
from vault_estate.rewrapping import WrappedText


def add(commands: Any) -> None:
    """Add the command to a parser's commands."""
    rewrap = commands.add_parser("rewrap", help="bring ciphertexts to the newest version of their transit key")
    rewrap.usage = "vault-estate rewrap (KEY | --versions) [FILE] [--json]"
    rewrap.add_argument("key", nargs="?", metavar="KEY", help="name of the transit key")
    rewrap.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="a ciphertext on each line, and behind a tab its context in base64, if its key is derived; without it "
        "standard input",
    )
    rewrap.add_argument("--versions", action="store_true", help="tell how many are of which version, and ask nobody")
    rewrap.add_argument("--json", action="store_true", help="--versions as one JSON document")
    rewrap.set_defaults(act=_rewrap)


def _rewrap(given: argparse.Namespace) -> int:
    if given.versions:
        if given.file is not None:
            raise ConfigurationError("--versions is given with KEY; expected a FILE at most")
        return _tell_versions(given, _read(Path(given.key) if given.key is not None else None))
    if given.key is None:
        raise ConfigurationError("KEY is missing; expected the name of a transit key")
    if given.json:
        raise ConfigurationError("--json is given without --versions; expected both")
    lines = _read(given.file)
    from vault_estate import VaultClient  # noqa: PLC0415 - only who asks needs an HTTP library

    with VaultClient() as client:
        found = client.rewrap(given.key, lines)
    sys.stdout.write("".join(_line(one) for one in found))
    sys.stdout.flush()
    if found:
        before, now = (sorted({one.version for one in texts}) for texts in (lines, found))
        words = f"{len(found)} rewrapped, of versions {before[0]} to {before[-1]}; the oldest is of {now[0]} now"
        tell(f"vault-estate: {words}")
    return 0


def _tell_versions(given: argparse.Namespace, lines: Sequence[WrappedText]) -> int:
    counted = Counter(one.version for one in lines)
    show(("version", "ciphertexts"), sorted(counted.items()), as_json=given.json)
    return 0


def _read(file: Path | None) -> Sequence[WrappedText]:
    """Raises ConfigurationError: a line is something else. It isn't shown, as it may be a plaintext."""
    if file is None and sys.stdin is None:
        raise ConfigurationError("standard input is closed; expected ciphertexts there")
    content = file.read_bytes() if file is not None else sys.stdin.buffer.read()
    return [_parsed(number, line) for number, line in enumerate(content.splitlines(), 1)]


def _parsed(number: int, line: bytes) -> WrappedText:
    text, tab, context = line.partition(b"\t")
    try:
        known = base64.b64decode(context, validate=True) if tab else None
        found = WrappedText(ciphertext=text.decode("ascii"), context=known)
    except (UnicodeDecodeError, binascii.Error):
        pass  # its traceback would have the line
    else:
        if found.is_ciphertext:
            return found
    raise ConfigurationError(
        f"line {number} is other text; expected vault:vN: and base64, and behind a tab at most a context in base64"
    )


def _line(one: WrappedText) -> str:
    context = one.document.get("context")
    return f"{one.ciphertext}\n" if context is None else f"{one.ciphertext}\t{context}\n"
