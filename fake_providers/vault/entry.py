"""An object at one path of a Vault server: how it is compared, written, read back and removed.

Owns what every type has in common; the ones that are different are in `kinds`. All values here are flat
(`fake_providers.vault.fields.flat`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_providers.envelope import UNKNOWN, has_unknown
from fake_providers.servicer import Change, Found, RefusedError, Values
from fake_providers.vault.fields import Field, decode, encode, flat, nested, same
from fake_providers.vault.session import VaultSession

_NEVER_READ = frozenset({"path", "local", "once"})
_UNSENT = frozenset({"path", "local"})


class There(dict[str, Any]):
    """What a server has of an object that no state knows: all that differs is written, which the official provider
    wouldn't do."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An object written to and read from one path: roles, policies, settings of a mount. Writing is an upsert."""

    place: str  # where it is on the server, e.g. auth/{backend}/role/{roleName}
    table: Mapping[str, Field]
    identity: str = ""  # the official provider's id; `place` when empty
    outputs: Mapping[str, str] = field(default_factory=dict)  # computed property → key in the server's answer
    shown: Mapping[str, Any] = field(default_factory=dict)  # outputs the official provider always has, and we never set
    names_defaults: bool = True  # types on Terraform's newer framework have no list of them in their inputs
    version: int = 0  # of the official provider's schema
    sends: Mapping[str, Any] = field(default_factory=dict)  # what no property here sets, with every write
    sends_first: Mapping[str, Any] = field(default_factory=dict)  # with the write of a create
    sends_later: Mapping[str, Any] = field(default_factory=dict)  # with that of an update
    importable: bool = True
    fixed: frozenset[str] = frozenset()  # what can't be changed without losing what is in there
    deletable: bool = True  # settings of a mount can't be deleted: they go with it

    def value(self, values: Values, name: str) -> Any:
        """A property, or what it means when unset."""
        given = values.get(name)
        return self.table[name].unset if given is None else given

    def fill(self, template: str, values: Values) -> str:
        """A path with its properties filled in, without stray slashes."""
        return re.sub(r"\{(\w+)\}", lambda name: str(self.value(values, name[1])).strip("/"), template)

    def known_as(self, values: Values) -> str:
        """The id of the object these inputs describe."""
        return self.fill(self.identity or self.place, values)

    def parse(self, identity: str) -> Values:
        """The properties an id tells, for an import."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", self.identity or self.place)
        match = re.fullmatch(pattern, identity)
        if match is None:
            raise RefusedError(f"id {identity!r}: expected {self.identity or self.place}")
        return match.groupdict()

    def diff(self, old: Values, new: Values) -> Change:
        """Unset means its default; what the server decides, and what is written once, never differs when unset."""
        changed = {name for name in self.table if self._differs(self.table[name], old, new)}
        replaces = {name for name in changed if self.table[name].replaces}
        return Change(_tops(changed), _tops(replaces), bool(replaces) and self._has_chosen_name(new))

    def _has_chosen_name(self, new: Values) -> bool:
        """The bridge deletes first when a name that could have been automatic was chosen by the program."""
        automatic = new.get("__defaults")
        return automatic is not None and any(
            entry.automatic and name in new and name not in automatic for name, entry in self.table.items()
        )

    def _differs(self, entry: Field, old: Values, new: Values) -> bool:
        if entry.kind == "once" or (entry.decided_by_server and entry.name not in new):
            return False
        if has_unknown(new.get(entry.name)):
            return True
        return not same(entry, self.value(old, entry.name), self.value(new, entry.name))

    def body(self, inputs: Values, old: Values | None = None) -> Values:
        """What the official provider writes at a create (`old` None) or an update: its choice of properties, and what
        it adds by itself."""
        result = dict(self.sends) | dict(self.sends_first if old is None else self.sends_later)
        for name, entry in self.table.items():
            if entry.kind in _UNSENT or not self._sends(entry, inputs, old):
                continue
            # What the server decided stays, and is said again.
            kept = (old or {}).get(name) if entry.decided_by_server and name not in inputs else None
            result[entry.key] = encode(entry, self.value(inputs, name) if kept is None else kept)
        return nested(result)

    def _sends(self, entry: Field, inputs: Values, old: Values | None) -> bool:
        name, given = entry.name, entry.name in inputs or entry.default is not None
        if entry.kind == "once":
            # A root password that Vault has rotated is never overwritten by the one it started with.
            renewed = old is None or old.get(f"{name}Version") != inputs.get(f"{name}Version")
            return name in inputs and (renewed or entry.sent == "always")
        if isinstance(old, There) and self._differs(entry, old, inputs):
            return True
        if entry.sent == "always" or (entry.sent == "first" and old is not None):
            return entry.sent == "always"
        if entry.sent == "changed" and old is not None:
            return self._differs(entry, old, inputs)
        if entry.sent == "given" or (entry.kind == "boolean" and entry.sent != "set"):
            return given or (old is not None and name in old)
        return bool(self.value(inputs, name) or (entry.decided_by_server and (old or {}).get(name)))

    def echo(self, inputs: Values) -> Values:
        """The outputs that inputs promise: with defaults, without what is write-only."""
        defaults = {name: entry.default for name, entry in self.table.items() if entry.default is not None}
        return defaults | {
            name: value for name, value in inputs.items() if name in self.table and self.table[name].kind != "once"
        }

    def planned(self, inputs: Values, outputs: Values) -> Values:
        """Outputs of a preview; what only the server can tell is unknown, or stays as it was."""
        open_ones = [*self.outputs, *(name for name, entry in self.table.items() if entry.decided_by_server)]
        return {name: outputs.get(name, UNKNOWN) for name in open_ones} | self.echo(inputs)

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """What the server has, by the table's keys; None when it is gone."""
        return vault.read(self.fill(self.place, values))

    def create(self, vault: VaultSession, inputs: Values) -> Found:
        """Write it, and read back what the server decided."""
        self.put(vault, inputs, None)
        return self.known(vault, inputs)

    def adopt(self, vault: VaultSession, inputs: Values) -> Found | None:
        """Take over what the server has in this place and no state knows, and change it to these inputs; None: nothing.

        Never replaces it. A password that is written once isn't written again: the server may have another by now.
        """
        answer = self.answer(vault, inputs)
        if answer is None:
            return None
        told = self._told(answer)
        for name in sorted(self.fixed & told.keys()):
            if not same(self.table[name], told[name], self.value(inputs, name)):
                raise RefusedError(
                    f"{self.known_as(inputs)} has {name} {told[name]!r}; expected {self.value(inputs, name)!r}, as in "
                    "the settings, since it would be replaced and what it holds lost"
                )
        here = {name: value for name, value in inputs.items() if name in self.table and self._stays(name)}
        self.put(vault, inputs, There(told | here))
        return self.known(vault, inputs)

    def _stays(self, name: str) -> bool:
        return self.table[name].kind in _NEVER_READ or not self.table[name].read

    def put(self, vault: VaultSession, inputs: Values, old: Values | None) -> None:
        """The write of a create (`old` None) or of an update."""
        vault.write(self.fill(self.place, inputs), self.body(inputs, old))

    def update(self, vault: VaultSession, found: Found, inputs: Values) -> Found:
        """Change it in place."""
        self.put(vault, inputs, found.inputs | found.outputs)
        return self.known(vault, inputs)

    def known(self, vault: VaultSession, inputs: Values) -> Found:
        """The object after a write; asks the server only when there is something that the inputs don't tell."""
        outputs = self.echo(inputs)
        if self.outputs or any(
            entry.kind not in _NEVER_READ and (entry.name not in inputs or entry.decided_by_server)
            for entry in self.table.values()
        ):
            answer = self.answer(vault, inputs)
            if answer is None:
                raise RefusedError(f"{self.known_as(inputs)} was written, but the server doesn't have it")
            outputs = self._shown(self._told(answer), inputs)
        return Found(self.known_as(inputs), inputs, outputs)

    def read(self, vault: VaultSession, found: Found) -> Found | None:
        """The object as a program would write it; what means the same keeps the program's words."""
        if not (found.inputs or self.importable):
            raise RefusedError(f"id {found.identity!r}: an object of this type can't be imported")
        old = found.inputs or self.parse(found.identity)
        answer = self.answer(vault, old)
        return None if answer is None else self._compared(found, old, self._told(answer))

    def _compared(self, found: Found, old: Values, told: Values) -> Found:
        """What a program would write of what the server told."""
        inputs = dict(old)
        for name, entry in self.table.items():
            if name not in told:
                continue
            given = old.get(name)
            imports = not found.inputs and not same(entry, told[name], entry.unset)
            drifted = not entry.decided_by_server and not same(entry, told[name], self.value(old, name))
            if imports or (drifted if given is None else not same(entry, told[name], given)):
                inputs[name] = told[name]
        return Found(found.identity, inputs, self._shown(told, inputs))

    def _shown(self, told: Values, inputs: Values) -> Values:
        """All outputs: what a preview called unknown is always there, and what a server has no word for is unset."""
        decided = {name: entry.unset for name, entry in self.table.items() if entry.decided_by_server}
        unheard = {name for name in decided if name not in told and not self._stays(name)}
        return decided | told | {name: value for name, value in self.echo(inputs).items() if name not in unheard}

    def _told(self, answer: Values) -> Values:
        computed = {name: answer[key] for name, key in self.outputs.items() if answer.get(key) is not None}
        read = (entry for entry in self.table.values() if entry.read and entry.kind not in _NEVER_READ)
        told = {entry.name: _take(answer, entry.key) for entry in read}
        return computed | {
            name: decode(self.table[name], value) for name, value in told.items() if value is not _ABSENT
        }

    def delete(self, vault: VaultSession, found: Found) -> None:
        """Remove it from the server."""
        if self.deletable:
            vault.delete(self.fill(self.place, found.inputs or self.parse(found.identity)))

    def settled(self, found: Found, told: Values) -> Values:
        """Outputs after a refresh: the old ones word by word unless what they say has changed.

        `found` has the old outputs as they came, `told` is flat. The official plugin's account of how its outputs map
        to Terraform's holds for exactly these outputs, so it goes when one changes.
        """
        before = flat(found.outputs, self.table)
        changed = {name: value for name, value in told.items() if not self._says(name, before.get(name), value)}
        if not changed:
            return found.outputs
        return nested({name: value for name, value in before.items() if name != _DELTA} | changed)

    def _says(self, name: str, before: Any, now: Any) -> bool:
        entry = self.table.get(name)
        if entry is None:
            return bool(before == now)
        return same(entry, entry.unset if before is None else before, now)


_DELTA = "__pulumi_raw_state_delta"
_ABSENT = object()


def _take(answer: Values, key: str) -> Any:
    """The value at a dotted key."""
    value: Any = answer
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _tops(names: set[str]) -> tuple[str, ...]:
    """Differences are reported by top-level property."""
    return tuple(sorted({name.split(".")[0] for name in names}))
