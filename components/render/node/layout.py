"""Where everything is on a node, and the lines that all its services have. Owns no file."""

HOME = "/var/lib/vault"
"""The volume."""
LOGS = "/var/log/vault"
"""Bound to a folder of the volume: what was audited outlives the server."""
ETC = "/etc/vault-estate"
LIBRARY = "/usr/local/lib/vault-estate"
UNITS = "/etc/systemd/system"
CONFIGURATION = f"{ETC}/server.hcl"
CERTIFICATE = f"{HOME}/tls/server.crt"
KEY = f"{HOME}/tls/server.key"
SHARES = f"{HOME}/custody/shares.json"
"""The encrypted key shares; beside it, `.complete` says that the first boot was completed."""
REGAIN_SOCKET = "/run/vault/regain.sock"
"""Where key shares regain administration; root's alone."""
SYSTEM_STORE = "/etc/ssl/certs/ca-certificates.crt"
EXECUTABLE, READABLE, PRIVATE = "0755", "0644", "0600"
"""Permissions of what a node gets. All belongs to root."""

OUTSIDE = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
"""
"""No service reaches more of the machine than it says."""
CALLS = """\
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
LockPersonality=yes
"""
"""Nor more of the kernel."""

File = tuple[str, str]
"""What a file holds, and its permissions."""


def credentials(unit: str) -> str:
    """Where systemd puts what it unwrapped for a service."""
    return f"/run/credentials/{unit}"
