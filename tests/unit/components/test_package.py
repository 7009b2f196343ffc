"""What holds for `components/` as a package that other projects use: its imports, its public names, its arguments.

Not proven: the wheel itself (`tests/engine/components/test_wheel.py`).
"""

import ast
import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import pulumi
import pytest

import components
import components.vault
from components.model import Section
from docs import reference
from docs.reference import meaning, parts
from ops.paths import ROOT

HOME = ROOT / "components"
COMPONENTS = {one.__name__: one for room in reference.ROOMS for one in reference.declared(room)}


def _modules(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    for room in rooms:
        for file in sorted((HOME / room).rglob("*.py")):
            yield file, ast.parse(file.read_text(encoding="utf-8"))


def test_nothing_inside_names_the_package() -> None:
    """It has another name in the wheel."""
    absolute = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file, module in _modules("")
        for node in ast.walk(module)
        if (isinstance(node, ast.ImportFrom) and not node.level and str(node.module).startswith(components.__name__))
        or (isinstance(node, ast.Import) and any(one.name.startswith(components.__name__) for one in node.names))
    ]

    assert absolute == []


def test_every_room_is_public_but_what_runs_elsewhere() -> None:
    assert components.__all__ == sorted({one.name for one in iter_modules(components.__path__)} - {"payloads"})


def _public(module: ModuleType) -> Iterator[str]:
    """Classes that a module declares for others: components, their arguments, what those hold."""
    for name, one in vars(module).items():
        if inspect.isclass(one) and one.__module__ == module.__name__ and not name.startswith("_"):
            kept = issubclass(one, pulumi.Resource | Section) or dataclasses.is_dataclass(one)
            if kept:
                yield name


def test_every_class_inside_vault_is_public_and_the_provider_of_them() -> None:
    modules = [
        importlib.import_module(f"components.vault.{one.name}") for one in iter_modules(components.vault.__path__)
    ]

    classes = [name for module in modules for name in _public(module)]
    assert sorted(components.vault.__all__) == sorted([*classes, "administrator_provider"])
    assert all(getattr(components.vault, name).__name__ == name for name in components.vault.__all__)


def _callbacks(hint: Any) -> bool:
    return typing.get_origin(hint) is Callable or any(map(_callbacks, typing.get_args(hint)))


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_argument_is_a_callback(component: str) -> None:
    """A program of another language couldn't give one, and nobody sees in a preview what it does."""
    for part in parts(reference.arguments(COMPONENTS[component]), ""):
        hints = typing.get_type_hints(part.model, localns={"Output": pulumi.Output, "T": Any}, include_extras=True)
        assert [name for name, hint in hints.items() if _callbacks(hint)] == []


def test_a_callback_would_be_found() -> None:
    assert _callbacks(dict[str, Callable[[str], str] | None])


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_goes_in_and_out_has_its_words(component: str) -> None:
    arguments = reference.arguments(COMPONENTS[component])

    assert all(meaning(arguments, field.name) for field in dataclasses.fields(arguments))
    reference.outputs(COMPONENTS[component])


def test_an_output_without_words_is_refused() -> None:
    class Silent(pulumi.ComponentResource):
        address: pulumi.Output[str]

    with pytest.raises(ValueError, match=r"Silent\.address has no meaning"):
        reference.outputs(Silent)


def _fixed_ports(module: ast.Module) -> Iterator[ast.expr]:
    """Where code decides on a port: a call's argument, a constant, an address with a number in it."""
    described = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        match node:
            case ast.keyword(arg=str(name), value=ast.Constant(value=int(number)) as value) if name.endswith("port"):
                if not isinstance(number, bool):
                    yield value
            case ast.Name(id=name) | ast.Attribute(attr=name) if name.endswith("_PORT"):
                yield node
            case ast.Constant(value=str(text)) if id(node) not in described and re.search(r":[1-9]\d{2,4}\b", text):
                yield node


def test_no_component_fixes_a_port() -> None:
    """Where it listens is the caller's to say; a model's default is one that may be changed."""
    fixed = [
        f"{file.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"
        for file, module in _modules(*reference.ROOMS)
        for node in _fixed_ports(module)
    ]

    assert fixed == []


@pytest.mark.parametrize(
    "code", ["f(api_port=8200)", "x = f'https://{host}:8200'", "f('a:8200')", "f(traffic.API_PORT)"]
)
def test_a_fixed_port_would_be_found(code: str) -> None:
    assert list(_fixed_ports(ast.parse(code)))
