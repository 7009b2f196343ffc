"""What a person does with a secret's values: put, get, list, look back, go back.

Owns which secrets the settings know and what a value may be. Works by the person's own login: the server decides who
may do what, and its audit log says who did.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import requests
from hvac.exceptions import Forbidden, VaultError

from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.people.session import may_not, person, who
from ops.vault import values
from ops.vault.api import call, reason
from ops.vault.kv_secret import KvSecret, SecretVersion, readable, versions
from ops.vault.values import Value
from settings import Settings
from vault_estate import origins
from vault_estate.origins import Origin

LONGEST_VALUE = 524_288
"""Bytes. The servers take an entry of 1 MiB at most (Raft, `max_entry_size`), and a secret may hold several values."""
_BINARY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""In no text: control characters, and half of a character as JSON can spell it, for which a server puts another."""
Difference = Literal["added", "removed", "changed", "same"]


@dataclass(frozen=True, kw_only=True)
class SecretPlace:
    """Which secret of which stack."""

    paths: Paths
    stack: str
    application: str
    name: str
    sandbox: bool = False


@dataclass(frozen=True, kw_only=True)
class Written:
    """A version that was made."""

    secret: str
    version: int
    keys: Sequence[str]
    who: str
    without: Sequence[str] = ()
    """Values that the version before had, and this one hasn't."""
    warning: str = ""
    """Why its origin could not be noted."""


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One version, and who is known to have written it."""

    version: SecretVersion
    who: str
    """Empty: another client wrote it, or it was too long ago."""
    keys: Sequence[str]
    """The values it brought that still hold."""


def put(
    place: SecretPlace,
    key: str | None,
    read: Callable[[], bytes] | None,
    console: Console,
    *,
    seen: int | None = None,
    policy: str | None = None,
    exact: bool = False,
) -> Written:
    """Write one value, or with no `key` those of a JSON object; the others stay. `read` gives what is to be written,
    after the newest version was looked at; None: the server generates it by a password policy.
    Raises EstateError: no such secret, nothing that can be a value, or somebody else wrote meanwhile."""
    settings = _settings(place)
    keys = settings.applications[place.application].secrets[place.name].keys
    if key is not None:
        _known_key(keys, key)
    with _opened(place, settings, console, "write to") as secret:
        metadata = secret.metadata()
        newest = int(metadata.get("current_version", 0))
        if seen is not None and seen != newest:
            raise EstateError(f"{secret} is at version {newest}; expected version {seen}, as --seen says")
        old = secret.values(newest) if readable(metadata) else {}
        origin: Origin = "given"
        if read is None:
            given: Mapping[str, str] = {str(key): _generated(secret, settings, policy)}
            origin = "generated"
        else:
            given = _given(read(), key, keys, exact=exact)
        if set(keys) - given.keys() and _is_deleted(metadata):
            raise EstateError(
                f"{secret}: version {newest} is deleted, and what isn't given now would go with it; expected it "
                f"undeleted first, or all values in one JSON object: {', '.join(keys)}"
            )
        return _write(secret, {**old, **given}, dict.fromkeys(given, origin), newest)


def get(
    place: SecretPlace, key: str | None, console: Console, *, version: int | None = None
) -> tuple[int, Mapping[str, Any]]:
    """The number of a version and its values, or the one value. Raises EstateError: there is none."""
    settings = _settings(place)
    if key is not None:
        _known_key(settings.applications[place.application].secrets[place.name].keys, key)
    with _opened(place, settings, console, "read") as secret:
        number = version if version is not None else _readable(secret)
        found = secret.values(number)
        if key is not None and key not in found:
            raise EstateError(f"{secret} has no {key} in version {number}; expected one that was put")
        return number, found if key is None else {key: found[key]}


def listed(
    paths: Paths, stack: str, application: str | None, console: Console, *, sandbox: bool = False
) -> Sequence[Value]:
    """The values that whoever is logged in may know of. Raises EstateError: of the application asked for, none."""
    settings = stack_file.read(paths, stack).settings
    if application is not None:
        _known_application(settings, application)
    found: list[Value] = []
    denied: list[str] = []
    with person(paths, stack, console, sandbox=sandbox) as client:
        for owner, name, _ in settings.secrets():
            if application not in (None, owner):
                continue
            try:
                found += values.look_at(client, settings, owner, name)
            except Forbidden:
                denied.append(owner)
        if denied and not found:
            raise EstateError(may_not(client, "see any value", application or "an application"))
    return found


def history(place: SecretPlace, console: Console) -> Sequence[HistoryEntry]:
    """Every version that the server keeps, newest first. Raises EstateError: there is no such secret."""
    settings = _settings(place)
    with _opened(place, settings, console, "see") as secret:
        metadata = secret.metadata()
    notes = origins.read(metadata)
    return [
        HistoryEntry(
            version=one,
            who=notes.writers.get(one.number, ""),
            keys=[key for key, note in notes.values.items() if note.version == one.number],
        )
        for one in reversed(versions(metadata))
    ]


def difference(
    place: SecretPlace, first: int | None, second: int | None, console: Console
) -> tuple[int, int, Mapping[str, Difference]]:
    """Two versions, by default the newest and the one before, and what became of each value. Shows none.
    Raises EstateError: a version can't be read."""
    settings = _settings(place)
    with _opened(place, settings, console, "read") as secret:
        new = second if second is not None else _readable(secret)
        old = first if first is not None else new - 1
        before, after = (secret.values(old) if old else {}), secret.values(new)
    return old, new, {key: _difference(before, after, key) for key in sorted({*before, *after})}


