"""What `--replace` takes, and how it says that a name is none."""

from collections.abc import Mapping
from typing import Any

import pytest

from ops.engine import replacing
from ops.errors import EstateError

_URN = "urn:pulumi:dev::vault-estate::vault-estate:index:HetznerServer$hcloud:index/"


def _resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"{_URN}{kind}::{name}", "type": f"hcloud:index/{kind}", "custom": True, **more}


def never() -> Mapping[str, Any]:
    """A state that nobody needs."""
    pytest.fail("the state was asked for")


SERVER = _resource("server:Server", "platform-server")
MADE: Mapping[str, Any] = {"urn": "urn:pulumi:dev::x::y", "custom": True}
HOLDS_DATA = {
    "kv-mount": ("index/mount:Mount", "it taken out of the settings by an `up` of its own, where what is in it may go"),
    "transit-key-a": (
        "transit/secretBackendKey:SecretBackendKey",
        "its next version, which Vault makes by rotation_period",
    ),
    "database-connection-a": (
        "database/secretBackendConnection:SecretBackendConnection",
        "password_version raised, after its password was set outside of Vault",
    ),
    "pki-root-certificate": (
        "pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        "pki.root_generation raised, which makes a new one beside it",
    ),
    "pki-intermediate-request": (
        "pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
        "pki.intermediate_generation raised, which makes a new one beside it",
    ),
}
DEPLOYMENT: Mapping[str, Any] = {
    "resources": [
        {"urn": "urn:pulumi:dev::vault-estate::pulumi:pulumi:Stack::vault-estate-dev", "type": "pulumi:pulumi:Stack"},
        {
            "urn": "urn:pulumi:dev::x::pulumi:providers:hcloud::hcloud",
            "type": "pulumi:providers:hcloud",
            "custom": True,
        },
        {"urn": "urn:pulumi:dev::x::vault-estate:index:HetznerServer::platform", "type": "vault-estate:index:X"},
        SERVER,
        _resource("volume:Volume", "platform-volume", protect=True),
        _resource("network:Network", "network-network"),
        *({**MADE, "urn": f"{MADE['urn']}::{name}", "type": f"vault:{kind}"} for name, (kind, _) in HOLDS_DATA.items()),
    ]
}


def test_a_name_is_the_last_part_of_a_urn() -> None:
    assert replacing.urns(lambda: DEPLOYMENT, "dev", ["platform-server", "platform-server"]) == (SERVER["urn"],)
    assert replacing.urns(lambda: DEPLOYMENT, "dev", ["network-network", "platform-server"]) == (
        f"{_URN}network:Network::network-network",
        SERVER["urn"],
    )
    assert replacing.urns(never, "dev", []) == ()


REFUSED = [
    ("platform-sever", "has no such resource; expected one such as platform-server, platform-volume"),
    ("zzz", "has no such resource; expected one such as database-connection-a, kv-mount, network-network"),
    ("platform", "has no such resource; expected one such as platform-volume, platform-server"),
    ("hcloud", "has no such resource"),
    ("vault-estate-dev", "has no such resource"),
    ("platform-volume", "it is protected, since it holds data; expected protect: false in Pulumi.dev.yaml"),
    *((name, f"it holds data that a replacement would lose; expected {way}") for name, (_, way) in HOLDS_DATA.items()),
]


@pytest.mark.parametrize(("name", "said"), REFUSED, ids=[name for name, _ in REFUSED])
def test_what_can_not_be_replaced_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(EstateError) as caught:
        replacing.urns(lambda: DEPLOYMENT, "dev", ["platform-server", name])

    assert said in str(caught.value)
    assert str(caught.value).startswith(f"--replace {name}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("deployment", [{}, {"resources": None}, {"resources": DEPLOYMENT["resources"][:1]}])
def test_a_stack_that_was_never_built_has_nothing_to_replace(deployment: Mapping[str, Any]) -> None:
    with pytest.raises(EstateError, match=r"nothing of stack 'dev' is built; expected .*: \./estate up dev$"):
        replacing.urns(lambda: deployment, "dev", ["platform-server"])
