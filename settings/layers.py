"""One stack's settings out of its own file, the base files that it names, and its profile's defaults.

One rule: what a file says takes the place of what its base says, setting by setting. Of things that have names a file
has exactly those it lists, each laid over the base's of that name; a list of names takes them as they are. Owns who
said what. Refuses what would need several files to be understood: a setting that two files of three override.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from components.model import Profile, RelativeFile, Section, told_by_profile
from settings import shapes, strict_yaml, wording

WHOLE = "vault-estate:estate"
"""The one structured setting, as Pulumi spells it and messages name it."""
BASE, ENVIRONMENT, PROFILE = "base", "environment", "profile"
"""The settings that name a base file, the environment, and the defaults that hold."""
_PLATFORM, _KIND = "platform", "kind"
"""The section that says where Vault runs, and the setting in it."""
_PULUMIS = re.compile(r"Pulumi(?P<stack>\..+)?\.ya?ml")
"""Files that Pulumi reads itself."""
_OWN = ("protect",)
"""What each stack says itself: under plain Pulumi the policy pack sees a stack's own file only."""
_NOTHING: Any = object()


class Based(Section):
    """What a file of settings says before anything else."""

    base: RelativeFile
    """The file it is laid over."""


Way = tuple[str | int, ...]
Source = Literal["profile", "platform", "base", "stack"]


@dataclass(frozen=True)
class Line:
    """One mistake."""

    text: str
    """Where, the bad value, what was expected."""
    file: str = ""
    """The base file that it is in, or empty for the stack's own."""
    joint: str = ": "
    """What stands between the two."""

    def __str__(self) -> str:
        return f"{self.file}{self.joint}{self.text}" if self.file else self.text


class SettingsError(ValueError):
    """A stack's settings are wrong. The message has one line per mistake."""

    def __init__(self, *lines: Line) -> None:
        self.lines = tuple(replace(line, text=wording.printable(line.text)) for line in lines)
        super().__init__("\n".join(map(str, self.lines)))


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody says of one setting, and what that takes the place of."""

    value: Any
    source: Source
    file: str = ""
    """The base file."""
    instead: "Said | None" = None


@dataclass(frozen=True, kw_only=True)
class Layered:
    """Settings as all files together say them, defaults left out."""

    plain: Mapping[str, Any] = field(default_factory=dict)
    whole: Mapping[str, Any] = field(default_factory=dict)
    """With the defaults of the profile and of the platform."""
    said: Mapping[Way, Said] = field(default_factory=dict)
    """By each setting that holds no other."""
    files: Mapping[Way, str] = field(default_factory=dict)
    """The base file, or empty for the stack's own, by everything that is said or holds what is said."""
    unmet: tuple[Line, ...] = ()
    """What a profile's defaults expect of the settings beside them, and isn't so."""

    def file_of(self, line: str) -> str:
        """The file that says what a line is about, which begins with a setting's full name."""
        files = {_named(way): file for way, file in self.files.items()} if any(self.files.values()) else {}
        found = [name for name in files if line == name or line.startswith((f"{name} ", f"{name}.", f"{name}["))]
        return files[max(found, key=len)] if found else ""


def layered(
    model: type[BaseModel], plain: Mapping[str, Any], project: Path, supposed: Profile | None = None
) -> Layered:
    """Lay a stack's settings over its bases; names of files begin at the project. `supposed` is the profile where no
    file says one. Raises SettingsError."""
    layers = [("", plain), *_bases(plain, project)]
    laying = _Laying()
    whole: Any = _NOTHING
    for laying.file, content in reversed(layers):
        own = {name: value for name, value in content.items() if name != BASE}
        if laying.file and (given := [name for name in _OWN if name in own]):
            raise SettingsError(
                Line(f"{WHOLE}.{given[0]} is given in a base file; expected it in each stack's own", laying.file)
            )
        laying.mistakes += [Line(line, laying.file) for line in wording.odd_names(own, WHOLE)]
        whole = laying.lay(model, own, whole, ())
        laying.below = laying.file
    if laying.mistakes:
        raise SettingsError(*laying.mistakes)
    profile = whole.get(PROFILE, supposed or _called(model, whole))
    laying.said.setdefault((PROFILE,), Said(value=profile, source="profile"))
    kind = whole[_PLATFORM].get(_KIND) if isinstance(whole.get(_PLATFORM), Mapping) else None
    filling = _Filling(
        profile=profile if profile in get_args(Profile) else None,
        platform=kind if isinstance(kind, str) else None,
        laid=laying,
    )
    filled = filling.fill(model, {PROFILE: profile, **whole}, ())
    unmet = tuple(filling.mistakes)
    return Layered(plain=whole, whole=filled, said=laying.said, files=laying.files, unmet=unmet)


