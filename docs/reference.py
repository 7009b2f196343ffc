"""Writes `docs/settings.md`, `components.md`, `policies.md`, `iam.md` and `api.md`, below their introductions: `python
-m docs.reference`.

Owns the tables' form; the words are the settings' and the components' own, and stand below each in its class. Refuses a
setting, an argument or an output without any. Of components, sections are also dataclasses, and are called by their
class.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import walk_packages
from types import NoneType
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import pulumi
from pydantic import BaseModel, BeforeValidator, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import components
from components.model import (
    AuthPath,
    Form,
    MountPath,
    Name,
    PathOrAll,
    VaultPath,
    duration_text,
    seconds,
    told_by_profile,
)
from components.vault.jwt import Claim
from docs import iam, library
from policies.rules import RULES
from policies.rules.data_holding_is_protected import HOLDS_DATA, HOLDS_NONE
from settings import Settings

SETTINGS, COMPONENTS, POLICIES = (
    Path(__file__).with_name(name) for name in ("settings.md", "components.md", "policies.md")
)
PACKAGE = "pulumi_vault_estate"
ROOMS = ("vault", "platform", "hetzner", "aws", "kubernetes")
"""What is in each comes in this order."""
_MAPPINGS = (dict, Mapping)
_LISTS = (tuple, Sequence, frozenset)
_PATHS = (VaultPath, MountPath, AuthPath, PathOrAll)
_TYPES = ((Name, "name"), (Claim, "an exact value or a list of them"), *((path, "path") for path in _PATHS))
"""What types of our own take."""
_TAGS = ("kind", "type")
"""Settings that tell which section of several it is."""
_FIRST = (*_TAGS, "path")
"""Settings that are shown first."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One section of settings, and where it stands in the stack file."""

    location: str
    """Empty: it is called by its class."""
    model: type[Any]

    @property
    def title(self) -> str:
        """Its heading."""
        return self.location or self.model.__name__

    @property
    def anchor(self) -> str:
        """GitHub's anchor of its heading."""
        kept = (letter for letter in self.title.lower() if letter.isalnum() or letter in "-_ ")
        return "".join(kept).replace(" ", "-")


def parts(model: type, location: str = "estate") -> Iterator[Part]:
    """A section and all sections inside it, outer ones first."""
    yield Part(location=location, model=model)
    for name, hint in _hints(model).items():
        for inner in _inner(hint, _setting(location, name)):
            yield from parts(inner.model, inner.location)


def _setting(section: str, name: str) -> str:
    return name if section == "estate" else _below(section, f".{name}")


def _below(location: str, step: str) -> str:
    return location and f"{location}{step}"


def _is_section(one: Any) -> bool:
    return isinstance(one, type) and (issubclass(one, BaseModel) or is_dataclass(one))


def _fields(model: Any) -> Mapping[str, FieldInfo]:
    if not is_dataclass(model):
        return cast("Mapping[str, FieldInfo]", model.model_fields)
    found = {}
    for field in fields(model):
        value = field.default if field.default_factory is MISSING else field.default_factory()
        found[field.name] = FieldInfo(default=PydanticUndefined if value is MISSING else value)
    return found


def _hints(model: type) -> dict[str, Any]:
    # Pulumi's `Input` names its `Output` by a text.
    hints = get_type_hints(model, localns={"Output": pulumi.Output, "T": Any}, include_extras=True)
    return {name: hints[name] for name in sorted(_fields(model), key=lambda name: name not in _FIRST)}


def _inner(hint: Any, location: str) -> list[Part]:
    """The sections a setting holds: one, an entry of a list or a mapping, or the choices of a union."""
    if _is_section(hint):
        return [Part(location=location, model=hint)]
    arguments = get_args(hint)
    if get_origin(hint) in _MAPPINGS:
        return _inner(arguments[1], _below(location, ".<path>" if arguments[0] in _PATHS else ".<name>"))
    if get_origin(hint) in _LISTS:
        return _inner(arguments[0], _below(location, "[]"))
    if get_origin(hint) is Annotated:
        return _inner(arguments[0], location)
    models = [one for one in arguments if _is_section(one)]
    if len(models) < 2 or not location:
        # A union that is off by default stands in one of its own.
        found = models or [one for one in arguments if get_origin(one) is Annotated]
        return [part for one in found for part in _inner(one, location)]
    return [Part(location=f"{location} ({_tag(one)})", model=one) for one in models]


def _tag(model: type) -> str:
    (field,) = (field for name, field in _fields(model).items() if name in _TAGS)
    return str(get_args(field.annotation)[0])


def meaning(model: type, name: str) -> str:
    """What a setting means: the words below it in its section or a base of that, else what the section it holds says.
    Raises ValueError where nothing says so.
    """
    words = next(filter(None, (docstrings(base).get(name) for base in model.__mro__)), "")
    inner = _inner(_hints(model)[name], "")
    if not words and len(inner) == 1:
        words = inspect.cleandoc(inner[0].model.__doc__ or "").split("\n\n")[0]
    if not words:
        raise ValueError(f"{model.__name__}.{name} has no meaning; expected a docstring below it")
    return flowing(words)


