"""What several processes use one after the other: anything that a file's lock stands for, and a JSON file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a file, which is made on demand, against other threads and processes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        flock(lock, LOCK_EX)
        yield


@contextmanager
def shared(file: Path) -> Iterator[dict[str, Any]]:
    """What is in a file, held against other threads and processes; written back if it changes."""
    with locked(file.with_suffix(".lock")):
        before = file.read_text() if file.exists() else "{}"
        content = json.loads(before)
        yield content
        after = json.dumps(content, indent=1, sort_keys=True)
        if after != before:
            fresh = file.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(after)
            fresh.replace(file)
