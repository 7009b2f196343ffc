"""The pytest plugin: fixtures `vault`, `live_vault` and `vault_manifest`, and the mark `vault`.

Owns when a Vault begins and ends for a test. Refuses to change the environment: only how a `VaultClient` is opened.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest
    from vault_estate.testing.double import VaultDouble
    from vault_estate.testing.live import LiveServer, LiveVault


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark."""
    config.addinivalue_line("markers", "vault(live=True): have the fixture `vault` be a real OpenBao, as `live_vault`")


@pytest.fixture(scope="session")
def vault_manifest() -> "ClientManifest | None":
    """The application's document, found as `VaultClient` finds it: where `VAULT_ESTATE_CONFIG` says, or
    `vault-estate.json`. None: there is none. Define a fixture of this name to have another."""
    from vault_estate import manifest  # noqa: PLC0415 - most tests of an environment with this plugin need nothing of it

    return None if manifest.find() is None else manifest.load()


@pytest.fixture
def vault(
    request: pytest.FixtureRequest, vault_manifest: "ClientManifest | None", monkeypatch: pytest.MonkeyPatch
) -> "Iterator[VaultDouble]":
    """A `FakeVault`, which serves every `VaultClient` that is made while the test runs."""
    mark = request.node.get_closest_marker("vault")
    if mark is not None and mark.kwargs.get("live"):
        yield request.getfixturevalue("live_vault")
        return
    from vault_estate.testing.fake import FakeVault  # noqa: PLC0415 - as above

    fake = FakeVault(manifest=vault_manifest)
    _serve(fake, monkeypatch)
    yield fake
    fake.close()


@pytest.fixture(scope="session")
def vault_live_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LiveServer]":
    from vault_estate.testing.live import LiveServer  # noqa: PLC0415 - as above

    directory: Path = tmp_path_factory.mktemp("vault")
    server = LiveServer(directory)
    yield server
    server.close()


@pytest.fixture
def live_vault(
    vault_live_server: "LiveServer", vault_manifest: "ClientManifest | None", monkeypatch: pytest.MonkeyPatch
) -> "Iterator[LiveVault]":
    """A real OpenBao on loopback, over TLS, which serves as `vault` does. One is started for a session, at the first
    test that asks for it; each test finds it empty."""
    from vault_estate.testing.live import LiveVault  # noqa: PLC0415 - as above

    live = LiveVault(vault_live_server, manifest=vault_manifest)
    _serve(live, monkeypatch)
    yield live
    live.close()


def _serve(vault: "VaultDouble", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault_estate.client.opened", vault.opened)
    resources = sys.modules.get("vault_estate.dagster")
    if resources is not None:  # it keeps its clients for the process
        monkeypatch.setattr(resources, "_CLIENTS", {})
