"""Checks on plain arguments, shared by the components of Vault's contents.

Owns the wording: field, bad value, expectation. Refuses nothing about Outputs; their values are unknown here and left
to the policy pack. Never given a secret.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9])?")
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")

RESERVED_MOUNTS = frozenset({"auth", "cubbyhole", "identity", "sys"})
"""First segments that Vault keeps for itself (`sys/mounts` answers 400 to each of them)."""


def check_name(field: str, name: str) -> None:
    """Raise ValueError unless `name` can be both a Vault role, key or policy name and part of a Pulumi URN."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{field}: {name!r} isn't a name: use 1 to 128 of A-Z a-z 0-9 _ . - and end with a letter or digit"
        )


def check_names(field: str, names: Iterable[str]) -> None:
    """Raise ValueError for the first of `names` that isn't one; Vault folds case, so two that differ by case are
    refused.
    """
    seen: dict[str, str] = {}
    for name in names:
        check_name(field, name)
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise ValueError(f"{field}: {name!r} and {twin!r} differ only by case, which Vault doesn't tell apart")


def check_mount_path(field: str, path: str) -> None:
    """Raise ValueError unless `path` can be a mount: plain segments, none of Vault's own first."""
    segments = path.split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(
            f"{field}: {path!r} isn't a mount path: expected segments of A-Z a-z 0-9 _ . - joined by single slashes"
        )
    if segments[0] in RESERVED_MOUNTS:
        raise ValueError(f"{field}: {path!r} begins with {segments[0]!r}, which Vault keeps for itself")


def check_auth_path(field: str, path: str) -> None:
    """Raise ValueError unless `path` can be an auth mount (written without the leading `auth/`)."""
    check_mount_path(field, path)
    if path.split("/", maxsplit=1)[0] == "token":
        raise ValueError(f"{field}: {path!r} is Vault's own token store; choose another path")


def check_between(field: str, value: int, least: int, most: int | None = None) -> None:
    """Raise ValueError unless `least <= value` and, where given, `value <= most`."""
    if value < least or (most is not None and value > most):
        expected = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{field}: {value} is out of range: expected {expected}")


def check_ttls(ttl_field: str, ttl_seconds: int, max_field: str, max_ttl_seconds: int) -> None:
    """Raise ValueError unless both are positive and the first isn't above the second."""
    check_between(ttl_field, ttl_seconds, 1)
    check_between(max_field, max_ttl_seconds, 1)
    if ttl_seconds > max_ttl_seconds:
        raise ValueError(f"{ttl_field}: {ttl_seconds} is above {max_field} ({max_ttl_seconds}): expected at most that")


def check_choice(field: str, value: str, choices: Collection[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{field}: {value!r} isn't known: expected one of {', '.join(sorted(choices))}")


def check_not_empty(field: str, values: Collection[object]) -> None:
    """Raise ValueError if there is nothing in `values`, or if they are one string where several were meant."""
    if isinstance(values, str):
        raise ValueError(f"{field}: {values!r} is one string: expected a sequence of strings")  # noqa: TRY004 - bad input, one kind of error
    if not values:
        raise ValueError(f"{field}: is empty: expected at least one")


def check_token_policies(field: str, policies: Collection[object]) -> None:
    """Raise ValueError for no policy at all or for `root`, which no role may hand out. Outputs pass."""
    check_not_empty(field, policies)
    if "root" in [policy for policy in policies if isinstance(policy, str)]:
        raise ValueError(f"{field}: 'root' can't be given to a role: expected ACL policies of this estate")


def check_cidrs(field: str, cidrs: Collection[str]) -> None:
    """Raise ValueError for a block that isn't canonical CIDR or that holds every address."""
    if isinstance(cidrs, str):
        raise ValueError(f"{field}: {cidrs!r} is one string: expected a sequence of strings")  # noqa: TRY004 - bad input, one kind of error
    for cidr in cidrs:
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError as error:
            raise ValueError(
                f"{field}: {cidr!r} isn't a CIDR block: expected for example 10.0.0.0/16 ({error})"
            ) from error
        if network.prefixlen == 0:
            raise ValueError(f"{field}: {cidr!r} binds nothing: leave it out or name the networks that are meant")
        if str(network) != cidr:
            raise ValueError(f"{field}: {cidr!r} isn't canonical: expected {str(network)!r}")
