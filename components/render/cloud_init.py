"""A node's user-data: the one text that makes a hardened Vault of an empty Debian 12 or Ubuntu 24.04.

Owns which files a node gets, and the size they may have together. Refuses nothing secret because nothing secret comes
here: keys are generated on the node or brought to it, and operators' and administrators' keys are public.
"""

import base64
import shlex
from collections.abc import Mapping
from pathlib import Path

import yaml

from . import bootstrap, release
from .audit import AuditDevice, FileAudit, SyslogAudit
from .bootstrap import BootstrapRun
from .node import archive, host, layout, snapshots, units
from .node.layout import EXECUTABLE, HOME, LIBRARY, PRIVATE, READABLE, File
from .node.model import Node, Place
from .seals import SealPlace
from .server_hcl import ServerHcl
from .server_hcl import render as render_hcl
from .shortened import bare_script, without_comments
from .traffic import nftables

MAXIMUM_BYTES = 32_768
"""Hetzner's limit of user-data (docs.hetzner.cloud, create a server, user_data)."""

ARCHIVE = f"/root/vault-estate{archive.SUFFIX}"
"""Where the files are until the first command unpacks them, after packages: a package never finds a file of ours in its
place and asks about it. One by one, less well compressed, or in base64, a fifteenth longer, they wouldn't fit."""
SSHD = "/etc/ssh/sshd_config.d/90-vault-estate.conf"
"""Written before anything else, since `sshd` starts long before the archive is unpacked."""

_SCRIPTS = Path(__file__).parents[1] / "payloads"
_AUDIT: Mapping[str, AuditDevice] = {
    # Of different types: a full disk stops one, a lost journal the other.
    "file": FileAudit(file_path="/var/log/vault/audit.log"),
    "syslog": SyslogAudit(),
}


def render(node: Node, place: Place) -> str:
    """The user-data. Raises ValueError where it is larger than Hetzner takes, or can't be packed here."""
    later = dict(files(node, place))
    early: list[dict[str, str]] = []
    if node.ssh:
        content, permissions = later.pop(SSHD)
        early.append({"path": SSHD, "permissions": permissions, "content": content})
    packed = archive.pack(later)
    document: dict[str, object] = {
        "package_update": True,
        "package_upgrade": True,
        "packages": _packages(node),
        "disable_root": True,
        "ssh_pwauth": False,
        "users": _users(node),
        "write_files": [
            *early,
            {
                "path": ARCHIVE,
                "permissions": PRIVATE,
                "content": base64.b85encode(packed).decode(),
            },
        ],
        "runcmd": [
            # Every image has Python, since cloud-init is written in it; `xz` it needn't have.
            ["python3", "-I", "-c", archive.PROGRAM, ARCHIVE],
            [f"{LIBRARY}/setup"],
        ],
    }
    text = "#cloud-config\n" + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
    size = len(text.encode())
    if size > MAXIMUM_BYTES:
        raise ValueError(
            f"user-data: {size} bytes; expected at most {MAXIMUM_BYTES}. What varies are the operators' public keys: "
            "an elliptic-curve key without photos and foreign signatures takes under 1,000"
        )
    return text


def files(node: Node, place: Place) -> Mapping[str, File]:
    """Every file of first boot, by its path: content and permissions. All belong to root."""
    program = without_comments(bootstrap.program(), "components/payloads/bootstrap.py")
    written = {
        f"{layout.ETC}/node.env": (_environment(node, place), READABLE),
        layout.CONFIGURATION: (render_hcl(server(node, place)), READABLE),
        units.PARAMETERS: (bootstrap.parameters(first_boot(node, place)), PRIVATE),
        f"{LIBRARY}/bootstrap.py": (program, READABLE),
        f"{layout.UNITS}/{units.SERVER_UNIT}": (units.server(node), READABLE),
        f"{layout.UNITS}/vault-bootstrap.service": (units.bootstrap(), READABLE),
        f"{layout.UNITS}/vault-alarm.service": (units.alarm(), READABLE),
        f"{layout.UNITS}/vault-alarm.timer": (units.ALARM_TIMER, READABLE),
        f"{layout.UNITS}/vault-upkeep.service": (units.UPKEEP, READABLE),
        f"{layout.UNITS}/vault-upkeep.timer": (units.UPKEEP_TIMER, READABLE),
        f"/etc/apparmor.d/{host.APPARMOR_PROFILE}": (host.apparmor(node), READABLE),
        "/etc/nftables.conf": (nftables(node.flows), EXECUTABLE),
        "/etc/sysctl.d/90-vault-estate.conf": (host.SYSCTL, READABLE),
        f"{layout.ETC}/logrotate.conf": (host.logrotate(node.audit_retention), READABLE),
        "/etc/chrony/sources.d/hetzner.sources": (host.CHRONY, READABLE),
        "/etc/apt/apt.conf.d/90vault-estate": (host.upgrades(reboots=node.seal.auto_unseal), READABLE),
        "/etc/profile.d/vault-estate.sh": (host.HISTORY, READABLE),
        **node.tls.files(node.texts),
        **{path: (content, READABLE) for path, content in snapshots.files(node, place).items()},
    }
    if node.waits_for_operator:
        written[f"{layout.UNITS}/vault.path"] = (units.waiting(), READABLE)
    if node.ssh:
        written[SSHD] = (host.SSHD, READABLE)
    if node.logs:
        written["/etc/rsyslog.conf"] = (host.rsyslog(node.logs), READABLE)
        written["/etc/apparmor.d/rsyslog.d/vault-estate"] = (host.APPARMOR_RSYSLOG, READABLE)
    for script in (*_ALWAYS, *node.tls.scripts, *filter(None, [node.seal.wrapper])):
        source = _SCRIPTS / f"{script.replace('-', '_')}.sh"
        written[f"{LIBRARY}/{script}"] = (bare_script(source.read_text(encoding="utf-8")), EXECUTABLE)
    return written


