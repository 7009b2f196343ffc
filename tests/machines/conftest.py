"""One booted node of each image for all tests here that only look at it; those that change it boot their own."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from fake_providers import machines
from tests.support.booting import BootedNode, booted_node


@pytest.fixture(scope="session")
def machines_boot() -> None:
    """Skips, and says why, where no machine can boot."""
    reason = machines.why_not()
    if reason:
        pytest.skip(f"no machine can boot here: {reason}")


@contextmanager
def careful() -> Iterator[None]:
    """The umask of whoever is most careful, as `./estate` is: a machine's users must read what is made under it. Tests
    of other tiers, which follow in this worker, have their own."""
    umask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(umask)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Set up a test's fixtures with that umask."""
    with careful():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Run a test with that umask."""
    with careful():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Tear its fixtures down with that umask."""
    with careful():
        return (yield)


@pytest.fixture(scope="package")
def nodes(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], BootedNode]]:
    """By the name of an image a node of it, booted when it is asked for first."""
    with ExitStack() as booted:
        yield functools.cache(lambda image: booted.enter_context(booted_node(tmp_path_factory.mktemp("node"), image)))


@pytest.fixture(scope="package")
def node(nodes: Callable[[str], BootedNode]) -> BootedNode:
    """A node after its first boot."""
    return nodes("debian-12")
