"""Every node the settings allow, and what is asked of Debian's programs about its files."""

import re
import shlex

import yaml

from components.render.cloud_init import ARCHIVE, SSHD
from components.render.node.model import Node
from components.render.traffic import Need, plan
from tests.unit.render.nodes import COMBINATIONS, SNAPSHOTS, SPECIAL, SSH, files, node, of, place_of, render

NODES: dict[str, Node] = {
    f"{flavor}-{seal}-{tls}-{architecture}-{'ssh' if ssh else 'closed'}": of(
        flavor, seal, tls, architecture=architecture, ssh=ssh, snapshots=SNAPSHOTS if ssh else None
    )
    for flavor, seal, tls in COMBINATIONS
    for architecture in ("amd64", "arm64")
    for ssh in (None, SSH)
} | {
    **SPECIAL,
    "all-ports": node(
        flows=plan(
            api_networks=["203.0.113.0/24", "198.51.100.0/24"],
            ssh_networks=["192.0.2.0/24"],
            challenges=True,
            needs=[Need(host=f"{number}.internal", port=5000 + number, reason='a "reason"') for number in range(40)],
            destinations={"1.internal": ["10.80.1.5/32", "10.80.1.6/32"]},
        )
    ),
}
"""Every node the settings allow, and what differs within one of them."""

UNITS = "/etc/systemd/system/"


def variants(path: str) -> dict[str, str]:
    """The contents a file may have, by one node that has it so."""
    found = {
        text: name for name, wanted in NODES.items() if (text := files(wanted, place_of(name)).get(path, ("",))[0])
    }
    return {name: text for text, name in found.items()}


def unit_sets() -> dict[str, dict[str, str]]:
    """The units a node may have together, by one node that has them."""
    found: dict[str, dict[str, str]] = {}
    for name, wanted in NODES.items():
        units = {path: text for path, (text, _) in files(wanted, place_of(name)).items() if path.startswith(UNITS)}
        if units not in found.values():
            found[name] = units
    return found


def shapes() -> dict[str, str]:
    """User-data that differ in more than in what is packed, by one node that has it."""
    found: dict[str, str] = {}
    for name, wanted in NODES.items():
        text = render(wanted, place_of(name))
        found.setdefault(re.sub(r"\S{400,}", "", text), name)
    return {name: render(NODES[name], place_of(name)) for name in found.values()}


SETS, SHAPES = unit_sets(), shapes()
SERVICES = [
    (name, path.removeprefix(UNITS)) for name, units in SETS.items() for path in units if path.endswith(".service")
]
JUDGED: dict[str, tuple[str, str]] = {
    "nft": ("/etc/nftables.conf", "nft --check --file"),
    "logrotate": ("/etc/vault-estate/logrotate.conf", "install -d -g 0 /var/log/vault && logrotate --debug"),
    "apparmor": ("/etc/apparmor.d/vault-estate", "apparmor_parser --skip-kernel-load --skip-cache"),
    "certbot": (
        "/etc/letsencrypt/cli.ini",
        # What the file says is unknown to certbot would be an error; there is no certificate to tell of.
        "certbot certificates --config",
    ),
}
"""Kinds of files: where a node has it, and the command that judges one."""
BROKEN = {
    "nft": "table inet estate { chain input { tcp dport many accept } }\n",
    "logrotate": "/var/log/vault/*.log {\n  rotate often\n}\n",
    "apparmor": "profile vault-estate {\n  /var/lib/vault/** always,\n}\n",
    "certbot": "key-kind = ecdsa\n",
    "schema": "#cloud-config\nusers: 3\n",
    "verify": "[Service]\nExecStart=/nowhere/to/be/found\n",
}
"""What each command has to refuse, or it wouldn't judge."""


def _judged() -> tuple[dict[str, str], dict[str, str]]:
    given: dict[str, str] = {}
    checks: dict[str, str] = {}
    for kind, (path, command) in JUDGED.items():
        for name, text in variants(path).items():
            given[f"{kind}/{name}"] = text
            # As they are installed; logrotate reads no other.
            checks[f"{kind}-{name}"] = f"chmod 0644 /checks/{kind}/{name}; {command} /checks/{kind}/{name}"
    return given, checks


