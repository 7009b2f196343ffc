"""Pulumi's property values as plain Python values, and back.

Owns the two things a plain dictionary can't say: which values are secret and which aren't known yet. Knows nothing of
any provider. Refuses (ValueError) the values these providers never ask the engine for: assets, archives, output values.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict, ParseDict

# Source of the three constants: github.com/pulumi/pulumi sdk/go/common/resource/sig/sig.go and resource/plugin/rpc.go.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the public signature of a secret, not one
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass
class Properties:
    """Plain values and the dotted paths of those that are secret; a list is secret as a whole."""

    values: dict[str, Any] = field(default_factory=dict)
    secret: set[str] = field(default_factory=set)

    def secret_texts(self) -> set[str]:
        """Every secret text and the long words in it."""
        texts = {text for path in self.secret for text in _texts(_at(self.values, path)) if len(text) > 3}
        words = {word for text in texts for word in re.split(r"[^\w.+-]+", text) if len(word) > 7}
        return texts | words


def unpack(message: struct_pb2.Struct) -> Properties:
    """Read a message; numbers that are whole become int."""
    result = Properties()
    result.values = {key: _unpack(value, key, result.secret) for key, value in MessageToDict(message).items()}
    return result


def pack(values: Mapping[str, Any], secret: Iterable[str] = ()) -> struct_pb2.Struct:
    """Write a message in which the values at the dotted paths `secret` are wrapped as secrets."""
    marked = frozenset(secret)
    return ParseDict({key: _pack(value, key, marked) for key, value in values.items()}, struct_pb2.Struct())


def compact(value: Any) -> str:
    """JSON as Go's encoding/json writes it, which is how the official plugins keep such texts in state."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[<>&\u2028\u2029]", lambda sign: f"\\u{ord(sign[0]):04x}", text)


def written_json(text: str) -> Any:
    """The object or list that a text writes; None where it writes neither."""
    if text[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def has_unknown(value: Any) -> bool:
    """Whether the value, or anything inside it, isn't known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(inner) for inner in value.values())
    if isinstance(value, list):
        return any(has_unknown(inner) for inner in value)
    return bool(value == UNKNOWN)


def _unpack(value: Any, path: str, secret: set[str]) -> Any:
    if isinstance(value, dict):
        signature = value.get(SIGNATURE)
        if signature == SECRET:
            secret.add(path)
            return _unpack(value.get("value"), path, secret)
        if signature is not None:
            raise ValueError(f"{path}: a value of kind {signature} can't be read here")
        return {key: _unpack(inner, f"{path}.{key}", secret) for key, inner in value.items()}
    if isinstance(value, list):
        inside: set[str] = set()
        items = [_unpack(item, path, inside) for item in value]
        if inside:
            secret.add(path)
        return items
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _pack(value: Any, path: str, secret: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        value = {key: _pack(inner, f"{path}.{key}", secret) for key, inner in value.items()}
    elif isinstance(value, (list, tuple)):
        value = list(value)
    return {SIGNATURE: SECRET, "value": value} if path in secret else value


def _at(values: Any, path: str) -> Any:
    """The value at a dotted path; keys may hold dots themselves, so the longest key that fits is taken first."""
    if not path or not isinstance(values, Mapping):
        return values
    words = path.split(".")
    for length in range(len(words), 0, -1):
        key = ".".join(words[:length])
        if key in values:
            return _at(values[key], ".".join(words[length:]))
    return None


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        inner = written_json(value)  # its keys aren't secret, only its values are
        yield from [value] if inner is None else _texts(inner)
