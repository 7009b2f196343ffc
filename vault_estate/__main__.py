"""`python -m vault_estate`, where the command `vault-estate` isn't on the path."""

import sys

from vault_estate.cli.main import main

sys.exit(main())
