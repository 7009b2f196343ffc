"""The base of every model and the small types they share: what a stack's settings are composed of.

Owns what a name, a path, a network, a duration is, and the one form of an error. Refuses to know any noun of Vault's or
of a cloud's.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

Profile = Literal["development", "staging", "production"]
"""What kind of environment it is."""
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(?:[0-9]{1,12}[smhd])+")
_DURATION_PART = re.compile(r"([0-9]+)([smhd])")
_SEGMENT = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_RESERVED = ("auth", "cubbyhole", "identity", "sys")
"""First segments of paths that Vault keeps for itself (`sys/mounts` answers 400 to each of them)."""
_OWN_POLICIES = ("default", "response-wrapping", "root")
"""ACL policies every Vault has."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
PRIVATE_NETWORKS = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""Networks for everybody's own use (RFC 1918)."""
LONGEST_HOST = 253
"""Of the DNS, in characters (RFC 1035)."""

T = TypeVar("T")
Key = TypeVar("Key")
Keyed = TypeVar("Keyed", bound=Iterable[str])


class Section(BaseModel):
    """One part of a stack's settings: unknown keys are errors, and nothing changes after it was read."""

    # Pydantic would quote what was given, and that may be a secret in the wrong place.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, hide_input_in_errors=True
    )

    @model_validator(mode="after")
    def _entries_differ(self) -> Self:
        """No list says the same twice: whoever wrote it meant another entry, and some servers refuse it."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            below = {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, Mapping) else {}
            for setting, entries in {name: value, **below}.items():
                _unique(setting, entries)
        return self


class SettingError(ValueError):
    """A setting that isn't right by itself or beside others; its message is in the one form all errors have."""

    def __init__(self, setting: str, value: str, expected: str) -> None:
        """`setting` is its name from the section that notices; `value`, never a secret, completes "is"."""
        super().__init__(f"{setting} is {value}; expected {expected}")
        self.setting, self.value, self.expected = setting, value, expected


def _unique(setting: str, entries: object) -> None:
    listed = enumerate(entries) if isinstance(entries, tuple) else ()
    for number, _, value in twins({number: one for number, one in listed if isinstance(one, str)}):
        raise SettingError(f"{setting}[{number}]", repr(value), "each entry once")


def by_profile(*, development: int | str, staging: int | str, production: int | str, unless: str = "") -> Any:
    """A default that depends on the environment's profile, as a stack's file would say it, unless the setting beside it
    is given. Whoever uses the model without a profile has production's."""
    values: Any = {"development": development, "staging": staging, "production": production}
    return Field(default=production, json_schema_extra={"by_profile": values, "unless": unless})


def by_platform(**values: str) -> Any:
    """A default that depends on where Vault runs, as a stack's file would say it, by the platform's kind. Where none is
    told for that kind, and for whoever uses the model without a platform, the setting has to be given."""
    told: Any = values
    return Field(json_schema_extra={"by_platform": told})


def at_least_by_profile(*, unless: str, development: int, staging: int, production: int) -> Any:
    """So many entries are expected of a list in an environment of a profile, unless the setting beside it is given."""
    values: Any = {"development": development, "staging": staging, "production": production}
    return Field(json_schema_extra={"at_least": values, "unless": unless})


def told_by_profile(
    field: FieldInfo, what: Literal["by_profile", "by_platform", "at_least", "unless"] = "by_profile"
) -> Any:
    """What one of these three says of a field; None where it says nothing."""
    extra = field.json_schema_extra
    return extra.get(what) if isinstance(extra, dict) else None


def hold(setting: str, value: T, *rules: Callable[[T], object]) -> None:
    """Hold a plain argument of a component to the rules that models have for it. Raises SettingError."""
    try:
        for rule in rules:
            rule(value)
    except SettingError as wrong:
        raise SettingError(f"{setting}.{wrong.setting}", wrong.value, wrong.expected) from None
    except ValueError as error:
        raise SettingError(setting, repr(value) if value else "empty", str(error).removeprefix("expected ")) from None


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
        """The text itself. Raises ValueError where it has another form."""
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"expected {self.words}")
        return value


