"""A Vault in memory that secrets are rotated in, and another end that makes keys, for tests of rotation.

Both are fakes. `RotatedKv` is `ScriptedKv` with what a rotation asks besides: times, destroyed versions, a password
policy. `KeyProvider` is as a provider of API keys: it shows a key's value once, marks keys, takes two at most, and says
no to a third. Each can end a run before or after whatever is asked of it.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.migrating import MOUNT, Killed, ScriptedKv
from tests.support.migrating import manifest as known
from tests.support.scripted_vault import _stamp, _Token
from vault_estate.answers import Answer
from vault_estate.manifest import ClientManifest
from vault_estate.models import Secret
from vault_estate.rotation import Overlap, RotationRun, Rotator, Runner, steps
from vault_estate.rotation.record import RotationNote, RotationRecord
from vault_estate.transport import Call

EVERY, GRACE = 86_400, 600
KEY = "ANTHROPIC_API_KEY"
RECORD = f"vault-estate/rotation/{MOUNT}/external-apis"


class ProviderRefusal(Exception):  # noqa: N818 - as a provider's library names it
    """Says what it refused, with the key: nobody may show it."""


@dataclass(kw_only=True)
class RotatedKv(ScriptedKv):
    """What it has besides."""

    made: int = 0

    def note(self, name: str = "external-apis") -> RotationNote:
        """What anybody sees of a secret's rotation."""
        return RotationNote.of({"custom_metadata": self.notes.get(f"{MOUNT}/{name}")})

    def record(self) -> RotationRecord:
        """What is kept of the run."""
        return RotationRecord.model_validate(self.kv[RECORD][-1])

    def readable_records(self) -> str:
        """All of the entry's versions that can still be read."""
        versions = self.kv.get(RECORD, [])
        return json.dumps([one for number, one in enumerate(versions, 1) if (RECORD, number) not in self.deleted])

    def _allowed(self, call: Call, path: str, body: Mapping[str, Any], token: _Token) -> Answer:
        mount, _, rest = path.partition("/")
        kind, _, name = rest.partition("/")
        if kind == "destroy" and call.method == "POST":
            self.deleted |= {(f"{mount}/{name}", number) for number in body["versions"]}
            return self._said(204, None)
        if path in ("database/rotate-role/legacy", "database/rotate-root/main") and call.method == "POST":
            return self._said(204, None)
        if path == "sys/policies/password/strong/generate" and path not in self.denied:
            self.made += 1
            return self._said(200, {"data": {"password": f"strong-{self.made}-q7Zq7Zq7Z"}})
        return super()._allowed(call, path, body, token)

    def _metadata(self, call: Call, whole: str, body: Mapping[str, Any]) -> Answer:
        if call.method != "GET" or whole not in self.kv:
            return super()._metadata(call, whole, body)
        told = {
            "current_version": len(self.kv[whole]),
            "custom_metadata": self.notes.get(whole),
            "created_time": _stamp(self.clock.wall() - self.clock.now() + self.written_at[whole][0]),
        }
        return self._said(200, {"data": told})


@dataclass(kw_only=True)
class KeyProvider(Rotator):
    """The other end, and the program that knows it."""

    overlap: Overlap = Overlap.TWO_KEYS
    keys: dict[str, str] = field(default_factory=dict)
    """Those that are good, each with the mark of who had it made."""
    count: int = 1
    asked: list[str] = field(default_factory=list)
    fails: str = ""
    """The step that raises."""
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    gives: Callable[[str], dict[str, str]] = lambda value: {KEY: value}

    def create(self, current: Secret, run: RotationRun) -> Mapping[str, str]:
        """A key whose value it never shows again."""
        self._begin("create")
        if self.overlap is Overlap.TWO_KEYS and len(self.keys) > 1:
            raise ProviderRefusal(f"no third key beside {current[KEY]}")
        self.count += 1
        value = f"key-{self.count}-q7Zq7Zq7Zq7Zq7Z"
        if self.overlap is Overlap.TWO_KEYS:
            self.keys[value] = run.id
        self.after("create")
        return self.gives(value)

    def install(self, pending: Secret, run: RotationRun) -> None:
        """Of an end that has one key: put it in the other's place."""
        self._begin("install")
        if self.overlap is Overlap.NONE:
            self.keys = {pending[KEY]: run.id}
        self.after("install")

    def test(self, pending: Secret, run: RotationRun) -> None:  # noqa: ARG002 - it needs no mark
        """Ask with the key."""
        self._begin("test")
        if self.overlap is not Overlap.VERSIONS and pending[KEY] not in self.keys:
            raise ProviderRefusal(pending[KEY])
        self.after("test")

    def revoke(self, ended: Secret, run: RotationRun) -> None:  # noqa: ARG002 - the key is enough
        """End a key, unless it has ended."""
        self._begin("revoke")
        self.keys.pop(ended[KEY], None)
        self.after("revoke")

    def remove_orphans(self, run: RotationRun) -> None:
        """End what is marked with the run's id."""
        self._begin("remove_orphans")
        self.keys = {value: mark for value, mark in self.keys.items() if mark != run.id}
        self.after("remove_orphans")

    def _begin(self, step: str) -> None:
        self.asked.append(step)
        self.before(step)
        if step == self.fails:
            raise ProviderRefusal("canary-q7Zq7Z")


@dataclass(kw_only=True)
class Rotating:
    """A secret that is rotated, at both ends, and what ends the process."""

    vault: RotatedKv = field(default_factory=RotatedKv)
    provider: KeyProvider = field(default_factory=KeyProvider)
    by: str = "hook:anthropic"
    moments: int = 0
    """Before and after whatever was asked of either end."""
    killed_at: int = 0
    """The moment at which the process ends; 0: at none."""
    watched: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        first = "key-1-q7Zq7Zq7Zq7Zq7Z"
        self.provider.keys[first] = "by hand"
        self.vault.put("external-apis", {KEY: first, "OTHER": "kept"})
        self.vault.before = self.vault.after = lambda _: self._moment()
        self.provider.before = self.provider.after = lambda _: self._moment()

    def _moment(self) -> None:
        self.moments += 1
        self.watched()
        if self.moments == self.killed_at:
            raise Killed

    def manifest(self) -> ClientManifest:
        """The application's document."""
        return rotated_manifest(by=self.by)

    def runner(self, **more: Any) -> Runner:
        """Another process."""
        return Runner(self.vault.session(), self.manifest(), rotators=lambda _: self.provider, **more)

    @property
    def present(self) -> str:
        """What applications read."""
        return str(self.vault.versions("external-apis")[-1][KEY])


def in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds on to a run beside it: that goes by this machine's clock, and time is set here."""
    monkeypatch.setattr(steps, "held", lambda _: nullcontext())


def rotated_manifest(**changes: Any) -> ClientManifest:
    """A document of which one secret is rotated."""
    rotation = {"by": "random", "every_seconds": EVERY, "grace_seconds": GRACE, "keys": [KEY], **changes}
    document = known({"external-apis": (KEY, "OTHER"), "app-prod": ("AOS_API_KEY",)}).model_dump(mode="json")
    document["secrets"]["external-apis"]["rotation"] = rotation
    return ClientManifest.model_validate_json(json.dumps(document))


__all__ = ["EVERY", "GRACE", "KEY", "RECORD", "KeyProvider", "Rotating", "in_one_thread", "rotated_manifest"]
