"""Who is who on a server: entities, groups, and the aliases by which logins and claims are theirs.

Owns objects whose id the server decides. The official provider looks for an alias before it makes one, and refuses what
is there already.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fake_providers.servicer import Found, RefusedError, Values
from fake_providers.vault.entry import Entry, There
from fake_providers.vault.fields import encode
from fake_providers.vault.session import VaultSession


@dataclass(frozen=True, kw_only=True)
class Identified(Entry):
    """An object that is made at `place`, and is at `place`/id/ID from then on."""

    looked_up: str
    """Where it is asked for by what it is called."""
    by: Mapping[str, str]
    """What that takes: key of the question → property."""
    of_others: bool = False
    """It is an alias: the question is answered with whose it is."""
    looks_first: bool = False
    """The official provider asks before it makes one."""
    of_internal: frozenset[str] = frozenset()
    """Keys that are sent for a group of type internal only: the others' members come and go by themselves."""

    def body(self, inputs: Values, old: Values | None = None) -> Values:
        """A later write says everything but what is fixed."""
        result = super().body(inputs, old)
        if old is not None:
            later = {name: one for name, one in self.table.items() if one.sent != "first"}
            result |= {one.key: encode(one, self.value(inputs, name)) for name, one in later.items()}
        outside = self.of_internal if inputs.get("type") == "external" else ()
        return {key: value for key, value in result.items() if key not in outside}

    def known_as(self, values: Values) -> str:
        """What the server will call it isn't known before."""
        return "/".join([self.place, *(str(values.get(name)) for name in self.by.values())])

    def parse(self, identity: str) -> Values:  # noqa: ARG002 - an Entry's signature
        """An id tells nothing but itself."""
        return {}

    def create(self, vault: VaultSession, inputs: Values) -> Found:
        """Make it. Raises RefusedError: there is one of this name."""
        refusal = RefusedError(f"{self.known_as(inputs)} already exists; expected none, or `--adopt`")
        if self.looks_first and self._id(vault, inputs):
            raise refusal
        made = vault.write(self.place, self.body(inputs)).get("id")
        if not made:
            raise refusal
        return self._now(vault, Found(str(made), inputs))

    def adopt(self, vault: VaultSession, inputs: Values) -> Found | None:
        """The one of this name."""
        identity = self._id(vault, inputs)
        there = identity and self._answer(vault, identity)
        if not (identity and there):
            return None
        vault.write(f"{self.place}/id/{identity}", self.body(inputs, There(self._told(there))))
        return self._now(vault, Found(identity, inputs))

    def update(self, vault: VaultSession, found: Found, inputs: Values) -> Found:
        """Change it in place."""
        vault.write(f"{self.place}/id/{found.identity}", self.body(inputs, found.inputs | found.outputs))
        return self._now(vault, Found(found.identity, inputs))

    def read(self, vault: VaultSession, found: Found) -> Found | None:
        """As any entry, by its id."""
        there = self._answer(vault, found.identity)
        return None if there is None else self._compared(found, dict(found.inputs), self._told(there))

    def delete(self, vault: VaultSession, found: Found) -> None:
        """Remove it."""
        vault.delete(f"{self.place}/id/{found.identity}")

    def _answer(self, vault: VaultSession, identity: str) -> Values | None:
        return vault.read(f"{self.place}/id/{identity}") or None

    def _id(self, vault: VaultSession, inputs: Values) -> str:
        """Of the one that has this name; empty: none has."""
        found = vault.write(self.looked_up, {key: self.value(inputs, name) for key, name in self.by.items()})
        for one in found.get("aliases") or ():
            if self.of_others and all(one.get(self.table[name].key) == inputs.get(name) for name in self.by.values()):
                return str(one["id"])
        if self.of_others:
            return str((found.get("alias") or {}).get("id") or "")
        return str(found.get("id") or "")

    def _now(self, vault: VaultSession, found: Found) -> Found:
        there = self._answer(vault, found.identity)
        if there is None:
            raise RefusedError(f"{self.known_as(found.inputs)} was written, but the server doesn't have it")
        return Found(found.identity, found.inputs, self._shown(self._told(there), found.inputs))
