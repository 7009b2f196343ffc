"""The systemd units of a node.

Owns the sandbox: the server may write its storage and its audit log, and nothing else; it has no capability.
"""

from components.render.node import host
from components.render.node.model import AcmeTls, InternalTls, Node, ProvidedTls
from components.render.node.release import BINARIES
from components.render.server_hcl import AwsKmsSeal, TransitSeal

HOME = "/var/lib/vault"
LIBRARY = "/usr/local/lib/vault-estate"
CONFIGURATION = "/etc/vault-estate/server.hcl"
PARAMETERS = "/etc/vault-estate/bootstrap.json"
CREDENTIALS = "/run/credentials/vault.service"
"""Where systemd puts what it unwrapped for the server."""

_SYSTEM_STORE = "/etc/ssl/certs/ca-certificates.crt"

SANDBOX = """\
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
ProtectProc=invisible
ProcSubset=pid
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
LockPersonality=yes
RemoveIPC=yes
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
IPAddressDeny=169.254.169.254
LimitCORE=0
"""
"""What no service of the estate's own needs."""


def ca_file(node: Node) -> str:
    """What the node verifies its own server with."""
    match node.tls:
        case AcmeTls():
            return _SYSTEM_STORE
        case ProvidedTls():
            return "/etc/vault-estate/authority.crt" if node.tls.ca_certificate else _SYSTEM_STORE
        case InternalTls():
            return f"{HOME}/tls/server.crt"


def server(node: Node) -> str:
    """The server's unit."""
    needed = [f"{HOME}/tls/server.crt", f"{HOME}/tls/server.key"]
    needed += [f"{HOME}/credentials/{name}" for name in node.credentials]
    # /run/lock is everybody's, and ProtectSystem=strict beside ProtectKernelTunables= leaves /run out (systemd 252).
    # Not BAO_ENABLE_FILE_PERMISSIONS_CHECK: it refuses files that don't belong to the server's own user (tried: OpenBao
    # 2.7.2), and a configuration that belongs to root is the safer one.
    lines = [f"LoadCredentialEncrypted={name}:{HOME}/credentials/{name}" for name in node.credentials]
    if isinstance(node.seal, AwsKmsSeal):
        lines.append(f"Environment=AWS_SHARED_CREDENTIALS_FILE={CREDENTIALS}/aws AWS_EC2_METADATA_DISABLED=true")
    seal = "".join(f"{line}\n" for line in lines)
    wrapper = f"{LIBRARY}/serve-transit " if isinstance(node.seal, TransitSeal) else ""
    conditions = "\n".join(f"ConditionPathExists={path}" for path in needed)
    return f"""\
[Unit]
Description=Vault ({node.flavor.value})
Wants=network-online.target
After=network-online.target nftables.service
RequiresMountsFor={HOME}
# Without the volume the server would start empty, and look new.
ConditionPathIsMountPoint={HOME}
{conditions}
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
User=vault
Group=vault
ExecStart={wrapper}/usr/local/bin/{BINARIES[node.flavor]} server -config={CONFIGURATION}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
TimeoutStopSec=30
KillSignal=SIGINT
LogsDirectory=vault
LogsDirectoryMode=0750
ReadWritePaths={HOME}/raft
InaccessiblePaths=-{HOME}/custody -{HOME}/letsencrypt -/run/lock
{seal}LimitNOFILE=65536
LimitNPROC=4096
MemorySwapMax=0
AppArmorProfile={host.APPARMOR_PROFILE}
PrivateUsers=yes
{SANDBOX}
[Install]
WantedBy=multi-user.target
"""


def waiting() -> str:
    """Starts the server as soon as an operator has brought what it waits for."""
    return f"""\
[Unit]
Description=Vault waits for what an operator brings

[Path]
PathChanged={HOME}/tls
PathChanged={HOME}/credentials
Unit=vault.service

[Install]
WantedBy=multi-user.target
"""


def bootstrap() -> str:
    """Initialises the server once; at each later start it finds that done."""
    return f"""\
[Unit]
Description=First boot of Vault: shares to custody, the administrator's login, no root token
Wants=vault.service
After=vault.service
RequiresMountsFor={HOME}
ConditionPathIsMountPoint={HOME}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 -I {LIBRARY}/bootstrap.py {PARAMETERS}
# 3: the server doesn't answer yet. Everything else needs a person, and another try would only bury its sentence.
Restart=on-failure
RestartPreventExitStatus=2 4 5 6 7 8 9
RestartSec=30
TimeoutStartSec=infinity
ReadWritePaths={HOME}/custody
{SANDBOX}
[Install]
WantedBy=multi-user.target
"""


def alarm() -> str:
    """One look at what would stop the server, or open it."""
    # It looks at /proc/swaps, and at no other process.
    sandbox = SANDBOX.replace("ProcSubset=pid\n", "")
    return f"""\
[Unit]
Description=Look at what would stop Vault: disks, clock, certificate, swap

[Service]
Type=oneshot
ExecStart={LIBRARY}/alarm
{sandbox}"""


ALARM_TIMER = """\
[Unit]
Description=Look at what would stop Vault, every five minutes

[Timer]
OnBootSec=5min
OnUnitActiveSec=5min

[Install]
WantedBy=timers.target
"""


def first_certificate() -> str:
    """Gets a certificate where there is none yet, for as long as that takes."""
    return f"""\
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
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
LockPersonality=yes
UMask=0077
# Port 80 while the authority looks, and files that the server may read.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE
SystemCallArchitectures=native
SystemCallFilter=@system-service
IPAddressDeny=169.254.169.254
LimitCORE=0

[Install]
WantedBy=multi-user.target
"""


RENEWAL = f"""\
[Unit]
# Without the volume certbot would make an account of its own on the root disk.
ConditionPathIsMountPoint={HOME}
"""
"""Beside the unit that certbot's package brings."""
