#!/bin/sh
# What stops the server or opens it when nobody looks: say so early, in the journal and by failing.
set -eu

certificate=/var/lib/vault/tls/server.crt
found=0

alarm() {
  logger --priority daemon.alert --tag vault-alarm "$1"
  found=1
}

# A full disk stops the audit log, and with it the server.
for place in / /var/log /var/lib/vault; do
  used=$(df --output=pcent "$place" | tail -n 1 | tr -dc '0-9')
  [ "$used" -lt 65 ] || alarm "$place is $used % full; expected less than 65 %"
done

# Certificates, tokens and one-time codes are wrong where the clock is.
skew=$(chronyc -h 127.0.0.1 -c tracking 2>/dev/null | awk -F, '$NF == "Normal" { print ($5 < 0 ? -$5 : $5) < 1 ? "ok" : $5 }')
[ "$skew" = ok ] || alarm "the clock is ${skew:-not synchronised}${skew:+ s off}; expected less than 1 s"

# A tenth of its life is days for a short certificate, and a year for the pinned one.
if [ -s "$certificate" ]; then
  begin=$(date --date "$(openssl x509 -in "$certificate" -noout -startdate | cut -d= -f2)" +%s)
  end=$(date --date "$(openssl x509 -in "$certificate" -noout -enddate | cut -d= -f2)" +%s)
  left=$((end - $(date +%s)))
  [ $((left * 10)) -ge $((end - begin)) ] || alarm "the certificate ends in $left s; expected a new one long before"
fi

[ "$(wc -l </proc/swaps)" -le 1 ] || alarm "swap is in use; expected none, since the server's memory must not reach a disk"
exit "$found"
