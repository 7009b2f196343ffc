#!/bin/sh
# Each minute: what can't wait for a day, or for the next boot.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

# A busy server writes more in an hour than its log may have.
logrotate --state /var/lib/logrotate/vault.status /etc/vault-estate/logrotate.conf

# The volume became larger in Hetzner's hands: its filesystem follows, mounted as it is.
if ! said=$(resize2fs "$VOLUME_DEVICE" 2>&1); then
  printf 'upkeep: %s\n' "$said" >&2
  exit 1
fi
