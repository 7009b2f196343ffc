"""The plan of a node's connections, and its ruleset. Doesn't prove that the kernel takes it: `nft --check` does."""

from typing import Any

import pytest

from components.render.traffic import ANYWHERE, Flow, Need, described, need_of_url, nftables, plan

ALWAYS_OUT = {
    ("tcp", 53): ("185.12.64.1/32", "185.12.64.2/32"),
    ("udp", 53): ("185.12.64.1/32", "185.12.64.2/32"),
    ("tcp", 80): (ANYWHERE,),
    ("udp", 123): (ANYWHERE,),
    ("tcp", 443): (ANYWHERE,),
}
API_IN = {("tcp", 8200): ("203.0.113.0/24",)}
DATABASE = Need(host="db.internal", port=5432, reason="database main")
KNOWN = {"db.internal": ("10.80.1.6/32", "10.80.1.5/32")}

PLANS: list[tuple[dict[str, Any], dict[Any, Any], dict[Any, Any]]] = [
    ({}, API_IN, ALWAYS_OUT),
    ({"challenges": True}, API_IN | {("tcp", 80): (ANYWHERE,)}, ALWAYS_OUT),
    ({"api_port": 9200}, {("tcp", 9200): ("203.0.113.0/24",)}, ALWAYS_OUT),
    ({"ssh_networks": ["203.0.113.7/32"]}, API_IN | {("tcp", 22): ("203.0.113.7/32",)}, ALWAYS_OUT),
    ({"needs": [DATABASE]}, API_IN, ALWAYS_OUT | {("tcp", 5432): (ANYWHERE,)}),
    (
        {"needs": [DATABASE], "destinations": KNOWN},
        API_IN,
        ALWAYS_OUT | {("tcp", 5432): ("10.80.1.5/32", "10.80.1.6/32")},
    ),
    (
        {"needs": [DATABASE, Need(host="10.0.0.9", port=5432, reason="database other")], "destinations": KNOWN},
        API_IN,
        ALWAYS_OUT | {("tcp", 5432): ("10.0.0.9/32", "10.80.1.5/32", "10.80.1.6/32")},
    ),
    (
        {"needs": [need_of_url("https://other.example.com:8200/x", "seal")]},
        API_IN,
        ALWAYS_OUT | {("tcp", 8200): (ANYWHERE,)},
    ),
    ({"needs": [need_of_url("https://kms.eu-central-1.amazonaws.com", "seal")]}, API_IN, ALWAYS_OUT),
]


@pytest.mark.parametrize(("wanted", "incoming", "outgoing"), PLANS)
def test_exactly_these_ports_are_open(wanted: dict[str, Any], incoming: object, outgoing: object) -> None:
    given: dict[str, Any] = {"api_networks": ["203.0.113.0/24"], "challenges": False, "needs": [], "destinations": {}}
    flows = plan(**(given | wanted))

    by_direction = {
        direction: {(flow.protocol, flow.port): flow.networks for flow in flows if flow.direction == direction}
        for direction in ("in", "out")
    }
    assert by_direction == {"in": incoming, "out": outgoing}
    assert all(flow.reasons for flow in flows)


def test_the_ruleset_drops_what_isnt_planned_and_keeps_metadata_for_root() -> None:
    flows = plan(api_networks=["203.0.113.0/24"], challenges=False, needs=[DATABASE], destinations=KNOWN)
    lines = [line.strip() for line in nftables(flows).splitlines()]

    assert [line for line in lines if "policy" in line] == [
        f"type filter hook {hook} priority filter; policy drop;" for hook in ("input", "forward", "output")
    ]
    assert 'ip saddr { 203.0.113.0/24 } tcp dport 8200 accept comment "API"' in lines
    assert 'ip daddr { 10.80.1.5/32, 10.80.1.6/32 } tcp dport 5432 accept comment "database main"' in lines
    metadata = next(number for number, line in enumerate(lines) if "169.254.169.254 meta skuid != 0 drop" in line)
    assert metadata < lines.index("ct state established,related accept", lines.index("chain output {"))


def test_a_long_reason_is_cut_to_what_its_reader_takes() -> None:
    flow = Flow(
        direction="out",
        protocol="tcp",
        port=1,
        networks=(ANYWHERE,),
        reasons=('a "quoted" one', "b" * 200),
    )

    assert len(described(flow, 255)) == 216
    assert described(flow, 100).endswith("...")
    assert len(described(flow, 100)) == 100
    (line,) = [line for line in nftables([flow]).splitlines() if "dport 1 " in line]
    assert "a 'quoted' one" in line
