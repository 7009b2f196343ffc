"""A certificate authority through the fake Vault provider: root, request, signature, import; what openssl would see."""

import hvac
import pytest
from cryptography import x509

from tests.engine.fake_providers.filling import write
from tests.engine.fake_providers.wire import Known, Wire
from tests.support.servers import VaultServer

ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
REQUEST = "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest"
SIGNED = "vault:pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate"
IMPORTED = "vault:pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned"
NAME = {"keyType": "ec", "keyBits": 256, "organization": "Acme"}


@pytest.fixture(scope="module")
def chain(wire: Wire, vault_server: VaultServer) -> dict[str, Known]:
    """A root and an intermediate, made as a program makes them."""
    for path in ("root", "intermediate"):
        write(vault_server.client, f"sys/mounts/{path}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    root = wire.create(ROOT, {"backend": "root", "type": "internal", "commonName": "Root", "ttl": "87600h"} | NAME)
    request = wire.create(REQUEST, {"backend": "intermediate", "type": "internal", "commonName": "Middle"} | NAME)
    wishes = {"backend": "root", "commonName": "Middle", "ttl": "43800h", "maxPathLength": 0}
    signed = wire.create(SIGNED, wishes | {"csr": request.outputs.values["csr"]})
    bundle = signed.outputs.values["certificateBundle"]
    imported = wire.create(IMPORTED, {"backend": "intermediate", "certificate": bundle})
    return {"root": root, "request": request, "signed": signed, "imported": imported}


def certificate(known: Known) -> x509.Certificate:
    """The certificate among the outputs."""
    return x509.load_pem_x509_certificate(known.outputs.values["certificate"].encode())


def test_the_chain_verifies(chain: dict[str, Known]) -> None:
    root, middle = certificate(chain["root"]), certificate(chain["signed"])
    middle.verify_directly_issued_by(root)
    assert middle.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert chain["signed"].outputs.values["issuingCa"] == chain["root"].outputs.values["certificate"]
    assert len(x509.load_pem_x509_certificates(chain["signed"].outputs.values["certificateBundle"].encode())) == 2


def test_ids_are_those_of_the_official_provider(chain: dict[str, Known]) -> None:
    assert chain["root"].identity == f"root/issuer/{chain['root'].outputs.values['issuerId']}"
    assert chain["request"].identity.startswith("intermediate/issuers/generate/intermediate/internal/")
    assert chain["signed"].identity == "root/Middle"
    assert chain["imported"].identity.startswith("intermediate/intermediate/set-signed/")


def test_the_intermediate_issues(chain: dict[str, Known], vault_server: VaultServer) -> None:
    client = vault_server.client
    write(client, "intermediate/roles/any", {"allow_any_name": True, "key_type": "ec", "key_bits": 256})
    answer = client.adapter.post("/v1/intermediate/issue/any", json={"common_name": "svc.example", "ttl": "1h"})
    assert isinstance(answer, dict)
    leaf = x509.load_pem_x509_certificate(answer["data"]["certificate"].encode())
    leaf.verify_directly_issued_by(certificate(chain["signed"]))


def test_nothing_is_made_twice(chain: dict[str, Known], wire: Wire) -> None:
    for known in chain.values():
        assert wire.read(known) == known
        assert not wire.diff(known, known.inputs.values).diffs


def test_a_preview_makes_nothing(wire: Wire, vault_server: VaultServer, chain: dict[str, Known]) -> None:
    before = listed(vault_server.client)
    planned = wire.create(ROOT, chain["root"].inputs.values, preview=True)
    assert planned.identity == ""
    assert listed(vault_server.client) == before


def test_another_name_replaces_a_root_and_another_lifetime_does_not(chain: dict[str, Known], wire: Wire) -> None:
    root = chain["root"]
    other = wire.diff(root, root.inputs.values | {"commonName": "Other"})
    assert (list(other.replaces), other.deleteBeforeReplace) == (["commonName"], False)
    longer = root.inputs.values | {"ttl": "8760h"}
    assert not wire.diff(root, longer).replaces
    assert wire.update(root, longer).outputs.values["certificate"] == root.outputs.values["certificate"]


def test_an_exported_key_is_secret(wire: Wire, chain: dict[str, Known]) -> None:
    assert chain
    exported = wire.create(REQUEST, {"backend": "intermediate", "type": "exported", "commonName": "Taken"} | NAME)
    assert "BEGIN" in exported.outputs.values["privateKey"]
    assert "privateKey" in exported.outputs.secret


def test_deleting_a_root_removes_its_issuer(wire: Wire, vault_server: VaultServer, chain: dict[str, Known]) -> None:
    assert chain
    root = wire.create(ROOT, {"backend": "root", "type": "internal", "commonName": "Second"} | NAME)
    wire.delete(root)
    assert wire.read(root) is None
    assert root.outputs.values["issuerId"] not in listed(vault_server.client)


def listed(client: hvac.Client) -> list[str]:
    """The issuers of the root's mount."""
    answer = client.adapter.list("/v1/root/issuers")
    assert isinstance(answer, dict)
    return list(answer["data"]["keys"])
