"""One booted node for all tests here that only look at it; those that change it boot their own."""

import os
from collections.abc import Iterator

import pytest

from fake_providers import machines
from tests.support.booting import BootedNode, booted_node


@pytest.fixture(scope="session")
def machines_boot() -> Iterator[None]:
    """Skips, and says why, where no machine can boot.

    With the umask of whoever is most careful, as `./estate` is: a machine's users must read what is made under it.
    """
    reason = machines.why_not()
    if reason:
        pytest.skip(f"no machine can boot here: {reason}")
    umask = os.umask(0o077)
    yield
    os.umask(umask)


@pytest.fixture(scope="session")
def node(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedNode]:
    """A node after its first boot, with a secret in it."""
    with booted_node(tmp_path_factory.mktemp("node")) as booted:
        yield booted
