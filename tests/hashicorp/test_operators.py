"""Operators come and go, and regain administration, on HashiCorp's server.

Under the seal by another Vault, whose shares are of the recovery key, and by shares that unseal. Doesn't prove version
2, which has to be started with a setting before shares alone count.
"""

import pytest

from components.render.release import Flavor
from tests.support.operators import Operators, again, stack

__all__ = ["again", "stack"]


@pytest.fixture(scope="module")
def flavor() -> Flavor:
    """Which server."""
    return "vault"


class TestOnHashiCorps(Operators):
    """Its names, its nonces, and shares alone at its listener."""
