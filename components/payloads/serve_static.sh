#!/bin/sh
# Start the server with the ids of its seal's keys. The first key has 32 bytes and the id 1. One that took another's place
# has 64 digits, and for an id its fingerprint, by which it is known in escrow.
set -eu
export BAO_STATIC_SEAL_CURRENT_KEY_ID BAO_STATIC_SEAL_PREVIOUS_KEY_ID
key=$CREDENTIALS_DIRECTORY/seal-key
id() {
  if [ "$(wc -c <"$1")" -eq 32 ]; then
    echo 1
  else
    printf %.16s "$({ echo seal-key; cat "$1"; } | sha256sum)"
  fi
}
BAO_STATIC_SEAL_CURRENT_KEY_ID=$(id "$key")
# While a key moves there are two. At other times a line's end stands for the second.
if [ "$(wc -c <"$key-previous")" -ge 32 ]; then
  BAO_STATIC_SEAL_PREVIOUS_KEY_ID=$(id "$key-previous")
  sed "/current_key =/a previous_key = \"file://$key-previous\"" /etc/vault-estate/server.hcl >/run/vault/server.hcl
  exec "$1" server -config=/run/vault/server.hcl
fi
exec "$@"
