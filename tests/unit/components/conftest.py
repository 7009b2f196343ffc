"""The folder a program runs in, for tests of components that read public files."""

from pathlib import Path

import pytest

from tests.unit.golden.local import CERTIFICATE, PUBLIC_KEY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's root, with the public files that settings name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ada.asc").write_text(PUBLIC_KEY)
    (tmp_path / "keys" / "ada.pub").write_text("ssh-ed25519 AAAA ada\n")
    (tmp_path / "admin.crt").write_text(CERTIFICATE)
    return tmp_path
