"""What a command says beside its output: one line on standard error.

Owns what becomes of it where that is closed or takes nothing: it is left out, as exit codes say it, too. Refuses to say
it on standard output, which another program reads.
"""

import os
import sys
from typing import TextIO


def tell(line: str) -> None:
    """Print a line, where standard error takes it."""
    if sys.stderr is None:  # it was closed; print would take standard output
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Let nobody have what a stream still holds: the interpreter would try once more at its end, and say so."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)
