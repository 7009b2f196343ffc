"""What renews an application's SecretID on the machine where it runs: a program, its timer, and how they are put there.

Owns the text of all of it, and the places. Refuses to hold a secret: the first SecretID comes beside it, wrapped.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import rotation_timer
from .node.units import SANDBOX
from .rotation_timer import RotationTimer

PROGRAM = "renew_secret_id.py"
WRAPPED = "wrapping-token"
_GRACE_SECONDS = 60
"""An application may have read the old SecretID a moment ago."""
_NEEDED = """\
if ! command -v vault-estate >/dev/null; then
    echo "vault-estate is missing; expected it on the path: pip install vault-estate" >&2
    exit 2
fi
"""
_LIBRARY, _CONFIGURATION, _STATE = "/usr/local/lib/vault-estate", "/etc/vault-estate", "/var/lib/vault-renewal"


@dataclass(frozen=True, kw_only=True)
class SecretIdRenewal:
    """One application on one machine."""

    application: str
    user: str
    """Whom the application runs as there."""
    address: str
    """Of Vault's API."""
    mount: str
    """Of AppRole."""
    role_id: str
    secret_id_ttl: int
    authority: str | None = None
    """PEM of the authority of Vault's certificate; None: one that every machine knows."""
    rotation_document: str | None = None
    """What the library reads if this login rotates secrets there, too; None: it doesn't."""

    @property
    def name(self) -> str:
        """Of its units."""
        return f"vault-renewal-{self.application}"

    @property
    def folder(self) -> str:
        """Where the application finds its SecretID."""
        return f"{_STATE}/{self.application}"

    @property
    def rotation(self) -> RotationTimer | None:
        """What rotates by this login; None: nothing does."""
        if self.rotation_document is None:
            return None
        return RotationTimer(
            role=self.application,
            user=self.user,
            configuration=_CONFIGURATION,
            secret_id_file=f"{self.folder}/secret-id",
            document=self.rotation_document,
        )

    @property
    def every(self) -> int:
        """Seconds between two runs. Three more can fail before the SecretID ends."""
        return max(1, self.secret_id_ttl // 4)


def files(renewal: SecretIdRenewal) -> Mapping[str, str]:
    """Everything that goes to the machine, by the file's name."""
    authority = {f"{renewal.name}.crt": renewal.authority} if renewal.authority else {}
    return {
        PROGRAM: (Path(__file__).parents[1] / "payloads" / PROGRAM).read_text(encoding="utf-8"),
        f"{renewal.name}.json": parameters(renewal),
        f"{renewal.name}.service": _service(renewal),
        f"{renewal.name}.timer": _timer(renewal),
        "install.sh": _install(renewal),
        **authority,
        **(rotation_timer.files(renewal.rotation) if renewal.rotation else {}),
    }


def parameters(renewal: SecretIdRenewal) -> str:
    """What the program is told."""
    told = {
        "address": renewal.address,
        "ca_file": f"{_CONFIGURATION}/{renewal.name}.crt" if renewal.authority else None,
        "mount": renewal.mount,
        "role": renewal.application,
        "role_id": renewal.role_id,
        "folder": renewal.folder,
        "grace_seconds": min(_GRACE_SECONDS, renewal.every / 4),
    }
    return json.dumps(told, indent=1) + "\n"


def _service(renewal: SecretIdRenewal) -> str:
    return f"""\
[Unit]
Description=The next SecretID of {renewal.application}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={renewal.user}
ExecStart=/usr/bin/python3 -I {_LIBRARY}/{PROGRAM} {_CONFIGURATION}/{renewal.name}.json
Restart=on-failure
RestartSec=1min
TimeoutStartSec=10min
ReadWritePaths={renewal.folder}
{SANDBOX}"""


def _timer(renewal: SecretIdRenewal) -> str:
    return f"""\
[Unit]
Description=The next SecretID of {renewal.application}, long before the present one ends

[Timer]
OnActiveSec={renewal.every}
OnBootSec=1min
OnUnitInactiveSec={renewal.every}
RandomizedDelaySec={renewal.every // 10}

[Install]
WantedBy=timers.target
"""


def _install(renewal: SecretIdRenewal) -> str:
    configuration = [f"{renewal.name}.json", *([f"{renewal.name}.crt"] if renewal.authority else [])]
    units = [f"{renewal.name}.service", f"{renewal.name}.timer"]
    needed, then = "", ""
    if rotation := renewal.rotation:
        configuration.append(f"{rotation.name}.json")
        units += [f"{rotation.name}.service", f"{rotation.name}.timer"]
        needed = _NEEDED
        then = f"systemctl enable --now {rotation.name}.timer\n"
    return f"""\
#!/bin/sh
# Run by root on the machine where {renewal.application} runs, beside the files that came with it.
set -eu
{needed}cd "$(dirname "$0")"
install -d -m 0755 {_LIBRARY} {_CONFIGURATION} {_STATE}
install -m 0644 {PROGRAM} {_LIBRARY}/
install -m 0644 {" ".join(configuration)} {_CONFIGURATION}/
install -m 0644 {" ".join(units)} /etc/systemd/system/
install -d -o {renewal.user} -m 0700 {renewal.folder}
if [ -e {WRAPPED} ]; then
    install -o {renewal.user} -m 0400 {WRAPPED} {renewal.folder}/
    rm {WRAPPED}
fi
systemctl daemon-reload
systemctl start {renewal.name}.service
systemctl enable --now {renewal.name}.timer
{then}echo "{renewal.application} finds its SecretID in {renewal.folder}/secret-id"
"""
