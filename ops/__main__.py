"""`python -m ops`: what the launcher `./estate` runs."""

import sys

from ops.cli import main

sys.exit(main())
