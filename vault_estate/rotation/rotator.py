"""What replaces values: the interface of a program that knows the other end, and the one that needs none.

Owns how such a program is found: an entry point of the group `vault_estate.rotators`. Refuses one that isn't a
`Rotator`, and a name that nobody has installed.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import entry_points

from vault_estate.errors import ConfigurationError, ProtocolError
from vault_estate.manifest import ManifestRotation
from vault_estate.models import Secret
from vault_estate.session import Session

GROUP = "vault_estate.rotators"
"""Of entry points: `stripe = "shop.rotate:StripeKey"`, for `by: hook:stripe`."""
HOOK = "hook:"
_RANDOM_BYTES = 24
"""In base64 32 characters, as `up` gives where it chooses a first value."""


class Overlap(Enum):
    """Whether two values can be good at once."""

    TWO_KEYS = "two keys"
    """The one before stays good until it is revoked."""
    NONE = "none"
    """A new one ends the one before, at once: whoever still has that is refused until they read again."""
    VERSIONS = "versions"
    """Nothing has to be ended: who verifies reads both versions from Vault, with `accepted`."""


@dataclass(frozen=True, kw_only=True)
class RotationRun:
    """One replacement, however often it is begun."""

    id: str
    """To mark with it what is made at the other end; the same after a kill."""
    secret: str
    """As the manifest calls it."""
    keys: tuple[str, ...]
    """Names of the values that are replaced."""


class Rotator(ABC):
    """Knows the other end. Each method may be called again for one run, after a kill at any moment, and has to come to
    the same end. What they raise ends the run for now; its text is shown nowhere, as it may hold a value."""

    overlap = Overlap.TWO_KEYS

    @abstractmethod
    def create(self, current: Secret, run: RotationRun) -> Mapping[str, str]:
        """New values, one for each of the run's keys. What is made at the other end is marked with the run's id."""

    def install(self, pending: Secret, run: RotationRun) -> None:  # noqa: B027 - many need none
        """Put new values in force at the other end, where `create` has only chosen them. They are kept by then."""

    def test(self, pending: Secret, run: RotationRun) -> None:  # noqa: B027 - many need none
        """Use the new values. What it raises keeps them from being handed out."""

    def revoke(self, ended: Secret, run: RotationRun) -> None:  # noqa: B027 - many need none
        """End values: those before, after their grace; or new ones that are given up. Ended already is no error."""

    def remove_orphans(self, run: RotationRun) -> None:  # noqa: B027 - many need none
        """Remove what an earlier `create` of this run made and nobody kept."""


class RandomValues(Rotator):
    """Values that are hard to guess and the same on both sides: verifiers read them from Vault, too."""

    overlap = Overlap.VERSIONS

    def __init__(self, session: Session, policy: ManifestRotation | None) -> None:
        """Without a policy they are made here, by the system's source of random numbers."""
        self._session = session
        self._password_policy = policy.password_policy if policy else None
        self._forms: Mapping[str, str] = policy.forms if policy else {}

    def create(self, current: Secret, run: RotationRun) -> Mapping[str, str]:  # noqa: ARG002 - they need nothing of it
        """By Vault's password policy, in the form that each has."""
        return {key: self._forms.get(key, "{random}").replace("{random}", self._random()) for key in run.keys}

    def _random(self) -> str:
        if self._password_policy is None:
            return secrets.token_urlsafe(_RANDOM_BYTES)
        path = f"sys/policies/password/{self._password_policy}/generate"
        made = (self._session.request("GET", path).get("data") or {}).get("password")
        if not isinstance(made, str) or not made:
            raise ProtocolError(f"{path}: the answer has no password; expected one", path=path)
        return made


class GivenValues(Rotator):
    """Values that a person gives: whoever made them ends the ones before."""

    overlap = Overlap.VERSIONS

    def create(self, current: Secret, run: RotationRun) -> Mapping[str, str]:  # noqa: ARG002 - as the others
        """None: their run begins with them."""
        return {}


class AbsentProgram(Rotator):
    """Stands for a program that is not to be called any more: a person does at the other end what it would do."""

    def __init__(self, overlap: str) -> None:
        """As the run's record has it; of one that doesn't say, the other end may have one value only."""
        self.overlap = Overlap.__members__.get(overlap, Overlap.NONE)

    def create(self, current: Secret, run: RotationRun) -> Mapping[str, str]:  # noqa: ARG002 - as the others
        """None: it begins no run."""
        return {}


def find(name: str) -> Rotator:
    """The program of an entry point. Raises ConfigurationError: there is none of this name, or it can't be used."""
    installed = {one.name: one for one in entry_points(group=GROUP)}
    if name not in installed:
        known = ", ".join(sorted(installed)) or "none is installed"
        raise ConfigurationError(f"rotation is by {HOOK}{name}; expected an entry point of {GROUP}: {known}")
    try:
        found = installed[name].load()()
    except Exception as error:  # noqa: BLE001 - a program of somebody else's
        raised = type(error).__name__
        raise ConfigurationError(
            f"{HOOK}{name} raised {raised} when it was loaded; expected a class of a Rotator"
        ) from None
    if not isinstance(found, Rotator):
        raise ConfigurationError(f"{HOOK}{name} is a {type(found).__name__}; expected a Rotator")
    return found
