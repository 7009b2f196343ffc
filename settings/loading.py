"""Reading settings: from the running program's config, or from plain values."""

from collections.abc import Mapping

import pulumi
from pydantic import ValidationError

from settings import wording
from settings.estate import Settings

SETTING = "estate"
"""Name of the one structured setting; secrets stand beside it as flat, encrypted settings."""

_KINDS = {str: "text", list: "a list", bool: "true or false", int: "a number", float: "a number"}
WHOLE = f"vault-estate:{SETTING}"
"""The same as Pulumi spells it, and messages with it."""


class SettingsError(ValueError):
    """A stack's settings are wrong. The message has one line per mistake: where, the bad value, what was expected."""


def load(config: pulumi.Config) -> Settings:
    """Read the settings of the stack that is running. Raises SettingsError where they are missing or wrong."""
    try:
        plain = config.get_object(SETTING)
    except pulumi.ConfigTypeError:
        plain = config.get(SETTING)
    return parse(plain)


def parse(plain: object) -> Settings:
    """Read settings from plain values, as YAML or JSON hold them. Raises SettingsError as `load` does."""
    if plain is None:
        raise SettingsError(f"{WHOLE} is missing; expected the stack's settings, as Pulumi.local.yaml shows them")
    if not isinstance(plain, Mapping):
        msg = f"{WHOLE} is {_KINDS.get(type(plain), type(plain).__name__)}; expected a mapping of sections"
        raise SettingsError(msg)
    try:
        return Settings.model_validate(plain)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        raise SettingsError("\n".join(wording.lines(mistakes, WHOLE, Settings))) from None
