#!/bin/sh
# Wrap what opens the seal. A key that is born here is never in a file in the clear.
set -eu
umask 077
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

home=/var/lib/vault/credentials
host_secret=/var/lib/systemd/credential.secret

# systemd-creds wraps with a secret of this root disk, which a rebuild would take away.
if [ -s "$home/host-secret" ]; then
  install -o root -g root -m 0400 "$home/host-secret" "$host_secret"
else
  systemd-creds setup >/dev/null
  install -o root -g root -m 0400 "$host_secret" "$home/host-secret"
fi

[ "$SEAL" = static ] || exit 0
[ ! -s "$home/seal-key" ] || exit 0
if [ -n "$(ls -A /var/lib/vault/raft)" ]; then
  printf 'seal: %s is gone, while /var/lib/vault/raft holds data that only it can open\n' "$home/seal-key" >&2
  exit 1
fi
head -c 32 /dev/urandom | systemd-creds encrypt --with-key=host --name=seal-key - "$home/.seal-key"
mv "$home/.seal-key" "$home/seal-key"
