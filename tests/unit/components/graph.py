"""What the tests of single components look at: everything below the component, whole."""

from collections.abc import Callable
from typing import Any

from tests.support.declare import Declared, declare

Graph = dict[str, tuple[str, dict[str, Any]]]
"""Type and inputs of each custom resource by its name."""


def graph(program: Callable[[], object], *, preview: bool = False) -> Graph:
    """What `program` declares, components left out."""
    return graph_of(declare(program, preview=preview))


def graph_of(declared: Declared) -> Graph:
    """Custom resources of a run."""
    return {record.name: (record.type, dict(record.inputs)) for record in declared.records if record.custom}


def below(declared: Declared, name: str) -> set[str]:
    """Names of what must exist before the resource `name` is made."""
    return {urn.rsplit("::", 1)[-1] for urn in declared.named(name).options.depends_on}
