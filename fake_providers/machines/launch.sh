#!/bin/sh
# Run one machine until it powers off. Started in a mount namespace of its own, so that its root ends with it.
# Arguments: folder of the machine, its namespace's name, its host name.
set -eu
folder=$1 part=$2 name=$3

cd "$folder"
printf '%s\n' "$$" >launcher
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/$part
# Beside each other: a group that is divided may hold no process itself.
mkdir -p "$groups/launcher" "$groups/machine"
echo "$$" >"$groups/launcher/cgroup.procs"
mount -t overlay overlay -o lowerdir=root,upperdir=upper,workdir=work merged

# As on a server of today, whatever the host has mounted.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
while :; do
  status=0
  # shellcheck disable=SC2016 # the inner shell's own number is meant
  sh -c 'echo "$$" >"$0/machine/cgroup.procs" && exec systemd-nspawn "$@"' "$groups" \
    --quiet --directory=merged --machine="$part" --hostname="$name" --register=no --keep-unit --console=pipe \
    --resolv-conf=off --timezone=off --link-journal=no --kill-signal=SIGRTMIN+3 \
    --network-namespace-path="/run/netns/$part" --capability=CAP_NET_ADMIN \
    --bind-ro="$folder/outside:/usr/lib/machine" /usr/lib/machine/init.sh || status=$?
  # A reboot: systemd-nspawn leaves starting again to whoever started it.
  [ "$status" = 133 ] || exit "$status"
done
