#!/bin/sh
# Have the listener's certificate ready, each kind its own way.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

certificate=/var/lib/vault/tls/server.crt
key=/var/lib/vault/tls/server.key

make_internal() {
  if [ -s "$certificate" ] && [ -s "$key" ]; then
    return
  fi
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

case "$TLS" in
  internal) make_internal ;;
  acme)
    install -d -o root -g root -m 0700 /var/lib/vault/letsencrypt
    certbot certonly --cert-name vault --domain "$NODE" --keep-until-expiring
    RENEWED_LINEAGE=/var/lib/vault/letsencrypt/live/vault /usr/local/lib/vault-estate/deploy-certificate
    ;;
  *) ;; # provided: vault.service waits until an operator has brought it
esac
