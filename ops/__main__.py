"""`python -m ops`: what the launcher `./estate` runs."""

import sys

try:
    from ops.cli.main import main
except KeyboardInterrupt:
    # Half of a second goes by before there is a command that could answer an interrupt.
    print("estate: interrupted; the same command goes on from there", file=sys.stderr)
    sys.exit(130)

sys.exit(main())
