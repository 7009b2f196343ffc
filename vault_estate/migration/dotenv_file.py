"""A `.env`, as python-dotenv reads it, with each line as it stands in the file.

Owns what of it can be migrated. Refuses what a reader would guess at or drop: lines that can't be read, a name that is
there twice, `${…}` unless it is to be resolved. Quotes no text of the file: a value may stand where a name belongs.
"""

import io
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from vault_estate.errors import ConfigurationError
from vault_estate.migration import files

LARGEST_BYTES = 8_388_608
"""Of a `.env`; a secret is at most 1 MiB."""
LONGEST_VALUE = 524_288
"""Bytes. The servers take an entry of 1 MiB at most (Raft, `max_entry_size`), and a secret may hold several values."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MARK = re.compile(
    r"# (?P<export>export )?(?P<name>[A-Za-z_][A-Za-z0-9_]*) -> vault (?P<path>\S+)#(?P<key>\S+) v(?P<version>[0-9]+)"
)
"""What stands in the place of a line whose value is in Vault."""
_BINARY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, kw_only=True)
class EnvLine:
    """One line of the file, or several if the value has some."""

    number: int
    text: str = field(repr=False)
    """As it stands there, with its end."""
    name: str | None = None
    """None: no variable is set here."""
    value: str = field(default="", repr=False)

    @property
    def is_exported(self) -> bool:
        """Whether it begins with `export`."""
        return re.match(r"\s*export\s", self.text) is not None

    @property
    def end(self) -> str:
        """Its line's end; empty at the end of a file without one."""
        return self.text[len(self.text.rstrip("\r\n")) :]


@dataclass(frozen=True, kw_only=True)
class EnvFile:
    """All of it."""

    path: Path
    lines: Sequence[EnvLine] = field(repr=False)
    about: os.stat_result = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def variables(self) -> Mapping[str, EnvLine]:
        """By name, in the order of the file."""
        return {line.name: line for line in self.lines if line.name is not None}

    @property
    def marks(self) -> Mapping[str, re.Match[str]]:
        """Lines that say where a value has gone, by the variable's name."""
        whole = (MARK.fullmatch(one.strip()) for line in self.lines for one in line.text.splitlines() if not line.name)
        return {found["name"]: found for found in whole if found}


def load(path: Path, *, resolve: Mapping[str, str] | None = None) -> EnvFile:
    """Read a file. `resolve` are the variables that `${…}` may name besides those of the file; None: it is refused.
    Raises ConfigurationError: it can't be read, or holds what can't be migrated."""
    content, about = files.read(path, LARGEST_BYTES)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is no UTF-8; expected text") from None
    lines = _lines(text, path)
    counted = Counter(line.name for line in lines if line.name)
    if twice := [name for name, count in counted.items() if count > 1]:
        raise ConfigurationError(f"{path} sets {', '.join(twice)} twice; expected each variable once")
    lines = [_resolved(line, lines, resolve, path) for line in lines]
    for line in lines:
        _check(line, path)
    return EnvFile(path=path, lines=lines, about=about, content=content)


def _lines(text: str, path: Path) -> list[EnvLine]:
    # A program that reads the file sees every line's end as "\n", also inside a value.
    content = text.removeprefix(_BYTE_ORDER_MARK)
    raw = list(parse_stream(io.StringIO(content, newline="")))
    read = list(parse_stream(io.StringIO(content, newline=None)))
    if len(raw) != len(read):
        raise ConfigurationError(f"{path} has lines that end in several ways; expected one")
    kept = [_line(one, other.original.string, path) for one, other in zip(read, raw, strict=True)]
    return [EnvLine(number=0, text=_BYTE_ORDER_MARK), *kept] if text.startswith(_BYTE_ORDER_MARK) else kept


def _line(read: Binding, text: str, path: Path) -> EnvLine:
    # Blank lines before it belong to a binding; the number is that of the name.
    stands = read.original.string
    number = read.original.line + stands[: len(stands) - len(stands.lstrip())].count("\n")
    where = f"{path}, line {number},"
    if read.error:
        raise ConfigurationError(f"{where} is not shown, and can't be read; expected NAME=VALUE, with quotes in pairs")
    if read.key is None:
        return EnvLine(number=number, text=text)
    if read.value is None:
        raise ConfigurationError(f"{where} is not shown, and has no '='; expected NAME=VALUE")
    if not NAME.fullmatch(read.key):
        raise ConfigurationError(f"{where} has a name that is not shown; expected letters, digits and '_'")
    return EnvLine(number=number, text=text, name=read.key, value=read.value)


def _resolved(line: EnvLine, lines: Sequence[EnvLine], environ: Mapping[str, str] | None, path: Path) -> EnvLine:
    atoms = list(parse_variables(line.value))
    named = [one for one in atoms if isinstance(one, Variable)]
    if line.name is None or not named:
        return line
    if environ is None:
        raise ConfigurationError(
            f"{path}, line {line.number}: {line.name} names another variable by ${{…}}; expected --resolve, which "
            "writes what it stands for now, or a value without"
        )
    # As python-dotenv: those of the file up to here count before those of the environment.
    known = {**environ, **_above(line, lines, environ)}
    if any(one.name not in known and one.default is None for one in named):
        raise ConfigurationError(
            f"{path}, line {line.number}: {line.name} names a variable that isn't set; expected each to be set"
        )
    return replace(line, value="".join(one.resolve(known) for one in atoms))


def _above(line: EnvLine, lines: Sequence[EnvLine], environ: Mapping[str, str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for other in lines:
        if other.number >= line.number:
            break
        if other.name is not None:
            found[other.name] = "".join(one.resolve({**environ, **found}) for one in parse_variables(other.value))
    return found


def _check(line: EnvLine, path: Path) -> None:
    if len(line.value.encode(errors="replace")) > LONGEST_VALUE:
        raise ConfigurationError(f"{path}: {line.name} is longer than {LONGEST_VALUE} bytes; expected at most so many")
    if line.name is not None and _BINARY.search(line.value):
        raise ConfigurationError(f"{path}: {line.name} holds control characters; expected text, such as base64 of it")
