"""Agent or proxy: a program beside the application that has logged in for it and adds the token by itself."""

from dataclasses import dataclass
from typing import ClassVar

from vault_estate.auth.method import IssuedToken
from vault_estate.transport import Transport

FRESH_SECONDS = 30.0
"""How long values are used behind one. It knows of changes no sooner than Vault's other clients, but it is close."""


@dataclass(frozen=True, kw_only=True)
class AgentAuth:
    """No login at all; the address is the agent's."""

    kind: ClassVar[str] = "agent"
    repeats: ClassVar[bool] = True

    def log_in(self, transport: Transport) -> IssuedToken:  # noqa: ARG002 - as the others
        """No token, for good."""
        return IssuedToken("")
