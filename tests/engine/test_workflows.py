"""The pipelines of GitHub and GitLab: judged by what is made for it, and all that they run are commands of `./estate`.

Doesn't prove: that the services run them, which are out of reach.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ops.building.compiled import ACTIONLINT
from ops.cli.main import app
from ops.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"
_BIN = Path(sys.executable).parent


def _judged(*command: str | Path) -> None:
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr


def test_actionlint_finds_nothing() -> None:
    _judged(ACTIONLINT.find(print), "-no-color", "-shellcheck=", "-pyflakes=", *WORKFLOWS)


def test_zizmor_finds_nothing() -> None:
    _judged(_BIN / "zizmor", "--offline", "--no-progress", "--persona=pedantic", "--min-severity=low", *WORKFLOWS)


@pytest.mark.parametrize(("schema", "files"), [("github-workflows", WORKFLOWS), ("gitlab-ci", [GITLAB])])
def test_they_are_what_the_services_take(schema: str, files: list[Path]) -> None:
    _judged(_BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files)


def _scripts(document: Any) -> Iterator[str]:
    """Every text that a job runs."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if key == "run":
            yield str(value)
        elif key == "script":
            yield "\n".join(value)
        elif isinstance(value, (dict, list)):
            yield from _scripts(value)


def _estate_calls() -> list[list[str]]:
    scripts = [script for file in (*WORKFLOWS, GITLAB) for script in _scripts(yaml.safe_load(file.read_text()))]
    lines = [line for script in scripts for line in re.findall(r"\./estate ([^|;&\n]*)", script)]
    assert len(lines) > 8
    return [shlex.split(re.sub(r"\$\{\w+:\+[^}]+\}", "--post", line)) for line in lines]


def test_every_command_they_run_is_there_with_its_options() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group, which typer doesn't type
    for name, *words in _estate_calls():
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, (name, words)


def test_no_stack_gets_a_credential_in_a_pull_request_of_a_fork() -> None:
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            if "id-token" in job.get("permissions", {}):
                wanted = ("head.repo.full_name == github.repository", "refs/heads/main", "schedule")
                assert any(condition in job["if"] for condition in wanted), name
