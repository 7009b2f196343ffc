"""What several processes use one after the other: anything that a file's lock stands for, and a JSON file."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any


@contextmanager
def locked(file: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold a file, which is made on demand, against other threads and processes; `waiting` is called if one has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            waiting()
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
