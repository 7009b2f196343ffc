"""A Vault for an application's own tests: `FakeVault` in memory, and `LiveVault`, a real OpenBao on this machine.

Owns the pytest plugin's fixtures `vault` and `live_vault`. Refuses to be loaded by the rest of the library.
"""

from vault_estate.testing.double import VaultDouble
from vault_estate.testing.fake import FakeVault
from vault_estate.testing.live import LiveVault

__all__ = ["FakeVault", "LiveVault", "VaultDouble"]
