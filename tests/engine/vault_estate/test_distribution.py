"""`vault_estate/` as an application has it: the wheel, in an environment where nothing else of this repository is.

Not proven: that it works there with a server (`tests/live/vault_estate/`).
"""

import json
import os
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import vault_estate
from ops.paths import ROOT
from tests.support.distributions import build, environment_with, run
from tests.support.examples import assert_only_the_wrong_one, types_of_examples

HOME = ROOT / "vault_estate"
NOT_IN_THE_PACKAGE = {"README.md", "pyproject.toml"}
_ALONE = """
import json, sys
from importlib.metadata import version
from importlib.util import find_spec
import vault_estate
loaded = [name for name in ("hvac", "pydantic", "requests", "urllib3") if name in sys.modules]
from vault_estate import AsyncVaultClient, VaultClient
loaded += [name for name in ("hvac", "pydantic", "pytest", "requests", "vault_estate.testing") if name in sys.modules]
public = [getattr(vault_estate, name).__name__ for name in vault_estate.__all__ if name != "__version__"]
others = [name for name in ("components", "ops", "pulumi", "settings") if find_spec(name)]
print(json.dumps([version("vault-estate"), loaded, public, others]))
"""
_APPLICATIONS_TEST = """
import pytest, vault_estate
@pytest.mark.vault(live=False)
def test_a_secret(vault):
    assert "site-packages" in vault_estate.__file__
    vault.put("app-prod", KEY="x")
    assert vault_estate.VaultClient().get_secret("app-prod")["KEY"] == "x"
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the source distribution."""
    built = tmp_path_factory.mktemp("distributions")
    build(HOME, built)
    return built


def _ours() -> set[str]:
    files = (str(file.relative_to(HOME)) for file in HOME.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return set(files)


def test_the_wheel_has_every_file_of_the_folder(distributions: Path) -> None:
    (wheel,) = distributions.glob("vault_estate-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        found = {name.removeprefix("vault_estate/") for name in opened.namelist() if ".dist-info/" not in name}

    assert found == _ours() - NOT_IN_THE_PACKAGE


def test_a_wheel_from_the_source_distribution_is_the_same(distributions: Path, tmp_path: Path) -> None:
    (source,) = distributions.glob("vault_estate-*.tar.gz")
    (wheel,) = distributions.glob("vault_estate-*.whl")
    with tarfile.open(source) as opened:
        opened.extractall(tmp_path, filter="data")
    build(tmp_path / source.name.removesuffix(".tar.gz"), tmp_path, "wheel")

    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(tmp_path / wheel.name) as second:
        assert {one.filename: one.CRC for one in first.infolist()} == {
            one.filename: one.CRC for one in second.infolist()
        }


def test_installed_alone_it_has_its_names_and_loads_nothing_before_they_are_used(
    distributions: Path, tmp_path: Path
) -> None:
    (wheel,) = distributions.glob("vault_estate-*.whl")
    python = environment_with(wheel, tmp_path / "venv")

    installed, loaded, public, others = json.loads(run(python, "-I", "-c", _ALONE, directory=tmp_path))
    assert installed == vault_estate.__version__
    assert loaded == []
    assert sorted([*public, "__version__"]) == sorted(vault_estate.__all__)
    assert others == []
    helped = run(python.with_name("vault-estate"), "--help", directory=tmp_path)
    named = [line.split()[0] for line in helped.splitlines() if line.startswith("    ")]
    assert named == ["get", "env", "run", "migrate", "rotate", "rewrap", "doctor"]
    _the_plugin_of_pytest_is_found(python, tmp_path)


def test_installed_with_all_its_extras_it_has_the_types_of_its_examples(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("vault_estate-*.whl")
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert sorted(extras) == ["dagster", "metrics", "migrate", "otel", "settings", "testing"]
    python = environment_with(wheel, tmp_path / "venv", *extras, besides=["types-hvac"])
    folder = tmp_path / "examples"
    folder.mkdir()

    nothing_else = ("--strict", f"--config-file={os.devnull}", f"--cache-dir={tmp_path / 'cache'}")
    assert_only_the_wrong_one(types_of_examples(folder, *nothing_else, f"--python-executable={python}"))
    origin = "import vault_estate.dagster; print(vault_estate.__file__)"
    assert run(python, "-I", "-c", origin, directory=tmp_path).startswith(str(tmp_path))


def _the_plugin_of_pytest_is_found(python: Path, directory: Path) -> None:
    """By its entry point: this pytest, with what the other environment has."""
    (installed,) = python.parents[1].glob("lib/python*/site-packages")
    (directory / "test_application.py").write_text(_APPLICATIONS_TEST, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    told = run(sys.executable, "-m", "pytest", "--strict-markers", directory=directory, environment=environment)
    assert "vault-estate-" in told
    assert "1 passed" in told
