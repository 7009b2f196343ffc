"""The Hetzner platform under the recorder: which resources, with which inputs, and what may be replaced or not.

Doesn't prove that Hetzner accepts any of it, nor in which order an engine replaces.
"""

import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from composition import estate
from composition import hetzner as composition
from settings import Settings, parse
from settings.hetzner import HetznerPlatform
from tests.support.declare import Declared, Unknown, declare
from tests.support.hetzner_samples import KMS, NODE, SSH, TRANSIT, node
from tests.unit.golden.local import CERTIFICATE
from tests.unit.render.nodes import unpacked
from tests.unit.settings.samples import FULL, MISSING

pytestmark = pytest.mark.usefixtures("folder")

DNS: dict[str, Any] = {"domain": MISSING, "dns": {"zone": "example.com", "record": "dev"}}
INTERNAL: dict[str, Any] = {"domain": MISSING, "tls": {"kind": "internal", "certificate_file": ".estate/dev/node.crt"}}


def built(*, preview: bool = False, **parts: Any) -> Declared:
    """What a platform declares, without contents."""
    settings = parse(node(**parts))

    def program() -> None:
        for name, value in estate.place(settings, pulumi.Output.secret).exports.items():
            pulumi.export(name, value)

    return declare(program, preview=preview)


def ids(declared: Declared, name: str) -> str:
    """The URN of a resource."""
    return declared.named(name).urn


def test_exactly_these_resources() -> None:
    assert built(**DNS).names() == (
        ("hcloud:index/firewall:Firewall", "network-firewall"),
        ("hcloud:index/network:Network", "network-network"),
        ("hcloud:index/networkSubnet:NetworkSubnet", "network-subnet"),
        ("hcloud:index/placementGroup:PlacementGroup", "platform-placement"),
        ("hcloud:index/primaryIp:PrimaryIp", "platform-ip"),
        ("hcloud:index/server:Server", "platform-server"),
        ("hcloud:index/serverNetwork:ServerNetwork", "platform-private"),
        ("hcloud:index/volume:Volume", "platform-volume"),
        ("hcloud:index/volumeAttachment:VolumeAttachment", "platform-attachment"),
        ("hcloud:index/zoneRrset:ZoneRrset", "platform-record"),
        ("pulumi-python:dynamic:Resource", "platform-ready"),
        ("pulumi:providers:hcloud", "hcloud"),
        ("vault-estate:index:HetznerNetwork", "network"),
        ("vault-estate:index:HetznerServer", "platform"),
    )


@pytest.mark.parametrize("parts", [{}, DNS, INTERNAL], ids=["elsewhere", "hetzner", "none"])
def test_a_preview_declares_the_same_graph(parts: dict[str, Any]) -> None:
    update, preview = built(**parts), built(preview=True, **parts)

    assert preview.names() == update.names()
    assert {record.urn: record.parent for record in preview.records} == {
        record.urn: record.parent for record in update.records
    }
    assert isinstance(preview.named("platform-server").inputs["userData"], Unknown)


def test_a_record_only_where_hetzner_serves_the_zone() -> None:
    (record,) = built(**DNS).of("hcloud:index/zoneRrset:ZoneRrset")

    assert record.inputs == {
        "zone": "example.com",
        "name": "dev",
        "type": "A",
        "ttl": 300,
        "records": [{"value": "198.51.100.7"}],
    }
    assert built().of("hcloud:index/zoneRrset:ZoneRrset") == ()


def test_the_server_is_replaced_first_deleted_and_never_protected() -> None:
    declared = built()
    server = declared.named("platform-server")

    assert server.options.delete_before_replace
    assert not server.options.protect
    assert "deleteProtection" not in server.inputs
    assert server.inputs["shutdownBeforeDeletion"] is True
    assert server.inputs["backups"] is False
    assert server.inputs["publicNets"][0]["ipv6Enabled"] is False
    for follower in ("platform-private", "platform-attachment"):
        assert declared.named(follower).options.delete_before_replace


@pytest.mark.parametrize("protect", [True, False])
def test_data_and_address_are_protected_by_pulumi_and_by_hetzner(protect: bool) -> None:
    settings = parse({**node(), "protect": protect})
    declared = declare(lambda: estate.place(settings, pulumi.Output.secret))

    for name in ("platform-volume", "platform-ip"):
        record = declared.named(name)
        assert record.options.protect is protect
        assert record.inputs["deleteProtection"] is protect
    address = declared.named("platform-ip").inputs
    assert address["autoDelete"] is False
    assert not {"assigneeId", "assigneeType"} & address.keys(), "which server has it is said by the server"
    assert "format" not in declared.named("platform-volume").inputs
    kept = {record.name for record in declared.records if record.options.protect}
    assert kept == ({"platform-volume", "platform-ip"} if protect else set())


