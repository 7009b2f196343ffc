"""The real servers, and one connection of the fake Vault provider to them, for every test here."""

import json
from collections.abc import Iterator

import pytest

from fake_providers.attach import attach
from tests.engine.fake_providers.filling import prepare
from tests.engine.fake_providers.wire import Values, Wire
from tests.support.servers import (
    PostgresServer,
    VaultServer,
    local_platform,
    postgres_server,
    postgres_template,
    vault_server,
)

__all__ = ["local_platform", "postgres_server", "postgres_template", "vault_server"]


@pytest.fixture(scope="module")
def settings(vault_server: VaultServer) -> Values:
    """Provider settings as the SDK sends them: what isn't a text is JSON."""
    login = {
        "certFile": str(vault_server.admin_certificate),
        "keyFile": str(vault_server.admin_key),
        "name": "administrator",
        "mount": "cert",
    }
    return {
        "address": vault_server.address,
        "caCertFile": str(vault_server.ca_file),
        "authLoginCert": json.dumps(login),
        "skipChildToken": "true",
        "maxRetries": "2",
        "maxLeaseTtlSeconds": "1200",
    }


@pytest.fixture(scope="module")
def wire(settings: Values) -> Iterator[Wire]:
    """A configured provider instance."""
    with attach(["vault"]) as environment, Wire(environment, "vault", settings) as connection:
        yield connection


@pytest.fixture(scope="module")
def prepared(vault_server: VaultServer, postgres_server: PostgresServer) -> dict[str, str]:
    """A server with what the cases use; what their placeholders stand for."""
    return prepare(vault_server, postgres_server)