def flowing(words: str) -> str:
    """A docstring's text on one line."""
    return " ".join(words.replace("``", "`").split())


def docstrings(model: type) -> dict[str, str]:
    """The text below each attribute in a class's source."""
    if model in (object, BaseModel):
        return {}
    (parsed,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    found: dict[str, str] = {}
    body = parsed.body if isinstance(parsed, ast.ClassDef) else []
    for pair in pairwise(body):
        match pair:
            case (ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text)))):
                found[name] = inspect.cleandoc(text)
    return found


def expected(hint: Any, location: str) -> str:
    """What a setting takes: its type, unit and bounds, in words."""
    inner = _inner(hint, location)
    if inner:
        return _section_words(hint, inner)
    if get_origin(hint) is Annotated:
        base, *constraints = get_args(hint)
        return _constrained(base, constraints)
    arguments = [argument for argument in get_args(hint) if argument is not NoneType]
    if isinstance(hint, type) and issubclass(hint, Enum):
        arguments = [member.value for member in hint]
    if arguments and get_origin(hint) in (None, Literal):
        return " or ".join(f"`{argument}`" for argument in arguments)
    if get_origin(hint) in _MAPPINGS:
        return f"mapping of text to {expected(arguments[1], location)}"
    if arguments:
        later = " or an output" if any(get_origin(one) is pulumi.Output for one in arguments) else ""
        return ("list, each " if get_origin(hint) in _LISTS else "") + expected(arguments[0], location) + later
    return {bool: "`true` or `false`", int: "whole number", float: "number"}.get(hint, "text")


def _section_words(hint: Any, inner: list[Part]) -> str:
    links = " or ".join(f"[{part.model.__name__}](#{part.anchor})" for part in inner)
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kind = "mapping, each " if get_origin(plain) in _MAPPINGS else "list, each " if get_origin(plain) in _LISTS else ""
    return f"{kind}section {links}"


def _constrained(base: Any, constraints: list[Any]) -> str:
    if known := next((words for one, words in _TYPES if constraints == list(get_args(one)[1:])), None):
        return known
    form = next((one for one in constraints if isinstance(one, Form)), None)
    text = next((one for one in constraints if isinstance(one, StringConstraints)), None)
    if form or text:
        words = form.words.split(": ")[0].split(", relative")[0] if form else "text"
        words = words.removeprefix("the name of ").removeprefix("a ").removeprefix("an ")
        if text and text.min_length and text.max_length:
            return f"{words} of 1 to {text.max_length} characters"
        return words
    duration = any(isinstance(one, BeforeValidator) and one.func is seconds for one in constraints)
    words = "duration" if duration else expected(base, "")
    metadata = [bound for one in constraints if isinstance(one, FieldInfo) for bound in one.metadata]
    bounds = {key: getattr(bound, key) for bound in metadata for key in _BOUNDS if hasattr(bound, key)}
    if duration and not bounds.get("ge"):
        return words
    told = {key: duration_text(bound) if duration else bound for key, bound in bounds.items()}
    return ", ".join([words, *(f"{word} {told[key]}" for key, word in _BOUNDS.items() if key in told)])


_BOUNDS: Mapping[str, str] = {"gt": "more than", "ge": "at least", "le": "at most"}


def default(field: FieldInfo, takes: str) -> str:
    """What a setting is when it isn't given."""
    value = field.default
    if field.is_required():
        return "**required**"
    if _is_section(type(value)) or (isinstance(value, tuple) and value and _is_section(type(value[0]))):
        return "its defaults"
    if value is None:
        return "off" if "section" in takes else "none"
    if value in ((), {}, "", frozenset()):
        return "empty"
    return ", ".join(f"`{_written(one, takes)}`" for one in (value if isinstance(value, tuple) else (value,)))