def seconds(value: object) -> object:
    """Read a duration such as ``90d``, ``1h30m`` or ``45s`` into whole seconds; a whole number is taken as seconds.
    Raises ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("expected a duration such as 45s, 30m, 1h30m or 90d")
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _DURATION_PART.findall(value))


def duration_text(value: int) -> str:
    """Write seconds the way a person would: ``5400`` becomes ``1h30m``."""
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, value = divmod(value, _UNIT_SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


NAME = Form(
    rf"(?=.{{1,128}}\Z){_SEGMENT}",
    "1 to 128 letters, digits, '.', '_' or '-', with a letter or digit at both ends",
)
VAULT_PATH = Form(
    rf"{_SEGMENT}(?:/{_SEGMENT})*",
    "names joined by '/', each of letters, digits, '.', '_' or '-'; it may not begin or end with '/', hold '*' or '+', "
    "or climb out with '..'",
)
NOT_RESERVED = Form(
    rf"(?!(?:{'|'.join(_RESERVED)})(?:/|\Z)).*",
    f"a path that doesn't begin with any of {', '.join(_RESERVED)}, which Vault keeps for itself",
)
NOT_TOKEN = Form(r"(?!token(?:/|\Z)).*", "a path that doesn't begin with token, Vault's own store of tokens")
POLICY_NAME = Form(
    rf"(?!(?:{'|'.join(_OWN_POLICIES)})\Z)[a-z0-9](?:[a-z0-9._-]{{0,126}}[a-z0-9])?",
    "up to 128 lower-case letters, digits, '.', '_' or '-', with a letter or digit at both ends, and "
    f"none of {', '.join(_OWN_POLICIES)}: it is the name of an ACL policy, of which Vault folds the case",
)


def twins(values: Mapping[Key, T]) -> Iterator[tuple[Key, Key, T]]:
    """Each key whose value an earlier key has too: the key, the earlier one, the value."""
    earlier: dict[T, Key] = {}
    for key, value in values.items():
        other = earlier.setdefault(value, key)
        if other != key:
            yield key, other, value


def names(values: Keyed) -> Keyed:
    """Names of things of one kind in Vault. Raises SettingError where one isn't a name, or two differ by case only."""
    for name in values:
        try:
            NAME.check(name)
        except ValueError as error:
            raise SettingError(name or "''", repr(name), str(error).removeprefix("expected ")) from None
    for name, twin, _ in twins({name: name.lower() for name in values}):
        raise SettingError(
            name, repr(name), f"a name that differs from {twin!r} by more than its case, which Vault folds"
        )
    return values


def network(value: str) -> str:
    """A network in its canonical form. Raises ValueError where it isn't one, or is everywhere."""
    try:
        found = ipaddress.ip_network(value)
    except ValueError:
        found = None
    if found is None or str(found) != value or found.prefixlen == 0:
        msg = "expected a network such as 10.0.0.0/8, with no bit set behind its length and smaller than the internet"
        raise ValueError(msg)
    return value


Seconds = Annotated[int, BeforeValidator(seconds), Field(ge=0)]
"""A duration, kept in whole seconds."""

PositiveSeconds = Annotated[int, BeforeValidator(seconds), Field(gt=0)]
"""A duration of at least one second."""

Name = Annotated[str, NAME]
"""One segment of a Vault path, and the logical name of a resource."""

VaultPath = Annotated[str, VAULT_PATH]
"""A relative path inside a mount, or the path of a mount."""

PathOrAll = Annotated[str, Form(rf"(?:{VAULT_PATH.pattern})?", VAULT_PATH.words)]
"""As `VaultPath`; empty stands for everything."""

MountPath = Annotated[str, VAULT_PATH, NOT_RESERVED]
"""Where a secrets engine is mounted."""

