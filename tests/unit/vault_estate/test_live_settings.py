"""Settings that follow what Vault has. The server is the fake, and the clock is set."""

import logging

import pytest
from pydantic import SecretStr, ValidationError

from tests.unit.vault_estate.readers import DoubleReader
from vault_estate.errors import ConfigurationError
from vault_estate.live_settings import live
from vault_estate.settings_source import VaultField, VaultSettings, given
from vault_estate.testing import FakeVault

pytest_plugins = ("vault_estate.testing.plugin",)

CANARY = "canary-" + "Zq7" * 6


class Settings(VaultSettings):
    """Of an application."""

    SECRET_KEY: SecretStr = VaultField("security", "secret_key")
    PORT: int = VaultField("database", "port")
    HOST: str = VaultField("database", "host")
    DEBUG: bool = False


@pytest.fixture(autouse=True)
def _filled(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USE_VAULT", "SECRET_KEY", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)
    vault.put("security", secret_key=CANARY)
    vault.put("database", host="one", port="5432")


def test_what_is_rotated_is_seen_when_the_client_has_read_it(vault: FakeVault) -> None:
    settings = live(Settings)
    assert (settings.SECRET_KEY.get_secret_value(), settings.PORT, settings.DEBUG) == (CANARY, 5432, False)
    vault.put("security", secret_key="second")
    assert settings.SECRET_KEY.get_secret_value() == CANARY, "the client's value is fresh"
    vault.clock.advance(300)
    assert settings.SECRET_KEY.get_secret_value() == "second"
    asked = len(vault.requests)
    assert [settings.PORT for _ in range(5)] == [5432] * 5
    assert len(vault.requests) == asked


def test_two_values_of_one_secret_change_together(vault: FakeVault) -> None:
    settings = live(Settings)
    vault.put("database", host="two", port="6432")
    vault.clock.advance(300)
    assert (settings.HOST, settings.PORT) == ("two", 6432)
    assert settings.model_dump()["HOST"] == "two"


def test_values_that_do_not_fit_are_not_taken_and_not_shown(vault: FakeVault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = live(Settings)
    vault.put("database", host="two", port=CANARY)
    vault.clock.advance(300)
    assert (settings.HOST, settings.PORT) == ("one", 5432)
    assert caplog.text.count("Settings are kept as they were: ConfigurationError") == 1
    assert CANARY not in caplog.text
    assert CANARY not in repr(settings)
    assert repr(settings).startswith("live Settings(")
    vault.put("database", host="two", port="6432")
    vault.clock.advance(300)
    assert (settings.HOST, settings.PORT) == ("two", 6432)


def test_an_outage_and_a_refusal_change_nothing(vault: FakeVault) -> None:
    settings = live(Settings)
    vault.seal()
    vault.clock.advance(4_000)
    assert settings.HOST == "one", "also after the hour for which the client would serve it"
    vault.unseal()
    vault.put("database", host="two", port="6432")
    vault.deny("database")
    vault.clock.advance(300)
    assert settings.HOST == "one"
    vault.allow("database")
    vault.clock.advance(300)
    assert settings.HOST == "two"


def test_they_begin_as_settings_do(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put("database", host="one")
    with pytest.raises(ConfigurationError, match="PORT is missing"):
        live(Settings)
    monkeypatch.setenv("DEBUG", "perhaps")
    monkeypatch.setenv("PORT", "1")
    with pytest.raises(ValidationError):
        live(Settings)


def test_what_the_environment_gives_is_not_read_and_without_vault_nothing_is(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "own")
    settings = live(Settings)
    assert settings.SECRET_KEY.get_secret_value() == "own"
    assert not [one for one in vault.requests if "security" in one]
    vault.requests.clear()
    monkeypatch.setenv("USE_VAULT", "false")
    monkeypatch.setenv("HOST", "h")
    monkeypatch.setenv("PORT", "1")
    assert live(Settings).HOST == "h"
    assert vault.requests == []


def test_a_double_of_an_application_takes_the_clients_place() -> None:
    class Doubled(Settings):
        """With a reader of its own, whose values are plain mappings."""

    reader = DoubleReader({"security": {"secret_key": "s"}, "database": {"host": "one", "port": "1"}})
    Doubled.vault_client = given(reader)
    settings = live(Doubled)
    assert settings.HOST == "one"
    reader.secrets = {**reader.secrets, "database": {"host": "two", "port": "1"}}
    assert settings.HOST == "two"
    with pytest.raises(AttributeError, match="HOST can't be set"):
        settings.HOST = "x"
