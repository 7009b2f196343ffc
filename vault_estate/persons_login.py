"""Who writes: a person, by the token of their environment or the login that `./estate login` keeps.

Owns where the token is found. Refuses the application's own login, which verifies and nothing else, and a login file
that others can read.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vault_estate.auth.token import TokenAuth
from vault_estate.errors import ConfigurationError
from vault_estate.manifest import ClientManifest
from vault_estate.opening import VaultClientConfig, opened
from vault_estate.session import Session
from vault_estate.variables import Variables

TOKENS = ("TOKEN", "TOKEN_FILE")
_OTHERS = 0o077


@contextmanager
def session(manifest: ClientManifest, environ: Mapping[str, str], login: Path | None = None) -> Iterator[Session]:
    """A person's session; their token stays good. `login` is a file of `./estate login`.
    Raises ConfigurationError: nobody is logged in, or the login can't be used."""
    method = _method(manifest, environ, login)
    found = opened(VaultClientConfig(auth=method), manifest=manifest, environ=environ)
    try:
        yield Session(found.transport, method)
    finally:
        found.transport.close()


def _method(manifest: ClientManifest, environ: Mapping[str, str], login: Path | None) -> TokenAuth:
    if login is not None:
        return TokenAuth(variable=str(login), environ={str(login): _kept(login, manifest)})
    variables = Variables(environ=environ)
    if found := variables.file("TOKEN_FILE"):
        return TokenAuth(file=found[0])
    if plain := variables.find("TOKEN"):
        return TokenAuth(variable=plain.name, environ=environ)
    raise ConfigurationError("nobody is logged in; expected --login with the file of ./estate login, or VAULT_TOKEN")


def _kept(file: Path, manifest: ClientManifest) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(
            f"{file} can't be read ({error.strerror}); expected what ./estate login keeps"
        ) from None
    with os.fdopen(descriptor, "rb") as stream:
        about, content = os.fstat(stream.fileno()), stream.read(65_536)
    if about.st_uid != os.geteuid() or about.st_mode & _OTHERS:
        raise ConfigurationError(f"{file} is another's, or open to others; expected one's own, closed (0600)")
    try:
        found = json.loads(content)
        address, token = str(found["address"]), str(found["token"])
    except (ValueError, TypeError, KeyError):
        raise ConfigurationError(f"{file} is no login; expected what ./estate login keeps") from None
    if address.rstrip("/") not in manifest.addresses:
        raise ConfigurationError(f"{file} is a login of another Vault; expected one of {', '.join(manifest.addresses)}")
    return token


def has_token(environ: Mapping[str, str]) -> bool:
    """Whether the environment has a person's token. Raises ConfigurationError: two differ."""
    variables = Variables(environ=environ)
    return any(variables.find(name) for name in TOKENS)


def without_tokens(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment for the application's own login: without a person's token."""
    persons = {f"{prefix}_{name}" for prefix in ("BAO", "VAULT") for name in TOKENS}
    return {name: value for name, value in environ.items() if name not in persons}
