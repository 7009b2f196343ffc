"""Every resource type of the fake Vault provider against a real server: its whole life, one type after the other.

What the server holds is asked from the server itself, never from the fake provider. Doesn't prove that the official
plugin does the same; the ids, replacements and defaults asserted here are those of its schemas.
"""

import dataclasses

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from fake_providers.vault.table import TABLE
from tests.engine.fake_providers.cases import Case
from tests.engine.fake_providers.filling import ALL, asked, filled, placed, write
from tests.engine.fake_providers.wire import Wire
from tests.support.servers import VaultServer

# Made once, never again: their life is told by test_vault_certificates.py.
ISSUED = {
    "pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    "pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
    "pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate",
    "pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned",
}
# OpenBao takes audit devices from its own configuration only: test_vault_refusals.py.
REFUSED_BY_OPENBAO = {"index/audit:Audit"}
NONE, SOME = provider_pb2.DiffResponse.DIFF_NONE, provider_pb2.DiffResponse.DIFF_SOME


def test_every_type_has_a_case() -> None:
    assert {case.token for case in ALL} | ISSUED | REFUSED_BY_OPENBAO == set(TABLE)


@pytest.mark.parametrize("template", ALL, ids=lambda case: case.name)
def test_life(template: Case, wire: Wire, vault_server: VaultServer, prepared: dict[str, str]) -> None:
    case = Case(**{item.name: filled(getattr(template, item.name), prepared) for item in dataclasses.fields(Case)})
    token, client = f"vault:{case.token}", vault_server.client

    planned = wire.create(token, case.inputs, preview=True)
    if case.deletable:
        assert asked(client, case.at) is None, "a preview must not touch the server"
    made = wire.create(token, case.inputs)
    case = placed(case, made.identity)
    assert made.identity == case.identity
    assert planned.outputs.values.keys() <= made.outputs.values.keys()
    assert asked(client, case.at) is not None

    assert wire.diff(made, case.inputs).changes == NONE
    again = wire.read(made)
    assert again == made, "a refresh with nothing changed must change nothing"

    if TABLE[case.token].importable:
        loaded = wire.load(token, case.imported or case.identity)
        assert loaded is not None
        assert set(wire.diff(loaded, case.inputs).diffs) == set(case.undo)
    else:
        with pytest.raises(grpc.RpcError, match="can't be imported"):
            wire.load(token, case.identity)

    news = case.inputs | case.change
    difference = wire.diff(made, news)
    assert (difference.changes, set(difference.diffs), list(difference.replaces)) == (SOME, set(case.change), [])
    changed = wire.update(made, news)
    now = asked(client, case.at)
    assert now is not None
    assert now[case.seen[0]] == case.seen[1]
    assert wire.read(changed) == changed

    other = wire.diff(changed, news | case.replace)
    assert (tuple(other.replaces), other.deleteBeforeReplace) == (case.replaces, case.delete_first)

    assert case.drift is not None
    write(client, *case.drift)
    spoilt = wire.read(changed)
    assert spoilt is not None
    seen = {key for key, value in spoilt.inputs.values.items() if value != changed.inputs.values.get(key)}
    assert case.drifted in seen
    assert case.drifted in wire.diff(spoilt, news).diffs
    mended = wire.update(spoilt, news)
    assert wire.read(mended) == mended

    wire.delete(mended)
    if case.deletable:
        assert asked(client, case.at) is None
        assert wire.read(mended) is None
        wire.delete(mended)