def _broken() -> tuple[dict[str, str], dict[str, str]]:
    commands = {kind: command for kind, (_, command) in JUDGED.items()}
    commands |= {"schema": "cloud-init schema --config-file", "verify": "systemd-analyze verify --man=no"}
    given = {f"broken/{kind}.service": text for kind, text in BROKEN.items()}
    return given, {f"broken-{kind}": f"{commands[kind]} /checks/broken/{kind}.service" for kind in BROKEN}


def _units() -> tuple[dict[str, str], dict[str, str]]:
    given: dict[str, str] = {}
    checks: dict[str, str] = {}
    for name, units in SETS.items():
        own = [path.rpartition("/")[2] for path in units if path.count("/") == UNITS.count("/")]
        given |= {f"units/{name}/{path.removeprefix(UNITS)}": text for path, text in units.items()}
        checks[f"verify-{name}"] = f"cd /checks/units/{name} && systemd-analyze verify --man=no {' '.join(own)}"
    for name, unit in SERVICES:
        checks[f"security-{name}-{unit}"] = (
            f"systemd-analyze security --offline=true --no-pager /checks/units/{name}/{unit}"
        )
    return given, checks


def _whole() -> tuple[dict[str, str], dict[str, str]]:
    """Nodes as they are unpacked, by the commands of their own user-data."""
    given = {f"user-data/{name}.yaml": text for name, text in SHAPES.items()}
    checks = {f"schema-{name}": f"cloud-init schema --config-file /checks/user-data/{name}.yaml" for name in SHAPES}
    closed, opened = NODES["openbao-static-acme-amd64-closed"], NODES["openbao-static-acme-amd64-ssh"]
    for name, wanted in {"closed": closed, "ssh": opened}.items():
        document = yaml.safe_load(render(wanted))
        (packed,) = [entry for entry in document["write_files"] if entry["path"] == ARCHIVE]
        given[f"packed/{name}"] = packed["content"]
        places = " ".join(shlex.quote(path) for path in sorted(files(wanted)) if path != SSHD)
        checks[f"unpack-{name}"] = (
            f"cp /checks/packed/{name} {ARCHIVE} && {shlex.join(document['runcmd'][0])} && "
            f"stat --format '%a %U:%G %s %n' {places}"
        )
    given["sshd"] = files(opened)[SSHD][0]
    checks["sshd"] = (
        f"cp /checks/sshd {SSHD} && mkdir -p /run/sshd && ssh-keygen -A >/dev/null && sshd -t && sshd -T -C user=estate"
    )
    (part,) = [path for path in files(NODES["logs"]) if path.startswith("/etc/apparmor.d/rsyslog.d/")]
    given["rsyslogd"] = files(NODES["logs"])[part][0]
    profile = "/etc/apparmor.d/usr.sbin.rsyslogd"
    checks["rsyslogd"] = (
        f"test -f {profile} || exec echo unconfined; "
        f"cp /checks/rsyslogd {part} && apparmor_parser --preprocess {profile}"
    )
    checks["apt"] = "apt-config dump"
    checks["chrony"] = "chronyd -p"
    checks["python"] = "python3 -m compileall -q -f /usr/local/lib/vault-estate"
    checks["shell"] = (
        "for script in /usr/local/lib/vault-estate/*; do"
        " case $script in *.py | */__pycache__) ;; *) sh -n $script || exit 1 ;; esac; done"
    )
    return given, checks


def everything() -> tuple[dict[str, str], dict[str, str]]:
    """All files and all questions, by name."""
    given: dict[str, str] = {}
    # What units start has to be there to be started.
    programs = " ".join(f"/usr/local/{name}" for name in ("bin/bao", "bin/vault", "lib/vault-estate/serve-transit"))
    checks = {"prepare": f"for file in {programs}; do install -D -m 0755 /checks/program $file; done"}
    given["program"] = "#!/bin/sh\n"
    for some_given, some_checks in (_whole(), _units(), _judged(), _broken()):
        given |= some_given
        checks |= some_checks
    return given, checks
