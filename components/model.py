"""The base of every model and the small types they share: what a stack's settings are composed of.

Owns what a name, a path, a network, a duration is, and the one form of an error. Refuses to know any noun of Vault's or
of a cloud's.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

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


RESERVED_MOUNTS = frozenset({"auth", "cubbyhole", "identity", "sys"})
"""First segments of paths that Vault keeps for itself (`sys/mounts` answers 400 to each of them)."""
OWN_POLICIES = frozenset({"default", "response-wrapping", "root"})
"""ACL policies every Vault has."""
_POLICY_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
LONGEST_HOST = 253
"""Of the DNS, in characters (RFC 1035)."""

T = TypeVar("T")


class Section(BaseModel):
    """One part of a stack's settings: unknown keys are errors, and nothing changes after it was read."""

    # Pydantic would quote what was given, and that may be a secret in the wrong place.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, hide_input_in_errors=True
    )


class SettingError(ValueError):
    """A setting that isn't right by itself or beside others; its message is in the one form all errors have."""

    def __init__(self, setting: str, value: str, expected: str) -> None:
        """Say what is wrong.

        Args:
            setting: its name, from the section that notices.
            value: completes "is"; never a secret.
            expected: completes "expected".
        """
        super().__init__(f"{setting} is {value}; expected {expected}")
        self.setting, self.value, self.expected = setting, value, expected


def hold(setting: str, value: T, rule: Callable[[T], object]) -> None:
    """Hold a plain argument of a component to the rule that models have for it.

    Raises:
        SettingError: the rule refuses it.
    """
    try:
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


def segment(value: str) -> str:
    """A name: one segment of a path.

    Raises:
        ValueError: it has another form.
    """
    if not _SEGMENT.fullmatch(value) or len(value) > _NAME_LENGTH:
        msg = f"expected 1 to {_NAME_LENGTH} letters, digits, '.', '_' or '-', with a letter or digit at both ends"
        raise ValueError(msg)
    return value


def vault_path(value: str) -> str:
    """A relative path.

    Raises:
        ValueError: it has another form.
    """
    if not all(_SEGMENT.fullmatch(part) for part in value.split("/")):
        msg = (
            "expected names joined by '/', each of letters, digits, '.', '_' or '-'; it may not begin or end with '/', "
            "hold '*' or '+', or climb out with '..'"
        )
        raise ValueError(msg)
    return value


def mount_path(value: str) -> str:
    """The path of a mount.

    Raises:
        ValueError: it has another form, or Vault keeps it for itself.
    """
    if vault_path(value).split("/")[0] in RESERVED_MOUNTS:
        reserved = ", ".join(sorted(RESERVED_MOUNTS))
        msg = f"expected a path that doesn't begin with any of {reserved}, which Vault keeps for itself"
        raise ValueError(msg)
    return value


def auth_path(value: str) -> str:
    """The path of an auth method, without `auth/`.

    Raises:
        ValueError: it has another form, or Vault keeps it for itself.
    """
    if mount_path(value).split("/")[0] == "token":
        msg = "expected a path that doesn't begin with token, Vault's own store of tokens"
        raise ValueError(msg)
    return value


def policy_name(value: str) -> str:
    """The name of an ACL policy. Capitals would be a difference that comes back with every refresh.

    Raises:
        ValueError: it has another form, or every Vault has a policy of that name.
    """
    if not _POLICY_NAME.fullmatch(value) or value in OWN_POLICIES:
        msg = (
            "expected up to 128 lower-case letters, digits, '.', '_' or '-', with a letter or digit at both ends, and "
            f"none of {', '.join(sorted(OWN_POLICIES))}: it is the name of an ACL policy, of which Vault folds the case"
        )
        raise ValueError(msg)
    return value


def names(values: Iterable[str]) -> None:
    """Names of things of one kind in Vault.

    Raises:
        SettingError: one isn't a name, or two differ by case only.
    """
    seen: dict[str, str] = {}
    for name in values:
        try:
            segment(name)
        except ValueError as error:
            raise SettingError(name or "''", repr(name), str(error).removeprefix("expected ")) from None
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise SettingError(
                name, repr(name), f"a name that differs from {twin!r} by more than its case, which Vault folds"
            )


