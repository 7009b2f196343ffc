"""What a server's log says went wrong, in one line that can be shown.

Owns the choice of the line and its redaction. Refuses to show anything that could be a token, a key or a password.
"""

import json
import re
from pathlib import Path

TAIL_BYTES = 65_536
_SECRET = re.compile(
    r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{16,}|[A-Za-z0-9+/_=-]{40,}"
    r"|(?i:password|token|secret)[\x22']?\s*[:=]\s*\S+"
)
_WRONG = re.compile(r"\b(?:error|fatal|panic|failed|denied|invalid|refused|no space)\b", re.IGNORECASE)


def redact(line: str) -> str:
    """The line without anything that looks like a secret."""
    return _SECRET.sub("[redacted]", line)


def size(path: Path) -> int:
    """Bytes in the log so far; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def last_error(path: Path, since: int = 0) -> str | None:
    """The last line after byte `since` that tells of an error, else the last line, redacted; None if there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(since, size(path) - TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    told = [plain for line in lines if (plain := _plain(line))]
    wrong = [line for line in told if _WRONG.search(line)]
    return redact((wrong or told)[-1])[:400] if told else None


def _plain(line: str) -> str:
    if not line.startswith("{"):
        return line.strip().removeprefix("==> ")
    try:
        entry = json.loads(line)
    except ValueError:
        return line.strip()
    level, message = entry.get("@level", ""), entry.get("@message", "")
    error = entry.get("error")
    return f"{level}: {message}{f': {error}' if error else ''}"
