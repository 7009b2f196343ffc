"""What a client is opened with: arguments, then the manifest, then the environment.

Owns that order. Refuses to assume an address: none is none.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vault_estate.auth.agent import FRESH_SECONDS, AgentAuth
from vault_estate.auth.choosing import Chosen, LoginHints, choose
from vault_estate.auth.method import LoginMethod
from vault_estate.cache import Freshness
from vault_estate.clock import Clock
from vault_estate.errors import ConfigurationError
from vault_estate.tls import Trust
from vault_estate.transport import Patience, Transport
from vault_estate.variables import Variables

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest


@dataclass(frozen=True, kw_only=True)
class VaultClientConfig:
    """What may be said about a client in a program. What is None is the manifest's, the environment's, or a default."""

    address: str | None = None
    """Of Vault's API."""
    auth: LoginMethod | None = None
    """How to log in."""
    trust: Trust | None = None
    """Whom to believe to be Vault."""
    namespace: str | None = None
    kv_mount: str = "secret"
    """Where secrets are without a manifest; their names are paths in it then."""
    fresh_seconds: float | None = None
    """How long a value is used before Vault is asked again; 300, unless the manifest says otherwise."""
    stale_seconds: float = 3_600.0
    """How old a value may be that is used while Vault can't be asked."""
    entries: int = 1_024
    """How many values are kept."""
    patience: Patience | None = None
    """How long one call may take; 3 s."""


@dataclass(frozen=True, kw_only=True)
class OpenedClient:
    """Everything that a client needs, and where it is from."""

    manifest: "ClientManifest | None"
    transport: Transport
    chosen: Chosen
    freshness: Freshness
    address_from: str
    """One phrase."""
    trust: Trust = field(repr=False)


def opened(
    config: VaultClientConfig,
    *,
    manifest: "ClientManifest | str | os.PathLike[str] | None" = None,
    environ: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
) -> OpenedClient:
    """Put it together; nothing is sent. Raises ConfigurationError: something is missing, or can't be used."""
    known = _manifest(manifest, environ)
    variables = Variables(environ=environ)
    chosen = _chosen(config, known, environ)
    addresses, address_from = _addresses(config, known, variables, chosen)
    trust = config.trust or _trust(known, variables)
    namespace = variables.find("NAMESPACE")
    transport = Transport(
        addresses,
        trust=trust,
        namespace=config.namespace or (namespace.value if namespace else None),
        patience=config.patience or variables.patience(),
        clock=clock,
    )
    return OpenedClient(
        manifest=known,
        transport=transport,
        chosen=chosen,
        freshness=_freshness(config, known, chosen),
        address_from=address_from,
        trust=trust,
    )


def _manifest(
    given: "ClientManifest | str | os.PathLike[str] | None", environ: Mapping[str, str]
) -> "ClientManifest | None":
    from vault_estate import manifest as manifests  # noqa: PLC0415 - it brings pydantic, which an import needn't wait for

    if isinstance(given, manifests.ClientManifest):
        return given
    if given is None and manifests.find(environ) is None:
        return None
    return manifests.load(given, environ)


def _chosen(config: VaultClientConfig, known: "ClientManifest | None", environ: Mapping[str, str]) -> Chosen:
    if config.auth is not None:
        return Chosen(method=config.auth, why="the program says so", read_from=("the argument auth",))
    home = Path.home() if sys.stdin is not None and sys.stdin.isatty() else None
    return choose(environ, hints=_hints(known) if known else None, home=home)


def _hints(known: "ClientManifest") -> LoginHints:
    login = known.login
    return LoginHints(
        kind=login.kind,
        mount=login.mount,
        role=login.role,
        role_id=login.role_id if login.kind == "approle" else None,
        audience=None if login.kind == "approle" else login.audience,
    )


def _addresses(
    config: VaultClientConfig, known: "ClientManifest | None", variables: Variables, chosen: Chosen
) -> tuple[tuple[str, ...], str]:
    if config.address is not None:
        return (config.address,), "the argument address"
    if isinstance(chosen.method, AgentAuth) and (agent := variables.find("AGENT_ADDR")):
        return (agent.value,), agent.name
    if known is not None:
        return known.addresses, "the manifest"
    found = variables.address()
    if found is None:
        raise ConfigurationError("the address of Vault is not set; expected a manifest, an argument, or VAULT_ADDR")
    return (found.value,), found.name


def _trust(known: "ClientManifest | None", variables: Variables) -> Trust:
    told = variables.trust()
    if known is None or known.ca_certificate is None:
        return told
    return replace(told, ca_certificate=known.ca_certificate, ca_file=None, ca_folder=None)


def _freshness(config: VaultClientConfig, known: "ClientManifest | None", chosen: Chosen) -> Freshness:
    seconds = config.fresh_seconds
    if seconds is None and known is not None:
        seconds = known.fresh_seconds
    if seconds is None:
        seconds = FRESH_SECONDS if isinstance(chosen.method, AgentAuth) else Freshness.fresh_seconds
    return Freshness(fresh_seconds=seconds, stale_seconds=config.stale_seconds, entries=config.entries)