def _written(value: Any, takes: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return duration_text(value) if takes.startswith("duration") else str(value)


def table(part: Part, level: str = "##") -> list[str]:
    """One section as Markdown."""
    return [f"{level} `{part.title}`", "", inspect.cleandoc(part.model.__doc__ or ""), "", *rows(part), ""]


def rows(part: Part, called: str = "setting") -> list[str]:
    """What a section holds."""
    lines = [f"| {called} | meaning | takes | default |", "|---|---|---|---|"] if _fields(part.model) else []
    for name, hint in _hints(part.model).items():
        takes = expected(hint, _setting(part.location, name))
        # What tells one choice from the others has to be said, though a program needn't.
        tells = name in _TAGS and part.location.endswith(")")
        field = _fields(part.model)[name]
        profiles = ", ".join(f"`{one}` in {profile}" for profile, one in (told_by_profile(field) or {}).items())
        platforms = ", ".join(
            f"`{one}` in {kind}" for kind, one in (told_by_profile(field, "by_platform") or {}).items()
        )
        without = "**required**" if tells else profiles or default(field, takes)
        without += f", {platforms}" if platforms else ""
        lines.append(f"| `{name}` | {meaning(part.model, name)} | {takes} | {without} |")
    return lines


def below_introduction(file: Path, lines: Iterable[str]) -> str:
    """A page with these lines from its first section on; what stands before it stays."""
    introduction = file.read_text(encoding="utf-8").partition("\n## ")[0]
    return introduction + "\n" + "\n".join(lines).rstrip() + "\n"


def settings_page() -> str:
    """The whole page of settings."""
    return below_introduction(SETTINGS, (line for part in parts(Settings) for line in table(part)))


def declared(room: str) -> Iterator[type[pulumi.ComponentResource]]:
    """The components of one folder, by the names of their modules."""
    package = import_module(f"{components.__name__}.{room}")
    for found in walk_packages(package.__path__, f"{package.__name__}."):
        for one in vars(import_module(found.name)).values():
            if isinstance(one, type) and issubclass(one, pulumi.ComponentResource) and one.__module__ == found.name:
                yield one


def arguments(component: type[pulumi.ComponentResource]) -> type:
    """What a component takes."""
    found: type = get_type_hints(component.__init__)["args"]
    return found


def outputs(component: type[pulumi.ComponentResource]) -> dict[str, str]:
    """What a component gives, each with its meaning. Raises ValueError: one has none."""
    told = docstrings(component)
    for name in inspect.get_annotations(component).keys() - told.keys():
        raise ValueError(f"{component.__name__}.{name} has no meaning; expected a docstring below it")
    return {name: flowing(words) for name, words in told.items()}


def imported(one: type) -> str:
    """The shortest import of a class."""
    module = sys.modules[one.__module__]
    room = sys.modules[one.__module__.rpartition(".")[0]]
    home = room if hasattr(room, one.__name__) else module
    return f"`from {home.__name__.replace(components.__name__, PACKAGE, 1)} import {one.__name__}`"


def _component(component: type[pulumi.ComponentResource], shown: set[type]) -> list[str]:
    """One component with the sections it takes, but those shown before."""
    args = arguments(component)
    owns = inspect.cleandoc(sys.modules[component.__module__].__doc__ or "").partition("\n\n")[2]
    gives = [f"| `{name}` | {words} |" for name, words in outputs(component).items()]
    lines = [f"### `{component.__name__}`", "", inspect.cleandoc(component.__doc__ or ""), "", owns, ""]
    lines += [f"{imported(component).removesuffix('`')}, {args.__name__}`", ""]
    lines += [*rows(Part(location="", model=args), "argument"), ""]
    lines += ["| output | meaning |", "|---|---|", *gives, ""] if gives else []
    for part in parts(args, ""):
        if part.model not in {args, *shown}:
            title, blank, *rest = table(part, "####")
            lines += [title, blank, imported(part.model), "", *rest]
            shown.add(part.model)
    return lines


def components_page() -> str:
    """The whole page of components."""
    lines: list[str] = []
    shown: set[type] = set()
    for room in ROOMS:
        title = flowing((import_module(f"{components.__name__}.{room}").__doc__ or "").partition("\n\n")[0])
        lines += [f"## `{room}`", "", title, ""]
        for component in declared(room):
            lines += _component(component, shown)
    return below_introduction(COMPONENTS, lines)


def policies_page() -> str:
    """The whole page of the policy pack."""
    lines = ["## Rules", ""]
    for rule in RULES:
        types = ", ".join(f"`{token}`" for token in rule.types)
        lines += [f"### `{rule.name}`", "", rule.sentence, "", rule.remediation, ""]
        lines += [f"Source: {rule.source}. Judged: {types}.", ""]
    lines += ["## What holds data", "", "| type | holds data |", "|---|---|"]
    classed = {**dict.fromkeys(HOLDS_NONE, "no"), **dict.fromkeys(HOLDS_DATA, "yes")}
    lines += [f"| `{token}` | {word} |" for token, word in sorted(classed.items())]
    return below_introduction(POLICIES, lines)


def iam_page() -> str:
    """The whole page of a cluster's IAM."""
    return below_introduction(iam.PAGE, iam.lines())


def library_page() -> str:
    """The whole page of the library's public names."""
    return below_introduction(library.PAGE, library.lines())


if __name__ == "__main__":
    library.PAGE.write_text(library_page(), encoding="utf-8")
    iam.PAGE.write_text(iam_page(), encoding="utf-8")
    POLICIES.write_text(policies_page(), encoding="utf-8")
    SETTINGS.write_text(settings_page(), encoding="utf-8")
    COMPONENTS.write_text(components_page(), encoding="utf-8")
