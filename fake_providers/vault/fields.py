"""The properties of a resource type: what the table says of each, and how one looks in a program and on the server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fake_providers.envelope import UNKNOWN
from fake_providers.servicer import RefusedError, Values

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

# kind → (Python type in a program, value when unset). `path` is only in paths; `local` never leaves the state;
# `once` is written at create and when `<name>Version` changes, and never read; `claims` is a map of texts whose commas
# make lists.
KINDS: Mapping[str, tuple[type | tuple[type, ...], Any]] = {
    "path": (str, ""),
    "text": (str, ""),
    "once": (str, ""),
    "local": (object, None),
    "duration": (str, ""),
    "seconds": (int, 0),
    "integer": (int, 0),
    "number": ((int, float), 0),
    "boolean": (bool, False),
    "list": (list, []),
    "set": (list, []),
    "map": (dict, {}),
    "claims": (dict, {}),
}


Sent = Literal["always", "given", "set", "changed", "first"]
"""When the official provider sends a property: with each write; with each one, where the program or a default gives it
or the state has it; with each one, where it isn't zero; at a create like the last two, later when it changed; at a
create only."""


@dataclass(frozen=True)
class Field:
    """One property of one resource type."""

    name: str
    kind: str
    key: str
    """On the server; a dotted one is inside an object."""
    replaces: bool = False
    """A change makes a new object."""
    required: bool = False
    decided_by_server: bool = False
    """When unset."""
    sensitive: bool = False
    automatic: bool = False
    """The official provider would make up a name when unset; here one has to be given."""
    default: Any = None
    sent: Sent = "changed"
    written: Literal["as it is", "with commas", "with its unit"] = "as it is"
    read: bool = True
    """The official provider takes it over from the server."""

    @property
    def unset(self) -> Any:
        """The value that an unset property stands for."""
        return KINDS[self.kind][1] if self.default is None else self.default


def of(kind: str, names: str | Mapping[str, str], **more: Any) -> dict[str, Field]:
    """Properties of one kind of `KINDS`, alike in everything but their names, with `more` of `Field`'s.

    `names` are as for `keyed`; or each comes with its key on the server. `once` is always `sensitive`.
    """
    keys = names if isinstance(names, Mapping) else keyed(names)
    if kind == "once":
        more["sensitive"] = True
    return {name: Field(name, kind, key, **more) for name, key in keys.items()}


def keyed(names: str) -> dict[str, str]:
    """Names with spaces between them, each with its key on the server: its last part in snake case.

    A dotted name is inside a block.
    """
    return {name: snake(name.rsplit(".", 1)[-1]) for name in names.split()}


def shown(*, no: str = "", zero: str = "", text: str = "", items: str = "") -> Values:
    """Outputs the official provider always has and we never set, by what they are: false, 0, an empty text or list."""
    return {name: value for names, value in ((no, False), (zero, 0), (text, ""), (items, [])) for name in names.split()}


def snake(name: str) -> str:
    """`tokenMaxTtl` → `token_max_ttl`."""
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def flat(values: Values, table: Mapping[str, Field]) -> Values:
    """Blocks laid out as dotted names; an unknown block makes each of its properties unknown."""
    blocks = {name.split(".")[0] for name in table if "." in name}
    result: Values = {}
    for name, value in values.items():
        if name in blocks and isinstance(value, dict):
            result |= {f"{name}.{inner}": value[inner] for inner in value}
        elif name in blocks and value == UNKNOWN:
            result |= dict.fromkeys((field for field in table if field.startswith(f"{name}.")), UNKNOWN)
        elif value is not None:
            result[name] = value
    return result


def nested(values: Mapping[str, Any]) -> Values:
    """The inverse of `flat`."""
    result: Values = {}
    for name, value in values.items():
        *blocks, last = name.split(".")
        place = result
        for block in blocks:
            place = place.setdefault(block, {})
        place[last] = value
    return result


def check(table: Mapping[str, Field], values: Values) -> None:
    """Refuse unknown and missing properties, and wrong types."""
    for name in sorted(values.keys() - table.keys()):
        # The official plugin's own book-keeping, such as `__defaults` and `postgresql.__defaults`, is no property.
        if not name.rsplit(".", 1)[-1].startswith("__"):
            raise RefusedError(f"property {name}: not offered by the fake Vault provider")
    for name, field in table.items():
        value = values.get(name)
        if (field.required or field.automatic) and value is None:
            raise RefusedError(f"property {name} is missing")
        kind = KINDS[field.kind][0]
        stray = isinstance(value, bool) and kind not in {bool, object}  # Python takes one for a number
        if value is not None and value != UNKNOWN and (stray or not isinstance(value, kind)):
            raise RefusedError(f"property {name}: expected {field.kind}, not {type(value).__name__}")


def with_defaults(table: Mapping[str, Field], values: Values) -> Values:
    """Inputs with the defaults that the official plugin writes into them, and its list of them for each block.

    It leaves out defaults that are false, 0 or empty (pulumi-terraform-bridge 3.134, `applyDefaults`).
    """
    blocks = {"", *(f"{name.rsplit('.', 1)[0]}." for name in values if "." in name)}
    given: dict[str, list[str]] = {block: [] for block in blocks}
    result = dict(values)
    for name, field in table.items():
        block = name[: name.rfind(".") + 1]
        if field.default and not field.decided_by_server and name not in values and block in blocks:
            result[name] = field.default
            given[block].append(name.removeprefix(block))
    return result | {f"{block}__defaults": sorted(names) for block, names in given.items()}


def same(field: Field, one: Any, other: Any) -> bool:
    """Whether two values mean the same to the server."""
    return bool(_meaning(field.kind, one) == _meaning(field.kind, other))


def encode(field: Field, value: Any) -> Any:
    """A program's value as the server wants it."""
    if field.kind == "claims":
        return {claim: [part.strip() for part in text.split(",")] for claim, text in value.items()}
    if field.written == "with commas":
        return ",".join(value)
    return f"{value}s" if field.written == "with its unit" else value


def decode(field: Field, value: Any) -> Any:
    """A server's value as a program would write it."""
    if value is None:
        return field.unset
    if field.kind == "seconds":
        return int(seconds(value))
    if field.kind in {"text", "duration"}:
        return str(value)
    if field.kind in {"claims", "map"}:
        return {key: ",".join(map(str, text)) if isinstance(text, list) else _text(text) for key, text in value.items()}
    return value


def seconds(value: Any) -> float:
    """`90`, `"90"`, `"1m30s"` or `""` in seconds."""
    text = str(value).strip()
    if not text or (text.isascii() and text.replace(".", "", 1).isdigit()):
        return float(text or 0)
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise RefusedError(f"duration {text!r}: expected e.g. 90, 90s or 1m30s")
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _meaning(kind: str, value: Any) -> Any:
    if kind in {"duration", "seconds"}:
        return seconds(value)
    if kind == "set":
        return sorted({str(item).removesuffix("/32") for item in value})
    if kind == "path":
        return str(value).strip("/")
    if kind in {"map", "claims"}:
        return {key: _text(inner) for key, inner in value.items()}
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
