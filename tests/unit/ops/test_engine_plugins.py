"""Who serves the providers of a run: the whole decision table, and what is remembered. The engine is a fake script."""

import itertools
import json
import time
from importlib import metadata
from pathlib import Path

import pytest

from ops.engine import plugins
from ops.engine.finding import Engine
from ops.engine.plugins import Operation, choose, installed, missing
from ops.errors import EstateError
from tests.unit.ops.fakes import Said, fake_program

VAULT = metadata.version("pulumi-vault")
AWS = metadata.version("pulumi-aws")
ASKED, HERE = "asked for with --sandbox", "the official plugin can't be had here"

CLOUD_TABLE: list[tuple[Operation, tuple[str, ...], bool, tuple[tuple[str, ...], str] | str]] = [
    ("up", (), True, ((), "")),
    ("up", (), False, "up of a cloud stack: the cloud's credentials are missing"),
    ("up", ("aws",), True, f"up of a cloud stack: {HERE}: aws"),
    ("up", ("aws",), False, f"up of a cloud stack: {HERE}: aws; the cloud's credentials are missing"),
    ("down", (), True, ((), "")),
    ("down", (), False, "down of a cloud stack: the cloud's credentials are missing"),
    ("down", ("aws", "vault"), True, f"down of a cloud stack: {HERE}: aws, vault"),
    ("down", ("aws",), False, f"down of a cloud stack: {HERE}: aws; the cloud's credentials are missing"),
    ("preview", (), True, ((), "")),
    ("preview", (), False, (("vault", "aws"), "the cloud's credentials are missing")),
    ("preview", ("aws",), True, (("vault", "aws"), f"{HERE}: aws")),
    ("preview", ("aws",), False, (("vault", "aws"), f"{HERE}: aws; the cloud's credentials are missing")),
]


@pytest.mark.parametrize(("operation", "lacking", "credentials", "expected"), CLOUD_TABLE)
def test_a_cloud_stack(
    operation: Operation,
    lacking: tuple[str, ...],
    credentials: bool,
    expected: tuple[tuple[str, ...], str] | str,
) -> None:
    def decide() -> plugins.Choice:
        return choose(
            operation=operation,
            cloud=True,
            sandbox=False,
            packages=("vault", "aws"),
            lacking=lacking,
            credentials=credentials,
        )

    if isinstance(expected, str):
        with pytest.raises(EstateError) as caught:
            decide()
        assert str(caught.value) == f"{expected}; expected plugins and credentials, or a sandbox: --sandbox"
    else:
        assert decide() == plugins.Choice(fakes=expected[0], reason=expected[1])


OPERATIONS: tuple[Operation, ...] = ("up", "preview", "down")


@pytest.mark.parametrize(
    ("operation", "cloud", "lacking", "credentials"),
    list(itertools.product(OPERATIONS, (True, False), ((), ("vault",)), (True, False))),
)
def test_fake_providers_that_were_asked_for_serve_everything(
    operation: Operation, cloud: bool, lacking: tuple[str, ...], credentials: bool
) -> None:
    choice = choose(
        operation=operation,
        cloud=cloud,
        sandbox=True,
        packages=("vault", "aws"),
        lacking=lacking,
        credentials=credentials,
    )

    assert choice == plugins.Choice(fakes=("vault", "aws"), reason=ASKED)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("credentials", [True, False])
def test_the_local_stack_fakes_only_what_is_lacking(operation: Operation, credentials: bool) -> None:
    def decide(lacking: tuple[str, ...]) -> plugins.Choice:
        return choose(
            operation=operation,
            cloud=False,
            sandbox=False,
            packages=("vault",),
            lacking=lacking,
            credentials=credentials,
        )

    assert decide(()) == plugins.Choice(fakes=(), reason="")
    assert decide(("vault",)) == plugins.Choice(fakes=("vault",), reason=f"{HERE}: vault")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A fake engine that has no plugin and can't install any; it writes down what it was asked."""
    return _engine(tmp_path, "[]", "exit 1")


def _engine(folder: Path, listed: str, install: str) -> Engine:
    executable = fake_program(
        folder / "pulumi",
        f'echo "$@" >> {folder}/asked',
        f"case $2 in ls) echo '{listed}';; install) {install};; esac",
    )
    return Engine(executable=executable, version="9.9.9", source="PATH")


def _environment(folder: Path) -> dict[str, str]:
    """What the engine sees, with a folder of plugins that isn't empty."""
    (folder / "home" / "plugins" / "resource-vault-v7.0.0").mkdir(parents=True, exist_ok=True)
    return {"PATH": "/usr/bin:/bin", "PULUMI_HOME": str(folder / "home")}


