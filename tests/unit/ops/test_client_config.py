"""`./estate client-config`: where the document goes, and who is refused. The built stack is replaced by a fake; a real
one is in `tests/engine/test_local_stack.py`."""

import json
from pathlib import Path

import pytest

from ops.cli import main
from settings.client_manifest import client_manifest
from tests.unit.ops.fakes import asked_of
from tests.unit.settings.samples import full
from vault_estate import manifest

Captured = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("command_line")

APP = client_manifest(full(), "app", address="https://127.0.0.1:8200", ca_certificate=None, role_id="r1")


@pytest.mark.parametrize("where", [[], ["--output", "-"], ["--json"]])
def test_it_goes_to_standard_output(where: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked = asked_of(monkeypatch, "ops.cli.applications.describe", APP)

    assert main.main(["client-config", "app", "--stack", "staging", *where]) == 0

    assert manifest.parse(capsys.readouterr().out) == APP
    assert asked[0][1:3] == ("staging", "app")


def test_it_goes_to_a_file_that_others_may_read(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    asked_of(monkeypatch, "ops.cli.applications.describe", APP)
    file = tmp_path / "app.json"
    file.write_text("an older one")

    assert main.main(["client-config", "app", "--output", str(file), "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"stack": "local", "application": "app", "file": str(file)}
    assert manifest.load(file) == APP
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cant_be_written_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path) -> None:
    asked_of(monkeypatch, "ops.cli.applications.describe", APP)
    file = tmp_path / "nowhere" / "app.json"

    assert main.main(["client-config", "app", "--output", str(file)]) == 2

    assert capsys.readouterr().err == (
        f"estate: --output is '{file}', No such file or directory; expected a file that can be written\n"
    )


def test_an_unknown_application_is_refused_before_anything_is_asked(capsys: Captured) -> None:
    assert main.main(["client-config", "aso"]) == 2
    assert capsys.readouterr().err == (
        "estate: application 'aso' is unknown; expected one of: bike-data-flow, dagster, greenlang-api, "
        "greenlang-agents, greenlang-jobs, pake-system, aos\n"
    )
