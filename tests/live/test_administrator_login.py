"""The administrator's login follows what it should be, on a real server, and never away from who changes it.

Doesn't prove the engine around it (`tests/engine`).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ops.local.servers import LocalServers
from tests.support.bootstrapping import parameters, run
from tests.support.login_follows import EARLIER, LoginFollows
from tests.support.servers import new_platform


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[LocalServers]:
    """Bootstrapped as an earlier release did."""
    platform = new_platform(tmp_path_factory.mktemp("administrator") / "estate", postgres_template)
    try:
        platform.start()
        code, _, said = run(platform, replace(parameters(platform), policy=EARLIER))
        assert code == 0, said
        yield platform
    finally:
        platform.stop()


class TestOnOpenBao(LoginFollows):
    """Its real first boot."""
