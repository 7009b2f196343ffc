"""`python -m ops`: what the launcher `./estate` runs."""

import gc
import sys

gc.disable()  # looking for garbage among what imports make takes a sixth of the start, and finds none
try:
    from ops.cli.main import main
except KeyboardInterrupt:
    # Half of a second goes by before there is a command that could answer an interrupt.
    print("estate: interrupted; the same command goes on from there", file=sys.stderr)
    sys.exit(130)
gc.freeze()
gc.enable()

sys.exit(main())
