"""Wording what pydantic found wrong with settings: which one, the bad value, what was expected, on one line.

Owns every word an operator reads about a setting. Refuses to show a value that may be a secret in the wrong place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel

from components.model import SettingError, duration_text
from settings import shapes

_TYPES: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "invalid_key": "a name that is text, in quotes",
}
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS: Mapping[str, tuple[str, str, tuple[str, str]]] = {
    "too_short": ("at least", "min_length", ("entry", "entries")),
    "too_long": ("at most", "max_length", ("entry", "entries")),
    "string_too_short": ("at least", "min_length", ("character", "characters")),
    "string_too_long": ("at most", "max_length", ("character", "characters")),
}

_KEY = "[key]"
"""Pydantic's mark behind a mapping's key that is wrong itself."""
_HIDDEN = "not shown, as it may be a secret"
_SHOWN_LENGTH = 60
_SECRET_NAMES = re.compile(r"password|secret|token|private|key|credential|seed", re.IGNORECASE)
_PLAIN_NAMES = re.compile(
    r"(?:ttl|uses|period|_file|password_policies|password_policy|length|key_type|key_bits|_version)$"
)
"""Settings that are about a secret and hold none."""
_SECRET_VALUES = re.compile(
    r"-----BEGIN|(?i:AGE-SECRET-KEY-)|://[^/\s]*@|\b(?:hv[sbr]|s)\.\w{8}|\bAKIA\w{4}|\bgh[pousr]_\w{4}|\beyJ\w{4}"
    r"|\b(?=(?:[A-Za-z+/_-]*[0-9]){3})[A-Za-z0-9+/_-]{32}"
)
"""Private keys, URLs with a password, tokens of Vault, AWS, GitHub, JWTs, and anything long that looks drawn by lot."""


def lines(mistakes: Sequence[Any], prefix: str, model: type[BaseModel]) -> list[str]:
    """One line for each mistake pydantic lists in `ValidationError.errors()`, of settings that begin with `prefix`.

    `model` tells a union's tags, which pydantic puts into locations, from settings.
    """
    deeper = {mistake["loc"][:length] for mistake in mistakes for length in range(len(mistake["loc"]))}
    return [
        _line(mistake, prefix, model)
        for mistake in mistakes
        # A list of which no entry is right counts as empty as well, which is no mistake of the operator's.
        if not (mistake["type"] == "too_short" and mistake["loc"] in deeper)
    ]


def _line(mistake: Any, prefix: str, model: type[BaseModel]) -> str:
    kind, value, context = mistake["type"], mistake["input"], mistake.get("ctx", {})
    location, section, setting = _follow(mistake["loc"], model)
    where = full_name(prefix, location)
    if mistake["loc"] and mistake["loc"][-1] == _KEY:
        setting = ""  # the name is the operator's, and stands in `where` already
    if kind == "missing":
        return f"{where} is missing; expected a value"
    if kind == "extra_forbidden":
        return f"{where} is not a setting; expected {_one_of(section)}"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        tag = context["discriminator"].strip("'")
        said = _described(value[tag], tag) if kind == "union_tag_invalid" else "is missing"
        return f"{where}.{tag} {said}; expected {_one_of(section)}"
    wrong = context.get("error")
    if isinstance(wrong, SettingError):
        joint = "" if wrong.setting.startswith("[") else "."
        shown = _HIDDEN if _SECRET_VALUES.search(wrong.value) else wrong.value
        return f"{where}{joint}{wrong.setting} is {shown}; expected {wrong.expected}"
    message = mistake["msg"].removeprefix("Value error, ")
    expected = message.removeprefix("expected ") if kind == "value_error" else _expected(kind, context, value, message)
    described = f"is a list of {len(value)}" if kind == "too_long" else _described(value, setting)
    return f"{where} {described}; expected {expected}"


def _expected(kind: str, context: Mapping[str, Any], value: object, message: str) -> str:
    if kind in _TYPES:
        return _TYPES[kind]
    if kind == "literal_error":
        return str(context["expected"])
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        limit = context[key]
        # Text becomes a number in one place only: a duration.
        return f"{words} {duration_text(int(limit)) if isinstance(value, str) else int(limit)}"
    if kind in _LENGTHS:
        words, key, (one, many) = _LENGTHS[kind]
        return f"{words} {context[key]} {one if context[key] == 1 else many}"
    return f"something else ({message})"


def _described(value: object, setting: str) -> str:
    if value is None or value in ("", [], {}, ()):
        return "is empty"
    if isinstance(value, Mapping):
        return "is a mapping"
    if isinstance(value, (list, tuple)):
        return "is a list"
    if isinstance(value, (set, frozenset)):
        return "is a set"
    if _may_be_secret(value, setting):
        return f"is {_HIDDEN}"
    text = as_yaml(value)
    return f"is {text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + '…'}"


def as_yaml(value: object) -> str:
    """A value as a file spells it, text in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return "a !!binary value"
    return repr(value)


def printable(text: str) -> str:
    """The text with its control characters spelt out: what callers and files say can't paint or hide a line."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def full_name(prefix: str, way: Sequence[str | int]) -> str:
    """A setting by its full name."""
    return "".join([prefix, *(f"[{part}]" if isinstance(part, int) else f".{part or repr(part)}" for part in way)])


def odd_names(value: object, where: str) -> Iterator[str]:
    """A line for each key at any depth that YAML read as something else than text."""
    for name, below in value.items() if isinstance(value, Mapping) else ():
        if isinstance(name, str):
            yield from odd_names(below, full_name(where, (name,)))
        else:
            shown = _HIDDEN if _may_be_secret(name, "") else as_yaml(name)
            yield f"{where}.{as_yaml(name)} is {shown}; expected a name that is text, in quotes"
    for number, below in enumerate(value) if isinstance(value, list) else ():
        yield from odd_names(below, full_name(where, (number,)))


def _may_be_secret(value: object, setting: str) -> bool:
    """Whether somebody may have put a secret here: by the setting's name, or by how the value looks."""
    if isinstance(value, bool):
        return False
    if _SECRET_NAMES.search(setting) and not _PLAIN_NAMES.search(setting):
        return True
    return _SECRET_VALUES.search(str(value)) is not None


Followed = type[BaseModel] | tuple[type[BaseModel], ...] | None
"""The section a location ends in: one model, the choices of a union, or something that is no section."""


def _follow(location: Sequence[str | int], model: type[BaseModel]) -> tuple[list[str | int], Followed, str]:
    """A location without a union's tags and pydantic's own marks; the innermost section it passes through; the last
    setting on the way whose name is ours and not the operator's."""
    path: list[str | int] = []
    here: Any = model
    section: Followed = model
    setting = ""
    for part in location:
        if part == _KEY:
            continue
        choices = shapes.models(here)
        if len(choices) > 1:
            here = section = next(choice for choice in choices if part in shapes.tags(choice))
        elif choices:
            section, setting = choices[0], str(part)
            field = section.model_fields.get(setting)
            here = field.annotation if field else None
            path.append(setting)
        else:
            arguments = [argument for argument in get_args(shapes.plain(here)) if argument not in (NoneType, Ellipsis)]
            path.append(str(part) if len(arguments) > 1 else part)
            here = arguments[-1] if arguments else None
    ends = shapes.models(here)
    return path, ends if len(ends) > 1 else section, setting


def _one_of(section: Followed) -> str:
    if isinstance(section, tuple):
        return f"one of {', '.join(repr(tag) for model in section for tag in shapes.tags(model))}"
    return f"one of {', '.join(section.model_fields)}" if section else "none"
