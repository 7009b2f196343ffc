"""Which way to log in: an argument's, else the one that a variable names, else the manifest's if it is complete, else
the only one that is.

Owns that order, and says why. Refuses to pick one of two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vault_estate.auth.agent import AgentAuth
from vault_estate.auth.approle import AppRoleAuth, SecretIdFile, SecretIdSource, SecretIdVariable, WrappedSecretIdFile
from vault_estate.auth.certificate import CertificateAuth
from vault_estate.auth.jwt import GITHUB_TOKEN, GITHUB_URL, GitHubIdentity, IdentityFile, IdentitySource, JwtAuth
from vault_estate.auth.kubernetes import SERVICE_ACCOUNT_TOKEN, KubernetesAuth
from vault_estate.auth.method import LoginMethod
from vault_estate.auth.token import TokenAuth
from vault_estate.errors import ConfigurationError
from vault_estate.variables import Variables

METHOD = "AUTH_METHOD"


@dataclass(frozen=True, kw_only=True)
class LoginHints:
    """What a manifest says of the login."""

    kind: str
    mount: str
    role: str
    role_id: str | None = None
    audience: str | None = None


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A way to log in, and what it is read from: names of files and variables, no values."""

    method: LoginMethod
    why: str
    """One phrase."""
    read_from: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Way:
    """One kind: which variables it needs, and how it is made of them."""

    needs: str
    """For messages."""
    make: Callable[[Variables, LoginHints | None], tuple[LoginMethod, tuple[str, ...]] | None]
    """None: something is missing."""


def choose(
    environ: Mapping[str, str],
    *,
    hints: LoginHints | None = None,
    home: Path | None = None,
) -> Chosen:
    """The way to log in that the environment and the manifest give.

    Args:
        environ: the environment, which is read again at each login.
        hints: the manifest's login.
        home: whose `.vault-token` counts; only for a person at a terminal.

    Raises:
        ConfigurationError: none is complete, two are, or the one that is named isn't.
    """
    variables = Variables(environ=environ)
    named = variables.find(METHOD)
    if named is not None and named.value not in _WAYS:
        raise ConfigurationError(f"{named.name} is {named.value[:20]!r}; expected one of {', '.join(_WAYS)}")
    if named is not None:
        return _made(named.value, variables, hints, why=f"{named.name} says so")
    own = hints if variables.find("AGENT_ADDR") is None else None
    if own is not None and _complete(own.kind, variables, own):
        return _made(own.kind, variables, own, why="the manifest says so")
    complete = {kind: made for kind in _WAYS if (made := _complete(kind, variables, hints))}
    if len(complete) > 1:
        each = "; ".join(f"{kind} ({', '.join(sources)})" for kind, (_, sources) in complete.items())
        raise ConfigurationError(f"the login is not clear: {each}; expected one of them, or VAULT_AUTH_METHOD")
    if complete:
        ((kind, (method, sources)),) = complete.items()
        return Chosen(method=method, why=f"only {kind} is complete", read_from=sources)
    if own is not None:
        return _made(own.kind, variables, own, why="the manifest says so")
    return _of_a_person(home)


def _complete(kind: str, variables: Variables, hints: LoginHints | None) -> tuple[LoginMethod, tuple[str, ...]] | None:
    return _WAYS[kind].make(variables, hints if hints is not None and hints.kind == kind else None)


def _made(kind: str, variables: Variables, hints: LoginHints | None, *, why: str) -> Chosen:
    made = _complete(kind, variables, hints)
    if made is None:
        raise ConfigurationError(f"the login is {kind}, as {why}; expected {_WAYS[kind].needs}")
    return Chosen(method=made[0], why=why, read_from=made[1])


def _of_a_person(home: Path | None) -> Chosen:
    file = home / ".vault-token" if home is not None else None
    if file is None or not file.exists():
        needs = "; ".join(f"{kind}: {way.needs}" for kind, way in _WAYS.items())
        raise ConfigurationError(f"the login is not given; expected a manifest, or for one of {needs}")
    return Chosen(method=TokenAuth(file=file), why="a person at a terminal has logged in", read_from=(str(file),))


def _agent(variables: Variables, _: LoginHints | None) -> tuple[LoginMethod, tuple[str, ...]] | None:
    address = variables.find("AGENT_ADDR")
    return (AgentAuth(), (address.name,)) if address else None


def _approle(variables: Variables, hints: LoginHints | None) -> tuple[LoginMethod, tuple[str, ...]] | None:
    role_id = variables.find("ROLE_ID")
    source = _secret_id(variables)
    known = role_id.value if role_id else hints.role_id if hints else None
    if known is None or source is None:
        return None
    mount = variables.mount()
    method = AppRoleAuth(
        role_id=known,
        secret_id=source[0],
        mount=mount.value if mount else hints.mount if hints else "approle",
        role=hints.role if hints else None,
        role_id_variable=role_id.name if role_id else None,
    )
    return method, (role_id.name if role_id else "the manifest's RoleID", source[1])


