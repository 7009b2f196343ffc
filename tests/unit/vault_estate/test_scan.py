"""Which variables sources read, and whether each is anywhere. Nothing of what is looked at is run.

Not proven: names that a program puts together, which are told as places and not as names.
"""

import ast
import json
from pathlib import Path

import pytest

from tests.support.migrating import PAKE_KEYS, PAKE_MAP, canary, manifest
from vault_estate.cli import main
from vault_estate.migration.mapping import ValuePlace
from vault_estate.migration.scanning import python_code, table, text_files
from vault_estate.migration.scanning.python_code import PythonSource
from vault_estate.migration.scanning.uses import SourceScan, VariableUse


def of_python(*texts: str) -> SourceScan:
    """What is read in these files."""
    return python_code.scan(
        [PythonSource(file=f"{number}.py", tree=ast.parse(text)) for number, text in enumerate(texts)]
    )


def names(found: SourceScan) -> dict[str, bool]:
    """Each name, and whether there is a default."""
    return {one.name: one.has_default for one in found.uses}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "import os\nos.environ['A']; os.environ.get('B'); os.environ.get('C', '')",
            {"A": False, "B": False, "C": True},
        ),
        ("import os as o\no.getenv('A'); o.getenv('B', default='x')", {"A": False, "B": True}),
        (
            "from os import environ as e, getenv as g\ne['A']; g('B'); e.pop('C', None)",
            {"A": False, "B": False, "C": True},
        ),
        ("import os\nif 'A' in os.environ: pass", {"A": True}),
        ("import os\nos.environ['A'] = '1'\ndel os.environ['B']\nenviron['C']\ngetenv('D')", {}),
        ("from decouple import config\nconfig('A'); config('B', default=1, cast=int)", {"A": False, "B": True}),
        ("import dagster as dg\nx = {'token': dg.EnvVar('A'), 'n': dg.EnvVar.int('B')}", {"A": False, "B": False}),
        ("from dagster import EnvVar\nEnvVar('A')", {"A": False}),
        ("import os\nos.environ['not a name']", {}),
    ],
)
def test_what_python_reads(text: str, expected: dict[str, bool]) -> None:
    assert names(of_python(text)) == expected


def test_what_is_put_together_is_told_by_its_place() -> None:
    found = of_python("import os\nname = 'A'\nos.environ[name]\nos.getenv(f'{name}_B')")
    assert (found.uses, found.unknown) == ([], ["0.py:3", "0.py:4"])


def test_fields_of_settings_their_prefixes_and_aliases() -> None:
    found = of_python(
        "from pydantic_settings import BaseSettings, SettingsConfigDict\n"
        "class Base(BaseSettings):\n    model_config = SettingsConfigDict(env_prefix='aos_')\n    api_key: str\n"
        "    port: int = 8000\n    _own: int = 1\n    kind: ClassVar[str] = 'x'\n",
        "from a import Base\nfrom pydantic import AliasChoices, Field\n"
        "from vault_estate.settings_source import VaultField\n"
        "class More(Base):\n"
        "    model_config = {'case_sensitive': True}\n"
        "    first: str = Field(validation_alias=AliasChoices('FIRST', 'OLD_FIRST'))\n"
        "    second: str = Field(..., alias='SECOND')\n"
        "    third: str = Field('x', env='THIRD')\n"
        "    key: str = VaultField('app-prod', 'AOS_API_KEY')\n"
        "    none: str | None = VaultField('app-prod', 'X', default=None)\n",
        "class Old(BaseSettings):\n    a: str\n    class Config:\n        env_prefix = 'OLD_'\n"
        "class NotSettings(Other):\n    b: str\n",
    )
    assert names(found) == {
        "AOS_API_KEY": False,
        "AOS_PORT": True,
        "FIRST": False,
        "OLD_FIRST": False,
        "SECOND": False,
        "THIRD": True,
        "key": False,
        "none": True,
        "OLD_A": False,
    }
    places = {one.name: one.place for one in found.uses if one.place}
    assert places["key"] == ValuePlace(secret="app-prod", key="AOS_API_KEY")


@pytest.mark.parametrize(
    ("name", "text", "reads", "sets"),
    [
        (
            "compose.prod.yaml",
            "services:\n  a:\n    environment:\n      A: ${A}\n      - B=${B:-x}\n      PORT: 8000\n    x: $C $$NOT\n",
            {"A": False, "B": True, "C": False},
            {"PORT"},
        ),
        (
            "run.sh",
            'B=1\nexport OWN=2\n# $N\necho "$A ${B} $HOME \\$N ${D-x} $OWN"\nfor F in a; do echo $F\ndone\nE=${E-1}',
            {"A": False, "D": True, "E": True},
            set(),
        ),
        ("start", "#!/usr/bin/env bash\necho $A\n", {"A": False}, set()),
        ("Dockerfile.api", "ARG V\nENV PORT=8000\nRUN echo $A $V $PORT\n", {"A": False}, {"PORT"}),
        ("a.ts", "x = process.env.A ?? process.env['B']; env.C", {"A": False, "B": False}, set()),
    ],
)
def test_what_other_files_read(name: str, text: str, reads: dict[str, bool], sets: set[str]) -> None:
    what = text_files.kind(name, text.partition("\n")[0])
    assert what is not None
    found = text_files.scan(name, text, what)
    assert (names(found), found.sets) == (reads, sets)


