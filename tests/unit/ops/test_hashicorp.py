"""HashiCorp's server in the user's cache: built once, by its recipe, or told why not. The compiler is a fake here."""

from pathlib import Path

import pytest

from ops.development import hashicorp
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
    monkeypatch.setattr(hashicorp, "compile_module", compile_module)
    return done


def test_it_is_built_once_and_kept_by_its_recipe(built: list[str], tmp_path: Path) -> None:
    first, again = hashicorp.server(print), hashicorp.server(print)

    assert first == again
    assert first.is_relative_to(tmp_path)
    assert first.name == "vault"
    assert built == ["HashiCorp's server 1.21.0 from its Go module, once: about 9 minutes on 2 cores"]


def test_other_sources_are_built_anew(built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hashicorp.server(print)
    module = tmp_path / "module"
    module.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (module / name).write_text("another")
    monkeypatch.setattr(hashicorp, "_MODULE", module)

    assert hashicorp.server(print) != first
    assert len(built) == 2


def test_the_module_pins_the_version_and_every_source() -> None:
    module = Path(hashicorp.__file__).with_name("hashicorp_module")

    assert f"require github.com/hashicorp/vault v{hashicorp.VERSION}\n" in (module / "go.mod").read_text()
    assert f"github.com/hashicorp/vault v{hashicorp.VERSION} h1:" in (module / "go.sum").read_text()


def test_why_it_can_not_be_built_is_one_line(built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise UnavailableError("go build failed: disk full")

    monkeypatch.setattr(hashicorp, "compile_module", fails)

    with pytest.raises(EstateError, match=r"^HashiCorp's server can't be built: go build failed: disk full$"):
        hashicorp.server(print)
    assert built == []
