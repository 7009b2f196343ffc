"""The base of every settings section and the small types they share. Owns no setting itself."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(?:\d+[smhd])+")
_DURATION_PART = re.compile(r"(\d+)([smhd])")
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NAME_LENGTH = 128


class Section(BaseModel):
    """One part of a stack's settings: unknown keys are errors, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


def seconds(value: object) -> object:
    """Read a duration such as ``90d``, ``1h30m`` or ``45s`` into whole seconds; a whole number is taken as seconds.

    Raises:
        ValueError: the text is not a duration.
    """
    if not isinstance(value, str):
        return value
    if not _DURATION.fullmatch(value):
        msg = "expected a duration such as 45s, 30m, 1h30m or 90d"
        raise ValueError(msg)
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _DURATION_PART.findall(value))


def duration_text(value: int) -> str:
    """Write seconds the way a person would: ``5400`` becomes ``1h30m``."""
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, value = divmod(value, _UNIT_SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _segment(value: str) -> str:
    if not _SEGMENT.fullmatch(value) or len(value) > _NAME_LENGTH:
        msg = f"expected 1 to {_NAME_LENGTH} letters, digits, '.', '_' or '-', with a letter or digit at both ends"
        raise ValueError(msg)
    return value


def _path(value: str) -> str:
    if not all(_SEGMENT.fullmatch(part) for part in value.split("/")):
        msg = (
            "expected names joined by '/', each of letters, digits, '.', '_' or '-'; it may not begin or end with '/', "
            "hold '*' or '+', or climb out with '..'"
        )
        raise ValueError(msg)
    return value


Seconds = Annotated[int, BeforeValidator(seconds), Field(ge=0)]
"""A duration, kept in whole seconds."""

PositiveSeconds = Annotated[int, BeforeValidator(seconds), Field(gt=0)]
"""A duration of at least one second."""

Name = Annotated[str, AfterValidator(_segment)]
"""One segment of a Vault path, and the logical name of a resource."""

VaultPath = Annotated[str, AfterValidator(_path)]
"""A relative path inside a mount, or the path of a mount."""

PathOrAll = Annotated[str, AfterValidator(lambda value: _path(value) if value else value)]
"""As `VaultPath`; empty stands for everything."""

Port = Annotated[int, Field(ge=1024, le=65_535)]
"""A TCP port an ordinary user may listen on."""


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    for number, value in enumerate(values):
        if value in values[:number]:
            msg = f"expected each entry once; {value!r} stands twice"
            raise ValueError(msg)
    return values


Names = Annotated[tuple[Name, ...], Field(strict=False), AfterValidator(_unique)]
"""A list of names, each once."""


def at_most(setting: str, value: int, limit_setting: str, limit: int) -> None:
    """Check one duration against another.

    Raises:
        ValueError: `value` is longer than `limit`; the message names both settings.
    """
    if value > limit:
        msg = f"{setting} is {duration_text(value)}; expected at most {limit_setting}, which is {duration_text(limit)}"
        raise ValueError(msg)


def known(setting: str, value: str, where: str, choices: object) -> None:
    """Check a reference from one section to another.

    Raises:
        ValueError: `value` is not among `choices`; the message lists what there is.
    """
    names = (
        sorted(str(choice) for choice in choices) if isinstance(choices, (dict, set, frozenset, tuple, list)) else []
    )
    if value not in names:
        msg = f"{setting} names {value!r}; expected one of {where}: {', '.join(names) or 'none is configured'}"
        raise ValueError(msg)
