"""A thing that people configure is declared once: one class, one default, one rule, one text.

Reads the product's source. Left out: `components/payloads`, programs that run elsewhere and may import nothing of ours.
"""

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from components.model import Section
from docs import reference
from ops.paths import ROOT

ROOMS = ("components", "composition", "fake_providers", "ops", "policies", "settings", "vault_estate")
MODELS = ("components", "composition", "settings")
"""Where an estate's nouns are declared."""
ALONE = ROOT / "components" / "payloads"
_MANY = 3
TWICE_YET = frozenset(
    {
        *(
            "Administrator",
            "Bootstrap",
            "FileAudit",
            "Operator",
            "Snapshots",
            "SocketAudit",
            "SyslogAudit",
            "TransitSeal",
        ),
    }
)
"""Names of the node's parts and of platforms that stand twice until those have been brought into order; it may only
shrink."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A class that declares fields: a section of settings or a dataclass."""

    file: str
    name: str
    bases: frozenset[str]
    fields: frozenset[str]

    @property
    def stem(self) -> str:
        """Its name without what tells a component's arguments from it."""
        return self.name.removesuffix("Args")


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _declares(node: ast.ClassDef) -> bool:
    decorators = {_name(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list}
    return "dataclass" in decorators or any(_name(base) in _section_names() for base in node.bases)


@cache
def _section_names() -> frozenset[str]:
    return frozenset(one.__name__ for one in sections()) | {Section.__name__}


def _modules(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from (file for file in sorted((ROOT / room).rglob("*.py")) if ALONE not in file.parents)


def sections() -> set[type[Section]]:
    """Every section that any room declares."""
    for file in _modules(*MODELS):
        importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found: set[type[Section]] = set()
    waiting: list[type[Section]] = [Section]
    while waiting:
        derived = [one for one in waiting.pop().__subclasses__() if one not in found]
        found |= {one for one in derived if one.__module__.split(".")[0] in MODELS}
        waiting += derived
    return found


def models(*rooms: str) -> list[Model]:
    """Every class of these rooms that declares fields."""
    return [
        Model(
            file=str(file.relative_to(ROOT)),
            name=node.name,
            bases=frozenset(_name(base) for base in node.bases),
            fields=frozenset(
                field.target.id
                for field in node.body
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            ),
        )
        for file in _modules(*rooms)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and _declares(node)
    ]


def test_no_two_models_have_one_name() -> None:
    files: Mapping[str, list[str]] = defaultdict(list)
    for model in models(*ROOMS):
        files[model.name].append(model.file)

    assert {name: where for name, where in files.items() if len(where) > 1 and name not in TWICE_YET} == {}


def alike(one: Model, other: Model) -> bool:
    """Whether two classes say the same of one thing: more than half of all their fields, and several of them."""
    shared = one.fields & other.fields
    siblings = one.file == other.file or one.name in other.bases or other.name in one.bases
    arguments = one.name != one.stem and other.name != other.stem
    return not (siblings or arguments) and len(shared) >= _MANY and 2 * len(shared) > len(one.fields | other.fields)


def test_no_two_modules_declare_one_noun() -> None:
    """Not told: two that spell each field otherwise. Two components' arguments may take the same from elsewhere."""
    declared = [model for model in models(*MODELS) if model.name not in {*TWICE_YET, "_FirstBoot"}]
    found = [(one, other) for one, other in combinations(declared, 2) if alike(one, other)]

    assert [f"{one.file}:{one.name} and {other.file}:{other.name}" for one, other in found] == []


def test_a_second_model_of_a_noun_would_be_found() -> None:
    (declared,) = (model for model in models("components") if model.name == "DatabaseRole")
    copied = Model(file="other.py", name="DynamicRole", bases=frozenset(), fields=declared.fields - {"access"})

    assert alike(declared, copied)


SECTIONS = {one.__qualname__: one for one in sections()}


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_setting_has_its_text(section: str) -> None:
    for name in SECTIONS[section].model_fields:
        assert reference.meaning(SECTIONS[section], name)
