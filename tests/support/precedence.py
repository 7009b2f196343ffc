"""Every case of where a setting may be given, and what it is then: the whole table, for a Vault of any kind."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import SettingsConfigDict

from vault_estate.settings_source import VaultField, VaultSettings

VARIABLE = "SECRET_KEY"
DEFAULT = "everybody-knows-it"
FROM_VAULT = "from-vault"
SWITCHES = (None, "", "true", "1", "yes", "false", "0", "off")
OFF = ("false", "0", "off")


class CellSettings(VaultSettings):
    """With one sensitive field that has a default."""

    model_config = SettingsConfigDict(env_file=".env")
    SECRET_KEY: str = VaultField("security", "secret_key", DEFAULT)
    DEBUG: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Where the field is given, but for Vault: None is not there, and "" is empty."""

    init: str | None
    env: str | None
    dotenv: str | None
    switch: str | None
    """`USE_VAULT`."""

    def expected(self, in_vault: str | None) -> str | None:
        """What the field is by the document's order, where Vault has this or can't be asked; None: it is refused."""
        first = self.init or self.env or self.dotenv
        if first:
            return first
        if self.switch in OFF:
            return DEFAULT
        return in_vault or None

    def asks_vault(self) -> bool:
        """Whether nobody else has it."""
        return not (self.init or self.env or self.dotenv) and self.switch not in OFF

    def found(self, settings: Callable[..., VaultSettings], folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        """What the field is, in a folder with such a `.env`. Raises ConfigurationError."""
        with monkeypatch.context() as patch:
            for name, value in ((VARIABLE, self.env), ("USE_VAULT", self.switch)):
                if value is not None:
                    patch.setenv(name, value)
            (folder / ".env").write_text("" if self.dotenv is None else f"{VARIABLE}={self.dotenv}\n")
            arguments: dict[str, Any] = {VARIABLE: self.init} if self.init else {}
            return str(settings(**arguments).model_dump()[VARIABLE])


def cells(switch: str | None) -> Iterator[Cell]:
    """The 18 of one switch."""
    for init, env, dotenv in itertools.product((None, "from-init"), (None, "", "from-env"), (None, "", "from-dotenv")):
        yield Cell(init=init, env=env, dotenv=dotenv, switch=switch)


def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder, with none of the variables that count."""
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("VAULT_", "BAO_"))]:
        monkeypatch.delenv(name)
    for name in ("USE_VAULT", VARIABLE, "DATABASE_URL", "API_KEY", "APP_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
