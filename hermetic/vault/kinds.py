"""How a resource type lives on a Vault server: where it is, how it is written, read back and removed.

Owns the shapes that Vault's objects have; which types exist, with which properties, is the table's business.
All values here are flat (`hermetic.vault.fields.flat`).
"""

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hermetic.envelope import UNKNOWN, has_unknown
from hermetic.servicer import Change, Found, RefusedError, Values
from hermetic.vault.fields import Field, decode, encode, nested, same
from hermetic.vault.session import VaultSession

_NEVER_READ = frozenset({"path", "local", "once", "secret"})
_UNSENT = frozenset({"path", "local"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An object written to and read from one path: roles, policies, settings of a mount. Writing is an upsert."""

    place: str  # where it is on the server, e.g. auth/{backend}/role/{roleName}
    table: Mapping[str, Field]
    identity: str = ""  # the official provider's id; `place` when empty
    outputs: Mapping[str, str] = field(default_factory=dict)  # computed property → key in the server's answer
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
        return dict(match.groupdict())

    def diff(self, old: Values, new: Values) -> Change:
        """Unset means its default; what the server decides, and what is written once, never differs when unset."""
        changed = {name for name in self.table if self._differs(self.table[name], old, new)}
        replaces = {name for name in changed if self.table[name].replaces}
        keeps_identity = not has_unknown(list(new.values())) and self.known_as(old) == self.known_as(new)
        return Change(_tops(changed), _tops(replaces), bool(replaces) and keeps_identity)

    def _differs(self, entry: Field, old: Values, new: Values) -> bool:
        if entry.kind == "once" or (entry.decided_by_server and entry.name not in new):
            return False
        if has_unknown(new.get(entry.name)):
            return True
        return not same(entry, self.value(old, entry.name), self.value(new, entry.name))

    def body(self, inputs: Values, old: Values | None = None) -> Values:
        """What is written: everything given or defaulted, and the reset of what was given before."""
        result: Values = {}
        for name, entry in self.table.items():
            before = None if old is None else old.get(name)
            if entry.kind in _UNSENT or not self._is_sent(entry, inputs, old):
                continue
            if name in inputs or entry.default is not None or (before is not None and not entry.decided_by_server):
                result[entry.key] = encode(entry, self.value(inputs, name))
        return nested(result)

    def _is_sent(self, entry: Field, inputs: Values, old: Values | None) -> bool:
        """A root password that Vault has rotated is never overwritten by the one it started with."""
        if old is None or entry.kind not in {"once", "secret"}:
            return True
        name = f"{entry.name}Version" if entry.kind == "once" else entry.name
        return bool(old.get(name) != inputs.get(name))

    def echo(self, inputs: Values) -> Values:
        """The outputs that inputs promise: with defaults, without what is write-only."""
        defaults = {name: entry.default for name, entry in self.table.items() if entry.default is not None}
        return defaults | {name: value for name, value in inputs.items() if self.table[name].kind != "once"}

    def planned(self, inputs: Values, outputs: Values) -> Values:
        """Outputs of a preview; what only the server can tell is unknown, or stays as it was."""
        open_ones = [*self.outputs, *(name for name, entry in self.table.items() if entry.decided_by_server)]
        return {name: outputs.get(name, UNKNOWN) for name in open_ones} | self.echo(inputs)

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """What the server has, by the table's keys; None when it is gone."""
        return vault.read(self.fill(self.place, values))

    def create(self, vault: VaultSession, inputs: Values) -> Found:
        """Write it, and read back what the server decided."""
        if inputs.get("allowOverwrite") is False and self.answer(vault, inputs) is not None:
            raise RefusedError(f"{self.known_as(inputs)} already exists: import it, or set allowOverwrite")
        self.put(vault, inputs, None)
        return self.known(vault, inputs)

    def put(self, vault: VaultSession, inputs: Values, old: Values | None) -> None:
        """The write of a create (`old` None) or of an update."""
        vault.write(self.fill(self.place, inputs), self.body(inputs, old))

    def update(self, vault: VaultSession, found: Found, inputs: Values) -> Found:
        """Change it in place."""
        self.put(vault, inputs, found.inputs)
        return self.known(vault, inputs)

    def known(self, vault: VaultSession, inputs: Values) -> Found:
        """The object after a write; asks the server only when there is something that the inputs don't tell."""
        outputs = self.echo(inputs)
        if self.outputs or any(
            entry.kind not in _NEVER_READ and entry.name not in inputs for entry in self.table.values()
        ):
            answer = self.answer(vault, inputs)
            if answer is None:
                raise RefusedError(f"{self.known_as(inputs)} was written, but the server doesn't have it")
            outputs = self._shown(self._told(answer), inputs)
        return Found(self.known_as(inputs), inputs, outputs)

    def read(self, vault: VaultSession, found: Found) -> Found | None:
        """The object as a program would write it; what means the same keeps the program's words."""
        old = found.inputs or self.parse(found.identity)
        answer = self.answer(vault, old)
        if answer is None:
            return None
        told, inputs = self._told(answer), dict(old)
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
        """All outputs: what a preview called unknown is always there."""
        decided = {name: entry.unset for name, entry in self.table.items() if entry.decided_by_server}
        return decided | told | self.echo(inputs)

    def _told(self, answer: Values) -> Values:
        computed = {name: answer[key] for name, key in self.outputs.items() if answer.get(key) is not None}
        for name, entry in self.table.items():
            value = _take(answer, entry.key)
            if entry.kind not in _NEVER_READ and value is not _ABSENT:
                computed[name] = decode(entry, value)
        return computed

    def delete(self, vault: VaultSession, found: Found) -> None:
        """Remove it from the server."""
        if self.deletable:
            vault.delete(self.fill(self.place, found.inputs or self.parse(found.identity)))


@dataclass(frozen=True, kw_only=True)
class Connection(Entry):
    """A database connection: the server keeps most of it under `connection_details`."""

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """Lay the details beside the rest, under the keys they are written with."""
        told = vault.read(self.fill(self.place, values))
        if told is None:
            return None
        rotation: Values = {"root_rotation_statements": told["root_credentials_rotate_statements"]}
        details: Values = told["connection_details"]
        return told | details | rotation


@dataclass(frozen=True, kw_only=True)
class AppRole(Entry):
    """An AppRole role, whose RoleID has a path of its own."""

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """The role together with its RoleID."""
        told, path = super().answer(vault, values), self.fill(self.place, values)
        return told if told is None else told | (vault.read(f"{path}/role-id") or {})

    def put(self, vault: VaultSession, inputs: Values, old: Values | None) -> None:
        """A given RoleID is written after the role."""
        super().put(vault, inputs, old)
        if inputs.get("roleId") and inputs["roleId"] != (old or {}).get("roleId"):
            vault.write(f"{self.fill(self.place, inputs)}/role-id", {"role_id": inputs["roleId"]})


@dataclass(frozen=True, kw_only=True)
class TransitKey(Entry):
    """A transit key: made with some properties, while the others live at its `config` path."""

    made_with: frozenset[str] = frozenset({"type", "derived", "convergent_encryption", "key_size", "context"})

    def put(self, vault: VaultSession, inputs: Values, old: Values | None) -> None:
        """Writing an existing key's path changes nothing, so a create is an upsert here too."""
        path, body = self.fill(self.place, inputs), self.body(inputs, old)
        if old is None:
            vault.write(path, {key: value for key, value in body.items() if key in self.made_with})
        settings = {key: value for key, value in body.items() if key not in self.made_with}
        if settings:
            vault.write(f"{path}/config", settings)

    def _told(self, answer: Values) -> Values:
        versions = [key if isinstance(key, dict) else {"id": str(key)} for key in (answer.get("keys") or {}).values()]
        return super()._told({**answer, "keys": versions})


@dataclass(frozen=True, kw_only=True)
class Mount(Entry):
    """A secrets engine or auth method. A path in use is an error; a new path moves it with its contents."""

    settings: frozenset[str] = frozenset()  # keys that are written to `auth/{path}/config`

    def put(self, vault: VaultSession, inputs: Values, old: Values | None) -> None:
        """Mount it, or tune what is mounted; a mount whose settings are refused is taken away again."""
        path, body = self.fill(self.place, inputs), self.body(inputs, old)
        settings = {key: body.pop(key) for key in list(body) if key in self.settings}
        if old is None:
            vault.write(path, body)
        else:
            self._move(vault, old, inputs)
            tune = {key: value for key, value in body.items() if key not in {"type", "local", "config"}}
            if tune or body.get("config"):
                vault.write(f"{path}/tune", tune | body.get("config", {}))
        try:
            if settings:
                vault.write(f"{path.removeprefix('sys/')}/config", settings)
        except RefusedError:
            if old is None:
                vault.delete(path)
            raise

    def _move(self, vault: VaultSession, old: Values, new: Values) -> None:
        origin, target = (self.fill(self.place, values) for values in (old, new))
        if origin == target:
            return
        ends = [path.removeprefix("sys/").removeprefix("mounts/") for path in (origin, target)]
        started = vault.write("sys/remount", {"from": ends[0], "to": ends[1]})
        status = "in-progress"
        while status == "in-progress":
            time.sleep(0.05)
            status = (vault.read(f"sys/remount/status/{started['migration_id']}") or {})["migration_info"]["status"]
        if status != "success":
            raise RefusedError(f"moving {ends[0]} to {ends[1]} ended with status {status}")

    def diff(self, old: Values, new: Values) -> Change:
        """With disableRemount a new path is a new mount."""
        change = super().diff(old, new)
        if new.get("disableRemount") and "path" in change.changed:
            return Change(change.changed, tuple(sorted({*change.replaces, "path"})), delete_first=False)
        return change

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """`kv-v2` is reported as `kv` with options; a program that says kv-v2 means the same."""
        path = self.fill(self.place, values)
        told = vault.read(path)
        if told is not None and self.settings:
            told = told | (vault.read(f"{path.removeprefix('sys/')}/config") or {})
        if told is not None and values.get("type") == "kv-v2" and (told.get("options") or {}).get("version") == "2":
            options = {key: value for key, value in told["options"].items() if key != "version"}
            told = told | {"type": "kv-v2", "options": (values.get("options") or {}) | options}
        return told


@dataclass(frozen=True, kw_only=True)
class AuditDevice(Entry):
    """An audit device; the server only lists them. OpenBao takes them from its configuration and refuses this."""

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """This device among all."""
        return (vault.read("sys/audit") or {}).get(f"{str(values['path']).strip('/')}/")


@dataclass(frozen=True, kw_only=True)
class Issued(Entry):
    """Something a certificate authority makes once: its answer is its outputs. Can't be imported or written again."""

    exists: str = ""  # what to look for to know that it is still there, over inputs and outputs
    removal: str = ""  # what to delete
    random: bool = False  # the id gets a random suffix

    def path(self, inputs: Values) -> str:
        """Where to ask for it; an issuer that is named has a path of its own."""
        reference = inputs.get("issuerRef")
        place = f"{{backend}}/issuer/{reference}/sign-intermediate" if reference else self.place
        return self.fill(place, inputs)

    def create(self, vault: VaultSession, inputs: Values) -> Found:
        """Have it made."""
        path = self.path(inputs)
        answer = vault.write(path, self.body(inputs))
        certificates = [answer[key].strip() for key in ("certificate", "issuing_ca") if answer.get(key)]
        answer["certificate_bundle"] = "\n".join(dict.fromkeys(certificates))
        answer.setdefault("ca_chain", certificates[::-1])
        told = {name: answer[key] for name, key in self.outputs.items() if answer.get(key) is not None}
        identity = _fill(self.identity, inputs | told) if self.identity else path
        identity = f"{path}/{inputs['commonName']}" if inputs.get("issuerRef") else identity
        return Found(f"{identity}/{uuid.uuid4()}" if self.random else identity, inputs, told | self.echo(inputs))

    def update(self, vault: VaultSession, found: Found, inputs: Values) -> Found:  # noqa: ARG002 - an Entry's signature
        """What may change without a new one (ttl, revoke) is only remembered, as by the official provider."""
        return Found(found.identity, inputs, found.outputs | self.echo(inputs))

    def planned(self, inputs: Values, outputs: Values) -> Values:
        """Everything it is made of is unknown before it is made."""
        return {name: outputs.get(name, UNKNOWN) for name in self.outputs} | self.echo(inputs)

    def known_as(self, values: Values) -> str:  # noqa: ARG002 - an Entry's signature
        """Each one is another object, so a new one is made before the old one goes."""
        return str(uuid.uuid4())

    def read(self, vault: VaultSession, found: Found) -> Found | None:
        """Gone with its issuer or its mount."""
        if not found.inputs:
            raise RefusedError(f"id {found.identity!r}: a certificate or request can't be imported")
        there = vault.read(_fill(self.exists, found.inputs | found.outputs))
        return None if there is None else found

    def delete(self, vault: VaultSession, found: Found) -> None:
        """Remove the issuer, or revoke the certificate where that was asked for."""
        if self.removal:
            vault.delete(_fill(self.removal, found.inputs | found.outputs))
        elif found.inputs.get("revoke"):
            vault.write(self.fill("{backend}/revoke", found.inputs), {"serial_number": found.outputs["serialNumber"]})


@dataclass(frozen=True, kw_only=True)
class Endpoint(Entry):
    """Any path of the API, with a JSON text as its contents."""

    def diff(self, old: Values, new: Values) -> Change:
        """Two JSON texts that say the same don't differ."""
        change = super().diff(old, new)
        texts = [values.get("dataJson", "null") for values in (old, new)]
        if "dataJson" in change.changed and not has_unknown(texts) and json.loads(texts[0]) == json.loads(texts[1]):
            return Change(
                tuple(name for name in change.changed if name != "dataJson"), change.replaces, change.delete_first
            )
        return change

    def create(self, vault: VaultSession, inputs: Values) -> Found:
        """Write it; `writeFields` of the answer are kept."""
        answer = vault.write(self.fill(self.place, inputs), _object(inputs["dataJson"]))
        kept = {name: answer[name] for name in inputs.get("writeFields") or [] if name in answer}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in kept.items()}
        told = {"writeData": texts, "writeDataJson": json.dumps(kept) if answer else "null"}
        return Found(self.known_as(inputs), inputs, told | self.echo(inputs))

    def update(self, vault: VaultSession, found: Found, inputs: Values) -> Found:  # noqa: ARG002 - an Entry's signature
        """Writing is all there is."""
        return self.create(vault, inputs)

    def read(self, vault: VaultSession, found: Found) -> Found | None:
        """Compare with what the path answers; `ignoreAbsentFields` looks only at what was written."""
        inputs = dict(found.inputs) or self.parse(found.identity)
        if inputs.get("disableRead"):
            return found
        answer = vault.read(self.fill(self.place, inputs))
        if answer is None:
            return None
        written = json.loads(inputs.get("dataJson", "{}"))
        if inputs.get("ignoreAbsentFields"):
            answer = written | {name: value for name, value in answer.items() if name in written}
        if answer != written:
            inputs["dataJson"] = json.dumps(answer)
        return Found(found.identity, inputs, found.outputs | self.echo(inputs))

    def delete(self, vault: VaultSession, found: Found) -> None:
        """Unless `disableDelete`."""
        if not found.inputs.get("disableDelete"):
            super().delete(vault, found)


_ABSENT = object()


def _take(answer: Values, key: str) -> Any:
    """The value at a dotted key."""
    value: Any = answer
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _fill(template: str, values: Values) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]).strip("/"), template)


def _object(text: str) -> Values:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RefusedError(f"property dataJson: expected a JSON object ({error.msg} at {error.pos})") from None
    if not isinstance(value, dict):
        raise RefusedError(f"property dataJson: expected a JSON object, not {type(value).__name__}")
    return value


def _tops(names: set[str]) -> tuple[str, ...]:
    """Differences are reported by top-level property."""
    return tuple(sorted({name.split(".")[0] for name in names}))
