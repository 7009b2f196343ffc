"""What a node takes snapshots with: its program, parameters, units, and a login that an operator brings.

Owns the program's way into user-data, where each byte counts. Refuses a secret: the login's private key and the
bucket's credential come to the node by hand, wrapped by `systemd-creds`.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from components.render.node import units
from components.render.node.model import Snapshots
from components.render.shortened import without_comments

_SOURCE = Path(__file__).parents[2] / "payloads" / "snapshot.py"
PROGRAM = f"{units.LIBRARY}/snapshot.py"
PARAMETERS = "/etc/vault-estate/snapshots.json"
STATE = "/var/lib/vault-snapshots"
METRICS = f"{STATE}/vault_snapshots.prom"
"""What a node exporter's textfile collector reads: a link to it, or this folder, is the operator's choice."""
CREDENTIALS = ("snapshot-login", "snapshot-bucket")
"""One PEM file of certificate and private key; one file of AWS' shared credentials."""
ESCROWED = {"escrow": "credentials/escrow", "shares": "custody/shares.json", "complete": "custody/shares.json.complete"}
"""What goes with the snapshots, encrypted for their recipients: the seal's key, as `seal` wrote it, and custody."""


PACKAGES = ("age", "python3-boto3")
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_USER = "vault-snapshot"
SYSUSERS = f'u {_USER} - "Takes snapshots of Vault" /nonexistent\n'
_ADDED = f"""\
User={_USER}
SupplementaryGroups=vault
PrivateUsers=yes
# Equal limits: age is a Go program, which would raise the lower one, and may not.
LimitNOFILE=4096:4096
MemorySwapMax=0
StateDirectory=vault-snapshots
StateDirectoryMode=0755
InaccessiblePaths=-{units.HOME}/raft -{units.HOME}/custody -{units.HOME}/credentials -{units.HOME}/letsencrypt
InaccessiblePaths=-{units.HOME}/tls/server.key
Environment=TMPDIR={STATE} AWS_SHARED_CREDENTIALS_FILE=%d/snapshot-bucket AWS_EC2_METADATA_DISABLED=true
Environment=AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
"""


def recipient(text: str) -> str:
    """The one age public key in a file, which may have comments as `age-keygen` writes them.

    Raises:
        ValueError: there is none, or more than one, or a secret key, of which nothing is quoted.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1 or not _RECIPIENT.fullmatch(lines[0]):
        secret = any(line.upper().startswith("AGE-SECRET-KEY-") for line in lines)
        found = (
            "holds a secret key" if secret else f"has {len(lines)} lines" if len(lines) != 1 else "holds something else"
        )
        raise ValueError(f"{found}; expected one age public key, age1 and 58 characters")
    return lines[0]


def files(snapshots: Snapshots, address: str, ca_file: str) -> Mapping[str, str]:
    """What a node with snapshots has beside the others', by path. Nothing of it is executable or secret."""
    return {
        PROGRAM: program(),
        PARAMETERS: parameters(snapshots, address, ca_file),
        "/etc/systemd/system/vault-snapshot.service": service(escrow=snapshots.escrow),
        "/etc/sysusers.d/vault-snapshot.conf": SYSUSERS,
        "/etc/systemd/system/vault-snapshot.timer": timer(snapshots.schedule),
    }


def parameters(snapshots: Snapshots, address: str, ca_file: str) -> str:
    """What the program is told."""
    told = {
        "address": address,
        "ca_file": ca_file,
        "role": snapshots.role,
        "canary": snapshots.canary,
        "recipients": snapshots.recipients,
        "bucket": {"name": snapshots.bucket, "endpoint": snapshots.endpoint, "region": snapshots.region},
        "keep": {"hourly": snapshots.hourly, "daily": snapshots.daily, "weekly": snapshots.weekly},
        "stale_after_seconds": snapshots.stale_after_seconds,
        "metrics": METRICS,
        **({"escrow": True} if snapshots.escrow else {}),
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def service(*, escrow: bool) -> str:
    """One run. It waits for what an operator brings, and reads nothing of the server's but its API."""
    loaded = "".join(f"LoadCredentialEncrypted={name}:{units.HOME}/credentials/{name}\n" for name in CREDENTIALS)
    loaded += "".join(f"LoadCredential={name}:{units.HOME}/{file}\n" for name, file in ESCROWED.items() if escrow)
    conditions = "".join(f"ConditionPathExists={units.HOME}/credentials/{name}\n" for name in CREDENTIALS)
    return f"""\
[Unit]
Description=Snapshot of Vault to where only its recipients can read it
Wants=network-online.target
After=network-online.target vault.service
RequiresMountsFor={units.HOME}
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


def program() -> str:
    """The program, shortened."""
    return without_comments(_SOURCE.read_text(encoding="utf-8"), "components/payloads/snapshot.py")
