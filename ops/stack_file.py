"""Reading a stack's committed file. Owns the errors of the file itself; what is inside is `settings`' business."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import settings
from ops.errors import EstateError
from ops.paths import Paths
from settings import strict_yaml
from settings.layers import Layered

PROJECT = "vault-estate"

_STACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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
    """The settings as they stand in the file and its bases, defaults left out."""
    layers: Layered = field(default_factory=Layered, repr=False)
    """Who says which."""
    replaced: tuple[Replacement, ...] = ()
    """What isn't the file's own; both `settings` and `written` have the values that are used."""

    def named(self, setting: str) -> str:
        """A setting as every message about its value begins."""
        name = f"{PROJECT}:{settings.SETTING}.{setting}"
        return f"{self.layers.file_of(name) or self.path.name}: {name}"


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
    found = parsed(path, config_of(path).get(f"{PROJECT}:{settings.SETTING}"))
    return StackFile(stack=stack, path=path, settings=found.settings, written=found.layers.plain, layers=found.layers)


def parsed(path: Path, written: object) -> settings.Read:
    """The settings of a file, as they stand in it. Raises EstateError: what is wrong, a line each."""
    try:
        return settings.read(written, path.parent)
    except settings.SettingsError as error:
        raise refused(path, error) from None


def refused(path: Path, error: settings.SettingsError) -> EstateError:
    """The same for an operator, each line with the file that it is about."""
    return EstateError("\n".join(f"{line.file or path.name}{line.joint}{line.text}" for line in error.lines))


def config_of(path: Path) -> dict[str, Any]:
    """Everything in a stack's file, unchecked but for its form.
    Raises EstateError: it isn't YAML, or not a stack's."""
    try:
        document = strict_yaml.read(path, "a stack's file")
    except ValueError as error:
        raise EstateError(f"{path.name}{error}") from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise EstateError(f"{path.name} has no mapping 'config'; expected {PROJECT}:{settings.SETTING} in it")
    for key, value in config.items():
        name = str(key).removeprefix(f"{PROJECT}:")
        if str(key).startswith(f"{PROJECT}:") and name != settings.SETTING and not is_secret(value):
            raise EstateError(f"{path.name}: {key} is not a setting; expected {PROJECT}:{settings.SETTING} or a secret")
    return config


def flowing(value: object) -> str:
    """A setting's value on one line, as YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=1_000).removesuffix("\n").removesuffix("\n...")


def is_secret(value: object) -> bool:
    """Whether a value of a stack's file is an encrypted one."""
    return isinstance(value, dict) and set(value) == {"secure"}
