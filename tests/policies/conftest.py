"""The real server, for the tests of the pack under the engine."""

from tests.support.servers import local_platform, postgres_template, vault_server

__all__ = ["local_platform", "postgres_template", "vault_server"]