_ALWAYS = ("setup", "harden", "storage", "install", "certificate", "seal", "alarm", "upkeep", "start-over")


def server(node: Node, place: Place) -> ServerHcl:
    """The server's own configuration."""
    return ServerHcl(
        flavor=node.server.flavor,
        storage_path=f"{HOME}/raft",
        node_id=node.node_id,
        listener_address=f"0.0.0.0:{node.api_port}",
        # One node: nobody else has to reach its cluster port.
        cluster_listener_address="127.0.0.1:8201",
        api_address=node.api_address(place.address),
        cluster_address="https://127.0.0.1:8201",
        certificate_file=layout.CERTIFICATE,
        key_file=layout.KEY,
        seal=node.seal,
        # In memory only, while the server runs.
        seal_place=SealPlace(static_key_file=f"{layout.credentials(units.SERVER_UNIT)}/seal-key", kms_key=node.kms_key),
        regain_socket=layout.REGAIN_SOCKET if node.server.flavor == "openbao" else None,
        audit_devices=_AUDIT if node.server.flavor == "openbao" else {},
    )


def first_boot(node: Node, place: Place) -> BootstrapRun:
    """The parameters of the bootstrap program."""
    return BootstrapRun(
        bootstrap=node.bootstrap,
        texts=node.texts,
        address=node.api_address(place.address),
        ca_file=node.tls.ca_file(),
        auto_unseal=node.seal.auto_unseal,
        shares_file=layout.SHARES,
        policy=node.policy,
        token_bound_cidrs=node.administrator_networks,
    )


def _environment(node: Node, place: Place) -> str:
    escrow = node.snapshots.keys(node.texts) if node.snapshots and node.seal.key_in_escrow else ()
    variables = {
        "NODE": place.address,
        "NODE_HOST_NAME": place.host_name,
        "NODE_SUBJECT": f"DNS:{place.host_name}" if place.host_name else f"IP:{place.address}",
        "VOLUME_DEVICE": place.volume_device,
        "TLS": node.tls.kind,
        **node.tls.variables(),
        "SEAL": node.seal.kind,
        "SSH": "yes" if node.ssh else "no",
        "LOGS": "yes" if node.logs else "no",
        "SNAPSHOTS": "yes" if node.snapshots else "no",
        **({"ESCROW": " ".join(escrow)} if escrow else {}),
        "WAITS_FOR_OPERATOR": "yes" if node.waits_for_operator else "no",
        **release.variables(node.server, node.architecture, node.download),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def _packages(node: Node) -> list[str]:
    packages = [
        "apparmor",
        "ca-certificates",
        "chrony",
        "curl",
        "gnupg",
        "logrotate",
        "nftables",
        "openssl",
        "unattended-upgrades",
        *node.tls.packages,
        *(("rsyslog", "rsyslog-gnutls") if node.logs else ()),
        *(snapshots.PACKAGES if node.snapshots else ()),
    ]
    return sorted(packages)


def _users(node: Node) -> list[dict[str, object]]:
    if not node.ssh:
        # Nobody, the image's own user neither: cloud-init takes no empty list. root is there; it locks its password.
        return [{"name": "root"}]
    return [
        {
            "name": "estate",  # `operator` is a group of Debian's own
            "gecos": "Operator of the estate",
            "shell": "/bin/bash",
            "lock_passwd": True,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "ssh_authorized_keys": [node.texts[file].strip() for file in node.ssh.public_keys],
        }
    ]


class _Dumper(yaml.SafeDumper):
    """Writes what has lines as lines, and never an anchor."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