def _secret_id(variables: Variables) -> tuple[SecretIdSource, str] | None:
    if found := variables.file("SECRET_ID_FILE"):
        return SecretIdFile(found[0]), f"{found[1]} ({found[0]})"
    if found := variables.file("WRAPPED_SECRET_ID_FILE"):
        return WrappedSecretIdFile(found[0]), f"{found[1]} ({found[0]})"
    if plain := variables.find("SECRET_ID"):
        return SecretIdVariable(plain.name, variables.environ), plain.name
    return None


def _kubernetes(variables: Variables, hints: LoginHints | None) -> tuple[LoginMethod, tuple[str, ...]] | None:
    role, file, mount = (
        variables.find("KUBERNETES_ROLE"),
        variables.file("KUBERNETES_TOKEN_FILE"),
        variables.mount(),
    )
    name = role.value if role else hints.role if hints else None
    if name is None:
        return None
    found = file[0] if file else SERVICE_ACCOUNT_TOKEN
    method = KubernetesAuth(
        role=name, file=found, mount=mount.value if mount else hints.mount if hints else KubernetesAuth.mount
    )
    return method, (role.name if role else "the manifest's role", f"{file[1] if file else 'Kubernetes'} ({found})")


def _jwt(variables: Variables, hints: LoginHints | None) -> tuple[LoginMethod, tuple[str, ...]] | None:
    role, mount = variables.find("JWT_ROLE"), variables.mount()
    name = role.value if role else hints.role if hints else None
    source = _identity(variables, hints)
    if name is None or source is None:
        return None
    method = JwtAuth(
        role=name, identity=source[0], mount=mount.value if mount else hints.mount if hints else JwtAuth.mount
    )
    return method, (role.name if role else "the manifest's role", source[1])


def _identity(variables: Variables, hints: LoginHints | None) -> tuple[IdentitySource, str] | None:
    if found := variables.file("JWT_FILE"):
        return IdentityFile(found[0]), f"{found[1]} ({found[0]})"
    audience = variables.find("JWT_AUDIENCE")
    wanted = audience.value if audience else hints.audience if hints else None
    if wanted and variables.environ.get(GITHUB_URL) and variables.environ.get(GITHUB_TOKEN):
        return GitHubIdentity(environ=variables.environ, audience=wanted), GITHUB_URL
    return None


def _certificate(variables: Variables, _: LoginHints | None) -> tuple[LoginMethod, tuple[str, ...]] | None:
    certificate, key = variables.file("CLIENT_CERT"), variables.file("CLIENT_KEY")
    if certificate is None or key is None:
        return None
    role, mount = variables.find("CERT_ROLE"), variables.mount()
    method = CertificateAuth(
        certificate_file=certificate[0],
        key_file=key[0],
        role=role.value if role else None,
        mount=mount.value if mount else CertificateAuth.mount,
    )
    return method, (f"{certificate[1]} ({certificate[0]})", f"{key[1]} ({key[0]})")


def _token(variables: Variables, _: LoginHints | None) -> tuple[LoginMethod, tuple[str, ...]] | None:
    if found := variables.file("TOKEN_FILE"):
        return TokenAuth(file=found[0]), (f"{found[1]} ({found[0]})",)
    if plain := variables.find("TOKEN"):
        return TokenAuth(variable=plain.name, environ=variables.environ), (plain.name,)
    return None


_WAYS: Mapping[str, _Way] = {
    "agent": _Way(needs="VAULT_AGENT_ADDR", make=_agent),
    "approle": _Way(
        needs="VAULT_ROLE_ID, unless a manifest has it, and VAULT_SECRET_ID_FILE, VAULT_WRAPPED_SECRET_ID_FILE or "
        "VAULT_SECRET_ID",
        make=_approle,
    ),
    "kubernetes": _Way(needs="VAULT_KUBERNETES_ROLE", make=_kubernetes),
    "jwt": _Way(
        needs="VAULT_JWT_ROLE, and VAULT_JWT_FILE or a job at GitHub with `id-token: write` and VAULT_JWT_AUDIENCE",
        make=_jwt,
    ),
    "cert": _Way(needs="VAULT_CLIENT_CERT and VAULT_CLIENT_KEY", make=_certificate),
    "token": _Way(needs="VAULT_TOKEN_FILE or VAULT_TOKEN", make=_token),
}
"""By their names in VAULT_AUTH_METHOD."""
