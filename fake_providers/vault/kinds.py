"""The shapes of Vault's objects that differ from a plain entry: mounts, keys, certificates, arbitrary endpoints.

Which types exist, with which properties, is the table's business.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_providers.envelope import UNKNOWN, compact, has_unknown
from fake_providers.servicer import Found, RefusedError, Values
from fake_providers.vault.entry import Entry
from fake_providers.vault.fields import Field
from fake_providers.vault.session import VaultSession

NO_ID = "missing ID"
"""The id of what Terraform knows without one (the bridge's `MissingIDPlaceholder`)."""


@dataclass(frozen=True, kw_only=True)
class Connection(Entry):
    """A database connection: the server keeps most of it under `connection_details`."""

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """Lay the details beside the rest, under the keys they are written with."""
        told = super().answer(vault, values)
        return None if told is None else told | told["connection_details"]


@dataclass(frozen=True, kw_only=True)
class AppRoleEntry(Entry):
    """An AppRole role, whose RoleID has a path of its own."""

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """The role together with its RoleID."""
        told, path = super().answer(vault, values), self.fill(self.place, values)
        return told if told is None else told | (vault.read(f"{path}/role-id") or {})


@dataclass(frozen=True, kw_only=True)
class TransitKeyEntry(Entry):
    """A transit key: made with some properties, while the others live at its `config` path."""

    fixed: frozenset[str] = frozenset({"type", "derived", "convergentEncryption"})
    made_with: frozenset[str] = frozenset({"type", "derived", "convergent_encryption", "key_size"})
    both: frozenset[str] = frozenset({"auto_rotate_period"})

    def put(self, vault: VaultSession, inputs: Values, old: Values | None) -> None:
        """Writing an existing key's path changes nothing, so a create is an upsert here too."""
        path, body = self.fill(self.place, inputs), self.body(inputs, old)
        settings = {key: value for key, value in body.items() if key not in self.made_with}
        if old is None:
            vault.write(path, {key: value for key, value in body.items() if key in self.made_with | self.both})
            # The official provider misspells it at a create (terraform-provider-vault 5.10.1), and so sets it to none.
            settings["min_encryption_versoin"] = settings.pop("min_encryption_version")
        vault.write(f"{path}/config", settings)

    def _told(self, answer: Values) -> Values:
        versions = [key if isinstance(key, dict) else {"id": str(key)} for key in (answer.get("keys") or {}).values()]
        return super()._told({**answer, "keys": versions})


@dataclass(frozen=True, kw_only=True)
class Mount(Entry):
    """A secrets engine or auth method. A path in use is an error; a new path moves it with its contents."""

    identity: str = "{path}"
    fixed: frozenset[str] = frozenset({"type"})
    outputs: Mapping[str, str] = field(default_factory=lambda: {"accessor": "accessor"})
    settings: frozenset[str] = frozenset()  # keys that are written to `auth/{path}/config`
    tunes: frozenset[str] = frozenset()  # keys without which nothing is tuned; none of them: it always is

    def put(self, vault: VaultSession, inputs: Values, old: Values | None) -> None:
        """Mount it, or tune what is mounted; a mount whose settings are refused is taken away again."""
        path, body = self.fill(self.place, inputs), self.body(inputs, old)
        settings = {key: body.pop(key) for key in list(body) if key in self.settings}
        if old is None:
            vault.write(path, body)
        else:
            self._move(vault, old, inputs)
            if body and (not self.tunes or self.tunes & body.keys()):
                vault.write(f"{path.replace('sys/auth/', 'sys/mounts/auth/')}/tune", body.pop("config", {}) | body)
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

    identity: str = "{path}"

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """This device among all."""
        return (vault.read("sys/audit") or {}).get(f"{str(values['path']).strip('/')}/")


@dataclass(frozen=True, kw_only=True)
class AuditHeaderEntry(Entry):
    """A request header in the audit log; the server answers each below its own name."""

    def answer(self, vault: VaultSession, values: Values) -> Values | None:
        """What is below the name."""
        told = super().answer(vault, values)
        return None if told is None else told[str(self.value(values, "name"))]


@dataclass(frozen=True, kw_only=True)
class AlwaysThere(Entry):
    """Settings that a server always has, known by their path: taken back by writing `first`."""

    first: Mapping[str, Any] = field(default_factory=dict)

    def delete(self, vault: VaultSession, found: Found) -> None:  # noqa: ARG002 - an Entry's signature
        """As it was at first."""
        vault.write(self.place, dict(self.first))


@dataclass(frozen=True, kw_only=True)
class OnlyOneEntry(AlwaysThere):
    """Such settings without an id: made by writing what is given."""

    def known_as(self, values: Values) -> str:  # noqa: ARG002 - an Entry's signature
        """As the official plugin knows what has no id."""
        return NO_ID

    def read(self, vault: VaultSession, found: Found) -> Found | None:
        """It is imported by its path, and then has no id either."""
        known = super().read(vault, found)
        return None if known is None else Found(NO_ID, known.inputs, known.outputs)

    def parse(self, identity: str) -> Values:
        """Nothing, of its path only."""
        if identity.strip("/") != self.place:
            raise RefusedError(f"id {identity!r}: expected {self.place}")
        return {}

    def _sends(self, entry: Field, inputs: Values, old: Values | None) -> bool:  # noqa: ARG002 - an Entry's signature
        """Only what the program gives."""
        return entry.name in inputs


@dataclass(frozen=True, kw_only=True)
class Issued(Entry):
    """Something a certificate authority makes once: its answer is its outputs. Can't be imported or written again."""

    exists: str = "sys/mounts/{backend}"  # what to look for to know that it is still there, over inputs and outputs
    removal: str = ""  # what to delete
    random: bool = False  # the id gets a random suffix
    found: Callable[[VaultSession, Values], Values | None] = lambda _vault, _inputs: None
    """What the server would have answered when it made the one that it has."""

    def create(self, vault: VaultSession, inputs: Values) -> Found:
        """Have it made."""
        return self._made(inputs, vault.write(self.fill(self.place, inputs), self.body(inputs)))

    def adopt(self, vault: VaultSession, inputs: Values) -> Found | None:
        """The one that is there."""
        answer = self.found(vault, inputs)
        return None if answer is None else self._made(inputs, answer)

    def _made(self, inputs: Values, answer: Values) -> Found:
        path = self.fill(self.place, inputs)
        certificates = [answer[key].strip() for key in ("certificate", "issuing_ca") if answer.get(key)]
        answer["certificate_bundle"] = "\n".join(dict.fromkeys(certificates))
        answer.setdefault("ca_chain", certificates[::-1])
        told = {name: answer[key] for name, key in self.outputs.items() if answer.get(key) is not None}
        identity = self.fill(self.identity, inputs | told) if self.identity else path
        return Found(f"{identity}/{uuid.uuid4()}" if self.random else identity, inputs, told | self.echo(inputs))

    def update(self, vault: VaultSession, found: Found, inputs: Values) -> Found:  # noqa: ARG002 - an Entry's signature
        """What may change without a new one (ttl) is only remembered, as by the official provider."""
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
        there = vault.read(self.fill(self.exists, found.inputs | found.outputs))
        return None if there is None else found

    def delete(self, vault: VaultSession, found: Found) -> None:
        """Remove the issuer; nothing else is ever taken back."""
        if self.removal:
            vault.delete(self.fill(self.removal, found.inputs | found.outputs))


@dataclass(frozen=True, kw_only=True)
class AnyPathEntry(Entry):
    """Any path of the API, with a JSON text as its contents."""

    def echo(self, inputs: Values) -> Values:
        """The text as the official provider writes it again."""
        text = inputs.get("dataJson", UNKNOWN)
        return super().echo(inputs) | ({} if has_unknown(text) else {"dataJson": compact(_object(text))})

    def _differs(self, entry: Field, old: Values, new: Values) -> bool:
        """Two JSON texts that say the same don't differ."""
        if not super()._differs(entry, old, new):
            return False
        texts = [values.get("dataJson", "null") for values in (old, new)]
        return entry.name != "dataJson" or has_unknown(texts) or json.loads(texts[0]) != json.loads(texts[1])

    def adopt(self, vault: VaultSession, inputs: Values) -> Found | None:  # noqa: ARG002 - an Entry's signature
        """Writing is all there is."""
        return None

    def create(self, vault: VaultSession, inputs: Values) -> Found:
        """Write it; nothing of the answer is kept."""
        answer = vault.write(self.fill(self.place, inputs), _object(inputs["dataJson"]))
        told: Values = {"writeData": {}, "writeDataJson": "{}" if answer else "null"}
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
            inputs["dataJson"] = compact(answer)
        return Found(found.identity, inputs, found.outputs | self.echo(inputs))

    def delete(self, vault: VaultSession, found: Found) -> None:
        """Unless `disableDelete`."""
        if not found.inputs.get("disableDelete"):
            super().delete(vault, found)


def _object(text: str) -> Values:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RefusedError(f"property dataJson: expected a JSON object ({error.msg} at {error.pos})") from None
    if not isinstance(value, dict):
        raise RefusedError(f"property dataJson: expected a JSON object, not {type(value).__name__}")
    return value
