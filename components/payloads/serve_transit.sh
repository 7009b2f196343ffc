#!/bin/sh
# Start the server with the other Vault's token in its environment only.
set -eu
VAULT_TOKEN=$(cat "$CREDENTIALS_DIRECTORY/transit-token")
export VAULT_TOKEN
exec "$@"
