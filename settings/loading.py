"""Reading settings: from the running program's config, or from plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pulumi
from pydantic import ValidationError

from components.model import Profile
from settings import wording
from settings.estate import Settings
from settings.layers import BASE, ENVIRONMENT, PROFILE, WHOLE, Layered, Line, SettingsError, layered

SETTING = "estate"
"""Name of the one structured setting; secrets stand beside it as flat, encrypted settings."""

_ENVIRONMENT = f"{WHOLE}.{ENVIRONMENT} "
_KINDS = {str: "text", list: "a list", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, kw_only=True)
class Read:
    """Settings, and how they came about."""

    settings: Settings
    layers: Layered


def load(config: pulumi.Config) -> Settings:
    """Read the settings of the stack that is running. Raises SettingsError where they are missing or wrong."""
    try:
        plain = config.get_object(SETTING)
    except pulumi.ConfigTypeError:
        plain = config.get(SETTING)
    return parse(plain)


def parse(plain: object, project: Path = Path()) -> Settings:
    """Read settings from plain values, as YAML or JSON hold them. Raises SettingsError as `load` does."""
    return read(plain, project).settings


def read(plain: object, project: Path = Path()) -> Read:
    """Read settings, and who says which; names of base files begin at the project. Raises SettingsError as `load`."""
    layers = laid(plain, project)
    base: Mapping[str, Any] = {BASE: plain[BASE]} if isinstance(plain, Mapping) and BASE in plain else {}
    settings, mistakes = _checked(base, layers)
    if layers.said[PROFILE,].source == "profile" and any(line.text.startswith(_ENVIRONMENT) for line in mistakes):
        # Whose defaults hold isn't known before the environment is: told is what is wrong with any of them.
        for profile in get_args(Profile):
            _, others = _checked(base, laid(plain, project, profile))
            mistakes = [line for line in mistakes if line in others]
        raise SettingsError(*mistakes)
    if layers.unmet:
        raise SettingsError(*layers.unmet)
    if settings is None:
        raise SettingsError(*mistakes)
    return Read(settings=settings, layers=layers)


def _checked(base: Mapping[str, Any], layers: Layered) -> tuple[Settings | None, list[Line]]:
    """The settings, or what is wrong with them."""
    try:
        return Settings.model_validate({**base, **layers.whole}), []
    except ValidationError as error:
        lines = wording.lines(error.errors(include_url=False), WHOLE, Settings)
        return None, [Line(line, layers.file_of(line)) for line in lines]


def laid(plain: object, project: Path = Path(), supposed: Profile | None = None) -> Layered:
    """What a stack's file and its bases say together, unchecked otherwise; `supposed` is the profile where no file says
    one. Raises SettingsError as `load` does."""
    if plain is None:
        raise SettingsError(Line(f"{WHOLE} is missing; expected the stack's settings, as Pulumi.local.yaml shows them"))
    if not isinstance(plain, Mapping):
        kind = _KINDS.get(type(plain), type(plain).__name__)
        raise SettingsError(Line(f"{WHOLE} is {kind}; expected a mapping of sections"))
    return layered(Settings, plain, project, supposed)
