"""The library's benchmark for a moment, on a real server: each way reads what was written, the agent's too. And its
trace of ten minutes, by a way on which each answer takes 0.2 s longer.

Not proven here: any other number. Those are `./estate bench client`'s.
"""

import statistics
import time

from ops.development.bench import client
from ops.development.bench.client_trace import DAGSTER, readings
from tests.support.delaying import delayed
from vault_estate.auth import AppRoleAuth, SecretIdVariable
from vault_estate.client import VaultClient
from vault_estate.opening import VaultClientConfig
from vault_estate.testing import LiveVault
from vault_estate.testing.clocks import AheadClock
from vault_estate.testing.live import LiveServer
from vault_estate.transport import Patience

pytest_plugins = ("vault_estate.testing.plugin",)

SLOWER = 0.2
"""Seconds."""


def test_each_way_to_read_can_be_measured() -> None:
    said: list[str] = []

    found = client.measured(20, said.append)

    assert said == ["reading one secret 20 times each way"]
    assert list(found.reads) == [client.HIT, client.MISS, client.HVAC, client.HTTPX, client.AGENT]
    assert all(0 < one.p50 <= one.p95 and one.cpu > 0 for one in found.reads.values())
    assert found.reads[client.HIT].p50 < found.reads[client.MISS].p50


def test_a_slow_vault_is_noticed_by_few_reads_and_by_none_for_half_a_second(vault_live_server: LiveServer) -> None:
    """Time is set ahead between reads; while one takes, it passes."""
    vault = LiveVault(vault_live_server)
    for name in {name for schedule in DAGSTER for name in schedule.secrets}:
        vault.put(name, KEY="x")
    login = AppRoleAuth(role_id=vault._role_id, secret_id=SecretIdVariable("S", {"S": vault._secret_id}))
    patience = Patience(deadline_seconds=60, connect_seconds=60, read_seconds=60)  # however busy the machine is
    clock, took = AheadClock(), []
    with delayed(vault_live_server.address, SLOWER) as address:
        config = VaultClientConfig(address=address, auth=login, trust=vault_live_server.trust, patience=patience)
        with VaultClient(config, environ={}, clock=clock) as reader:
            begun = clock.now()
            for one in readings():
                clock.advance(max(begun + one.at - clock.now(), 0))
                asked = time.perf_counter()
                assert reader.get_secret(one.secret)["KEY"] == "x"
                took.append(time.perf_counter() - asked)
            ratio = reader.health().cache_hit_ratio
    vault.close()
    assert ratio is not None
    assert ratio > 0.8
    assert statistics.quantiles(took, n=20)[-1] < 0.5
    misses = [one for one in took if one >= SLOWER]
    assert len(misses) >= round(len(took) * (1 - ratio)), "each of them had to wait"
    assert statistics.median(misses) < 0.5, "so does one that has to ask"