def _named(values: Mapping[str, T]) -> Mapping[str, T]:
    names(values)
    return values


def network(value: str) -> str:
    """A network in its canonical form.

    Raises:
        ValueError: it isn't one, or it is everywhere.
    """
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

Name = Annotated[str, AfterValidator(segment)]
"""One segment of a Vault path, and the logical name of a resource."""

VaultPath = Annotated[str, AfterValidator(vault_path)]
"""A relative path inside a mount, or the path of a mount."""

PathOrAll = Annotated[str, AfterValidator(lambda value: vault_path(value) if value else value)]
"""As `VaultPath`; empty stands for everything."""

MountPath = Annotated[str, AfterValidator(mount_path)]
"""Where a secrets engine is mounted."""

AuthPath = Annotated[str, AfterValidator(auth_path)]
"""Where an auth method is mounted, without `auth/`."""

PolicyName = Annotated[str, AfterValidator(policy_name)]
"""Name of an ACL policy."""

Named = Annotated[Mapping[Name, T], AfterValidator(_named)]
"""Things of one kind by their names in Vault."""

Cidr = Annotated[str, Form(r"[0-9A-Fa-f.:]+/\d{1,3}", "a network such as 10.0.0.0/8"), AfterValidator(network)]
"""A network, of either kind of address."""

Ipv4Cidr = Annotated[str, Form(r"[0-9.]+/\d{1,2}", "an IPv4 network such as 203.0.113.0/24"), AfterValidator(network)]
"""An IPv4 network. A node has no IPv6 address, so a rule for one would say nothing."""

Host = Annotated[
    str,
    StringConstraints(max_length=LONGEST_HOST),
    Form(_HOST, "a host name in lower case, of at most 63 characters between dots"),
]
"""Name of a machine in the DNS."""

Domain = Annotated[str, StringConstraints(max_length=LONGEST_HOST), Form(_HOST, "a domain such as greenlang.internal")]
"""Name in the DNS that others are below."""


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
            raise SettingError(f"[{number}]", repr(value), "each entry once")
    return values


Names = Annotated[tuple[Name, ...], Field(strict=False), AfterValidator(_unique)]
"""A list of names, each once."""


def at_most(setting: str, value: int, limit_setting: str, limit: int) -> None:
    """Check one duration against another.

    Raises:
        SettingError: `value` is longer than `limit`.
    """
    if value > limit:
        raise SettingError(setting, duration_text(value), f"at most {limit_setting}, which is {duration_text(limit)}")


def exactly_one(section: Section, *settings: str) -> None:
    """Check settings of which one takes the place of another.

    Raises:
        SettingError: none is given, or several are.
    """
    given = [setting for setting in settings if getattr(section, setting)]
    if not given:
        raise SettingError(settings[0], "missing", f"exactly one of {', '.join(settings)}")
    if len(given) > 1:
        raise SettingError(given[1], f"given beside {given[0]}", f"exactly one of {', '.join(settings)}")


def known(setting: str, value: str, where: str, choices: Iterable[str]) -> None:
    """Check a reference from one section to another.

    Raises:
        SettingError: `value` is not among `choices`.
    """
    there = sorted(choices)
    if value not in there:
        raise SettingError(setting, repr(value), f"one of {where}: {', '.join(there) or 'none is configured'}")


def separate(paths: Mapping[str, str]) -> None:
    """Check that no path is another, or inside another, which Vault would refuse only half-way through an `up`.

    Args:
        paths: by the setting each is from.

    Raises:
        SettingError: two overlap.
    """
    seen: list[tuple[str, str]] = []
    for setting, path in paths.items():
        for other_setting, other in seen:
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                raise SettingError(setting, repr(path), f"a path apart from {other_setting}, which is {other!r}")
        seen.append((setting, path))
