"""Writes `docs/components.md` below its introduction, from the components: `python -m docs.components_reference`.

Owns the sections' form; the words are the components' own. Refuses an argument or an output without any.
"""

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import get_type_hints

import pulumi

import components
from docs.settings_reference import Part, below_introduction, docstrings, flowing, parts, rows, table

PACKAGE = "pulumi_vault_estate"
PAGE = Path(__file__).with_name("components.md")
ROOMS = ("vault", "platform", "hetzner", "aws")
"""What is in each comes in this order."""


def declared(room: str) -> Iterator[type[pulumi.ComponentResource]]:
    """The components of one folder, by the names of their modules."""
    package = import_module(f"{components.__name__}.{room}")
    for found in walk_packages(package.__path__, f"{package.__name__}."):
        for one in vars(import_module(found.name)).values():
            if isinstance(one, type) and issubclass(one, pulumi.ComponentResource) and one.__module__ == found.name:
                yield one


def arguments(component: type[pulumi.ComponentResource]) -> type:
    """What a component takes."""
    found: type = get_type_hints(component.__init__)["args"]
    return found


def outputs(component: type[pulumi.ComponentResource]) -> dict[str, str]:
    """What a component gives, each with its meaning. Raises ValueError: one has none."""
    told = docstrings(component)
    for name in inspect.get_annotations(component).keys() - told.keys():
        raise ValueError(f"{component.__name__}.{name} has no meaning; expected a docstring below it")
    return {name: flowing(words) for name, words in told.items()}


def imported(one: type) -> str:
    """The shortest import of a class."""
    module = sys.modules[one.__module__]
    room = sys.modules[one.__module__.rpartition(".")[0]]
    home = room if hasattr(room, one.__name__) else module
    return f"`from {home.__name__.replace(components.__name__, PACKAGE, 1)} import {one.__name__}`"


def _component(component: type[pulumi.ComponentResource], shown: set[type]) -> list[str]:
    """One component with the sections it takes, but those shown before."""
    args = arguments(component)
    owns = inspect.cleandoc(sys.modules[component.__module__].__doc__ or "").partition("\n\n")[2]
    gives = [f"| `{name}` | {words} |" for name, words in outputs(component).items()]
    lines = [f"### `{component.__name__}`", "", inspect.cleandoc(component.__doc__ or ""), "", owns, ""]
    lines += [f"{imported(component).removesuffix('`')}, {args.__name__}`", ""]
    lines += [*rows(Part(location="", model=args), "argument"), ""]
    lines += ["| output | meaning |", "|---|---|", *gives, ""] if gives else []
    for part in parts(args, ""):
        if part.model not in {args, *shown}:
            title, blank, *rest = table(part, "####")
            lines += [title, blank, imported(part.model), "", *rest]
            shown.add(part.model)
    return lines


def page() -> str:
    """The whole page."""
    lines: list[str] = []
    shown: set[type] = set()
    for room in ROOMS:
        title = flowing((import_module(f"{components.__name__}.{room}").__doc__ or "").partition("\n\n")[0])
        lines += [f"## `{room}`", "", title, ""]
        for component in declared(room):
            lines += _component(component, shown)
    return below_introduction(PAGE, lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
