"""The resource by which Dagster's assets and ops read secrets. Needs the extra `dagster`.

Owns what its configuration may say, and that steps of one process share a client: 200 steps are one login. Refuses a
credential as a value of its configuration, which Dagster shows: fields name files and variables.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from vault_estate.auth.userpass import UserpassAuth
from vault_estate.client import VaultClient
from vault_estate.errors import ConfigurationError
from vault_estate.hiding import hides_values
from vault_estate.models import Secret
from vault_estate.opening import VaultClientConfig

_OF_LOGINS = (
    *("AUTH_METHOD", "AUTH_MOUNT", "AGENT_ADDR", "ROLE_ID", "SECRET_ID", "SECRET_ID_FILE", "WRAPPED_SECRET_ID_FILE"),
    *("KUBERNETES_ROLE", "KUBERNETES_TOKEN_FILE", "JWT_ROLE", "JWT_FILE", "JWT_AUDIENCE", "TOKEN", "TOKEN_FILE"),
)
"""Variables, without BAO_ or VAULT_, that the resource's own `auth` takes the place of."""
_CLIENTS: dict[str, VaultClient] = {}
"""Of this process, by the resource's configuration."""


class LoginByEnvironment(dg.Config):
    """As the manifest and the environment's variables say."""

    auth_type: Literal["environment"] = "environment"


class LoginByAppRole(dg.Config):
    """By a RoleID, which is the manifest's or in a variable, and a SecretID."""

    auth_type: Literal["approle"] = "approle"
    secret_id_file: str | None = None
    """File of the SecretID, read at each login. One of this and the two below."""
    wrapped_secret_id_file: str | None = None
    """File of a wrapping token that has it."""
    secret_id_env: str | None = None
    """Name of a variable that has it."""
    role_id_env: str | None = None
    """Name of a variable that has the RoleID. None: the manifest's, or VAULT_ROLE_ID."""
    mount: str | None = None
    """Of the auth method, without `auth/`. None: the manifest's, or approle."""


class LoginByKubernetes(dg.Config):
    """By the service account of the pod."""

    auth_type: Literal["kubernetes"] = "kubernetes"
    role: str | None = None
    """None: the manifest's."""
    token_file: str | None = None
    """None: where Kubernetes puts it."""
    mount: str | None = None


class LoginByJwt(dg.Config):
    """By a token that somebody signs for this process."""

    auth_type: Literal["jwt"] = "jwt"
    role: str | None = None
    """None: the manifest's."""
    token_file: str
    mount: str | None = None


class LoginByToken(dg.Config):
    """By a token that somebody gave out, and nobody replaces when it ends."""

    auth_type: Literal["token"] = "token"
    token_file: str | None = None
    """One of this and the next."""
    token_env: str | None = None
    """Name of a variable."""


class LoginByUserpass(dg.Config):
    """By a name and a password."""

    auth_type: Literal["userpass"] = "userpass"
    username: str
    password_file: str | None = None
    """One of this and the next."""
    password_env: str | None = None
    """Name of a variable."""
    mount: str = "userpass"


class VaultSecretsResource(dg.ConfigurableResource):  # type: ignore[type-arg] # it gives itself
    """Secrets for assets and ops, by their names in the manifest. Vault is asked when one is read, and not before."""

    config_path: str | None = None
    """The manifest. None: `$VAULT_ESTATE_CONFIG`, or `vault-estate.json`."""
    vault_addr: str | None = None
    """URL of Vault. None: the manifest's, or the environment's."""
    cache_ttl: int | None = None
    """Seconds for which a secret counts as fresh. None: the manifest's, or 300."""
    auth: LoginByEnvironment | LoginByAppRole | LoginByKubernetes | LoginByJwt | LoginByToken | LoginByUserpass = Field(
        default_factory=LoginByEnvironment, discriminator="auth_type"
    )
    """How it logs in."""

    def get_secret(self, name: str, version: int | None = None) -> Secret:
        """A secret by its name; a version of it, if one is given. Raises as `VaultClient.get_secret`."""
        return self.client.get_secret(name, version=version)

    def read_secret(self, secret_path: str) -> Mapping[str, str]:
        """A secret by its path in Vault's API, such as ``secret/data/foo/bar``, as dagster-hashicorp has it.
        Raises ConfigurationError: it is no such path, or none of the manifest's secrets is there."""
        warnings.warn("read_secret is for older pipelines; expected get_secret(NAME)", DeprecationWarning, stacklevel=2)
        return self.get_secret(_name_of(secret_path, self.client))

    @property
    @hides_values
    def client(self) -> VaultClient:
        """The client of this process, for everything else: databases, certificates, encryption.
        Raises ConfigurationError: the address or the login can't be used."""
        key = repr((self.config_path, self.vault_addr, self.cache_ttl, self.auth))
        found = _CLIENTS.get(key)
        # Without a lock, which a fork would find taken for ever: of two that are made, one never logs in.
        return _CLIENTS.setdefault(key, self._made()) if found is None else found

    def _made(self) -> VaultClient:
        auth = self.auth
        method = None
        if isinstance(auth, LoginByUserpass):
            one_of(auth, "password_file", "password_env")
            method = UserpassAuth(
                username=auth.username,
                file=Path(auth.password_file) if auth.password_file else None,
                variable=auth.password_env or "",
                environ=os.environ,
                mount=auth.mount,
            )
        fresh = float(self.cache_ttl) if self.cache_ttl is not None else None
        config = VaultClientConfig(address=self.vault_addr, auth=method, fresh_seconds=fresh)
        return VaultClient(config, manifest=self.config_path, environ=_environ(auth))


