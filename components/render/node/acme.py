"""certbot's part of a node: its settings, and the units of the first certificate and of the later ones."""

from .layout import CALLS, HOME, LIBRARY, OUTSIDE


def settings(email: str, directory: str) -> str:
    """What certbot reads at each call, its timer's included. Accounts and keys live on the volume."""
    lines = [
        f"config-dir = {HOME}/letsencrypt",
        f"server = {directory}",
        f"email = {email}",
        "agree-tos = True",
        "non-interactive = True",
        "authenticator = standalone",
        "preferred-challenges = http",
        "key-type = ecdsa",
        "max-log-backups = 0",
        f"deploy-hook = {LIBRARY}/deploy-certificate",
    ]
    return "\n".join(lines) + "\n"


FIRST_CERTIFICATE = f"""\
[Unit]
Description=First certificate of Vault
Wants=network-online.target
After=network-online.target nftables.service
RequiresMountsFor={HOME}
ConditionPathIsMountPoint={HOME}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={LIBRARY}/acme
TimeoutStartSec=infinity
StateDirectory=letsencrypt
LogsDirectory=letsencrypt
ReadWritePaths={HOME}/tls {HOME}/letsencrypt
{OUTSIDE}{CALLS}UMask=0077
# Port 80 while the authority looks, and files that the server may read.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE
SystemCallArchitectures=native
SystemCallFilter=@system-service
IPAddressDeny=169.254.169.254
LimitCORE=0

[Install]
WantedBy=multi-user.target
"""
"""Gets a certificate where there is none yet, for as long as that takes."""


RENEWAL = f"""\
[Unit]
# Without the volume certbot would make an account of its own on the root disk.
ConditionPathIsMountPoint={HOME}
"""
"""Beside the unit that certbot's package brings."""
