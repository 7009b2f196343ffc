"""What a verifier takes of a secret that is rotated.

Owns how far back that goes, and that a value which isn't known yet is looked for once. Refuses to ask Vault at each
wrong value: whoever shows many would have it asked as often.
"""

from collections.abc import Callable
from hmac import compare_digest
from typing import Protocol

from vault_estate.errors import SecretNotFound, VaultUnavailable
from vault_estate.models import Secret

GRACE_SECONDS = 600.0
"""How long a value is accepted after another took its place: twice the time that a cache keeps the old one."""
ASKED_SECONDS = 5.0
"""How often at most a secret is read anew since somebody shows a value that isn't known."""


class ReadsVersions(Protocol):
    """What is asked of a client."""

    def get_secret(self, name: str, *, version: int | None = None) -> Secret:
        """The secret, or one version of it."""

    def refresh(self, name: str) -> Secret:
        """The secret as Vault has it now."""


class AcceptedVersions:
    """Of one client's secrets."""

    def __init__(self, client: ReadsVersions, *, now: Callable[[], float], server_time: Callable[[], float]) -> None:
        """Nothing is asked of Vault yet. `now` is the client's clock, `server_time` Vault's."""
        self._client = client
        self._now = now
        self._server_time = server_time
        self._asked_at: dict[str, float] = {}

    def find(self, name: str, key: str | None, grace_seconds: float) -> tuple[Secret, ...]:
        """The secret, and each version before it until its grace is over, or that of one of its values. Raises as
        `VaultClient.get_secret`."""
        return self._with_those_before(self._client.get_secret(name), key, grace_seconds)

    def has(self, name: str, key: str, shown: str, grace_seconds: float) -> bool:
        """Whether one of them has this value. Raises as `VaultClient.get_secret`."""
        present = self._client.get_secret(name)
        # First: it is known while Vault is away, too.
        if _is_among((present,), key, shown):
            return True
        if _is_among(self._with_those_before(present, key, grace_seconds), key, shown):
            return True
        now = self._now()
        if now - self._asked_at.get(name, now - ASKED_SECONDS) < ASKED_SECONDS:
            return False
        self._asked_at[name] = now
        try:
            newest = self._client.refresh(name)
        except VaultUnavailable:
            return False
        return _is_among(self._with_those_before(newest, key, grace_seconds), key, shown)

    def _with_those_before(self, newest: Secret, key: str | None, grace_seconds: float) -> tuple[Secret, ...]:
        found, now = [newest], self._server_time()
        ended = newest.values_accepted_from
        # A version is taken as a whole, or for one of its values.
        first = ended.get(key, 0) if key is not None else max(ended.values(), default=0)
        while found[-1].version > max(newest.accepted_from, first, 1):
            created_at = found[-1].created_at
            if created_at is None or now - created_at.timestamp() >= grace_seconds:
                break
            try:
                found.append(self._client.get_secret(newest.name, version=found[-1].version - 1))
            except SecretNotFound:
                break
        return tuple(found)


def _is_among(versions: tuple[Secret, ...], key: str, shown: str) -> bool:
    """In a time that tells nothing of where they differ. Raises SecretKeyMissing: the newest has no such key."""
    known = [versions[0][key], *(one[key] for one in versions[1:] if key in one)]
    same = [compare_digest(one.encode(errors="surrogatepass"), shown.encode(errors="surrogatepass")) for one in known]
    return any(same)
