"""Thirty days of a service by a clock that is set: it reads a secret that is rotated, verifies one that others show,
and has a database login, while Vault is sealed now and then and the rotating process is killed. No read fails.

Vault and the provider are in memory. Not proven: their real counterparts (`tests/live/vault_estate/`).
"""

import json
import ssl
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from tests.support.migrating import MOUNT, Killed
from tests.support.migrating import manifest as known
from tests.support.rotating import KEY, KeyProvider, RotatedKv, in_one_thread
from tests.support.scripted_vault import SECRET_ID
from vault_estate.auth import AppRoleAuth, SecretIdVariable
from vault_estate.client import VaultClient
from vault_estate.leases import DatabaseLogin, Leases
from vault_estate.manifest import ClientManifest
from vault_estate.opening import VaultClientConfig
from vault_estate.rotation import Runner
from vault_estate.tls import Trust

DAYS, DAY = 30, 86_400
STEP = 100
"""Seconds between two requests of the service."""
TIMER = 900
"""As the rotation's timer comes by."""
OUTAGE = (4 * DAY, 900)
"""A seal each so many seconds, for so many: what a lease of an hour has left when it is to be renewed."""
KILLED = 3
"""Of so many rotations one is killed, each time somewhere else."""
SIGNING = "signing"


@dataclass(kw_only=True)
class Month:
    """The service, a second one that shows it a signed request, and whoever rotates."""

    vault: RotatedKv = field(default_factory=RotatedKv)
    provider: KeyProvider = field(default_factory=KeyProvider)
    moments: int = 0
    killed_at: int = 0
    rotations: int = 0
    kills: int = 0

    def __post_init__(self) -> None:
        self.provider.keys["key-1-q7Zq7Zq7Zq7Zq7Z"] = "by hand"
        self.vault.put("external-apis", {KEY: "key-1-q7Zq7Zq7Zq7Zq7Z"})
        self.vault.put(SIGNING, {"key": "first"})
        self.provider.before = self.provider.after = lambda _: self._moment()
        self.manifest = _manifest()

    def _moment(self) -> None:
        """One of the eight at which the provider is asked something, of which a process may not see the next."""
        self.moments += 1
        if self.moments == self.killed_at:
            raise Killed

    def client(self) -> VaultClient:
        """A process of the application, whose thread is called by hand."""
        login = AppRoleAuth(role_id="role-of-aos", secret_id=SecretIdVariable("S", {"S": SECRET_ID}))
        return VaultClient(VaultClientConfig(auth=login), manifest=self.manifest, environ={})

    def rotate(self) -> None:
        """The timer: another process each time."""
        before = len(self.vault.versions("external-apis"))
        self.moments = 0
        self.killed_at = 1 + self.rotations % 8 if self.rotations % KILLED == 0 else 0
        with suppress(Killed):
            runner = Runner(self.vault.session(), self.manifest, rotators=lambda _: self.provider)
            errors = [one.error for one in runner.rotate_due() if one.error]
            assert not errors, errors
        self.kills += bool(self.killed_at and self.moments >= self.killed_at)
        self.rotations += bool(self.moments or len(self.vault.versions("external-apis")) > before)

    def is_good(self, login: DatabaseLogin) -> bool:
        """Whether the credentials' lease and its token are alive."""
        number = login.credentials.username.removeprefix("user-")
        token, ends_at, _ = self.vault.leases[f"database/creds/aos/{number}"]
        now = self.vault.clock.now()
        return ends_at > now and self.vault.tokens[token].ends_at > now


def _manifest() -> ClientManifest:
    document = known({"external-apis": (KEY,), SIGNING: ("key",)}).model_dump(mode="json")
    for name, by, key in (("external-apis", "hook:provider", KEY), (SIGNING, "random", "key")):
        rotation = {"by": by, "every_seconds": DAY, "grace_seconds": 600, "keys": [key]}
        document["secrets"][name]["rotation"] = rotation
    role = {"host": "db", "port": 5432, "database": "app", "ssl_mode": "disable", "access": "readonly"}
    lives = {"ttl_seconds": 3_600, "max_ttl_seconds": 14_400}
    document["database"] = {"mount": "database", "roles": {"aos": {**role, **lives}}, "static_roles": {}}
    return ClientManifest.model_validate_json(json.dumps(document))


def test_a_month_of_leases_rotations_outages_and_kills_fails_no_read(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(Trust, "context", lambda _: context)
    in_one_thread(monkeypatch)
    monkeypatch.setattr(Leases, "_run", lambda _: None)
    month = Month()
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: month.vault.transport())
    service, other = month.client(), month.client()
    login = service.database("aos")
    stale = 0
    for passed in range(0, DAYS * DAY, STEP):
        month.vault.clock.advance(STEP)
        month.vault.sealed = passed % OUTAGE[0] >= OUTAGE[0] - OUTAGE[1]
        service._leases.look()
        if passed % TIMER == 0 and not month.vault.sealed:
            month.rotate()
        read = service.get_secret("external-apis")
        stale += read.stale
        assert read[KEY] in month.provider.keys, passed
        if passed % DAY in (STEP, 2 * STEP):
            # From now on one of them reads new values later than the other; tomorrow it is the other one.
            (service, other)[(passed // DAY + passed // STEP) % 2].invalidate(SIGNING)
        assert service.accepts(SIGNING, "key", other.get_secret(SIGNING)["key"]), passed
        assert month.is_good(login), passed
    assert len(month.vault.versions("external-apis")) == DAYS == len(month.vault.versions(SIGNING))
    assert month.kills >= DAYS / KILLED - 2
    assert stale >= 7 * (OUTAGE[1] - 300) / STEP * 0.9
    assert month.vault.count("login") < 2 * DAYS * 12
    assert month.vault.count(f"GET {MOUNT}/data/external-apis") < DAYS * DAY / 240 + 4_000
