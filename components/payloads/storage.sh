#!/bin/sh
# Mount the volume that holds all data. A filesystem is made only where nothing at all is found.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

home=/var/lib/vault
logs=/var/log/vault

refuse() {
  printf 'storage: %s\n' "$1" >&2
  exit 1
}

mount_volume() {
  waited=0
  # The volume is attached after the server was made.
  until [ -b "$VOLUME_DEVICE" ]; do
    [ "$waited" -lt 600 ] || refuse "$VOLUME_DEVICE did not appear within 600 s"
    sleep 2
    waited=$((waited + 2))
  done

  found=0
  blkid --probe "$VOLUME_DEVICE" >/dev/null 2>&1 || found=$?
  case "$found" in
    0) ;;
    2)
      # blkid knows no damaged filesystem: a volume that was ever written to is a person's business.
      if ! cmp --silent --bytes=16777216 "$VOLUME_DEVICE" /dev/zero; then
        refuse "$VOLUME_DEVICE holds no filesystem that is known, but isn't empty; look at it before anything is made"
      fi
      mkfs.ext4 -q -m 0 -L vault "$VOLUME_DEVICE"
      ;;
    *) refuse "blkid can't tell what is on $VOLUME_DEVICE (it ended with $found)" ;;
  esac

  install -d -o root -g root -m 0755 "$home"
  if ! grep -qF " $home " /etc/fstab; then
    printf '%s %s ext4 nodev,nosuid,noexec,nofail,x-systemd.device-timeout=10min 0 2\n' \
      "$VOLUME_DEVICE" "$home" >>/etc/fstab
  fi
  systemctl daemon-reload
  mount "$home"
}

mountpoint --quiet "$home" || mount_volume
# What was audited is worth as much as the data, so it is where they are: another server finds it there.
if ! mountpoint --quiet $logs; then
  install -d -o vault -g vault -m 0750 "$home/audit" $logs
  grep -qF " $logs " /etc/fstab || printf '%s %s none bind,nofail 0 0\n' "$home/audit" $logs >>/etc/fstab
  mount $logs
fi
install -d -o root -g root -m 0755 "$home"
install -d -o vault -g vault -m 0700 "$home/raft"
install -d -o root -g vault -m 0750 "$home/tls"
install -d -o root -g root -m 0700 "$home/custody" "$home/credentials" "$home/letsencrypt"
