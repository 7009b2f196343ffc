"""Kubernetes: a pod logs in with the token of its service account, which the kubelet renews in its file."""

from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import ClassVar

from vault_estate.auth.method import IssuedToken, credential, logged_in
from vault_estate.errors import AuthenticationError, ConfigurationError, VaultUnavailable
from vault_estate.transport import Transport

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where Kubernetes puts it; a projected one, with Vault's audience, is where its pod says."""
_STARTING_SECONDS = 30.0
"""How long after its start a pod's login is tried again: its network's proxy, or its volume, may come after it."""


@dataclass(kw_only=True)
class KubernetesAuth:
    """By a service account's token."""

    kind: ClassVar[str] = "kubernetes"
    repeats: ClassVar[bool] = True

    role: str
    mount: str = "kubernetes"
    file: Path = SERVICE_ACCOUNT_TOKEN
    _starting_until: float | None = field(default=None, init=False, repr=False)

    def log_in(self, transport: Transport) -> IssuedToken:
        """A token. Raises AuthenticationError: the role isn't this service account's, or the audience is another."""
        if self._starting_until is None:
            self._starting_until = transport.clock.now() + _STARTING_SECONDS
        while True:
            try:
                found = self._once(transport)
            except (VaultUnavailable, ConfigurationError):
                if transport.clock.now() >= self._starting_until:
                    raise
                transport.clock.sleep(1)
            else:
                self._starting_until = -inf
                return found

    def _once(self, transport: Transport) -> IssuedToken:
        body = {"role": self.role, "jwt": credential(self.file, "service account token")}
        what = f"the service account token in {self.file}, for role {self.role},"
        return logged_in(transport, self.mount, body, what, refused=AuthenticationError)
