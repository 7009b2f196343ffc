"""What rotates an application's secrets on a machine: the units that run `vault-estate rotate --due`.

Owns their text. Refuses to hold a secret: the login's SecretID is in the file that its renewal keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .node.units import SANDBOX

_EVERY_SECONDS = 900
"""Between two runs. A grace of ten minutes is over after half an hour at most, and the shortest period is twelve
hours."""


@dataclass(frozen=True, kw_only=True)
class RotationTimer:
    """One login that rotates, on one machine."""

    role: str
    user: str
    """Whom it runs as there."""
    configuration: str
    """Folder of the document there."""
    secret_id_file: str
    document: str
    """What the library reads, with this login."""

    @property
    def name(self) -> str:
        """Of its units."""
        return f"vault-rotation-{self.role}"


def files(timer: RotationTimer) -> Mapping[str, str]:
    """Everything that goes to the machine, by the file's name."""
    return {
        f"{timer.name}.json": timer.document,
        f"{timer.name}.service": _service(timer),
        f"{timer.name}.timer": _timer(timer),
    }


def _service(timer: RotationTimer) -> str:
    return f"""\
[Unit]
Description=Secrets that are due are rotated by {timer.role}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={timer.user}
Environment=VAULT_ESTATE_CONFIG={timer.configuration}/{timer.name}.json
Environment=VAULT_SECRET_ID_FILE={timer.secret_id_file}
ExecStart=/usr/bin/env vault-estate rotate --due
TimeoutStartSec=1h
{SANDBOX}"""


def _timer(timer: RotationTimer) -> str:
    return f"""\
[Unit]
Description=Secrets that are due are rotated by {timer.role}, within a quarter of an hour

[Timer]
OnActiveSec=1min
OnBootSec=5min
OnUnitInactiveSec={_EVERY_SECONDS}
RandomizedDelaySec={_EVERY_SECONDS // 10}

[Install]
WantedBy=timers.target
"""
