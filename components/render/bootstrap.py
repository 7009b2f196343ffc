"""The bootstrap script and its parameters as text, the same script on every platform.

Owns which parameters the script gets and their checks. Refuses what would only fail after the server was initialised.
Neither text holds a secret: PGP keys and the administrator's certificate are public.
"""

import json
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).parents[1] / "payloads" / "bootstrap.py"


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Someone who will hold one share."""

    name: str
    public_key: str
    """Armored PGP public key that can encrypt; the script proves it."""


@dataclass(frozen=True, kw_only=True)
class FileCustody:
    """Encrypted shares are kept in a file on the machine that runs the script."""

    path: str
    """Absolute path of a file that doesn't exist yet; a record of completion is put beside it as `PATH.complete`."""


@dataclass(frozen=True, kw_only=True)
class Administrator:
    """Who may log in when the root token is dead, by a client certificate whose private key never comes here."""

    certificate: str
    """PEM."""
    policy: str
    """Text of the ACL policy."""
    policy_name: str = "administrator"
    role: str = "administrator"
    mount: str = "cert"
    """Path of the `cert` auth method, without `auth/`."""
    token_ttl_seconds: int = 3600
    token_bound_cidrs: tuple[str, ...] = ()
    """Networks the administrator's token may be used from; empty means any."""

    def __post_init__(self) -> None:
        if self.token_ttl_seconds <= 0:
            raise ValueError(f"token_ttl_seconds: {self.token_ttl_seconds} must be above 0")
        if not self.certificate.strip().startswith("-----BEGIN CERTIFICATE-----"):
            raise ValueError("certificate: expected a PEM certificate")
        if not self.policy.strip():
            raise ValueError("policy: is empty; the administrator could do nothing")


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """All parameters of one run. Raises ValueError for what can't work."""

    address: str
    """https URL of the server as the script sees it."""
    ca_file: str
    """CA certificates the server is verified with, on the machine that runs the script."""
    auto_unseal: bool
    """True if the server's seal opens by itself; the operators then hold recovery keys instead of unseal keys."""
    threshold: int
    """How many operators have to come together."""
    operators: tuple[Operator, ...]
    """One share each."""
    custody: FileCustody
    administrator: Administrator
    snapshot: str | None = None
    """Where a snapshot of this server would be; if it exists, an empty server isn't initialised."""
    wait_seconds: int = 120
    """How long the server may take to answer."""
    unseal_wait_seconds: int = 3600
    """How long the script waits for the operators to unseal a server without auto-unseal. It keeps the root token in
    memory in the meantime."""

    def __post_init__(self) -> None:
        if not self.operators:
            raise ValueError("operators: expected at least one")
        names = [operator.name for operator in self.operators]
        if len(set(names)) != len(names):
            raise ValueError(f"operators: names must differ, got {names}")
        if not 1 <= self.threshold <= len(self.operators):
            raise ValueError(
                f"threshold: {self.threshold} must be between 1 and the number of operators ({len(names)})"
            )
        if self.threshold == 1 and len(self.operators) > 1:
            # The servers themselves refuse it, but with 400 and after the fact.
            raise ValueError("threshold: 1 of several operators is no sharing; expected at least 2")
        if not self.address.startswith("https://"):
            raise ValueError(f"address: {self.address!r} is not an https:// address")


def render_script() -> str:
    """The program, to be run as `python3 FILE PARAMETERS.json`. Needs Python 3.9 or later."""
    return _SCRIPT.read_text(encoding="utf-8")


def render_parameters(bootstrap: Bootstrap) -> str:
    """The parameters file, stable and free of secrets."""
    administrator = bootstrap.administrator
    parameters = {
        "address": bootstrap.address,
        "ca_file": bootstrap.ca_file,
        "auto_unseal": bootstrap.auto_unseal,
        "threshold": bootstrap.threshold,
        "operators": [{"name": one.name, "public_key": one.public_key} for one in bootstrap.operators],
        "custody": {"kind": "file", "path": bootstrap.custody.path},
        "snapshot": bootstrap.snapshot,
        "wait_seconds": bootstrap.wait_seconds,
        "unseal_wait_seconds": bootstrap.unseal_wait_seconds,
        "administrator": {
            "mount": administrator.mount,
            "policy_name": administrator.policy_name,
            "policy": administrator.policy,
            "role_name": administrator.role,
            "role": {
                "certificate": administrator.certificate,
                "display_name": administrator.role,
                "token_policies": [administrator.policy_name],
                "token_ttl": administrator.token_ttl_seconds,
                "token_max_ttl": administrator.token_ttl_seconds,
                "token_bound_cidrs": list(administrator.token_bound_cidrs),
            },
        },
    }
    return json.dumps(parameters, indent=1, sort_keys=True) + "\n"
