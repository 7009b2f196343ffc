"""A machine whose clock is an hour wrong: lives are reckoned by a clock that only goes on, and dates by Vault's.

Vault is in memory, and time is set. What certificates say is the system's to judge, by its own clock.
"""

import ssl
import time
from typing import Any

import pytest

from tests.support.clocks import SetClock
from tests.support.migrating import PERSON
from tests.support.rotating import EVERY, GRACE, KEY, Rotating, in_one_thread
from tests.support.scripted_vault import SECRET_ID, ScriptedTransport, ScriptedVault
from vault_estate import clock
from vault_estate.auth import AppRoleAuth, SecretIdVariable
from vault_estate.auth.token import TokenAuth
from vault_estate.client import VaultClient
from vault_estate.opening import VaultClientConfig
from vault_estate.rotation import Runner
from vault_estate.session import Session
from vault_estate.tls import Trust

WRONG = [-3_600.0, 3_600.0]


class WrongClock(SetClock):
    """Goes on as another one does, and is so many seconds before or after it."""

    def __init__(self, right: SetClock, seconds: float) -> None:
        self._right, self._seconds = right, seconds
        super().__init__()

    def now(self) -> float:
        """As the other."""
        return self._right.now()

    def wall(self) -> float:
        """As this machine has it."""
        return self._right.wall() + self._seconds

    def sleep(self, seconds: float) -> None:
        """As the other."""
        self._right.sleep(seconds)


@pytest.fixture(params=WRONG, ids=["behind", "ahead"])
def wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """By how many seconds. Nothing is sent, so that no certificate is read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(Trust, "context", lambda _: context)
    in_one_thread(monkeypatch)
    found: float = request.param
    return found


def transport(vault: ScriptedVault, seconds: float) -> ScriptedTransport:
    """Of a machine with such a clock."""
    made = ScriptedTransport(vault)
    made.clock = WrongClock(vault.clock, seconds)
    return made


def test_a_day_of_reads_is_as_on_any_other_machine(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for seconds in (0.0, wrong):
        here = Rotating(by="random")
        monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: transport(here.vault, seconds))  # noqa: B023 - used before the next
        login = AppRoleAuth(role_id="role-of-aos", secret_id=SecretIdVariable("S", {"S": SECRET_ID}))
        client = VaultClient(VaultClientConfig(auth=login), manifest=here.manifest(), environ={})
        for _ in range(288):
            here.vault.clock.advance(300)
            assert client.get_secret("external-apis")[KEY]
        here.vault.put("external-apis", {KEY: "second"})
        client.refresh("external-apis")
        versions: list[Any] = [[one.version for one in client.accepted("external-apis")]]
        here.vault.clock.advance(GRACE)
        client.refresh("external-apis")
        versions.append([one.version for one in client.accepted("external-apis")])
        assert versions == [[2, 1], [2]]
        asked.append(here.vault.asked)
    assert asked[0] == asked[1]


def test_a_rotation_is_due_and_ends_by_vaults_clock(wrong: float) -> None:
    here = Rotating()
    session = Session(transport(here.vault, wrong), TokenAuth(environ={"VAULT_TOKEN": PERSON}))
    runner = Runner(session, here.manifest(), rotators=lambda _: here.provider)
    here.vault.clock.advance(EVERY - 1)
    assert runner.rotate_due() == []
    here.vault.clock.advance(1)
    (done,) = runner.rotate_due()
    assert (done.phase, done.grace_until) == ("grace", int(here.vault.clock.wall()) + GRACE)
    assert here.vault.note().rotated_at == int(here.vault.clock.wall())
    here.vault.clock.advance(GRACE - 1)
    assert runner.rotate_due() == []
    here.vault.clock.advance(1)
    assert [one.phase for one in runner.rotate_due()] == ["idle"]
    assert len(here.vault.versions("external-apis")) == 2


def test_a_sleep_of_the_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux reckons it; where that isn't to be had, the clock is the usual one."""
    asked: list[int] = []

    def counts(number: int) -> float:
        asked.append(number)
        return 5.0

    monkeypatch.setattr(time, "clock_gettime", counts)
    assert clock._goes_on()() == 5.0
    assert set(asked) == {time.CLOCK_BOOTTIME}

    def refuse(_: int) -> float:
        raise OSError

    monkeypatch.setattr(time, "clock_gettime", refuse)
    assert clock._goes_on() is time.monotonic
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert clock._goes_on() is time.monotonic


def test_the_systems_clock_goes_on() -> None:
    first = clock.SystemClock().now()
    assert clock.SystemClock().now() >= first > 0
