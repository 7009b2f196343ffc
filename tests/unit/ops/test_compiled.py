"""Programs of a Go module in the user's cache: built once, by their recipe, or told why not. The compiler is a fake."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops.building import compiled
from ops.building.compiled import ACTIONLINT, HASHICORP_SERVER, Compiled
from ops.engine.finding import Say, UnavailableError
from ops.errors import EstateError


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cache of its own; what was compiled."""
    done: list[str] = []

    def compile_module(module: Path, arguments: object, executable: Path, title: str, say: Say) -> None:
        done.append(title)
        executable.write_text(f"{module.name} {arguments}")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "compile_module", compile_module)
    return done


def test_it_is_built_once_and_kept_by_its_recipe(built: list[str], tmp_path: Path) -> None:
    first, again = HASHICORP_SERVER.find(print), HASHICORP_SERVER.find(print)

    assert first == again
    assert first.is_relative_to(tmp_path)
    assert first.name == "vault"
    assert built == ["HashiCorp's server 1.21.0 from its Go module, once: about 9 minutes on 2 cores"]


def test_other_sources_are_built_anew(built: list[str], tmp_path: Path) -> None:
    first = HASHICORP_SERVER.find(print)
    module = tmp_path / "module"
    module.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (module / name).write_text("another")

    assert replace(HASHICORP_SERVER, module=module).find(print) != first
    assert len(built) == 2


@pytest.mark.parametrize(
    ("program", "path"), [(HASHICORP_SERVER, "github.com/hashicorp/vault"), (ACTIONLINT, "github.com/rhysd/actionlint")]
)
def test_the_module_pins_the_version_and_every_source(program: Compiled, path: str) -> None:
    assert f"require {path} v{program.version}\n" in (program.module / "go.mod").read_text()
    assert f"{path} v{program.version} h1:" in (program.module / "go.sum").read_text()


def test_why_it_can_not_be_built_is_one_line(built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise UnavailableError("go build failed: disk full")

    monkeypatch.setattr(compiled, "compile_module", fails)

    with pytest.raises(EstateError, match=r"^HashiCorp's server can't be built: go build failed: disk full$"):
        HASHICORP_SERVER.find(print)
    assert built == []
