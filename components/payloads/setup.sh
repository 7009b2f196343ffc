#!/bin/sh
# First boot, in order. Each part may be run again: what is done already is left alone.
set -eu

for part in harden storage install certificate seal; do
  printf 'setup: %s\n' "$part" >&2
  "/usr/local/lib/vault-estate/$part"
done

# shellcheck source=/dev/null
. /etc/vault-estate/node.env
systemctl daemon-reload
# Not waited for: cloud-init is a part of the boot these would wait for.
systemctl enable --now vault-alarm.timer vault-upkeep.timer
if [ "$SNAPSHOTS" = yes ]; then
  systemd-sysusers
  systemctl enable --now vault-snapshot.timer
fi
if [ "$WAITS_FOR_OPERATOR" = yes ]; then
  systemctl enable --now vault.path
fi
if [ "$TLS" = acme ]; then
  systemctl enable vault-certificate.service
  systemctl start --no-block vault-certificate.service
fi
systemctl enable vault.service vault-bootstrap.service
systemctl start --no-block vault.service vault-bootstrap.service
