"""How a check ended. Owns the words for it; refuses to show a secret in them."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
import requests
from hvac.exceptions import RateLimitExceeded, VaultError

from ops.errors import EstateError
from ops.vault.api import reason


class CheckStatus(enum.StrEnum):
    """The five ends of a check."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"
    """A value that a person has yet to give. Not a failure."""
    NOT_GRANTED = "not granted"
    NOT_CHECKED = "not checked"
    """There is a grant that can't be checked from here. Not a failure."""


@dataclass(frozen=True)
class CheckOutcome:
    """How a check ended, and why."""

    status: CheckStatus
    reason: str = ""
    """Empty if it passed, or if there was nothing to check."""

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}" if self.reason else str(self.status)


PASSED = CheckOutcome(CheckStatus.PASSED)
NOT_GRANTED = CheckOutcome(CheckStatus.NOT_GRANTED)


class CheckError(Exception):
    """An application doesn't get what it was granted, or gets more."""


class MissingError(Exception):
    """What was granted isn't there yet, and a person has to bring it."""


class CannotCheckError(Exception):
    """Nothing here can tell whether an application gets what it was granted."""


_FAILURES = (CheckError, EstateError, VaultError, requests.RequestException, psycopg.Error, KeyError, ValueError)


def outcome_of(check: Callable[[], None]) -> CheckOutcome:
    """Run one check."""
    try:
        check()
    except MissingError as error:
        return CheckOutcome(CheckStatus.MISSING, reason(error))
    except CannotCheckError as error:
        return CheckOutcome(CheckStatus.NOT_CHECKED, reason(error))
    except RateLimitExceeded as error:
        return CheckOutcome(CheckStatus.NOT_CHECKED, f"a rate limit turned it away for a minute: {reason(error)}")
    except _FAILURES as error:
        return CheckOutcome(CheckStatus.FAILED, reason(error))
    return PASSED


def combined(outcomes: Sequence[tuple[str, CheckOutcome]]) -> CheckOutcome:
    """One outcome for several checks, each with its label: the worst of them, and what is to be said of each."""
    found = {outcome.status for _, outcome in outcomes}
    if CheckStatus.FAILED in found:
        said = [(label, str(one).removeprefix(f"{CheckStatus.FAILED}: ")) for label, one in outcomes if one.reason]
        return CheckOutcome(CheckStatus.FAILED, "; ".join(f"{label}: {text}" for label, text in said))
    for status in (CheckStatus.MISSING, CheckStatus.NOT_CHECKED):
        if status in found:
            said = [(label, one.reason) for label, one in outcomes if one.status is status]
            return CheckOutcome(status, "; ".join(f"{label}: {text}" for label, text in said))
    return PASSED if outcomes else NOT_GRANTED
