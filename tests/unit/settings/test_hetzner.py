"""Settings of a Hetzner node: what fits together, what doesn't, and the line that says so."""

from typing import Any

import pytest

from settings import parse
from settings.hetzner import HetznerPlatform
from tests.support.hetzner_samples import KMS, NODE, OF_VAULT, PLATFORM, SHA256, SSH, TRANSIT, node
from tests.unit.settings.samples import FULL, MINIMAL, MISSING, changed, refusal


def platform(**parts: Any) -> HetznerPlatform:
    """The platform of such settings, read."""
    found = parse(node(**parts)).platform
    assert isinstance(found, HetznerPlatform)
    return found


def test_defaults() -> None:
    found = platform()

    assert (found.image, found.volume_size_gb, found.ssh, found.dns) == ("debian-12", 20, None, None)
    assert (found.network_cidr, found.subnet_cidr) == ("10.80.0.0/16", "10.80.1.0/24")
    assert (found.destinations, found.labels) == ({}, {})
    assert (found.download.source, found.download.signing_key, found.download.signing_key_fingerprint) == (None,) * 3
    assert found.tls.model_dump()["directory"] == "https://acme-v02.api.letsencrypt.org/directory"


@pytest.mark.parametrize(
    ("server_type", "architecture"), [("cx22", "amd64"), ("cpx31", "amd64"), ("ccx13", "amd64"), ("cax11", "arm64")]
)
def test_the_server_type_decides_the_architecture(server_type: str, architecture: str) -> None:
    found = platform(server_type=server_type, download={"checksums": {architecture: SHA256}})

    assert found.architecture == architecture


def test_the_name_comes_from_either_place_or_none() -> None:
    assert platform().name == "vault.example.com"
    assert platform(domain=MISSING, dns={"zone": "example.com", "record": "dev"}).name == "dev.example.com"
    assert platform(domain=MISSING, tls={"kind": "internal", "certificate_file": "node.crt"}).name is None


@pytest.mark.parametrize("seal", [KMS, TRANSIT, {"kind": "static"}, {"kind": "shamir"}])
@pytest.mark.parametrize("tls", [PLATFORM["tls"], {"kind": "provided"}, {"kind": "internal", "certificate_file": "n"}])
def test_every_seal_goes_with_every_certificate(seal: object, tls: object) -> None:
    found = platform(seal=seal, tls=tls, ssh=SSH)

    assert found.ssh is not None


@pytest.mark.parametrize("seal", [KMS, TRANSIT, {"kind": "shamir"}])
def test_vault_takes_every_seal_but_static(seal: object) -> None:
    assert parse({**node(seal=seal, ssh=SSH), **OF_VAULT}).server


