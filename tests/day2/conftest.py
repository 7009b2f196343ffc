"""A copy of the project, and a database's folder to copy, for the tests here."""

from tests.support.checkouts import local_checkout
from tests.support.servers import postgres_template

__all__ = ["local_checkout", "postgres_template"]
