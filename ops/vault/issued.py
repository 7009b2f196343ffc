"""When the SecretIDs end that were issued from this checkout: Vault tells nobody, and their applications stop.

Owns one file of times by application. It holds no SecretID, and nothing that leads to one.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from composition.private_files import private_directory, write_private
from ops.paths import Paths


def note(paths: Paths, stack: str, application: str, ttl_seconds: int) -> None:
    """Write down that one was issued now."""
    begin = datetime.now(UTC)
    _keep(paths, stack, {**all_of(paths, stack), application: (begin, begin + timedelta(seconds=ttl_seconds))})


def forget(paths: Paths, stack: str, application: str) -> None:
    """Let an application's go: from now on its own machine sees to it."""
    known = all_of(paths, stack)
    if application in known:
        _keep(paths, stack, {name: times for name, times in known.items() if name != application})


def _keep(paths: Paths, stack: str, known: Mapping[str, tuple[datetime, datetime]]) -> None:
    times = {name: [begin.isoformat(), ends.isoformat()] for name, (begin, ends) in known.items()}
    file = _file(paths, stack)
    private_directory(file.parent)
    write_private(file, json.dumps(times, indent=1, sort_keys=True).encode())


def all_of(paths: Paths, stack: str) -> Mapping[str, tuple[datetime, datetime]]:
    """When the newest of each application was issued, and when it ends."""
    file = _file(paths, stack)
    if not file.is_file():
        return {}
    times = json.loads(file.read_text(encoding="utf-8"))
    return {
        name: (datetime.fromisoformat(begin), datetime.fromisoformat(ends)) for name, (begin, ends) in times.items()
    }


def _file(paths: Paths, stack: str) -> Path:
    return paths.own / stack / "secret-ids.json"
