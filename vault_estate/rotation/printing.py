"""What programs of somebody else's print while they rotate.

Owns where it goes: to standard error, as standard output has a table or a document that another program reads.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_OUTPUT, _ERRORS = 1, 2


@contextmanager
def to_standard_error() -> Iterator[None]:
    """Whatever this process prints until the end of it, and every process that it starts. For a command's process only:
    its other threads' output goes there, too."""
    with _descriptor_turned(), redirect_stdout(sys.stderr):
        yield


@contextmanager
def _descriptor_turned() -> Iterator[None]:
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        # Not by the number of standard error, where that is closed.
        kept = fcntl.fcntl(_OUTPUT, fcntl.F_DUPFD_CLOEXEC, _ERRORS + 1)
    except OSError:
        # It is closed: there is nothing to keep clean.
        yield
        return
    try:
        _turn()
        yield
    finally:
        os.dup2(kept, _OUTPUT)
        os.close(kept)


def _turn() -> None:
    try:
        os.dup2(_ERRORS, _OUTPUT)
    except OSError:
        # Standard error is closed.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _OUTPUT)
        os.close(nowhere)
