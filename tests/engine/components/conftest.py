"""The real servers, for the components."""

from tests.support.servers import local_platform, postgres_server, postgres_template, vault_server

__all__ = ["local_platform", "postgres_server", "postgres_template", "vault_server"]
