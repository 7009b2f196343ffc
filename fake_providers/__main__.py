"""`python -m fake_providers`: the fake providers in a process of their own, as official plugins are.

Reads one JSON line from standard input (packages, world, machines, adopting), prints the environment's one value, and
serves until standard input ends. `fake_providers.attach.attach_apart` starts it; it ends with whoever started it.
"""

import contextlib
import gc
import json
import os
import sys
from pathlib import Path

gc.disable()  # looking for garbage among what imports make takes a sixth of the start, and finds none

from fake_providers.attach import attach

gc.enable()


def main() -> None:
    """Serve until standard input ends."""
    # Whoever started this may close everything: a machine's own folders would be closed to its users.
    os.umask(0o022)
    order = json.loads(sys.stdin.readline())
    world = Path(order["world"]) if order["world"] else None
    machines = Path(order["machines"]) if order["machines"] else None
    attached = attach(order["packages"], world=world, machines=machines, adopting=order["adopting"])
    # Whoever asked for this process may have been interrupted in the meantime.
    with contextlib.suppress(BrokenPipeError), attached as environment:
        print(environment["PULUMI_DEBUG_PROVIDERS"], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
