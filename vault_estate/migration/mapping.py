"""Which variable goes to which key of which secret.

Owns the two ways to say so: a key of the manifest that is called as the variable is, and `migration.yaml`. Guesses
nothing: what neither names is unmapped.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from vault_estate.errors import ConfigurationError
from vault_estate.manifest import ClientManifest
from vault_estate.migration import files
from vault_estate.migration.dotenv_file import NAME

FILE = "migration.yaml"
"""Where it is read if it is there."""
STAYS = "stays"
"""What `migration.yaml` says of a variable that is left in `.env`."""
Looks = Literal["secret", "config"]
_SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:api_?key|key|token|secret|password|passwd|pass|pwd|credentials?|dsn|salt)(?:_|$)"
)
_URL_WITH_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@")
_LONG, _BITS = 20, 3.5
"""From so many characters, and so many bits in each (Shannon), a word counts as random: detect-secrets looks from 3.0
in hexadecimal and from 4.5 in base64."""


@dataclass(frozen=True, kw_only=True, order=True)
class ValuePlace:
    """A key of a secret of the application's own."""

    secret: str
    """Its name, as the manifest has it."""
    key: str

    def __str__(self) -> str:
        return f"{self.secret}#{self.key}"


Mapped = Mapping[str, ValuePlace | None]
"""By variable; None: it stays in `.env`."""


class UnmappedError(ConfigurationError):
    """Variables that neither the manifest nor `migration.yaml` names."""

    def __init__(self, message: str, names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.names = tuple(names)


def places(manifest: ClientManifest, variables: Iterable[str], file: Path | None) -> Mapped:
    """Where each variable goes. `file` is a `migration.yaml`.
    Raises UnmappedError, which lists what nobody mapped. Raises ConfigurationError: a mapping can't be."""
    wanted = list(variables)
    said = known(manifest, wanted, file)
    found = {name: said[name] for name in wanted if name in said}
    unmapped = [name for name in wanted if name not in found]
    if unmapped:
        raise UnmappedError(
            f"{', '.join(unmapped)} of the file: not mapped; expected each in {file or FILE}, as NAME: secret#key or "
            f"NAME: {STAYS}",
            unmapped,
        )
    counted = Counter(place for place in found.values() if place)
    if twice := [place for place, count in counted.items() if count > 1]:
        both = ", ".join(name for name, place in found.items() if place == twice[0])
        raise ConfigurationError(f"{twice[0]} is where {both} go; expected one variable for each key")
    return found


def known(manifest: ClientManifest, variables: Iterable[str], file: Path | None) -> Mapped:
    """Where those of the variables go of which that is said, and those that only `file` names.
    Raises ConfigurationError: `file` can't be used."""
    own = own_places(manifest)
    named: dict[str, list[ValuePlace]] = {}
    for place in own:
        named.setdefault(place.key, []).append(place)
    found: dict[str, ValuePlace | None] = {name: named[name][0] for name in variables if len(named.get(name, ())) == 1}
    return {**found, **(_written(file, own) if file is not None else {})}


def looks(name: str, value: str) -> Looks:
    """What a variable seems to be, by its name and its value. A hint for a person: nothing is decided by it."""
    words = re.split(r"[\s,;]+", value)
    is_secret = _SECRET_NAME.search(name) or _URL_WITH_PASSWORD.search(value) or any(map(_is_random, words))
    return "secret" if is_secret else "config"


def _is_random(word: str) -> bool:
    if len(word) < _LONG or "://" in word:
        return False
    return -sum(count / len(word) * math.log2(count / len(word)) for count in Counter(word).values()) >= _BITS


def own_places(manifest: ClientManifest) -> Sequence[ValuePlace]:
    """Every key of every secret that is the application's own."""
    return [
        ValuePlace(secret=name, key=key)
        for name, secret in manifest.secrets.items()
        if secret.owner == manifest.application
        for key in secret.keys
    ]


class _EachOnceLoader(yaml.SafeLoader):
    """Refuses a mapping that has a name twice, of which YAML's would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As the base, each name once. Raises yaml.YAMLError."""
        names = [one.value for one, _ in node.value]
        if len(names) > len(set(map(str, names))):
            raise yaml.YAMLError
        return super().construct_mapping(node, deep)


def _written(file: Path, own: Sequence[ValuePlace]) -> Mapped:
    content, _ = files.read(file, 1_048_576)
    try:
        found = yaml.load(content, _EachOnceLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for pair in found.items() for one in pair):
        # Its own words could quote what stands there.
        raise ConfigurationError(f"{file} is no mapping of names to places; expected NAME: secret#key, each name once")
    known = {str(place): place for place in own}
    for name, where in found.items():
        if not NAME.fullmatch(name):
            raise ConfigurationError(f"{file}: a name is not shown; expected letters, digits and '_'")
        if where != STAYS and where not in known:
            raise ConfigurationError(f"{file}: {name} is not shown; expected {STAYS}, or one of: {', '.join(known)}")
    return {name: known.get(where) for name, where in found.items()}
