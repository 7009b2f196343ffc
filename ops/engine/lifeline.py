"""Runs a module that the engine starts as a helper, and ends it when the engine is gone.

`python lifeline.py MODULE [ARGUMENT …]` is `python -m MODULE [ARGUMENT …]` otherwise. A killed engine leaves its
helpers running for good: they wait for calls and never look for their parent. Standard library only.
"""

import os
import runpy
import sys
import threading
import time

_LOOK_SECONDS = 1.0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(0)


def main() -> None:
    """Run the module named by the first argument as the main one."""
    module = sys.argv[1]
    del sys.argv[0]
    # As `python -m` has it: the helpers find the program's and the pack's modules in their working directory.
    sys.path[0] = os.getcwd()  # noqa: PTH109 - no import that takes long before the helper's own
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
