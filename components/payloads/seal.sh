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
if [ ! -s "$home/seal-key" ]; then
  if [ -n "$(ls -A /var/lib/vault/raft)" ]; then
    printf 'seal: %s is gone, while /var/lib/vault/raft holds data that only it can open\n' "$home/seal-key" >&2
    exit 1
  fi
  head -c 32 /dev/urandom | systemd-creds encrypt --with-key=host --name=seal-key - "$home/.seal-key"
  mv "$home/.seal-key" "$home/seal-key"
fi

# Escrow: the key for the recipients of snapshots, below a name that tells it from others. Anew each time, since both
# may have changed.
rm -f "$home/escrow" "$home/.closed"
[ -n "${ESCROW:-}" ] || exit 0
# sh doesn't notice what fails at the head of a pipe, and age encrypts nothing as well as a key.
open_key() { systemd-creds decrypt --name=seal-key "$home/seal-key" - || touch "$home/.closed"; }
set --
for recipient in $ESCROW; do
  set -- "$@" --recipient "$recipient"
done
{
  { echo seal-key; open_key; } | sha256sum | cut -c 1-16
  open_key | age --encrypt "$@"
} >"$home/.escrow"
[ ! -e "$home/.closed" ] || exit 1
mv "$home/.escrow" "$home/escrow"
