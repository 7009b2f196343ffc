"""Which of several sources a setting is from, in every case, where Vault is a real OpenBao; also sealed."""

from pathlib import Path

import pytest

from tests.support.precedence import DEFAULT, FROM_VAULT, SWITCHES, CellSettings, alone, cells
from vault_estate.errors import ConfigurationError
from vault_estate.testing import LiveVault

pytest_plugins = ("vault_estate.testing.plugin",)


@pytest.mark.parametrize("in_vault", [None, "", FROM_VAULT, "sealed"], ids=["absent", "empty", "there", "sealed"])
def test_every_cell_of_the_order(
    live_vault: LiveVault, in_vault: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(tmp_path, monkeypatch)
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.com")  # the fixture's own is in its place
    if in_vault is None:
        live_vault.put("security", other="x")
    else:
        live_vault.put("security", secret_key=FROM_VAULT if in_vault == "sealed" else in_vault)
    if in_vault == "sealed":
        live_vault.seal()
    every = [cell for switch in SWITCHES for cell in cells(switch)]
    assert len(every) == 144
    for cell in every:
        before = len(live_vault.requests)
        wanted = cell.expected(FROM_VAULT if in_vault == FROM_VAULT else None)
        if wanted is None:
            with pytest.raises(ConfigurationError, match="SECRET_KEY is missing; expected variable SECRET_KEY, or"):
                cell.found(CellSettings, tmp_path, monkeypatch)
        else:
            assert cell.found(CellSettings, tmp_path, monkeypatch) == wanted
            assert wanted != DEFAULT or not cell.asks_vault()
        assert (len(live_vault.requests) > before) is cell.asks_vault()
