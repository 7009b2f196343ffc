"""Reading settings: from the running program's config, or from plain values. The only place that words their errors."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pydantic import ValidationError

from settings.estate import Settings

SETTING = "estate"
"""Name of the one structured setting; secrets stand beside it as flat, encrypted settings."""

_SHOWN_LENGTH = 60
_SECRET_WORDS = ("password", "secret", "token", "private", "key")


class SettingsError(ValueError):
    """A stack's settings are wrong. The message has one line per mistake: where, the bad value, what was expected."""


def load(config: pulumi.Config) -> Settings:
    """Read the settings of the stack that is running.

    Raises:
        SettingsError: the setting is missing, or does not hold what is expected.
    """
    try:
        plain = config.get_object(SETTING)
    except pulumi.ConfigTypeError:
        plain = config.get(SETTING)
    return parse(plain)


def parse(plain: object) -> Settings:
    """Read settings from plain values, as YAML or JSON hold them.

    Raises:
        SettingsError: as for `load`.
    """
    if plain is None:
        msg = f"vault-estate:{SETTING} is missing; expected the stack's settings, as Pulumi.local.yaml shows them"
        raise SettingsError(msg)
    if not isinstance(plain, Mapping):
        msg = f"vault-estate:{SETTING} holds a {type(plain).__name__}; expected a mapping of sections"
        raise SettingsError(msg)
    try:
        return Settings.model_validate(plain)
    except ValidationError as error:
        lines = [_line(mistake) for mistake in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from None


def _line(mistake: Any) -> str:
    location = [str(part) for part in mistake["loc"] if part != "[key]"]
    where = ".".join([f"vault-estate:{SETTING}", *location])
    kind, message = mistake["type"], mistake["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return f"{where} is missing; expected a value"
    if kind == "extra_forbidden":
        return f"{where} is not a setting; expected one of the settings README lists"
    message = message[0].lower() + message[1:]
    shown = _shown(mistake["input"], location)
    return f"{where}{shown}: {message}"


def _shown(value: object, location: list[str]) -> str:
    """The bad value, unless it might be a secret somebody put in the wrong place."""
    name = location[-1].lower() if location else ""
    if isinstance(value, (Mapping, list, tuple)) or not isinstance(value, (str, int, float, bool)):
        return ""
    if any(word in name for word in _SECRET_WORDS) and not name.endswith(("ttl", "uses", "period", "file")):
        return ""
    text = repr(value)
    return f" is {text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + '…'}"
