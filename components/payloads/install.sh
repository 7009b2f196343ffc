#!/bin/sh
# Install the server's release: signed by the pinned key, listed in what was signed, and of the pinned checksum.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

refuse() {
  printf 'install: %s\n' "$1" >&2
  exit 1
}

installed="/usr/local/bin/$BINARY"
stamp=/var/lib/vault-estate-release
if [ -x "$installed" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$ARCHIVE_SHA256" ]; then
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GNUPGHOME="$work/gnupg"
mkdir -m 0700 "$GNUPGHOME"

fetch() {
  curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' \
    --retry 5 --retry-connrefused --max-time 600 --output "$work/$2" "$1" ||
    refuse "$1 can't be fetched"
}

fetch "$SIGNING_KEY" key.asc
fetch "$RELEASE/$CHECKSUMS" checksums
fetch "$RELEASE/$SIGNATURE" signature
fetch "$RELEASE/$ARCHIVE" archive

gpg --batch --quiet --import "$work/key.asc" 2>/dev/null || refuse "$SIGNING_KEY is not a PGP key"
gpg --batch --status-file "$work/status" --verify "$work/signature" "$work/checksums" 2>/dev/null ||
  refuse "$SIGNATURE is not a good signature of $CHECKSUMS"
grep -q '^\[GNUPG:\] GOODSIG ' "$work/status" || refuse "$SIGNATURE was made by a key that has expired or was revoked"
# The last word of VALIDSIG is the primary key's fingerprint.
grep -q "^\[GNUPG:\] VALIDSIG .* $SIGNING_KEY_FINGERPRINT\$" "$work/status" ||
  refuse "$SIGNATURE was not made by the pinned key $SIGNING_KEY_FINGERPRINT"

listed=$(awk -v name="$ARCHIVE" '$2 == name || $2 == "*" name { print $1 }' "$work/checksums")
[ "$listed" = "$ARCHIVE_SHA256" ] || refuse "$CHECKSUMS lists ${listed:-no checksum} for $ARCHIVE, not the pinned one"
printf '%s  %s\n' "$ARCHIVE_SHA256" "$work/archive" | sha256sum --check --status ||
  refuse "$ARCHIVE does not have the pinned checksum $ARCHIVE_SHA256"

mkdir "$work/unpacked"
case "$ARCHIVE" in
  *.zip) python3 -m zipfile --extract "$work/archive" "$work/unpacked" ;;
  *) tar --extract --gzip --file "$work/archive" --directory "$work/unpacked" "$BINARY" ;;
esac
install -o root -g root -m 0755 "$work/unpacked/$BINARY" "$installed"
printf '%s' "$ARCHIVE_SHA256" >"$stamp"
