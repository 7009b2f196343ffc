"""Which values of the settings' secrets are there, and where they came from, as whoever asks may see it.

Owns that answer. Looks at notes, versions and names only: no value is read.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, get_args

import hvac

from ops.vault.kv_secret import KvSecret, readable
from settings import Settings
from vault_estate import origins
from vault_estate.origins import Note

ValueOrigin = Literal["generated", "given", "missing"]
TITLE = "values that a person has yet to give"
COLUMNS = ("application", "secret", "keys")


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value that the settings list."""

    application: str
    """Whose it is."""
    secret: str
    key: str
    origin: ValueOrigin
    note: Note | None
    """None: whoever wrote it noted nothing."""


def look(client: hvac.Client, settings: Settings) -> Sequence[Value]:
    """Every value, in the order of the settings. Raises VaultError: the server refuses."""
    return [one for application, name, _ in settings.secrets() for one in look_at(client, settings, application, name)]


def look_at(client: hvac.Client, settings: Settings, application: str, name: str) -> Iterator[Value]:
    """The values of one secret. Raises VaultError: the server refuses."""
    secret = KvSecret(client, *settings.secret_path(application, name))
    keys = settings.applications[application].secrets[name].keys
    for key, (origin, note) in of_keys(secret.metadata(), keys, secret.names).items():
        yield Value(application=application, secret=name, key=key, origin=origin, note=note)


def of_keys(
    metadata: Mapping[str, Any], keys: Sequence[str], names: Callable[[], Collection[str]]
) -> Mapping[str, tuple[ValueOrigin, Note | None]]:
    """Where the values of a secret with such metadata came from, and the note that says so. `names` asks for those of
    its values, where whoever wrote them noted nothing."""
    if not readable(metadata):
        return dict.fromkeys(keys, ("missing", None))
    notes = origins.read(metadata).values
    if not notes:
        there = names()
        return {key: ("given" if key in there else "missing", None) for key in keys}
    return {key: (notes[key].origin, notes[key]) if key in notes else ("missing", None) for key in keys}


def missing(values: Sequence[Value]) -> Sequence[Sequence[str]]:
    """What nobody has given yet, for a table of `COLUMNS`."""
    without = [one for one in values if one.origin == "missing"]
    return [
        [*place, ", ".join(one.key for one in keys)]
        for place, keys in groupby(without, lambda one: (one.application, one.secret))
    ]


def sentence(values: Sequence[Value]) -> str:
    """How many there are of each origin."""
    found = Counter(one.origin for one in values)
    return f"values: {', '.join(f'{found[origin]} {origin}' for origin in get_args(ValueOrigin))}"


def document(values: Sequence[Value]) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Each value's origin by application, secret and key."""
    told: dict[str, dict[str, dict[str, str]]] = {}
    for one in values:
        told.setdefault(one.application, {}).setdefault(one.secret, {})[one.key] = one.origin
    return told
