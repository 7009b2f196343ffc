#!/bin/sh
# Get the first certificate over HTTP-01, however long the record or the authority takes; certbot's timer renews it.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

home=/var/lib/vault/letsencrypt
lineage=$home/live/vault

# What is on the volume may have ended, be for another name, or of an authority that was only tried out.
fits() {
  [ -s "$lineage/fullchain.pem" ] &&
    openssl x509 -in "$lineage/fullchain.pem" -noout -checkend 0 >/dev/null &&
    openssl x509 -in "$lineage/fullchain.pem" -noout -checkhost "$NODE" | grep -q 'does match' &&
    grep -qxF "server = $ACME_DIRECTORY" "$home/renewal/vault.conf"
}

# Let's Encrypt refuses a name for an hour after five failures within one: 0, 2, 6, 14, 30 minutes, then each hour.
pause=120
until fits; do
  if certbot certonly --cert-name vault --domain "$NODE" --renew-with-new-domains --force-renewal && fits; then
    break
  fi
  printf 'acme: no certificate for %s yet; certbot said why above (is its record there? a limit of the authority?); ' \
    "$NODE" >&2
  printf 'next try in %s s\n' "$pause" >&2
  sleep "$pause"
  pause=$((pause < 1800 ? pause * 2 : 3600))
done
RENEWED_LINEAGE=$lineage /usr/local/lib/vault-estate/deploy-certificate
