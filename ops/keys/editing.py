"""Putting the administrator's pair into a stack's file: the lines it takes are changed, every other byte stays.

Owns the places: `bootstrap.administrator` of the settings, one encrypted entry of `config`, and what the engine keeps
at the end of the file about its encryption. Refuses a file laid out so that a line can't be changed by itself.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ops.errors import EstateError
from ops.stack_file import PROJECT
from settings import SETTING

_HALVES = ("certificate", "certificate_pem", "private_key", "private_key_secret")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9+/=:._-]*")
"""What YAML reads as the same text without quotes; none of the engine's values looks like a number or a date."""
ENGINE_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""What the engine keeps in the file beside `config`."""


@dataclass(frozen=True, kw_only=True)
class EncryptedPair:
    """The pair as the file is to hold it. None of it is secret."""

    certificate: str
    """PEM."""
    name: str
    """Of the encrypted setting."""
    ciphertext: str
    engine: Mapping[str, str]
    """Entries of `ENGINE_KEYS` that the ciphertext belongs to."""


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def with_pair(text: str, kept: EncryptedPair) -> str:
    """The file's text with the pair in it. Raises EstateError if its layout doesn't let single lines be changed."""
    newline = "\r\n" if "\r\n" in text else "\n"
    if not text.endswith("\n"):
        text += newline
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise _unusual("it is no mapping")
    config = _child(root, "config")
    settings = _child(config, f"{PROJECT}:{SETTING}")
    administrator = _child(_child(settings, "bootstrap"), "administrator")
    edits = [*_administrator(text, administrator, kept), *_secret(text, config, kept), *_engine(text, root, kept)]
    edits.sort(key=lambda one: one.start)
    edited = text
    for edit in edits[::-1]:  # of two at one place the later one stands below
        edited = edited[: edit.start] + edit.text.replace("\n", newline) + edited[edit.end :]
    try:
        is_right = yaml.safe_load(edited) == _wanted(yaml.safe_load(text), kept)
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise _unusual("reads differently after the edit")
    return edited


def _wanted(document: dict[str, Any], kept: EncryptedPair) -> dict[str, Any]:
    """What the file has to say in the end."""
    whole = _separate(document)
    administrator = whole["config"][f"{PROJECT}:{SETTING}"]["bootstrap"]["administrator"]
    for half in _HALVES:
        administrator.pop(half, None)
    administrator |= {"certificate_pem": kept.certificate, "private_key_secret": kept.name}
    whole["config"][f"{PROJECT}:{kept.name}"] = {"secure": kept.ciphertext}
    return {**whole, **kept.engine}


def _separate(value: Any) -> Any:
    """A copy in which nothing is shared: what an alias repeats has to stay as it was."""
    if isinstance(value, dict):
        return {key: _separate(below) for key, below in value.items()}
    return [_separate(below) for below in value] if isinstance(value, list) else value


def _administrator(text: str, node: yaml.MappingNode, kept: EncryptedPair) -> list[_Edit]:
    if node.flow_style:
        others = [
            text[key.start_mark.index : value.end_mark.index] for key, value in node.value if key.value not in _HALVES
        ]
        halves = [f"certificate_pem: {json.dumps(kept.certificate)}", f"private_key_secret: {kept.name}"]
        written = f"{{ {', '.join([*halves, *others])} }}"
        return [_Edit(node.start_mark.index, node.end_mark.index, written)]
    first = node.value[0][0]
    indent = " " * first.start_mark.column
    lines = [f"{indent}certificate_pem: |", *(f"{indent}  {line}" for line in kept.certificate.splitlines())]
    lines.append(f"{indent}private_key_secret: {kept.name}")
    removed = [
        _Edit(_line_start(text, key), _after(text, value), "") for key, value in node.value if key.value in _HALVES
    ]
    start = removed[0].start if removed else _line_start(text, first)
    return [_Edit(start, start, "\n".join(lines) + "\n"), *removed]


def _secret(text: str, config: yaml.MappingNode, kept: EncryptedPair) -> list[_Edit]:
    name = f"{PROJECT}:{kept.name}"
    if config.flow_style:
        raise _unusual("config stands in braces")
    for key, value in config.value:
        if key.value == name:
            secure = _child(value, "secure", yaml.ScalarNode)
            return [_Edit(secure.start_mark.index, secure.end_mark.index, _scalar(kept.ciphertext))]
    indent = " " * config.value[0][0].start_mark.column
    after = _after(text, config)
    written = f"{indent}{name}:\n{indent}{indent}secure: {_scalar(kept.ciphertext)}\n"
    return [_Edit(after, after, written)]


def _engine(text: str, root: yaml.MappingNode, kept: EncryptedPair) -> list[_Edit]:
    there = {key.value: value for key, value in root.value}
    edits = [
        _Edit(there[name].start_mark.index, there[name].end_mark.index, _scalar(value))
        for name, value in kept.engine.items()
        if name in there
    ]
    new = "".join(f"{name}: {_scalar(value)}\n" for name, value in kept.engine.items() if name not in there)
    return [*edits, _Edit(len(text), len(text), new)]


def _child(node: yaml.Node | None, name: str, kind: type[yaml.Node] = yaml.MappingNode) -> Any:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name and isinstance(value, kind) and not (kind is yaml.MappingNode and not value.value):
                return value
    raise _unusual(f"{name} is no mapping of its own there")


def _line_start(text: str, node: yaml.Node) -> int:
    """Where the line of a node begins; nothing but blanks may stand before it."""
    start = text.rfind("\n", 0, node.start_mark.index) + 1
    if text[start : node.start_mark.index].strip():
        raise _unusual(f"line {node.start_mark.line + 1} holds more than one thing")
    return start


def _after(text: str, node: yaml.Node) -> int:
    """Where the line after a node's last one begins: comments and blank lines below it are not the node's."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        body = text[node.start_mark.index : node.end_mark.index].rstrip()
        end = node.start_mark.index + len(body)
    else:
        end = node.end_mark.index
    after = text.find("\n", end) + 1
    return after or len(text)


def _scalar(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value)


def _unusual(what: str) -> EstateError:
    return EstateError(
        f"the stack's file can't be edited line by line: {what}; expected one key a line under config and "
        "bootstrap.administrator, as in Pulumi.dev.yaml"
    )
