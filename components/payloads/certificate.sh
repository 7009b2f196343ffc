#!/bin/sh
# Make the node's own certificate, where it has one. `acme` gets one by itself later; `provided` waits for an operator.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

certificate=/var/lib/vault/tls/server.crt
key=/var/lib/vault/tls/server.key

case "$NODE_SUBJECT" in
  IP:*) check=-checkip ;;
  *) check=-checkhost ;;
esac

# Kept as long as it is for this name: whoever pinned it would have to pin another one.
fits() {
  [ -s "$key" ] && [ -s "$certificate" ] &&
    openssl x509 -in "$certificate" -noout "$check" "$NODE" | grep -q 'does match'
}

make_internal() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cat >"$work/request.cnf" <<END
[req]
distinguished_name = subject
x509_extensions = extensions
prompt = no
[subject]
CN = $NODE
[extensions]
subjectAltName = $NODE_SUBJECT
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
END
  # Ten years: it is pinned, so that a new one is an operator's step.
  openssl req -x509 -config "$work/request.cnf" -days 3650 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$work/server.key" -out "$work/server.crt" 2>/dev/null
  install -o root -g vault -m 0640 "$work/server.key" "$key"
  install -o root -g vault -m 0644 "$work/server.crt" "$certificate"
}

if [ "$TLS" = internal ] && ! fits; then
  make_internal
fi
