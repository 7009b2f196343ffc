"""What clusters are made of. The tests of `shared` have one together, the others each module its own."""

import pytest

from fake_providers import machines, nodes


@pytest.fixture(scope="session")
def programs() -> nodes.ClusterPrograms:
    """What clusters are made of; built if it isn't in the cache. Skips, and says why, where none can run."""
    reason = nodes.why_not()
    if reason:
        pytest.skip(f"no cluster can run here: {reason}")
    return nodes.prepare(machines.default_cache(), print)
