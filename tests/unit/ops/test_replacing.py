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
    ("zzz", "has no such resource; expected one such as network-network, platform-server, platform-volume"),
    ("platform", "has no such resource; expected one such as platform-volume, platform-server"),
    ("hcloud", "has no such resource"),
    ("vault-estate-dev", "has no such resource"),
    ("platform-volume", "it is protected, since it holds data; expected protect: false in Pulumi.dev.yaml"),
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
