"""The systemd units of a node.

Owns the sandbox: the server may write its storage and its audit log, and nothing else; it has no capability.
"""

from .. import release
from . import host, layout
from .layout import CALLS, CONFIGURATION, HOME, LIBRARY, LOGS, OUTSIDE
from .model import Node

SERVER_UNIT = "vault.service"
PARAMETERS = f"{layout.ETC}/bootstrap.json"

SANDBOX = f"""\
{OUTSIDE}ProtectProc=invisible
ProcSubset=pid
{CALLS}RemoveIPC=yes
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


def server(node: Node) -> str:
    """The server's unit."""
    seal = node.seal
    needed = [layout.CERTIFICATE, layout.KEY, *(f"{HOME}/credentials/{name}" for name in seal.credentials)]
    # /run/lock is everybody's, and ProtectSystem=strict beside ProtectKernelTunables= leaves /run out (systemd 252).
    # Not BAO_ENABLE_FILE_PERMISSIONS_CHECK: it refuses files that don't belong to the server's own user (tried: OpenBao
    # 2.7.2), and a configuration that belongs to root is the safer one.
    lines = [f"LoadCredentialEncrypted={name}:{HOME}/credentials/{name}\n" for name in seal.credentials]
    # Where the file isn't there it is a line's end: systemd takes no empty one from a unit's file (tried: 252).
    lines += [
        f"LoadCredentialEncrypted={name}:{HOME}/credentials/{name}\nSetCredential={name}:\\n\n"
        for name in seal.passing_credentials
    ]
    variables = seal.environment(layout.credentials(SERVER_UNIT)).items()
    if variables:
        lines.append(f"Environment={' '.join(f'{name}={value}' for name, value in variables)}\n")
    wrapper = f"{LIBRARY}/{seal.wrapper} " if seal.wrapper else ""
    conditions = "\n".join(f"ConditionPathExists={path}" for path in needed)
    return f"""\
[Unit]
Description=Vault ({node.server.flavor})
Wants=network-online.target
After=network-online.target nftables.service
RequiresMountsFor={HOME} {LOGS}
# Without the volume the server would start empty, and look new.
ConditionPathIsMountPoint={HOME}
ConditionPathIsMountPoint={LOGS}
{conditions}
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
User=vault
Group=vault
ExecStart={wrapper}/usr/local/bin/{release.binary(node.server.flavor)} server -config={CONFIGURATION}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
TimeoutStopSec=30
KillSignal=SIGINT
LogsDirectory=vault
LogsDirectoryMode=0750
RuntimeDirectory=vault
RuntimeDirectoryMode=0700
ReadWritePaths={HOME}/raft
InaccessiblePaths=-{HOME}/custody -{HOME}/letsencrypt -/run/lock
{"".join(lines)}LimitNOFILE=65536
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
Description=First boot of Vault: key shares, the administrator's login, no root token
Wants=vault.service
After=vault.service
RequiresMountsFor={HOME}
ConditionPathIsMountPoint={HOME}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 -I {LIBRARY}/bootstrap.py {PARAMETERS}
# It stops and starts the server, whose storage is closed to this service.
ExecStopPost=+{LIBRARY}/start-over
# 3: the server doesn't answer yet; 10: it begins anew. Everything else needs a person, and another try would only bury
# its sentence.
Restart=on-failure
RestartPreventExitStatus=2 4 5 6 7 8 9
RestartSec=5
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


UPKEEP = f"""\
[Unit]
Description=Rotate Vault's logs by their size, and let the filesystem follow its volume
ConditionPathIsMountPoint={HOME}

[Service]
Type=oneshot
ExecStart={LIBRARY}/upkeep
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SETGID CAP_SETUID CAP_SYS_RESOURCE
NoNewPrivileges=yes
PrivateNetwork=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
ReadWritePaths={LOGS} /var/lib/logrotate
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""

UPKEEP_TIMER = """\
[Unit]
Description=Rotate Vault's logs and look at its volume, every minute

[Timer]
OnBootSec=1min
OnUnitActiveSec=1min
AccuracySec=5s

[Install]
WantedBy=timers.target
"""

ALARM_TIMER = """\
[Unit]
Description=Look at what would stop Vault, every five minutes

[Timer]
OnBootSec=5min
OnUnitActiveSec=5min

[Install]
WantedBy=timers.target
"""
