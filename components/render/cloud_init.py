"""A node's user-data: the one text that makes a hardened Vault of an empty Debian 12 or Ubuntu 24.04.

Owns which files a node gets, and the size they may have together. Refuses nothing secret because nothing secret comes
here: keys are born on the node or brought to it, and operators' and administrators' keys are public.
"""

import base64
import shlex
from collections.abc import Mapping
from pathlib import Path

import yaml

from components.render import bootstrap
from components.render.node import archive, host, release, snapshots, units
from components.render.node.model import AcmeTls, InternalTls, Node, ProvidedTls
from components.render.server_hcl import (
    AuditDevice,
    AwsKmsSeal,
    FileAudit,
    Flavor,
    Seal,
    ServerHcl,
    ShamirSeal,
    StaticSeal,
    SyslogAudit,
    TransitSeal,
)
from components.render.server_hcl import render as render_hcl
from components.render.shortened import bare_script, without_comments
from components.render.traffic import API_PORT, nftables

MAXIMUM_BYTES = 32_768
"""Hetzner's limit of user-data (docs.hetzner.cloud, create a server, user_data)."""
SEAL_KEY_FILE = f"{units.CREDENTIALS}/seal-key"
"""Where the static seal's key is while the server runs, in memory only."""

ARCHIVE = "/root/vault-estate.tar.xz"
"""Where the files are until the first command unpacks them, after packages: a package never finds a file of ours in its
place and asks about it. One by one, or less well compressed, they wouldn't fit."""
SSHD = "/etc/ssh/sshd_config.d/90-vault-estate.conf"
"""Written before anything else, since `sshd` starts long before the archive is unpacked."""

_SCRIPTS = Path(__file__).parents[1] / "payloads"
_EXECUTABLE, _READABLE, _PRIVATE = "0755", "0644", "0600"


