"""The house's rules as docs/architecture.md has them: who may import whom, and where a platform's kind may be asked.

Read from the sources, and for the program from a real import. Not proven: that a rule is a good one.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from ops.paths import ROOT

ROOMS = ("settings", "composition", "components", "policies", "fake_providers", "ops", "vault_estate")
MAY_IMPORT = {
    "settings": {"settings", "components", "vault_estate"},
    "composition": {"composition", "settings", "components"},
    "components": {"components"},
    "policies": {"policies"},
    "fake_providers": {"fake_providers"},
    "ops": set(ROOMS) - {"policies"},
    "vault_estate": {"vault_estate"},
}
"""Of the project's own rooms, which each may import."""
APART = ({"platform", "hetzner", "aws", "kubernetes"}, {"vault"})
"""Two groups of rooms of `components` that never meet: where Vault runs, and what is inside it."""
PURE = ("components/render", "components/payloads", "settings", "components/model.py")
"""Imports no Pulumi. `settings` reads the program's config in one place."""
KIND_MAY_BE_ASKED = ("settings/", "composition/", "ops/platforms/")
PLATFORMS = {"LocalPlatform", "HetznerPlatform", "EksPlatform"}


def _sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        place = ROOT / room
        yield from sorted(place.rglob("*.py")) if place.is_dir() else [place]


def _imports(file: Path) -> Iterator[str]:
    """Every module a file imports, with relative ones in full; of `from a import b` also `a.b`."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{one.name}" for one in node.names)


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    forbidden = set(ROOMS) - MAY_IMPORT[room]
    assert len(list(_sources(room))) > 1
    wrong = [
        f"{_name(file)} imports {module}"
        for file in _sources(room)
        for module in _imports(file)
        if module.split(".")[0] in forbidden
    ]
    assert wrong == []


def test_every_requirement_is_imported() -> None:
    """Of what each operator installs; how a package is called where it is imported is what is installed here."""
    wanted = {re.split(r"[=\[]", line)[0] for line in (ROOT / "requirements.in").read_text().splitlines()}
    imported = {module.split(".")[0] for file in _sources(*ROOMS) for module in _imports(file)}
    names = {module: packages_distributions().get(module, []) for module in imported}
    found = {re.sub(r"[-_.]+", "-", one).lower() for several in names.values() for one in several}
    assert wanted - found == set()


def test_where_vault_runs_and_what_is_inside_never_meet() -> None:
    wrong = [
        f"{_name(file)} imports {module}"
        for here, there in (APART, APART[::-1])
        for file in _sources(*(f"components/{room}" for room in here))
        for module in _imports(file)
        if module.startswith("components.") and module.split(".")[1] in there
    ]
    assert wrong == []


def test_text_is_rendered_without_pulumi() -> None:
    wrong = [
        f"{_name(file)} imports {module}"
        for file in _sources(*PURE)
        for module in _imports(file)
        if module.split(".")[0].startswith("pulumi") and _name(file) != "settings/loading.py"
    ]
    assert wrong == []


def test_what_is_shipped_elsewhere_needs_the_standard_library_only() -> None:
    wrong = [
        f"{_name(file)} imports {module}"
        for file in _sources("components/payloads")
        for module in _imports(file)
        if module.split(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


def test_the_program_loads_nothing_of_the_operators_command() -> None:
    text = (ROOT / "__main__.py").read_text(encoding="utf-8")
    imported = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    look = "import sys; print(*sorted(name for name in sys.modules if name.split('.')[0] in ('ops', 'fake_providers')))"
    program = "\n".join([*imported, "import composition.hetzner, composition.local", look])
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.split() == []


def test_no_two_rooms_of_the_operators_command_need_each_other() -> None:
    needed: dict[str, set[str]] = {}
    for file in _sources("ops"):
        room = file.relative_to(ROOT / "ops").parts[0]
        for module in _imports(file):
            if module.startswith("ops.") and (ROOT / "ops" / module.split(".")[1]).is_dir():
                needed.setdefault(room, set()).add(module.split(".")[1])
        needed.get(room, set()).discard(room)
    assert len(needed) > 10
    # It raises CycleError, which names the rooms.
    assert set(needed) <= set(TopologicalSorter(needed).static_order())


def _asks(node: ast.AST) -> bool:
    """Whether an expression tells platforms apart by their kind."""
    if isinstance(node, ast.Compare):
        sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
        return any(side.endswith("platform.kind") for side in sides)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        named = {one.id for one in ast.walk(node.args[1]) if isinstance(one, ast.Name)}
        return bool(named & PLATFORMS)
    if isinstance(node, ast.MatchClass):
        return ast.unparse(node.cls) in PLATFORMS
    return isinstance(node, ast.Attribute) and node.attr == "is_local"


def test_a_platforms_kind_is_asked_in_its_driver_in_settings_and_in_composition_only() -> None:
    wrong = [
        f"{_name(file)}:{node.lineno} {ast.unparse(node)}"
        for file in _sources(*ROOMS)
        if not _name(file).startswith(KIND_MAY_BE_ASKED)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if _asks(node) and isinstance(node, ast.expr)
    ]
    assert wrong == []
