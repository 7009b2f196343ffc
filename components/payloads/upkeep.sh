#!/bin/sh
# Each minute: what can't wait for a day, or for the next boot.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

# A busy server writes more in an hour than its log may have.
logrotate --state /var/lib/logrotate/vault.status /etc/vault-estate/logrotate.conf

# Where the logs fill the volume, which would stop the server, the oldest go before their time. Not the last two, which
# aren't packed.
while [ "$(df --output=pcent /var/log/vault | tail -n 1 | tr -dc '0-9')" -ge 80 ]; do
  # shellcheck disable=SC2012 # names are logrotate's
  oldest=$(ls -tr /var/log/vault/*.gz 2>/dev/null | head -n 1)
  [ -n "$oldest" ] || break
  rm "$oldest"
  logger --priority daemon.alert --tag vault-alarm "the volume is full: $oldest was removed before its time"
done

# The volume became larger in Hetzner's hands: its filesystem follows, mounted as it is.
if ! said=$(resize2fs "$VOLUME_DEVICE" 2>&1); then
  printf 'upkeep: %s\n' "$said" >&2
  exit 1
fi