def render(node: Node) -> str:
    """The user-data.

    Raises:
        ValueError: it is larger than Hetzner takes, or can't be packed here.
    """
    everything = files(node)
    early = [
        {"path": path, "permissions": permissions, "content": content}
        for path, (content, permissions) in everything.items()
        if path == SSHD
    ]
    packed = archive.pack({path: content for path, content in everything.items() if path != SSHD})
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
                "permissions": _PRIVATE,
                "encoding": "b64",
                "content": base64.b64encode(packed).decode(),
            },
        ],
        "runcmd": [
            # Every image has Python, since cloud-init is written in it; `xz` it needn't have.
            ["python3", "-I", "-m", "tarfile", "--extract", ARCHIVE, "/"],
            [f"{units.LIBRARY}/setup"],
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


def files(node: Node) -> Mapping[str, tuple[str, str]]:
    """Every file of first boot, by its path: content and permissions. All belong to root."""
    written = {
        "/etc/vault-estate/node.env": (_environment(node), _READABLE),
        units.CONFIGURATION: (render_hcl(server(node)), _READABLE),
        units.PARAMETERS: (bootstrap.render_parameters(first_boot(node)), _PRIVATE),
        f"{units.LIBRARY}/bootstrap.py": (
            without_comments(bootstrap.render_script(), "components/payloads/bootstrap.py"),
            _READABLE,
        ),
        "/etc/systemd/system/vault.service": (units.server(node), _READABLE),
        "/etc/systemd/system/vault-bootstrap.service": (units.bootstrap(), _READABLE),
        "/etc/systemd/system/vault-alarm.service": (units.alarm(), _READABLE),
        "/etc/systemd/system/vault-alarm.timer": (units.ALARM_TIMER, _READABLE),
        f"/etc/apparmor.d/{host.APPARMOR_PROFILE}": (host.apparmor(node), _READABLE),
        "/etc/nftables.conf": (nftables(node.flows), _EXECUTABLE),
        "/etc/sysctl.d/90-vault-estate.conf": (host.SYSCTL, _READABLE),
        "/etc/logrotate.d/vault": (host.LOGROTATE, _READABLE),
        "/etc/chrony/sources.d/hetzner.sources": (host.CHRONY, _READABLE),
        "/etc/apt/apt.conf.d/90vault-estate": (host.upgrades(reboots=node.auto_unseal), _READABLE),
        "/etc/profile.d/vault-estate.sh": (host.HISTORY, _READABLE),
    }
    scripts = ["setup", "harden", "storage", "install", "certificate", "seal", "alarm"]
    if isinstance(node.tls, AcmeTls):
        scripts += ["acme", "deploy-certificate"]
        written["/etc/letsencrypt/cli.ini"] = (host.certbot(node.tls), _READABLE)
        written["/etc/systemd/system/vault-certificate.service"] = (units.first_certificate(), _READABLE)
        written["/etc/systemd/system/certbot.service.d/vault-estate.conf"] = (units.RENEWAL, _READABLE)
        if node.tls.ca_certificate:
            written["/usr/local/share/ca-certificates/vault-estate.crt"] = (node.tls.ca_certificate, _READABLE)
    if isinstance(node.tls, ProvidedTls) and node.tls.ca_certificate:
        written["/etc/vault-estate/authority.crt"] = (node.tls.ca_certificate, _READABLE)
    if isinstance(node.seal, TransitSeal):
        scripts.append("serve-transit")
    if node.waits_for_operator:
        written["/etc/systemd/system/vault.path"] = (units.waiting(), _READABLE)
    if node.ssh_public_keys:
        written[SSHD] = (host.SSHD, _READABLE)
    if node.logs:
        written["/etc/rsyslog.conf"] = (host.rsyslog(node.logs), _READABLE)
    if node.snapshots:
        added = snapshots.files(node.snapshots, api_address(node.address), units.ca_file(node))
        written |= {path: (content, _READABLE) for path, content in added.items()}
    for script in scripts:
        source = _SCRIPTS / f"{script.replace('-', '_')}.sh"
        written[f"{units.LIBRARY}/{script}"] = (bare_script(source.read_text(encoding="utf-8")), _EXECUTABLE)
    return written


def server(node: Node) -> ServerHcl:
    """The server's own configuration."""
    audit: tuple[AuditDevice, ...] = (
        # Of different types: a full disk stops one, a lost journal the other.
        FileAudit(name="file", path="/var/log/vault/audit.log"),
        SyslogAudit(name="syslog"),
    )
    return ServerHcl(
        flavor=node.flavor,
        storage_path=f"{units.HOME}/raft",
        node_id="node-1",
        listener_address=f"0.0.0.0:{API_PORT}",
        # One node: nobody else has to reach its cluster port.
        cluster_listener_address="127.0.0.1:8201",
        api_address=api_address(node.address),
        cluster_address="https://127.0.0.1:8201",
        certificate_file=f"{units.HOME}/tls/server.crt",
        key_file=f"{units.HOME}/tls/server.key",
        seal=node.seal,
        audit_devices=audit if node.flavor is Flavor.OPENBAO else (),
    )


def api_address(address: str) -> str:
    """URL of the API of a node that is known by this name or address."""
    return f"https://{address}:{API_PORT}"


def first_boot(node: Node) -> bootstrap.Bootstrap:
    """The parameters of the bootstrap script."""
    return bootstrap.Bootstrap(
        address=api_address(node.address),
        ca_file=units.ca_file(node),
        auto_unseal=node.auto_unseal,
        threshold=node.threshold,
        operators=node.operators,
        custody=bootstrap.FileCustody(path=f"{units.HOME}/custody/shares.json"),
        administrator=node.administrator,
    )


def _environment(node: Node) -> str:
    variables = {
        "NODE": node.address,
        "NODE_HOST_NAME": node.host_name,
        "NODE_SUBJECT": f"DNS:{node.host_name}" if node.host_name else f"IP:{node.address}",
        "VOLUME_DEVICE": node.volume_device,
        "TLS": _TLS_KINDS[type(node.tls)],
        **({"ACME_DIRECTORY": node.tls.directory} if isinstance(node.tls, AcmeTls) else {}),
        "SEAL": _SEAL_KINDS[type(node.seal)],
        "SSH": "yes" if node.ssh_public_keys else "no",
        "LOGS": "yes" if node.logs else "no",
        "SNAPSHOTS": "yes" if node.snapshots else "no",
        **({"ESCROW": " ".join(node.snapshots.recipients)} if node.snapshots and node.snapshots.escrow else {}),
        "WAITS_FOR_OPERATOR": "yes" if node.waits_for_operator else "no",
        **release.variables(node.flavor, node.release),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


_TLS_KINDS = {AcmeTls: "acme", ProvidedTls: "provided", InternalTls: "internal"}
_SEAL_KINDS: Mapping[type[Seal], str] = {
    AwsKmsSeal: "awskms",
    TransitSeal: "transit",
    StaticSeal: "static",
    ShamirSeal: "shamir",
}


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
    ]
    packages += ["certbot"] if isinstance(node.tls, AcmeTls) else []
    packages += ["rsyslog", "rsyslog-gnutls"] if node.logs else []
    return sorted([*packages, *snapshots.PACKAGES] if node.snapshots else packages)


def _users(node: Node) -> list[dict[str, object]] | dict[str, object]:
    if not node.ssh_public_keys:
        return {}  # nobody, the image's own user neither; cloud-init's schema takes no empty list
    return [
        {
            "name": "estate",  # `operator` is a group of Debian's own
            "gecos": "Operator of the estate",
            "shell": "/bin/bash",
            "lock_passwd": True,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "ssh_authorized_keys": [key.strip() for key in node.ssh_public_keys],
        }
    ]


class _Dumper(yaml.SafeDumper):
    """Writes what has lines as lines, and never an anchor."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
