#!/bin/sh
# What the host must be before anything of the server is on it.
set -eu
# shellcheck source=/dev/null
. /etc/vault-estate/node.env

put_away() {
  for unit in "$@"; do
    if systemctl cat "$unit" >/dev/null 2>&1; then
      systemctl disable --now "$unit"
      systemctl mask "$unit"
    fi
  done
}

# A fixed number: files on the volume outlive this root disk.
if ! getent passwd vault >/dev/null; then
  groupadd --system --gid 8200 vault
  useradd --system --uid 8200 --gid 8200 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin vault
fi

swapoff -a
sed -i '/[[:space:]]swap[[:space:]]/d' /etc/fstab
passwd --lock root >/dev/null

# Ubuntu's collector of core dumps, which names itself in kernel.core_pattern.
put_away apport.service
sysctl --quiet --system >/dev/null
systemctl enable --now nftables.service
nft --file /etc/nftables.conf
if [ -d /sys/kernel/security/apparmor ]; then
  for profile in vault-estate usr.sbin.rsyslogd; do
    # Ubuntu's of rsyslogd has a part of ours, which wasn't there when it was loaded.
    [ ! -f /etc/apparmor.d/$profile ] || apparmor_parser --replace /etc/apparmor.d/$profile
  done
fi
systemctl enable chrony.service
systemctl restart chrony.service

# A private ACME authority, which certbot and the node's own requests have to trust.
if [ -f /usr/local/share/ca-certificates/vault-estate.crt ]; then
  update-ca-certificates >/dev/null
fi

if [ "$LOGS" = yes ]; then
  systemctl enable rsyslog.service
  systemctl restart rsyslog.service
fi

if [ "$SSH" = no ]; then
  put_away ssh.socket ssh.service
fi

# The node reaches itself without the public network, also before its record is known everywhere.
if [ -n "$NODE_HOST_NAME" ] && ! grep -qxF "127.0.0.1 $NODE_HOST_NAME" /etc/hosts; then
  printf '127.0.0.1 %s\n' "$NODE_HOST_NAME" >>/etc/hosts
fi
