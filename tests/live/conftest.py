"""The real servers, for every live test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.local.servers import LocalServers
from tests.support.servers import local_platform, new_platform, postgres_server, postgres_template, vault_server

__all__ = ["local_platform", "postgres_server", "postgres_template", "vault_server"]


@pytest.fixture
def platform(tmp_path: Path, postgres_template: Path) -> Iterator[LocalServers]:
    """A platform that isn't started; whatever a test leaves running is ended."""
    platform = new_platform(tmp_path / "estate", postgres_template)
    try:
        yield platform
    finally:
        platform.stop()
