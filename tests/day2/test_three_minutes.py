"""An application reads for three minutes by tokens that live 6 seconds, and 20 at most: no read fails, and it logs in
no more than twelve times. For a moment: `tests/live/vault_estate/test_client.py`.
"""

import time
from pathlib import Path

from tests.support.estates import KEY, application_estate
from tests.support.servers import VaultServer, local_platform, postgres_template, vault_server
from vault_estate.client import VaultClient
from vault_estate.events import Event, EventKind
from vault_estate.opening import VaultClientConfig

__all__ = ["local_platform", "postgres_template", "vault_server"]

SECONDS = 180


def test_three_minutes_of_reads_by_short_tokens_fail_none(vault_server: VaultServer, tmp_path: Path) -> None:
    estate = application_estate(vault_server)
    estate.role(token_ttl="6s", token_max_ttl="20s")
    estate.write("app-prod", {KEY: "x"})
    told: list[Event] = []
    with VaultClient(
        VaultClientConfig(fresh_seconds=0), environ=estate.environ(tmp_path), observers=[told.append]
    ) as client:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            assert client.get_secret("app-prod")[KEY] == "x"
            time.sleep(0.2)
    assert [one for one in told if one.error] == []
    kinds = [one.kind for one in told]
    # Of 20 s each at most; a machine that stands still for a while needs fewer.
    assert 5 <= kinds.count(EventKind.LOGIN) <= 12
    assert kinds.count(EventKind.TOKEN_RENEWED) >= kinds.count(EventKind.LOGIN)
    assert kinds.count(EventKind.OPERATION) > 300
