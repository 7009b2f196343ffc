"""Which server a snapshot is taken of and put back into, where who leads changes.

Doesn't prove: that a port is forwarded to who leads (tests/unit/ops/test_forwarding.py), or what servers do with it.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from components.payloads.snapshot import SnapshotError
from ops import stack_file
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.snapshots import taking
from ops.snapshots.target import ProxiedServer
from tests.unit.ops.https import fake_vault

ELSEWHERE = {"ha_enabled": True, "is_self": False, "leader_address": "https://vault-1.vault-internal:8200"}


def test_names_that_servers_have_for_each_other_are_not_followed_out_of_a_forwarded_port(tmp_path: Path) -> None:
    said = [ELSEWHERE, {"ha_enabled": True, "is_self": True}]
    with fake_vault(tmp_path, lambda _method, _path: (200, said.pop(0))) as vault:
        server = ProxiedServer(vault.address, str(vault.ca_file), None)
        with pytest.raises(SnapshotError) as caught:
            server.find_active()
        leader = "https://vault-1.vault-internal:8200"
        said_of_it = f"{vault.address} leads to a server that isn't active, {leader} is; expected that one: try again"
        assert str(caught.value) == said_of_it
        # The same object, whose port is forwarded anew.
        assert server.find_active() is True
        assert server.address == vault.address


def test_another_server_of_this_machine_is_followed(tmp_path: Path) -> None:
    beside = {**ELSEWHERE, "leader_address": "https://127.0.0.1:8299"}
    with fake_vault(tmp_path, lambda _method, _path: (200, beside)) as vault:
        server = ProxiedServer(vault.address, str(vault.ca_file), None)
        assert server.find_active() is False
        assert server.address == beside["leader_address"]


@pytest.mark.parametrize("stack", ["dev", "staging"])
def test_a_credential_is_advised_on_where_one_is_brought_to_a_node(stack: str) -> None:
    file = stack_file.read(Paths(), stack)
    snapshots = file.settings.snapshots
    assert snapshots is not None
    store = snapshots.bucket.model_copy(update={"writer": None})
    without = file.settings.model_copy(update={"snapshots": snapshots.model_copy(update={"store": store})})
    platform = platform_of(Paths(), replace(file, settings=without), sandbox=False)

    assert bool(taking.advice(platform.file, brought=platform.brings_credentials)) is (stack == "dev")
