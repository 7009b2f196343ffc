"""Programs that are sent elsewhere need nothing but Python there, and what each says it loads by name."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import payloads

PROGRAMS = sorted(set(Path(payloads.__file__).parent.glob("*.py")) - {Path(payloads.__file__)})
LOADED = {
    "adopt_seal_key": set(),
    "bootstrap": {"key_shares_in_aws", "pysequoia"},
    "key_shares": set(),
    "key_shares_in_aws": {"boto3", "botocore.config", "botocore.exceptions"},
    "move_seal_key": set(),
    "publish_authority": set(),
    "regain_pipe": set(),
    "renew_secret_id": set(),
    "snapshot": {"boto3", "botocore.config", "botocore.exceptions", "pyrage"},
}
"""What a program loads where it is needed: each is installed there, or the program has another way."""


def imported(program: Path) -> Iterator[str]:
    """Modules that the program can't start without."""
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield str(node.module)


def loaded(program: Path) -> Iterator[str]:
    """Modules that it loads by name."""
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            (name,) = node.args
            assert isinstance(name, ast.Constant)
            yield str(name.value)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_only_the_standard_library_is_imported(program: Path) -> None:
    assert {name.partition(".")[0] for name in imported(program)} <= sys.stdlib_module_names
    assert set(loaded(program)) == LOADED[program.stem]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_it_starts_where_nothing_is_installed(program: Path) -> None:
    # -I and -S: neither this project nor any package is found.
    told = f"import runpy; runpy.run_path({str(program)!r}, run_name='elsewhere')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", told], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("name", "code"), [("bootstrap", 2), ("snapshot", 1)])
def test_parameters_that_are_missing_are_one_sentence(tmp_path: Path, name: str, code: int) -> None:
    file = tmp_path / "parameters.json"
    file.write_text("{}")
    (program,) = (one for one in PROGRAMS if one.stem == name)

    done = subprocess.run(
        [sys.executable, "-I", "-S", str(program), str(file)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
