"""Scratch copies: whole, apart from the checkout, and gone afterwards.

Not proven here: that a copy builds an estate (`./estate bench` does that).
"""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ops.development.bench import operation
from ops.development.bench.policies import PROGRAM
from ops.development.bench.project import Scratch, base_settings, copy_code, free_ports, scratch
from ops.errors import EstateError
from ops.paths import ROOT


def test_a_copy_is_a_project_of_its_own(tmp_path: Path) -> None:
    with scratch(tmp_path, {"environment": "development"}) as copy:
        where = subprocess.run(
            [sys.executable, "-c", "import ops.paths, composition; print(ops.paths.ROOT); print(composition.__file__)"],
            cwd=copy.directory,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert where == [str(copy.directory), str(copy.directory / "composition" / "__init__.py")]
        assert yaml.safe_load((copy.directory / "Pulumi.local.yaml").read_text()) == {
            "config": {"vault-estate:estate": {"environment": "development"}}
        }
        assert not (copy.directory / ".estate").exists()
        assert (copy.directory / "__main__.py").read_text() == (ROOT / "__main__.py").read_text()
        # These settings are no estate's: make them one's, so that the copy can be stopped.
        content = {"config": {"vault-estate:estate": base_settings()}}
        (copy.directory / "Pulumi.local.yaml").write_text(yaml.safe_dump(content))
    assert list(tmp_path.iterdir()) == []


def test_another_program_can_take_the_place(tmp_path: Path) -> None:
    with scratch(tmp_path, base_settings(), program=PROGRAM.format(count=7)) as copy:
        text = (copy.directory / "__main__.py").read_text()
        compile(text, "__main__.py", "exec")
        assert "declare(7)" in text


def test_a_copy_goes_even_when_something_failed_in_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch(tmp_path, base_settings()):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_failed_operation_says_why(tmp_path: Path) -> None:
    copy_code(ROOT, tmp_path / "copy", ("ops", "settings", "components", "composition", "fake_providers"))
    with pytest.raises(EstateError, match="operation is 'no-such-thing'; expected one of"):
        Scratch(directory=tmp_path / "copy").operation("no-such-thing")


def test_ports_differ() -> None:
    ports = free_ports()
    assert len(set(ports)) == 3


@pytest.mark.parametrize("arguments", [[], ["down"], ["up", "--fast"], ["up", "up"]])
def test_an_unknown_operation_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert operation.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("bench: operation is ")
    assert "expected one of start, stop, preview, up, refresh, destroy" in said
