"""What a node takes snapshots with: units around the program, and a login that an operator brings.

Refuses a secret: the login's private key and the bucket's credential come to the node by hand, wrapped by
`systemd-creds`.
"""

from collections.abc import Mapping

from .. import snapshots
from ..snapshots import SnapshotRun
from . import layout, units
from .layout import HOME
from .model import Node, Place

PROGRAM = f"{layout.LIBRARY}/snapshot.py"
PARAMETERS = f"{layout.ETC}/snapshots.json"
STATE = "/var/lib/vault-snapshots"
METRICS = f"{STATE}/vault_snapshots.prom"
"""What a node exporter's textfile collector reads: a link to it, or this folder, is the operator's choice."""
CREDENTIALS = ("snapshot-login", "snapshot-bucket")
"""One PEM file of certificate and private key; one file of AWS' shared credentials."""
ESCROWED = {
    "escrow": f"{HOME}/credentials/escrow",
    "shares": layout.SHARES,
    "complete": f"{layout.SHARES}.complete",
}
"""What goes with the snapshots, encrypted for their recipients: the seal's key, as `seal` wrote it, and key shares."""

PACKAGES = ("age", "python3-boto3")
_USER, _UNIT = "vault-snapshot", "vault-snapshot.service"
_SYSUSERS = f'u {_USER} - "Takes snapshots of Vault" /nonexistent\n'
_ADDED = f"""\
User={_USER}
SupplementaryGroups=vault
PrivateUsers=yes
# Equal limits: age is a Go program, which would raise the lower one, and may not.
LimitNOFILE=4096:4096
MemorySwapMax=0
StateDirectory=vault-snapshots
StateDirectoryMode=0755
InaccessiblePaths=-{HOME}/raft -{HOME}/custody -{HOME}/credentials -{HOME}/letsencrypt
InaccessiblePaths=-{HOME}/tls/server.key
Environment=TMPDIR={STATE} AWS_SHARED_CREDENTIALS_FILE=%d/snapshot-bucket AWS_EC2_METADATA_DISABLED=true
Environment=AWS_CA_BUNDLE={layout.SYSTEM_STORE}
"""


def files(node: Node, place: Place) -> Mapping[str, str]:
    """What a node with snapshots has beside the others', by path. Nothing of it is executable or secret."""
    if node.snapshots is None:
        return {}
    run = SnapshotRun(
        address=node.api_address(place.address),
        ca_file=node.tls.ca_file(),
        recipients=node.snapshots.keys(node.texts),
        credentials=layout.credentials(_UNIT),
        metrics=METRICS,
        escrow=node.seal.key_in_escrow,
    )
    return {
        PROGRAM: snapshots.program(),
        PARAMETERS: snapshots.parameters(node.snapshots, run),
        f"{layout.UNITS}/{_UNIT}": service(escrow=run.escrow),
        "/etc/sysusers.d/vault-snapshot.conf": _SYSUSERS,
        f"{layout.UNITS}/vault-snapshot.timer": timer(node.snapshots.schedule),
    }


def service(*, escrow: bool) -> str:
    """One run. It waits for what an operator brings, and reads nothing of the server's but its API."""
    loaded = "".join(f"LoadCredentialEncrypted={name}:{HOME}/credentials/{name}\n" for name in CREDENTIALS)
    loaded += "".join(f"LoadCredential={name}:{file}\n" for name, file in ESCROWED.items() if escrow)
    conditions = "".join(f"ConditionPathExists={HOME}/credentials/{name}\n" for name in CREDENTIALS)
    return f"""\
[Unit]
Description=Snapshot of Vault to where only its recipients can read it
Wants=network-online.target
After=network-online.target vault.service
RequiresMountsFor={HOME}
{conditions}StartLimitIntervalSec=3000
StartLimitBurst=4

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {PROGRAM} {PARAMETERS}
Restart=on-failure
RestartSec=300
TimeoutStartSec=1800
{loaded}{_ADDED}{units.SANDBOX}"""


def timer(schedule: str) -> str:
    """When."""
    return f"""\
[Unit]
Description=Take snapshots of Vault

[Timer]
OnCalendar={schedule}
# What was due while the machine was off is done when it is back.
Persistent=yes
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
