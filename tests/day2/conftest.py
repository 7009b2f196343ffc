"""A copy of the project for the tests here."""

from tests.support.checkouts import local_checkout

__all__ = ["local_checkout"]
