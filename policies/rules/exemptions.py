"""Exemptions from rules: `exemptions.yaml` beside the stack files. Owns its form, and that each one ends.

Refuses one without a person, a reason and an end within a year, and one of a rule that isn't there.
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = "exemptions.yaml"
PATH = Path(__file__).resolve().parents[2] / FILE
LONGEST_DAYS = 366
_WORDS = ("rule", "resource", "who", "why")
_ALL = {*_WORDS, "stack", "until"}


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """One resource that one rule doesn't hold for, for a while."""

    rule: str
    """Name of the rule."""
    resource: str
    """Name of the resource, as the engine shows it."""
    who: str
    """The person who answers for it."""
    why: str
    until: datetime.date
    """The last day."""
    stack: str | None = None
    """None: in every stack."""

    def is_for(self, rule: str, resource: str, stack: str) -> bool:
        """Whether it is about this resource under this rule, ended or not."""
        return (self.rule, self.resource) == (rule, resource) and self.stack in (None, stack)


def read(path: Path, rules: Sequence[str], today: datetime.date) -> tuple[Exemption, ...]:
    """What the file says; nothing where it isn't there. Raises ValueError: the first thing that is wrong with it."""
    if not path.is_file():
        return ()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError(f"{FILE} is not YAML; expected a list exemptions") from None
    if document is None:
        return ()
    entries = document.get("exemptions") if isinstance(document, Mapping) and len(document) == 1 else None
    if entries is None or type(entries) is not list:
        raise ValueError(f"{FILE} has something else in it; expected one list, exemptions")
    return tuple(_exemption(number, entry, rules, today) for number, entry in enumerate(entries))


def _exemption(number: int, entry: Any, rules: Sequence[str], today: datetime.date) -> Exemption:
    where = f"{FILE}: exemptions[{number}]"
    for wrong in _wrong(entry, rules, today):
        raise ValueError(f"{where}{wrong}")
    return Exemption(**entry)


def _wrong(entry: Any, rules: Sequence[str], today: datetime.date) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield " is no mapping; expected rule, resource, who, why and until"
        return
    yield from (
        f".{name} is not known; expected one of {', '.join(sorted(_ALL))}" for name in sorted(set(entry) - _ALL)
    )
    for name in _WORDS:
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            yield f".{name} is missing; expected text"
    if entry.get("rule") not in rules:
        yield f".rule is {entry.get('rule')!r}; expected the name of a rule, as docs/policies.md lists them"
    if not isinstance(entry.get("stack"), str | None):
        yield ".stack is no name; expected a stack's, or none for every stack"
    until = entry.get("until")
    # A moment is a date, too, to Python.
    if type(until) is not datetime.date:
        yield ".until is no date; expected one such as 2027-03-31"
    elif until > today + datetime.timedelta(days=LONGEST_DAYS):
        yield f".until is {until}; expected a day within {LONGEST_DAYS} days"