@pytest.mark.parametrize("name", ["README.md", "values.yaml", "a.json", "script"])
def test_what_is_not_looked_at(name: str) -> None:
    assert text_files.kind(name, "echo $A") is None


def test_a_folder_is_walked_without_what_others_brought(tmp_path: Path) -> None:
    for folder in ("app", ".venv/lib", "node_modules/x", "app/__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text(f"import os\nos.environ['IN_{folder[:3].strip('.').upper()}']\n")
    (tmp_path / "bad.py").write_text(f"x = '{canary('x')}")
    (tmp_path / "link.py").symlink_to(tmp_path / "app" / "a.py")
    (tmp_path / "long.py").write_text("#" * (table.LARGEST_BYTES + 1))
    (tmp_path / "run.sh").write_bytes(b"#!/bin/sh\n\xff\n")
    found = table.sources(tmp_path)
    assert [(one.where, one.name) for one in found.uses] == [("app/a.py:2", "IN_APP")]
    assert found.unread == ["bad.py"]
    with pytest.raises(FileNotFoundError):
        table.sources(tmp_path / "absent")


@pytest.mark.parametrize(
    ("env", "kept", "has_default", "is_set", "is_nowhere"),
    [
        ({"A"}, None, False, False, False),
        (set(), {"A"}, False, False, False),
        (set(), set(), False, False, True),
        (set(), None, False, False, False),
        (set(), set(), True, False, False),
        (set(), set(), False, True, False),
    ],
)
def test_when_a_variable_is_nowhere(
    env: set[str], kept: set[str] | None, *, has_default: bool, is_set: bool, is_nowhere: bool
) -> None:
    place = ValuePlace(secret="s", key="A")
    found = SourceScan(uses=[VariableUse(name="A", file="a.py", line=1, has_default=has_default)])
    found.sets = {"A"} if is_set else set()
    known = table.KnownPlaces(env=env, mapped={"A": place}, kept=None if kept is None else [place] if kept else [])
    assert [one.is_nowhere for one in known.rows(found)] == [is_nowhere]


def test_settings_find_a_variable_in_either_case() -> None:
    found = SourceScan(uses=[VariableUse(name="SECRET_KEY", file="a.py", line=1, folds=True)])
    (row,) = table.KnownPlaces(env={"secret_key"}, mapped={"secret_key": None}, kept=[]).rows(found)
    assert (row.in_env, row.mapped, row.is_nowhere) == (True, "stays", False)


def test_the_command_tells_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("VAULT_ESTATE_CONFIG", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_TOKEN_FILE", "BAO_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "vault-estate.json").write_text(manifest(PAKE_KEYS).render())
    (tmp_path / "migration.yaml").write_text(PAKE_MAP)
    (tmp_path / ".env").write_text(f"SECRET_KEY={canary('SECRET_KEY')}\n")
    (tmp_path / "config.py").write_text(
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n"
        "    SECRET_KEY: str\n    DATABASE_URL: str\n    PAKE_DEBUG: bool = False\n"
    )
    assert main.main(["migrate", "scan"]) == 0
    (tmp_path / "more.py").write_text(
        "import os\nos.environ['SENTRY_DSN'], os.environ['SECRET_KEY']\nos.environ['PATH'], os.environ[x]\n"
    )
    capsys.readouterr()
    assert main.main(["migrate", "scan"]) == 1
    assert (
        "SECRET_KEY    config.py:3 and 1 more  yes      not asked  security#secret_key  no\n" in capsys.readouterr().out
    )
    assert main.main(["migrate", "scan", "--json"]) == 1
    said = capsys.readouterr().out
    rows = {row.pop("variable"): row for row in json.loads(said)["rows"]}
    assert rows == {
        "DATABASE_URL": row("config.py:4", env="no", mapped="database#url"),
        "PAKE_DEBUG": row("config.py:5", env="no", mapped="stays"),
        "SECRET_KEY": row("config.py:3", "more.py:2", env="yes", mapped="security#secret_key"),
        "SENTRY_DSN": row("more.py:2", env="no", mapped="", missing="yes"),
    }
    assert "q7Z" not in said


def row(*where: str, env: str, mapped: str, missing: str = "no") -> dict[str, object]:
    """As JSON has it, where nobody asked Vault."""
    return {"read at": list(where), "in .env": env, "in Vault": "not asked", "mapped": mapped, "missing": missing}