NETWORK = (
    "expected a network of at least 256 addresses in one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, such as "
    "10.80.0.0/16"
)
BAD: list[tuple[dict[str, Any], str]] = [
    ({"location": "moon"}, ".location is 'moon'; expected 'fsn1', 'nbg1', 'hel1', 'ash', 'hil' or 'sin'"),
    ({"server_type": "m5.large"}, ".server_type is 'm5.large'; expected a server type such as cx23 or cax11"),
    (
        {"location": "ash"},
        (".server_type is 'cx22'; expected a cpx or ccx in 'ash', since cx and cax are sold in fsn1, nbg1, hel1 only"),
    ),
    (
        {"domain": "a" * 64},
        f".domain is '{'a' * 59}…; expected a host name in lower case, of at most 63 characters between dots",
    ),
    (
        {"domain": MISSING, "dns": {"zone": ".".join(["a" * 60] * 4), "record": "b" * 20}},
        ".dns is a name of 264 characters; expected at most 253 in record and zone",
    ),
    ({"image": "debian-11"}, ".image is 'debian-11'; expected 'debian-12' or 'ubuntu-24.04'"),
    ({"volume_size_gb": 9}, ".volume_size_gb is 9; expected at least 10"),
    ({"api_cidrs": []}, ".api_cidrs is empty; expected at least 1 entry"),
    (
        {"api_cidrs": ["0.0.0.0/0"]},
        (
            ".api_cidrs[0] is '0.0.0.0/0'; expected a network such as 10.0.0.0/8, with no bit set behind "
            "its length and smaller than the internet"
        ),
    ),
    (
        {"api_cidrs": ["10.0.0.1/8"]},
        (
            ".api_cidrs[0] is '10.0.0.1/8'; expected a network such as 10.0.0.0/8, with no bit set behind "
            "its length and smaller than the internet"
        ),
    ),
    (
        {"ssh": {**SSH, "cidrs": ["::/0"]}},
        (".ssh.cidrs[0] is '::/0'; expected an IPv4 network such as 203.0.113.0/24"),
    ),
    (
        {"subnet_cidr": "10.81.1.0/24"},
        ".subnet_cidr is '10.81.1.0/24'; expected a part of network_cidr, which is '10.80.0.0/16'",
    ),
    (
        {"network_cidr": "8.8.0.0/16", "subnet_cidr": "8.8.8.0/24"},
        f".network_cidr is '8.8.0.0/16'; {NETWORK}",
    ),
    (
        {"network_cidr": "127.0.0.0/8", "subnet_cidr": "127.0.0.0/24"},
        f".network_cidr is '127.0.0.0/8'; {NETWORK}",
    ),
    (
        {"network_cidr": "10.80.1.0/25", "subnet_cidr": "10.80.1.0/26"},
        f".network_cidr is '10.80.1.0/25'; {NETWORK}",
    ),
    (
        {"subnet_cidr": "10.80.0.0/32"},
        ".subnet_cidr is '10.80.0.0/32'; expected at least 4 addresses, of which the node has the third",
    ),
    (
        {"dns": {"zone": "example.com", "record": "dev"}},
        ".domain is given beside dns; expected exactly one of the two",
    ),
    (
        {"domain": MISSING},
        (".tls.kind is 'acme'; expected dns or domain beside it, which give the name that is certified"),
    ),
    (
        {"domain": "Vault"},
        ".domain is 'Vault'; expected a host name in lower case, of at most 63 characters between dots",
    ),
    (
        {"tls": {"kind": "provided"}},
        (".tls.kind is 'provided'; expected a section ssh beside it, since an operator has to reach the node"),
    ),
    ({"tls": {"kind": "acme", "email": "me"}}, ".tls.email is 'me'; expected an e-mail address"),
    ({"tls": {"kind": "none"}}, ".tls.kind is 'none'; expected one of 'acme', 'provided', 'internal'"),
    (
        {"seal": {"kind": "shamir"}},
        (".seal.kind is 'shamir'; expected a section ssh beside it, since an operator has to reach the node"),
    ),
    ({"seal": {**KMS, "region": "x"}, "ssh": SSH}, ".seal.region is 'x'; expected an AWS region such as eu-central-1"),
    (
        {"seal": {**KMS, "key_arn": "alias/x"}, "ssh": SSH},
        ".seal.key_arn is not shown, as it may be a secret; expected the ARN of a KMS key",
    ),
    (
        {"server_type": "cax11"},
        (".download.checksums.arm64 is missing; expected the checksum for what server_type 'cax11' runs"),
    ),
    (
        {"download": {"checksums": {"amd64": "abc"}}},
        ".download.checksums.amd64 is 'abc'; expected a SHA-256 checksum: 64 hexadecimal digits in lower case",
    ),
    (
        {"download": {**PLATFORM["download"], "signing_key_fingerprint": "66d1"}},
        (
            ".download.signing_key_fingerprint is not shown, as it may be a secret; expected a key's "
            "whole fingerprint: 40 hexadecimal digits in upper case, without spaces"
        ),
    ),
    (
        {"labels": {"team": "a b"}},
        (
            ".labels.team is 'a b'; expected a label: at most 63 letters, digits, '.', '_' or '-', "
            "beginning and ending with a letter or digit"
        ),
    ),
]


@pytest.mark.parametrize(("parts", "line"), BAD, ids=[line.split(";")[0] for _, line in BAD])
def test_each_bad_value_gets_one_line(parts: dict[str, Any], line: str) -> None:
    assert refusal(node(**parts)) == [f"vault-estate:estate.platform{line}"]


OF_OPENBAO = {"server": NODE["server"], "audit": {}}


@pytest.mark.parametrize(
    ("wanted", "flavor", "seal", "kinds"),
    [
        ({**NODE, **OF_VAULT}, "vault", "static", "'awskms', 'transit', 'shamir'"),
        (
            {**node(seal=KMS, ssh=SSH), "server": NODE["server"], "audit": {}},
            "openbao",
            "awskms",
            "'transit', 'static', 'shamir'",
        ),
    ],
)
def test_a_seal_that_the_server_lacks_is_refused(wanted: dict[str, Any], flavor: str, seal: str, kinds: str) -> None:
    (line,) = refusal(wanted)

    assert line == (
        f"vault-estate:estate.platform.seal.kind is {seal!r}; expected one of {kinds}, "
        f"which {flavor!r} has: it is server.flavor"
    )


def test_a_database_on_the_nodes_own_loopback_is_refused() -> None:
    base = changed("database/connections/main/host", "127.0.0.1")
    base["database"]["connections"]["main"]["ssl_mode"] = "disable"

    (line,) = refusal({**base, "platform": dict(PLATFORM)})

    assert "estate.database.connections.main.host is '127.0.0.1'; expected the name of a server, since" in line


def test_only_the_local_platform_is_local() -> None:
    assert parse(MINIMAL).local.api_port == 8200
    with pytest.raises(ValueError, match=r"platform\.kind is 'hetzner'; expected 'local'"):
        _ = parse({**FULL, "platform": dict(PLATFORM)}).local
