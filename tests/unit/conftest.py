"""The unit tier works on no network: a bridge of a test's would stay, or be taken for a developer's world."""

from collections.abc import Sequence
from typing import NoReturn

import pytest

from fake_providers.machines import network


@pytest.fixture(autouse=True)
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that would make or remove a link of this host, also where it is root who runs it."""

    def refuse(command: Sequence[str]) -> NoReturn:
        pytest.fail(f"a unit test runs: {' '.join(command)}")

    monkeypatch.setattr(network, "run", refuse)