AuthPath = Annotated[str, VAULT_PATH, NOT_RESERVED, NOT_TOKEN]
"""Where an auth method is mounted, without `auth/`."""

PolicyName = Annotated[str, POLICY_NAME]
"""Name of an ACL policy. Capitals would be a difference that comes back with every refresh."""

Named = Annotated[Mapping[Name, T], AfterValidator(names)]
"""Things of one kind by their names in Vault."""

Cidr = Annotated[str, Form(r"[0-9A-Fa-f.:]+/[0-9]{1,3}", "a network such as 10.0.0.0/8"), AfterValidator(network)]
"""A network, of either kind of address."""

Ipv4Cidr = Annotated[
    str, Form(r"[0-9.]+/[0-9]{1,2}", "an IPv4 network such as 203.0.113.0/24"), AfterValidator(network)
]
"""An IPv4 network. A node has no IPv6 address, so a rule for one would say nothing."""

Host = Annotated[
    str,
    StringConstraints(max_length=LONGEST_HOST),
    Form(_HOST, "a host name in lower case, of at most 63 characters between dots"),
]
"""Name of a machine in the DNS."""

Domain = Annotated[str, StringConstraints(max_length=LONGEST_HOST), Form(_HOST, "a domain such as greenlang.internal")]
"""Name in the DNS that others are below."""


RelativeFile = Annotated[
    str,
    StringConstraints(min_length=1),
    Form(r"[^\x00-\x1f]+", "the name of a file, relative to the project's root"),
    Form(r"(?i:(?!AGE-SECRET-KEY-)).*", "the name of a file, and no secret"),
]
"""A file beside the project, relative to its root."""


def reachable(url: str) -> str:
    """The URL. Raises ValueError for a port that none is."""
    try:
        if urlsplit(url).port != 0:
            return url
    except ValueError:
        pass
    raise ValueError("expected a URL with a port from 1 to 65535, or none")


# Nothing that a shell, an INI file, HCL or systemd reads as anything else.
HttpsUrl = Annotated[
    str,
    Form(
        r"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/?&=+,%-]*)?",
        "a URL that begins with https:// and holds no login, and nothing but letters, digits and ._~:/?&=+,%-",
    ),
    AfterValidator(reachable),
]
"""An address that is authenticated and holds no login."""

Port = Annotated[int, Field(ge=1024, le=65_535)]
"""A TCP port an ordinary user may listen on."""

Names = Annotated[tuple[Name, ...], Field(strict=False)]
"""A list of names, each once."""


def at_most(setting: str, value: int, limit_setting: str, limit: int) -> None:
    """Check one duration against another. Raises SettingError where `value` is longer than `limit`."""
    if value > limit:
        raise SettingError(setting, duration_text(value), f"at most {limit_setting}, which is {duration_text(limit)}")


def exactly_one(section: Section, *settings: str) -> None:
    """Check settings of which one takes the place of another. Raises SettingError for none, and for several."""
    given = [setting for setting in settings if getattr(section, setting)]
    if not given:
        raise SettingError(settings[0], "missing", f"exactly one of {', '.join(settings)}")
    if len(given) > 1:
        raise SettingError(given[1], f"given beside {given[0]}", f"exactly one of {', '.join(settings)}")


def known(setting: str, value: str, where: str, choices: Iterable[str]) -> None:
    """Check a reference from one section to another. Raises SettingError where `value` isn't among `choices`."""
    there = sorted(choices)
    if value not in there:
        raise SettingError(setting, repr(value), f"one of {where}: {', '.join(there) or 'none is configured'}")


def separate(paths: Mapping[str, str]) -> None:
    """Check that no path is another, or inside another, which Vault would refuse only half-way through an `up`.

    `paths` are by the setting each is from. Raises SettingError where two overlap.
    """
    seen: list[tuple[str, str]] = []
    for setting, path in paths.items():
        for other_setting, other in seen:
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                raise SettingError(setting, repr(path), f"a path apart from {other_setting}, which is {other!r}")
        seen.append((setting, path))
