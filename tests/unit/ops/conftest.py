"""What the tests of the operator's command share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process as it was, whatever a command does to it; and room for a table."""
    umask = os.umask(0o022)
    os.umask(umask)
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setenv("NO_PROXY", "corp.internal")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("COLUMNS", "160")
    yield
    os.umask(umask)