def rollback(place: SecretPlace, version: int, console: Console) -> Written:
    """Write the values of an earlier version again, as the newest.
    Raises EstateError: it can't be read, or somebody else wrote meanwhile."""
    settings = _settings(place)
    with _opened(place, settings, console, "write to") as secret:
        metadata = secret.metadata()
        newest = int(metadata["current_version"])
        old, names = secret.values(version), secret.names()
        notes = origins.read(metadata).values
        # One that was brought by then, and by none since, is still what its note says.
        brought = [key for key in old if key not in notes or notes[key].version > version]
        done = _write(secret, old, dict.fromkeys(brought, "given"), newest)
        return replace(done, keys=sorted(old), without=sorted(names - old.keys()))


def delete(place: SecretPlace, console: Console) -> int:
    """Delete the newest version, which can be brought back; its number. Raises EstateError: there is none."""
    settings = _settings(place)
    with _opened(place, settings, console, "delete") as secret:
        number = _readable(secret)
        secret.delete(number)
    return number


def undelete(place: SecretPlace, version: int, console: Console) -> None:
    """Bring a deleted version back. Raises EstateError: it isn't deleted, or it is destroyed."""
    settings = _settings(place)
    with _opened(place, settings, console, "undelete") as secret:
        deleted = [one.number for one in versions(secret.metadata()) if one.state == "deleted"]
        if version not in deleted:
            choices = f"one of: {', '.join(map(str, deleted))}" if deleted else "a deleted one, and none is"
            raise EstateError(f"version {version} of {secret} isn't deleted; expected {choices}")
        secret.undelete(version)


def _settings(place: SecretPlace) -> Settings:
    settings = stack_file.read(place.paths, place.stack).settings
    _known_application(settings, place.application)
    names = settings.applications[place.application].secrets
    if place.name not in names:
        raise EstateError(
            f"NAME is {place.name!r}; expected a secret of {place.application}: {', '.join(names) or 'it has none'}"
        )
    return settings


def _known_application(settings: Settings, application: str) -> None:
    if application not in settings.applications:
        raise EstateError(f"APP is {application!r}; expected one of: {', '.join(settings.applications)}")


def _known_key(keys: Sequence[str], key: str) -> None:
    if key not in keys:
        # A value may have been put here by mistake.
        raise EstateError(f"KEY is not shown, as it may be a value; expected one of: {', '.join(keys)}")


@contextmanager
def _opened(place: SecretPlace, settings: Settings, console: Console, verb: str) -> Iterator[KvSecret]:
    with person(place.paths, place.stack, console, sandbox=place.sandbox) as client:
        secret = KvSecret(client, *settings.secret_path(place.application, place.name))
        try:
            yield secret
        except Forbidden:
            raise EstateError(may_not(client, f"{verb} {secret}", place.application)) from None


def _readable(secret: KvSecret) -> int:
    metadata = secret.metadata()
    if number := readable(metadata):
        return number
    newest = metadata.get("current_version", 0)
    state = f"version {newest} is deleted" if newest else "has no value yet"
    raise EstateError(f"{secret}: {state}; expected one that can be read")


def _is_deleted(metadata: Mapping[str, Any]) -> bool:
    """Whether the newest version could be had again."""
    newest = metadata.get("current_version", 0)
    return any(one.state == "deleted" for one in versions(metadata) if one.number == newest)


def _write(secret: KvSecret, new: Mapping[str, Any], brought: Mapping[str, Origin], seen: int) -> Written:
    # Asked before: once the value is written, nothing may end in an error that says otherwise.
    name = who(secret.client)
    version = secret.write(new, seen=seen)
    warning = ""
    try:
        # Looked at now: whoever wrote the version before may have noted theirs only since.
        secret.note(origins.noted(secret.metadata(), brought, new.keys(), version=version, who=name))
    except (VaultError, requests.RequestException) as error:
        warning = f"the value is written; who gave it could not be noted: {reason(error)}"
    return Written(secret=str(secret), version=version, keys=sorted(brought), who=name, warning=warning)


def _given(raw: bytes, key: str | None, keys: Sequence[str], *, exact: bool) -> Mapping[str, str]:
    if key is not None:
        return {key: _value(key, _text(raw if exact else raw.removesuffix(b"\n").removesuffix(b"\r")))}

    try:
        found = json.loads(_text(raw), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found:
        raise EstateError('what was given is no JSON object; expected one such as {"KEY": "value"}, or a KEY')
    for name, value in found.items():
        _known_key(keys, name)
        if not isinstance(value, str):
            raise EstateError(f"the value of {name} is not text; expected text")
        _value(name, value)
    return found


def _once(pairs: Sequence[tuple[str, object]]) -> Mapping[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise EstateError("a name stands twice in the JSON object; expected each once")
    return found


def _text(raw: bytes) -> str:
    if len(raw) > LONGEST_VALUE:
        raise EstateError(f"the value is longer than {LONGEST_VALUE} bytes; expected at most so many")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise EstateError("the value is binary; expected text, such as base64 of it") from None


def _value(key: str, value: str) -> str:
    if not value.strip():
        raise EstateError(f"the value of {key} is empty; expected a value")
    if _BINARY.search(value):
        raise EstateError(f"the value of {key} is binary; expected text, such as base64 of it")
    return value


def _generated(secret: KvSecret, settings: Settings, policy: str | None) -> str:
    there = list(settings.password_policies)
    name = policy or (there[0] if len(there) == 1 else None)
    if name not in there:
        shown = "missing" if policy is None else repr(policy)
        raise EstateError(
            f"--policy is {shown}; expected one of password_policies: {', '.join(there) or 'there is none'}"
        )
    made: str = call(secret.client, "get", f"sys/policies/password/{name}/generate")["data"]["password"]
    return made


def _difference(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> Difference:
    if key not in before:
        return "added"
    if key not in after:
        return "removed"
    return "same" if before[key] == after[key] else "changed"
