"""A Vault that a command talks to. Owns nothing but its three facts: where, vouched for by whom, logged in to how."""

from dataclasses import dataclass
from pathlib import Path

from components.platform.endpoint import Login


@dataclass(frozen=True, kw_only=True)
class VaultEndpoint:
    """A Vault, and how its administrator logs in from this machine."""

    address: str
    """URL of the API."""
    ca_file: Path | None
    """Who vouches for its certificate; None: the system's store."""
    login: Login
    """Names of files are whole here."""
