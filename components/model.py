"""The base of every model and the small types they share: what a stack's settings are composed of.

Owns what a name, a path, a duration is. Refuses to know any noun of Vault's or of a cloud's.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(?:\d+[smhd])+")
_DURATION_PART = re.compile(r"(\d+)([smhd])")
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NAME_LENGTH = 128


class Section(BaseModel):
    """One part of a stack's settings: unknown keys are errors, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


@dataclass(frozen=True)
class Form:
    """What a text has to look like, and how that is said to a person."""

    pattern: str
    """Of the whole text."""
    words: str
    """Completes "expected …"."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the text after everything else that is annotated."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def check(self, value: str) -> str:
        """The text itself.

        Raises:
            ValueError: it has another form.
        """
        if not re.fullmatch(self.pattern, value):
            msg = f"expected {self.words}"
            raise ValueError(msg)
        return value


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


def _no_secret(value: str) -> str:
    if value.upper().startswith("AGE-SECRET-KEY-"):
        msg = "expected the name of a file, and no secret"
        raise ValueError(msg)
    return value


RelativeFile = Annotated[
    str,
    StringConstraints(min_length=1),
    Form(r"[^\x00-\x1f]+", "the name of a file, relative to the project's root"),
    AfterValidator(_no_secret),
]
"""A file beside the project, relative to its root."""

HttpsUrl = Annotated[str, Form(r"https://[^\s/@]+(?:/[^\s]*)?", "a URL that begins with https:// and holds no login")]
"""An address that is authenticated and holds no login."""

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