def one_of(login: dg.Config, *names: str) -> None:
    """Refuse a login of which none, or several, of these are given. Raises ConfigurationError."""
    given = [name for name in names if getattr(login, name)]
    if len(given) != 1:
        said = " and ".join(given) if given else "missing"
        raise ConfigurationError(f"auth is {type(login).__name__} with {said}; expected one of {', '.join(names)}")


def _environ(auth: dg.Config) -> Mapping[str, str]:
    """The environment, with the variables that say what the resource's `auth` does."""
    if isinstance(auth, LoginByEnvironment | LoginByUserpass):
        return os.environ
    told = {"AUTH_METHOD": getattr(auth, "auth_type", None), "AUTH_MOUNT": getattr(auth, "mount", None)}
    if isinstance(auth, LoginByAppRole):
        one_of(auth, "secret_id_file", "wrapped_secret_id_file", "secret_id_env")
        told |= {"SECRET_ID_FILE": auth.secret_id_file, "WRAPPED_SECRET_ID_FILE": auth.wrapped_secret_id_file}
        told |= {"SECRET_ID": _variable(auth.secret_id_env)}
        told |= {"ROLE_ID": _variable(auth.role_id_env or ("VAULT_ROLE_ID" if "VAULT_ROLE_ID" in os.environ else None))}
    elif isinstance(auth, LoginByKubernetes):
        told |= {"KUBERNETES_ROLE": auth.role, "KUBERNETES_TOKEN_FILE": auth.token_file}
    elif isinstance(auth, LoginByJwt):
        told |= {"JWT_ROLE": auth.role, "JWT_FILE": auth.token_file}
    elif isinstance(auth, LoginByToken):
        one_of(auth, "token_file", "token_env")
        told |= {"TOKEN_FILE": auth.token_file, "TOKEN": _variable(auth.token_env)}
    others = {f"{prefix}{name}" for prefix in ("BAO_", "VAULT_") for name in _OF_LOGINS}
    kept = {name: value for name, value in os.environ.items() if name not in others}
    return {**kept, **{f"VAULT_{name}": value for name, value in told.items() if value}}


def _variable(name: str | None) -> str | None:
    """What a variable holds. Raises ConfigurationError: it isn't set."""
    if name is None:
        return None
    if not os.environ.get(name):
        shown = name if name.isidentifier() and len(name) <= 40 else "of auth"
        raise ConfigurationError(f"variable {shown} is not set; expected it, as auth of the resource names it")
    return os.environ[name]


def _name_of(path: str, client: VaultClient) -> str:
    mount, data, inside = path.partition("/data/")
    if not data or not mount or not inside:
        raise ConfigurationError("secret_path is something else; expected MOUNT/data/PATH, such as secret/data/foo/bar")
    if client.manifest is None:
        if mount != client.config.kv_mount:
            raise ConfigurationError(
                f"secret_path is in {mount}; expected one in {client.config.kv_mount}, or a manifest"
            )
        return inside
    for name, place in client.manifest.secrets.items():
        if (place.mount, place.path) == (mount, inside):
            return name
    there = ", ".join(f"{one.mount}/data/{one.path}" for one in client.manifest.secrets.values())
    raise ConfigurationError(f"secret_path is none of the manifest's; expected one of: {there}")
