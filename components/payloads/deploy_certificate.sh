#!/bin/sh
# Called by certbot with a new certificate: put it where the server reads it, and have it read without a restart.
set -eu

home=/var/lib/vault/tls

put() {
  # A rename is seen whole or not at all by a server that reads in this moment.
  install -o root -g vault -m "$3" "$RENEWED_LINEAGE/$1" "$home/.$2"
  mv "$home/.$2" "$home/$2"
}

if cmp -s "$RENEWED_LINEAGE/privkey.pem" "$home/server.key" &&
  cmp -s "$RENEWED_LINEAGE/fullchain.pem" "$home/server.crt"; then
  exit 0
fi
put privkey.pem server.key 0640
put fullchain.pem server.crt 0644
if systemctl is-active --quiet vault.service; then
  systemctl reload vault.service
else
  # It was waiting for this. What else it waits for is in its unit.
  systemctl start --no-block vault.service
fi
