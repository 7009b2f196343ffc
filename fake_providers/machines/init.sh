#!/bin/sh
# The first process of a machine, until it becomes systemd: what a server's own kernel has, and a container lacks.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# The kernel is the host's, and so are its settings: the machine has copies of them to write. Its network's are its own.
for part in /proc/sys/*; do
  if [ "$part" = /proc/sys/net ]; then
    mount --bind "$part" "$part"
    mount -o remount,bind,rw "$part"
    continue
  fi
  mount -t tmpfs -o mode=0555,nosuid,nodev,noexec machine-settings /mnt
  # Some can't be read by anyone.
  cp -r --preserve=mode "$part/." /mnt/ 2>/dev/null || true
  if [ "$part" = /proc/sys/kernel ]; then
    # These are made anew at each reading.
    mount --bind "$part/random" /mnt/random
  fi
  mount --rbind /mnt "$part"
  umount --recursive /mnt
done

# Disks, which a container is given no udev for.
mkdir -p /dev/disk/by-id
while read -r link disk major minor; do
  mknod -m 0660 "/dev/$disk" b "$major" "$minor"
  chgrp disk "/dev/$disk"
  ln -sf "../../$disk" "/dev/disk/by-id/$link"
done </usr/lib/machine/disks
# systemd leaves the disks in a container's fstab alone.
if [ -e /etc/fstab ]; then
  while read -r what where _; do
    if [ -b "$what" ]; then
      mount "$where" || printf 'init: %s is not mounted\n' "$where" >&2
    fi
  done </etc/fstab
fi

if [ ! -e /var/lib/machine-authorities ]; then
  update-ca-certificates >/dev/null 2>&1
  touch /var/lib/machine-authorities
fi
exec /lib/systemd/systemd
