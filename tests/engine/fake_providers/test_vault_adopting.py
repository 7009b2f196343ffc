"""Taking over what a real server has and no state knows: it becomes what is declared, and nothing of it is lost."""

from collections.abc import Iterator

import grpc
import pytest

from fake_providers.attach import attach
from tests.engine.fake_providers.acts import ACTS
from tests.engine.fake_providers.filling import asked, filled, write
from tests.engine.fake_providers.listening import Heard, listening
from tests.engine.fake_providers.requests import again
from tests.engine.fake_providers.wire import Values, Wire
from tests.support.servers import VaultServer

MADE_ONCE = "pkiSecret/secretBackend"
CONNECTION = "database/secretBackendConnection:SecretBackendConnection"
SUBJECT = {"commonName": "Act", "organization": "Acme", "type": "internal", "keyType": "ec", "keyBits": 256}
KEPT: dict[str, Values] = {
    "index/mount:Mount": {"options": {"version": "2"}},
    "index/quotaRateLimit:QuotaRateLimit": {"role": "act"},
    "pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig": {"expiry": "48h"},
}
"""What no server takes back."""


@pytest.fixture(scope="module")
def heard(vault_server: VaultServer) -> Iterator[Heard]:
    with listening(vault_server) as listener:
        yield listener


@pytest.fixture(scope="module")
def adopting(heard: Heard, vault_server: VaultServer) -> Iterator[Wire]:
    """A provider that takes over."""
    settings = {"address": heard.address, "token": vault_server.client.token}
    with attach(["vault"], adopting=True) as environment, Wire(environment, "vault", settings) as wire:
        yield wire


@pytest.mark.parametrize("token", ACTS)
def test_what_is_there_becomes_what_is_declared(
    token: str, wire: Wire, adopting: Wire, prepared: dict[str, str], vault_server: VaultServer
) -> None:
    full, least = (filled(values, prepared) for values in (ACTS[token].full, ACTS[token].least | KEPT.get(token, {})))
    write(vault_server.client, "sys/policies/password/act-policy", {"policy": filled(_policy(), prepared)})
    made = wire.create(f"vault:{token}", full)

    taken = adopting.create(f"vault:{token}", least)

    assert taken.identity == made.identity
    assert again(adopting, f"vault:{token}", least) == "", "it may be taken over as often as one likes"
    assert wire.read(taken) == taken, "the state has what the server has"
    wire.delete(taken)


def _policy() -> str:
    return str(ACTS["index/passwordPolicy:PasswordPolicy"].full["policy"])


def test_a_new_one_is_made_as_ever(wire: Wire, adopting: Wire, vault_server: VaultServer) -> None:
    made = adopting.create("vault:index/mount:Mount", {"path": "fresh", "type": "kv"})
    assert asked(vault_server.client, "sys/mounts/fresh") is not None
    wire.delete(made)


def test_a_password_that_the_server_may_have_replaced_is_not_sent(
    wire: Wire, adopting: Wire, heard: Heard, prepared: dict[str, str], vault_server: VaultServer
) -> None:
    write(vault_server.client, "sys/policies/password/act-policy", {"policy": _policy()})
    inputs = filled(ACTS[CONNECTION].full, prepared)
    made = wire.create(f"vault:{CONNECTION}", inputs)
    heard.take()

    adopting.create(f"vault:{CONNECTION}", inputs)

    ((_, _, body),) = heard.take()
    assert body["username"] == "manager"
    assert "password" not in body
    wire.delete(made)


REPLACED = {
    "index/mount:Mount": (
        ("sys/mounts/other", {"type": "kv"}, {"path": "other", "type": "transit"}),
        "other has type 'kv'; expected 'transit'",
    ),
    "transit/secretBackendKey:SecretBackendKey": (
        ("case-transit/keys/other", {"type": "rsa-4096"}, {"backend": "case-transit", "name": "other"}),
        "has type 'rsa-4096'; expected 'aes256-gcm96'",
    ),
}


@pytest.mark.parametrize("token", REPLACED)
@pytest.mark.usefixtures("prepared")
def test_what_would_have_to_be_replaced_is_refused(
    token: str, adopting: Wire, heard: Heard, vault_server: VaultServer
) -> None:
    (at, there, wanted), words = REPLACED[token]
    write(vault_server.client, at, there)
    before = asked(vault_server.client, at)
    heard.take()

    with pytest.raises(grpc.RpcError) as error:
        adopting.create(f"vault:{token}", wanted)

    assert words in str(error.value.details())
    assert heard.take() == []
    assert asked(vault_server.client, at) == before


def test_an_authority_is_found_and_nothing_is_asked_of_it(
    wire: Wire, adopting: Wire, heard: Heard, vault_server: VaultServer
) -> None:
    for mount in ("kept-root", "kept-int"):
        write(vault_server.client, f"sys/mounts/{mount}", {"type": "pki"})
    root = {"backend": "kept-root", "ttl": "3600s", **SUBJECT}
    request = {"backend": "kept-int", **SUBJECT}
    kinds = [
        f"vault:{MADE_ONCE}{kind}"
        for kind in (
            "RootCert:SecretBackendRootCert",
            "IntermediateCertRequest:SecretBackendIntermediateCertRequest",
            "RootSignIntermediate:SecretBackendRootSignIntermediate",
            "IntermediateSetSigned:SecretBackendIntermediateSetSigned",
        )
    ]
    made = []
    for one in (wire, adopting):
        heard.take()
        first, second = one.create(kinds[0], root), one.create(kinds[1], request)
        signing = {"backend": "kept-root", "commonName": "Act", "ttl": "1800s", "csr": second.outputs.values["csr"]}
        third = one.create(kinds[2], signing)
        certificate = third.outputs.values["certificate"]
        made.append((first, second, third, one.create(kinds[3], {"backend": "kept-int", "certificate": certificate})))

    assert heard.take() == []
    (root_made, request_made, signature_made, placed_made), taken = made
    assert taken[0].identity == root_made.identity
    assert taken[0].outputs == root_made.outputs
    assert taken[1].outputs.values["keyId"] == request_made.outputs.values["keyId"]
    for name in ("certificate", "issuingCa", "serialNumber", "caChains", "certificateBundle"):
        assert taken[2].outputs.values[name] == signature_made.outputs.values[name], name
    assert taken[3].outputs.values["importedIssuers"] == placed_made.outputs.values["importedIssuers"]
