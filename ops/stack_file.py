"""Reading a stack's committed file. Owns the errors of the file itself; what is inside is `settings`' business."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import settings
from ops.errors import EstateError
from ops.paths import Paths

PROJECT = "vault-estate"

_STACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MERGE = "tag:yaml.org,2002:merge"
"""Of `<<`, which stands for the keys of another mapping."""


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error; the last one would win silently."""

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
                problem = f"{key!r} stands twice; expected it once"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A setting that has another value in this run than in the file."""

    setting: str
    declared: str
    used: str


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """One stack's file, read and checked."""

    stack: str
    path: Path
    settings: settings.Settings
    written: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The settings as they stand in the file, defaults left out."""
    replaced: tuple[Replacement, ...] = ()
    """What isn't the file's own; both `settings` and `written` have the values that are used."""

    def named(self, setting: str) -> str:
        """A setting as every message about its value begins."""
        return f"{self.path.name}: {PROJECT}:{settings.SETTING}.{setting}"


def read(paths: Paths, stack: str) -> StackFile:
    """Read the file of a stack.
    Raises EstateError: the name is not a stack's, the file is missing or not YAML, or its settings are wrong."""
    if not _STACK_NAME.fullmatch(stack):
        raise EstateError(f"stack {stack!r} is not a valid stack name; expected letters, digits, '.', '_' or '-'")
    path = paths.stack_file(stack)
    if not path.is_file():
        there = sorted(file.name[len("Pulumi.") : -len(".yaml")] for file in paths.project.glob("Pulumi.*.yaml"))
        msg = f"stack {stack!r} has no file {path.name}; expected one of: {', '.join(there) or 'none is here'}"
        raise EstateError(msg)
    config = config_of(path)
    written = config.get(f"{PROJECT}:{settings.SETTING}")
    return StackFile(stack=stack, path=path, settings=parsed(path, written), written=written or {})


def parsed(path: Path, written: object) -> settings.Settings:
    """The settings of a file, as they stand in it. Raises EstateError: what is wrong, a line each."""
    try:
        return settings.parse(written)
    except settings.SettingsError as error:
        raise EstateError("\n".join(f"{path.name}: {line}" for line in str(error).splitlines())) from None


def config_of(path: Path) -> dict[str, Any]:
    """Everything in a stack's file, unchecked but for its form.
    Raises EstateError: it isn't YAML, or not a stack's."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise EstateError(f"{path.name}{mark}: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EstateError(f"{path.name} is not YAML: {' '.join(str(error).split())}; expected a stack's file") from None
    except OSError as error:
        raise EstateError(f"{path.name} can't be read: {error.strerror}; expected one that you may read") from None
    _refuse_cycles(path, document, ())
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise EstateError(f"{path.name} has no mapping 'config'; expected {PROJECT}:{settings.SETTING} in it")
    for key, value in config.items():
        name = str(key).removeprefix(f"{PROJECT}:")
        if str(key).startswith(f"{PROJECT}:") and name != settings.SETTING and not is_secret(value):
            raise EstateError(f"{path.name}: {key} is not a setting; expected {PROJECT}:{settings.SETTING} or a secret")
    return config


def _refuse_cycles(path: Path, value: object, above: tuple[int, ...]) -> None:
    """An alias may repeat what stands elsewhere, never what it stands in: such a value has no end."""
    if not isinstance(value, (dict, list)):
        return
    if id(value) in above:
        raise EstateError(f"{path.name}: an alias stands inside what it repeats; expected values that end")
    for below in value.values() if isinstance(value, dict) else value:
        _refuse_cycles(path, below, (*above, id(value)))


def is_secret(value: object) -> bool:
    """Whether a value of a stack's file is an encrypted one."""
    return isinstance(value, dict) and set(value) == {"secure"}
