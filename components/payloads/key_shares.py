"""The file of key shares: read, renewed in two steps, given up.

Run as root on a node by `./estate renew-shares STACK --node`, which sends this text and, on standard input, one JSON
document; and in place where the file is on this machine. Python 3.9 and its standard library. New shares are written
beside the file and take its place by a rename once they are known to be good, so that it holds good ones at any moment.
Nothing here is secret: each share is encrypted to its operator.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

Document = dict[str, Any]
NEXT = ".next"


def found(file: Path) -> Document | None:
    """What a file holds; None where there is none."""
    try:
        document: Document = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    return document


def write(file: Path, document: Document) -> None:
    """Replace a file, on the disk when this returns."""
    beside = file.with_name(f".{file.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(document, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
    sync(file.parent)


def sync(folder: Path) -> None:
    """Have a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


def act(told: Document) -> Document:
    """Do one step: `read`, `prepare` a document, `renew` with what was prepared, or `discard` it."""
    file = Path(told["file"])
    coming = file.with_name(file.name + NEXT)
    if told["step"] == "prepare":
        write(coming, told["document"])
    elif told["step"] == "renew":
        coming.replace(file)
        sync(file.parent)
    elif told["step"] == "discard":
        coming.unlink()
    return {"present": found(file), "coming": found(coming)}


if __name__ == "__main__":
    print(json.dumps(act(json.load(sys.stdin))))
