"""Reading YAML that people write: a stack's file, and the base files it names. Refuses what YAML would take silently:
a key that stands twice, an alias inside what it repeats, values nested deeper than any setting, and numbers and words
that Pulumi, which reads YAML by newer rules, takes for others."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from settings.wording import as_yaml

_MERGE = "tag:yaml.org,2002:merge"
"""Of `<<`, which stands for the keys of another mapping."""


_DEEPEST = 50
"""Levels of values inside values; settings have fewer than 20, and Python's own limit ends in a traceback."""
_TOO_DEEP = f"a value is more than {_DEEPEST} levels deep; expected fewer"

_SAME_EVERYWHERE = {
    "tag:yaml.org,2002:int": (re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), "a number of digits only"),
    "tag:yaml.org,2002:float": (re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+"), "a number such as 0.5"),
    "tag:yaml.org,2002:bool": (re.compile(r"true|false"), "true or false"),
    # What newer rules take for a number and older ones for text.
    "tag:yaml.org,2002:str": (
        re.compile(r"(?![-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+|0[oO][0-7_]+|0[bB][01_]+)\Z)(?s:.*)"),
        "a number of digits only",
    ),
}
"""How a value has to be written so that YAML 1.1 and 1.2 read the same, by what 1.1 reads."""


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error; the last one would win silently."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._depth > _DEEPEST:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(problem=_TOO_DEEP, problem_mark=event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, OverflowError):
            problem = "a value looks like a number or a time and is none; expected one, or text in quotes"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark) from None
        if isinstance(node, yaml.ScalarNode) and node.style is None and (told := _SAME_EVERYWHERE.get(node.tag)):
            form, expected = told
            if not form.fullmatch(node.value):
                problem = f"a value is read otherwise by other programs; expected {expected}, or text in quotes"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                problem = "a list or a mapping is used as a key; expected text"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key_node.start_mark)
            if key in seen:
                problem = f"{as_yaml(key)} stands twice; expected it once"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read(path: Path, expected: str) -> Any:
    """What a file holds. Raises ValueError, with a line to be put behind the file's name: it can't be read, or isn't
    YAML; `expected` says what it should be."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{mark}: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f" is not YAML: {' '.join(str(error).split())}; expected {expected}") from None
    except OSError as error:
        raise ValueError(f" can't be read: {error.strerror}; expected one that you may read") from None
    _refuse_cycles(document, ())
    return document


def _refuse_cycles(value: object, above: tuple[int, ...]) -> None:
    """An alias may repeat what stands elsewhere, never what it stands in: such a value has no end."""
    if not isinstance(value, (dict, list)):
        return
    if len(above) > _DEEPEST:
        raise ValueError(f": {_TOO_DEEP}")
    if id(value) in above:
        raise ValueError(": an alias stands inside what it repeats; expected values that end")
    for below in value.values() if isinstance(value, dict) else value:
        _refuse_cycles(below, (*above, id(value)))
