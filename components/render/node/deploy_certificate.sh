#!/bin/sh
# Called by certbot with a new certificate: put it where the server reads it, and have it read without a restart.
set -eu

put() {
  # A rename is seen whole or not at all by a server that reads in this moment.
  install -o root -g vault -m "$3" "$RENEWED_LINEAGE/$1" "/var/lib/vault/tls/.$2"
  mv "/var/lib/vault/tls/.$2" "/var/lib/vault/tls/$2"
}

put privkey.pem server.key 0640
put fullchain.pem server.crt 0644
if systemctl is-active --quiet vault.service; then
  systemctl reload vault.service
fi
