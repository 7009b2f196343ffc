"""What `vault-estate doctor` tells of a server that isn't there, and of a client that can't begin. With a server:
`docs/teams/aos.md`, which `tests/engine/test_teams.py` runs."""

import json
from pathlib import Path

import pytest

from tests.support.manifests import GOOD
from vault_estate.cli import main
from vault_estate.cli.doctor import look

CANARY = "canary-5e8c1a7d3b9f2460"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a document of a server at a port where nobody listens."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vault-estate.json").write_text(json.dumps({**GOOD, "addresses": ["https://127.0.0.1:1"]}))
    return tmp_path


@pytest.mark.usefixtures("here")
def test_it_says_where_each_thing_is_from_and_that_nobody_answers() -> None:
    environ = {"VAULT_SECRET_ID": CANARY, "VAULT_MAX_RETRIES": "0"}
    said = [str(one) for one in look(environ)]
    assert said == [
        "ok  manifest   vault-estate.json (aos, production)",
        "ok  address    https://127.0.0.1:1 (the manifest)",
        "ok  login      approle (the manifest says so; from the manifest's RoleID, VAULT_SECRET_ID)",
        "no  vault      doesn't answer",
    ]


def test_it_says_why_a_client_cant_begin(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "vault-estate.json").unlink()
    (manifest, settings) = look({})
    assert str(manifest) == "ok  manifest   none (neither VAULT_ESTATE_CONFIG nor vault-estate.json here)"
    assert str(settings).startswith("no  settings   the login is not given; expected ")
    assert main.main(["doctor"]) == 1
    assert CANARY not in capsys.readouterr().out


def test_a_manifest_that_is_none_is_not_well(here: Path) -> None:
    (here / "vault-estate.json").write_text("{}")
    manifest, settings = (str(one) for one in look({}))
    assert manifest == "no  manifest   vault-estate.json"
    assert settings.startswith("no  settings   vault-estate.json: schema_version is missing; expected ")