def _called(model: type[BaseModel], whole: Mapping[str, Any]) -> Any:
    """The profile that the environment is called, or the strictest."""
    called = whole.get(ENVIRONMENT)
    return called if called in get_args(Profile) else model.model_fields[PROFILE].default


def _bases(plain: Mapping[str, Any], project: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The base files, the nearest first, by their names."""
    file, content, seen = "", plain, list[str]()
    while BASE in content:
        try:
            name = Based.model_validate({BASE: content[BASE]}).base
        except ValidationError as error:
            lines = wording.lines(error.errors(include_url=False), WHOLE, Based)
            raise SettingsError(*(Line(line, file) for line in lines)) from None
        if name in seen:
            raise _wrong(file, name, f"which names itself{_by_way_of(seen, name)}", "bases that end")
        content = _read(file, name, project)
        file = name
        seen.append(name)
        yield file, content


def _by_way_of(seen: Sequence[str], name: str) -> str:
    between = seen[seen.index(name) + 1 :]
    return f" by way of {', '.join(between)}" if between else ""


def _read(file: str, name: str, project: Path) -> Mapping[str, Any]:
    path = project / name
    if not path.resolve().is_relative_to(project.resolve()):
        raise _wrong(file, name, "which is outside the project", "a file inside it")
    if found := _PULUMIS.fullmatch(path.name):
        what = "which is a stack's file" if found["stack"] else "which is the project's file"
        raise _wrong(file, name, what, "a base file, without config")
    if path.is_dir():
        raise _wrong(file, name, "which is a folder", "a file of settings in this project")
    if not path.is_file():
        raise _wrong(file, name, "which isn't there", "a file of settings in this project")
    try:
        content = strict_yaml.read(path, "a file of settings")
    except ValueError as error:
        raise SettingsError(Line(str(error), name, joint="")) from None
    if content is None or content == {}:
        raise _wrong(file, name, "which is empty", "a mapping of sections in it")
    if not isinstance(content, Mapping):
        raise _wrong(file, name, "which holds something else", "a mapping of sections in it")
    if isinstance(config := content.get("config"), Mapping) and WHOLE in config:
        raise _wrong(file, name, "which is a stack's file", "a base file, without config")
    return content


def _wrong(file: str, name: str, what: str, expected: str) -> SettingsError:
    return SettingsError(Line(f"{WHOLE}.{BASE} is {name!r}, {what}; expected {expected}", file))


def _named(way: Way) -> str:
    """A setting by its full name."""
    return wording.full_name(WHOLE, way)


@dataclass
class _Laying:
    """One file after the other is laid over what is there."""

    file: str = ""
    below: str = ""
    """The file that is there, if it is a base."""
    said: dict[Way, Said] = field(default_factory=dict)
    files: dict[Way, str] = field(default_factory=dict)
    mistakes: list[Line] = field(default_factory=list)

    def lay(self, annotation: Any, upper: Any, lower: Any, way: Way) -> Any:
        """What holds where one file says `upper` over `lower`."""
        self.files[way] = self.file
        shape = shapes.shape(annotation)
        entry = shape.entry
        if isinstance(upper, list) and entry is not None and shapes.models(entry):
            upper = self._taken(upper, lower, way)
        if not isinstance(upper, Mapping) or not (shape.models or entry is not None):
            return self._say(upper, lower, way)
        below = dict(lower) if isinstance(lower, Mapping) else {}
        if shape.tag and upper.get(shape.tag, below.get(shape.tag)) != below.get(shape.tag):
            below = {}  # another kind has other settings
        section = shape.chosen({**below, **upper})
        kept = below if entry is None else {name: value for name, value in below.items() if name in upper}
        for name in [name for name in (lower if isinstance(lower, Mapping) else ()) if name not in kept]:
            self._forget((*way, name))
        if upper or kept:
            self.said.pop(way, None)
        else:
            self._say({}, lower, way)
        for name, value in upper.items():
            known = section.model_fields.get(name) if section else None
            inner = entry if entry is not None else known.annotation if known else None
            kept[name] = self.lay(inner, value, kept.get(name, _NOTHING), (*way, name))
        return kept

    def _taken(self, names: Sequence[Any], lower: Any, way: Way) -> Any:
        """A list of names as a mapping: what the base has of these. Without a base it is the list that it was."""
        if lower is _NOTHING and not self.below:
            return names
        there = sorted(map(str, lower)) if isinstance(lower, Mapping) else []
        for number, name in enumerate(names):
            if name not in there:
                said = "a mapping" if isinstance(name, Mapping) else repr(name)
                where, of = _named((*way, number)), _named(way).removeprefix(f"{WHOLE}.")
                expected = f"one of {of} in {self.below}: {', '.join(there) or 'none'}"
                self.mistakes.append(Line(f"{where} is {said}; expected {expected}", self.file))
            elif name in names[:number]:
                self.mistakes.append(Line(f"{_named((*way, number))} is {name!r}; expected each name once", self.file))
        return {name: {} for name in names if name in there}

    def _say(self, value: Any, lower: Any, way: Way) -> Any:
        earlier = self.said.get(way)
        if lower is not _NOTHING:
            self._forget(way)
            self.files[way] = self.file
        if earlier and earlier.value != value and earlier.instead:
            text = f"{_named(way)} is given a third time, after {earlier.file} and {earlier.instead.file}"
            self.mistakes.append(Line(f"{text}; expected one file at most to override another", self.file))
        instead = earlier.instead if earlier and earlier.value == value else earlier
        source: Source = "base" if self.file else "stack"
        self.said[way] = Said(value=value, source=source, file=self.file, instead=instead)
        return value

    def _forget(self, way: Way) -> None:
        """What a file says no longer, itself and all below it."""
        for kept in (self.said, self.files):
            for one in [one for one in kept if one[: len(way)] == way]:
                del kept[one]


@dataclass
class _Filling:
    """The defaults of a profile, and of a platform, are put where no file says anything."""

    profile: Any
    platform: str | None
    laid: _Laying
    mistakes: list[Line] = field(default_factory=list)

    def fill(self, annotation: Any, given: Any, way: Way) -> Any:
        """What is given, with these defaults at every depth."""
        shape = shapes.shape(annotation)
        entry, item = shape.entry, shape.item
        if entry is not None and isinstance(given, Mapping):
            return {name: self.fill(entry, value, (*way, name)) for name, value in given.items()}
        if item is not None and isinstance(given, list):
            return [self.fill(item, value, (*way, number)) for number, value in enumerate(given)]
        section = shape.chosen(given)
        if section is None or not isinstance(given, Mapping):
            return given
        whole = dict(given)
        for name, one in section.model_fields.items():
            if name in whole:
                whole[name] = self.fill(one.annotation, whole[name], (*way, name))
            elif isinstance(one.default, BaseModel) and (below := self.fill(one.annotation, {}, (*way, name))):
                whole[name] = below
            self._default(name, one, whole, way)
        for name, one in section.model_fields.items():
            self._demand(name, one, whole, way)
        return whole

    def _default(self, name: str, one: FieldInfo, whole: dict[str, Any], way: Way) -> None:
        values, platforms = told_by_profile(one) or {}, told_by_profile(one, "by_platform") or {}
        if self.profile in values:
            default = Said(value=values[self.profile], source="profile")
        elif self.platform in platforms:
            default = Said(value=platforms[self.platform], source="platform")
        else:
            return
        said = self.laid.said.get((*way, name))
        if said is None and name not in whole and told_by_profile(one, "unless") not in whole:
            whole[name] = default.value
            self.laid.said[*way, name] = default
        elif said and said.instead is None:
            self.laid.said[*way, name] = replace(said, instead=default)

    def _demand(self, name: str, one: FieldInfo, whole: Mapping[str, Any], way: Way) -> None:
        """A default that is for so many entries of another setting."""
        least = (told_by_profile(one, "at_least") or {}).get(self.profile, 0)
        unless = told_by_profile(one, "unless")
        there = whole.get(name)
        if not isinstance(there, list) or not there or len(there) >= least:
            return
        said = self.laid.said.get((*way, unless))
        if said and said.source == "profile":
            beside = _named((*way, unless)).removeprefix(f"{WHOLE}.")
            text = f"{_named((*way, name))} is {len(there)} {'entry' if len(there) == 1 else 'entries'}"
            text += f"; expected at least {least}, which profile {self.profile!r} has, or {beside} beside them"
            self.mistakes.append(Line(text, self.laid.files.get((*way, name), "")))
