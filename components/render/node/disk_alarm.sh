#!/bin/sh
# A full disk stops the audit log, and with it the server: say so early.
set -eu

full=0
for place in / /var/log /var/lib/vault; do
  used=$(df --output=pcent "$place" | tail -n 1 | tr -dc '0-9')
  if [ "$used" -ge 65 ]; then
    logger --priority daemon.alert --tag vault-disk-alarm "$place is $used % full; expected less than 65 %"
    full=1
  fi
done
exit "$full"