def test_a_rebuild_takes_volume_and_address_along() -> None:
    declared = built()
    server = declared.named("platform-server")
    attachment = declared.named("platform-attachment")

    assert server.input_dependencies["publicNets"] == {ids(declared, "platform-ip")}
    assert server.input_dependencies["userData"] == {ids(declared, "platform-volume")}
    assert attachment.input_dependencies["volumeId"] == {ids(declared, "platform-volume")}
    assert attachment.inputs["automount"] is False


def test_a_server_ends_before_what_it_has_is_taken_away() -> None:
    """The engine first deletes what has an input of a server that it replaces; it must see none."""
    declared = built()
    server = ids(declared, "platform-server")
    attachment, private = declared.named("platform-attachment"), declared.named("platform-private")

    for follower in (attachment, private):
        assert follower.input_dependencies["serverId"] == frozenset()
        assert server in follower.options.depends_on
        assert isinstance(follower.inputs["serverId"], int | float)
        unknown = built(preview=True).named(follower.name)
        assert isinstance(unknown.inputs["serverId"], Unknown)
    assert attachment.options.deleted_with == server
    assert private.options.deleted_with == ""  # a subnet with a server in it can't be deleted


def test_the_platform_waits_for_this_very_server() -> None:
    declared = built(**DNS)
    ready = declared.named("platform-ready")
    waited = {ids(declared, f"platform-{name}") for name in ("server", "private", "attachment", "record")}

    assert waited <= ready.options.depends_on
    assert ready.inputs["address"] == "https://dev.example.com:8200"
    assert "ca_certificate_file" not in ready.inputs  # the system's store knows the authority
    assert ready.input_dependencies["server"] == {ids(declared, "platform-server")}
    assert "pins_certificate" not in ready.inputs


def test_a_node_without_a_name_is_known_by_its_address_and_its_pin() -> None:
    declared = built(**INTERNAL)
    ready = declared.named("platform-ready")

    assert ready.inputs["address"] == "https://198.51.100.7:8200"
    assert (ready.inputs["pins_certificate"], ready.inputs["ca_certificate_file"]) == (True, ".estate/dev/node.crt")
    assert sorted(declared.exports) == ["address", "certificate_sha256", "cluster_id", "ip_address"]
    assert sorted(built().exports) == ["address", "cluster_id", "ip_address"]


def test_the_firewall_has_the_planned_rules_in_hetzners_words() -> None:
    rules = built(ssh=SSH).named("network-firewall").inputs["rules"]

    incoming = [(rule["port"], rule["sourceIps"]) for rule in rules if rule["direction"] == "in"]
    assert incoming == [("22", ["203.0.113.7/32"]), ("80", ["0.0.0.0/0"]), ("8200", ["203.0.113.0/24"])]
    outgoing = {(rule["protocol"], rule["port"]) for rule in rules if rule["direction"] == "out"}
    assert outgoing == {("tcp", "53"), ("udp", "53"), ("tcp", "80"), ("udp", "123"), ("tcp", "443")}
    assert all(rule["description"] for rule in rules)


def test_everything_has_the_estates_labels_and_its_provider() -> None:
    declared = built(labels={"team": "platform"})
    (provider,) = declared.of("pulumi:providers:hcloud")

    for record in declared.records:
        if record.type.startswith("hcloud:"):
            assert record.provider.startswith(f"{provider.urn}::"), record.name
        if "labels" in record.inputs:
            assert record.inputs["labels"] == {"estate": "test", "role": "vault", "team": "platform"}
    assert "token" not in provider.inputs


def test_user_data_is_rendered_for_this_volume_and_this_administrator() -> None:
    user_data = built().named("platform-server").inputs["userData"]
    files = unpacked(user_data)

    assert "VOLUME_DEVICE=/dev/disk/by-id/scsi-0HC_Volume_101\n" in files["/etc/vault-estate/node.env"]
    assert "NODE=vault.example.com\n" in files["/etc/vault-estate/node.env"]