def _asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines()


def test_plugins_are_read_from_the_engines_list(tmp_path: Path) -> None:
    listed = [
        {"name": "vault", "kind": "resource", "version": "7.0.0"},
        {"name": "vault", "kind": "resource", "version": VAULT},
        {"name": "python", "kind": "language", "version": "3.0.0"},
        {"name": "aws", "kind": "resource"},
    ]

    found = installed(_engine(tmp_path, json.dumps(listed), ""), _environment(tmp_path))

    assert found == {"vault": {"7.0.0", VAULT}, "aws": {""}}


@pytest.mark.parametrize("line", ["exit 1", "echo not json", "exec sleep 5"])
def test_an_engine_that_does_not_tell_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(plugins, "_LIST_SECONDS", 0.3)
    executable = fake_program(tmp_path / "pulumi", line)

    assert installed(Engine(executable=executable, version="1", source="PATH"), _environment(tmp_path)) == {}


def test_an_engine_without_plugins_is_not_asked(tmp_path: Path) -> None:
    engine = _engine(tmp_path, "[]", "exit 0")
    for variables in ({"PULUMI_HOME": str(tmp_path / "none")}, {"HOME": str(tmp_path)}):
        assert installed(engine, {"PATH": "/usr/bin:/bin", **variables}) == {}

    assert not (tmp_path / "asked").exists()


def _missing(engine: Engine, folder: Path, said: Said, *packages: str) -> list[str]:
    return missing(engine, packages, _environment(folder), folder / "refused.json", said.say)


def test_nothing_is_missing_when_the_exact_versions_are_there(tmp_path: Path) -> None:
    listed = json.dumps([{"name": "vault", "kind": "resource", "version": VAULT}])
    said = Said()

    assert _missing(_engine(tmp_path, listed, "exit 1"), tmp_path, said, "vault") == []
    assert said == []


def test_another_version_does_not_do(tmp_path: Path) -> None:
    listed = json.dumps([{"name": "vault", "kind": "resource", "version": "0.0.1"}])

    assert _missing(_engine(tmp_path, listed, "exit 1"), tmp_path, Said(), "vault") == ["vault"]


def test_a_plugin_that_can_be_installed_is_not_missing(tmp_path: Path) -> None:
    said = Said()

    assert _missing(_engine(tmp_path, "[]", "exit 0"), tmp_path, said, "vault") == []
    assert said == [f"installing the official vault plugin {VAULT}"]
    assert _asked(tmp_path) == ["plugin ls --json", f"plugin install resource vault {VAULT}"]
    assert not (tmp_path / "refused.json").exists()


def test_a_refusal_is_remembered_for_a_day(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    said = Said()

    assert _missing(engine, tmp_path, said, "vault") == ["vault"]
    assert _missing(engine, tmp_path, said, "vault") == ["vault"]
    assert len(said) == 1

    monkeypatch.setattr(time, "time", lambda: now + 86_300)
    assert _missing(engine, tmp_path, said, "vault") == ["vault"]
    assert len(said) == 1

    monkeypatch.setattr(time, "time", lambda: now + 86_500)
    assert _missing(engine, tmp_path, said, "vault") == ["vault"]
    assert len(said) == 2


def test_every_plugin_that_was_refused_is_remembered(engine: Engine, tmp_path: Path) -> None:
    said = Said()

    assert _missing(engine, tmp_path, said, "vault", "aws") == ["vault", "aws"]
    assert _missing(engine, tmp_path, said, "vault", "aws") == ["vault", "aws"]

    assert said == [f"installing the official vault plugin {VAULT}", f"installing the official aws plugin {AWS}"]
    assert set(json.loads((tmp_path / "refused.json").read_text())) == {f"vault {VAULT}", f"aws {AWS}"}


@pytest.mark.parametrize("content", ["", "{", "[1, 2"])
def test_a_memory_cut_short_is_no_memory(engine: Engine, tmp_path: Path, content: str) -> None:
    (tmp_path / "refused.json").write_text(content)

    assert _missing(engine, tmp_path, Said(), "vault") == ["vault"]
    assert list(json.loads((tmp_path / "refused.json").read_text())) == [f"vault {VAULT}"]


def test_an_installation_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_INSTALL_SECONDS", 0.3)
    started = time.monotonic()

    assert _missing(_engine(tmp_path, "[]", "exec sleep 30"), tmp_path, Said(), "vault") == ["vault"]
    assert time.monotonic() - started < 10


def test_each_package_wants_the_version_of_its_sdk() -> None:
    assert plugins.wanted(["vault", "aws"]) == {"vault": VAULT, "aws": AWS}
