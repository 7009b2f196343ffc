#!/bin/sh
# Beside the server in its pod: signals it when its certificate changed, and when its audit log is to begin anew.
# Needs CERTIFICATE, AUDIT_LOG, AUDIT_BYTES, AUDIT_FILES and PROGRAM. Ends only with the pod.
set -eu

checksum() { sha256sum "$CERTIFICATE" 2>/dev/null || true; }

seen=$(checksum)
while true; do
  sleep "${PERIOD_SECONDS:-10}"
  signal=
  now=$(checksum)
  if [ -n "$now" ] && [ "$now" != "$seen" ]; then
    signal=yes
  fi
  if [ -f "$AUDIT_LOG" ] && [ "$(wc -c <"$AUDIT_LOG")" -gt "$AUDIT_BYTES" ]; then
    mv "$AUDIT_LOG" "$AUDIT_LOG.$(date -u +%Y%m%dT%H%M%SZ)" && signal=yes
  fi
  # A server that isn't there yet, or just ended, reads both when it starts.
  if [ -n "$signal" ] && server=$(pidof "$PROGRAM"); then
    # shellcheck disable=SC2086 # one number, or several
    kill -HUP $server && seen=$now
  fi
  # Names have their time in them, so the first ones are the oldest.
  set -- "$AUDIT_LOG".*
  while [ "$#" -gt "$AUDIT_FILES" ]; do
    rm -f "$1"
    shift
  done
done
