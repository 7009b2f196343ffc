"""One booted node for all tests here that only look at it; those that change it boot their own."""

from collections.abc import Iterator

import pytest

from hermetic import machines
from tests.support.booting import BootedNode, booted_node


@pytest.fixture(scope="session")
def machines_boot() -> None:
    """Skips, and says why, where no machine can boot."""
    reason = machines.why_not()
    if reason:
        pytest.skip(f"no machine can boot here: {reason}")


@pytest.fixture(scope="session")
def node(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedNode]:
    """A node after its first boot, with a secret in it."""
    with booted_node(tmp_path_factory.mktemp("node")) as booted:
        yield booted