DOWNLOAD = NODE["platform"]["download"]
MIRRORED = {
    **DOWNLOAD,
    "source": "https://mirror.internal:8443/bao",
    "signing_key": "https://keys.internal:9443/key.asc",
}
"""The release and its key from servers of one's own, on ports of their own."""
SIGNING_KEY = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"
OPENINGS: list[tuple[dict[str, Any], dict[str, Any], dict[tuple[str, int], tuple[str, ...]]]] = [
    ({"logs": {"host": "logs.internal"}}, {}, {("tcp", 6514): ("0.0.0.0/0",)}),
    ({"seal": TRANSIT, "ssh": SSH}, {}, {("tcp", 8200): ("0.0.0.0/0",)}),
    ({"seal": KMS, "ssh": SSH}, {}, {}),
    ({}, {"database": FULL["database"]}, {("tcp", 5432): ("0.0.0.0/0",)}),
    (
        {"destinations": {"db.internal": ["10.80.1.5/32"]}},
        {"database": FULL["database"]},
        {("tcp", 5432): ("10.80.1.5/32",)},
    ),
    ({}, {"kubernetes": FULL["kubernetes"], "jwt": FULL["jwt"]}, {("tcp", 6443): ("0.0.0.0/0",)}),
    ({}, {"jwt": {"bound_issuer": "https://issuer.internal:7443", "jwt_validation_pubkeys": [SIGNING_KEY]}}, {}),
    ({"download": {**DOWNLOAD, "source": "https://mirror.internal/bao"}}, {}, {}),
    ({"download": MIRRORED}, {}, {("tcp", 8443): ("0.0.0.0/0",), ("tcp", 9443): ("0.0.0.0/0",)}),
    (
        {"seal": KMS, "ssh": SSH},
        {
            "server": {"flavor": "vault", "version": "1.21.0"},
            "audit": {"remote": {"type": "socket", "address": "10.80.1.9:9090"}, "local": {"type": "syslog"}},
        },
        {("tcp", 9090): ("10.80.1.9/32",)},
    ),
]


@pytest.mark.parametrize(("platform", "sections", "opened"), OPENINGS)
def test_each_engine_opens_what_it_needs_and_nothing_else(
    platform: dict[str, Any], sections: dict[str, Any], opened: dict[tuple[str, int], tuple[str, ...]]
) -> None:
    def outgoing(settings: Settings) -> dict[tuple[str, int], tuple[str, ...]]:
        assert isinstance(settings.platform, HetznerPlatform)
        flows = composition.traffic(settings, settings.platform)
        return {(flow.protocol, flow.port): flow.networks for flow in flows if flow.direction == "out"}

    standard = outgoing(parse(NODE))
    found = outgoing(parse({**node(**platform), **sections}))

    assert {key: networks for key, networks in found.items() if standard.get(key) != networks} == opened


def test_both_firewalls_let_a_mirror_through() -> None:
    known = {"mirror.internal": ["10.80.1.7/32"]}
    declared = built(download=MIRRORED, destinations=known)

    rules = {rule["port"]: rule for rule in declared.named("network-firewall").inputs["rules"]}
    assert rules["8443"]["destinationIps"] == ["10.80.1.7/32"]
    assert rules["9443"]["destinationIps"] == ["0.0.0.0/0"]
    assert rules["8443"]["description"] == "the server's release"
    own = unpacked(declared.named("platform-server").inputs["userData"])["/etc/nftables.conf"]
    lines = [line.split(" accept")[0].strip() for line in own.splitlines()]
    assert "ip daddr { 10.80.1.7/32 } tcp dport 8443" in lines
    assert "tcp dport 9443" in lines


def test_a_missing_key_is_named(folder: Path) -> None:
    (folder / "keys" / "ada.asc").unlink()

    with pytest.raises(
        ValueError, match=r"bootstrap\.operators\[0\]\.pgp_key is 'keys/ada\.asc', which can't be read: No such file"
    ):
        built()


CANARY = "canary" * 8
PRIVATE = f"-----BEGIN {'PRIVATE KEY'}-----\n{CANARY}\n-----END {'PRIVATE KEY'}-----\n"


@pytest.mark.parametrize("content", [PRIVATE, f"AGE-SECRET-{'KEY'}-1{CANARY}", f"no key {CANARY}", "", "\x00\ufffd"])
@pytest.mark.parametrize(
    ("file", "words"),
    [
        (
            "keys/ada.asc",
            "bootstrap.operators[0].pgp_key is 'keys/ada.asc', which holds {}; expected an armored OpenPGP public key",
        ),
        (
            "keys/ada.pub",
            "platform.ssh.public_keys is 'keys/ada.pub', which holds {}; expected one line of an OpenSSH public key",
        ),
        ("admin.crt", "bootstrap.administrator.certificate is 'admin.crt', which holds {}; expected a PEM certificate"),
        ("ca.crt", "platform.tls.ca_certificate_file is 'ca.crt', which holds {}; expected a PEM certificate"),
    ],
)
def test_what_isnt_public_is_refused_by_the_preview_already(folder: Path, file: str, words: str, content: str) -> None:
    (folder / "ca.crt").write_text(CERTIFICATE)
    (folder / file).write_text(content)
    held = "a private key" if "KEY" in content else "something else"

    with pytest.raises(ValueError, match=re.escape(words.format(held))) as refused:
        built(preview=True, ssh=SSH, tls={**NODE["platform"]["tls"], "ca_certificate_file": "ca.crt"})

    assert CANARY not in str(refused.value)
