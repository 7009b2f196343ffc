"""Secrets as variables of a process: read all first, then set, so that a failure leaves the environment as it was.

Owns which names a variable may have and what becomes of one that is there already. Refuses names that change how
programs start, two secrets that give one name different values, and applications whose estate wants no secret in
variables. Sets nothing that it can't set as a whole.
"""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Protocol

from vault_estate.errors import ConfigurationError
from vault_estate.hiding import hides_values
from vault_estate.manifest import ClientManifest

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOADS_CODE = re.compile(
    r"PATH|IFS|ENV|BASH_ENV|BASHOPTS|SHELLOPTS|PROMPT_COMMAND|PS4"  # shells
    r"|(?:LD|DYLD)_.*|GCONV_PATH"  # dynamic linkers, the C library
    r"|PYTHON.*|PERL(?:5.*|LIB)|RUBY(?:OPT|LIB)|NODE_(?:OPTIONS|PATH)|LUA_(?:INIT|PATH|CPATH).*"  # interpreters
    r"|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|DOTNET_STARTUP_HOOKS"  # virtual machines
    r"|OPENSSL_(?:CONF|MODULES|ENGINES)|GIT_(?:SSH|SSH_COMMAND|EXEC_PATH|EXTERNAL_DIFF)"  # what loads or starts others
)
"""Variables by which whoever may write a secret would decide which code a process runs."""


class ReadsSecrets(Protocol):
    """Whatever reads a secret by its name: `VaultClient`, or an application's own double of it."""

    def get_secret(self, name: str, /) -> Mapping[str, str]:
        """The values of a secret by their keys."""


@hides_values
def load_secrets_to_env(
    names: Iterable[str],
    override: bool = False,
    prefix: str = "",
    *,
    client: ReadsSecrets | None = None,
    environ: MutableMapping[str, str] | None = None,
) -> list[str]:
    """Set the values of secrets as variables of this process, by their keys.

    Args:
        names: of secrets, as the manifest has them.
        override: set also what is there already. Without it a variable that is set, and not empty, stays.
        prefix: what each variable's name begins with, before the key.
        client: who reads. None: a `VaultClient`, which is closed afterwards.
        environ: where they are set. None: this process' own.

    Returns:
        The names of the variables that were set.

    Raises:
        ConfigurationError: a name or a value can't be a variable, two secrets differ about one, or the estate wants no
            secret of this application in variables. Nothing is set.
        VaultEstateError: a secret can't be read. Nothing is set.
    """
    target = os.environ if environ is None else environ
    found = variables(read_all(names, client, as_variables=True), prefix)
    chosen = {name: value for name, value in found.items() if override or not target.get(name)}
    target.update(chosen)
    return list(chosen)


@hides_values
def read_all(
    names: Iterable[str], client: ReadsSecrets | None = None, *, as_variables: bool = False
) -> Mapping[str, Mapping[str, str]]:
    """Secrets by their names, each read once; `as_variables` tells what they are for. Raises as `load_secrets_to_env`
    does."""
    wanted = [] if isinstance(names, str) else list(dict.fromkeys(names))
    if not wanted:
        said = "text" if isinstance(names, str) else "empty"
        raise ConfigurationError(f"names is {said}; expected a list of secrets' names, such as ['app-prod']")
    if client is not None:
        return _read(wanted, client, as_variables=as_variables)
    from vault_estate import VaultClient  # noqa: PLC0415 - only who reads needs an HTTP library

    with VaultClient() as own:
        return _read(wanted, own, as_variables=as_variables)


def _read(names: Iterable[str], client: ReadsSecrets, *, as_variables: bool) -> Mapping[str, Mapping[str, str]]:
    manifest = getattr(client, "manifest", None)
    if as_variables and isinstance(manifest, ClientManifest) and not manifest.environment_variables:
        who = f"applications.{manifest.application}.environment_variables"
        raise ConfigurationError(
            f"{who} is false in its estate; expected its secrets to be read by settings or a client"
        )
    return {name: client.get_secret(name) for name in names}


@hides_values
def variables(secrets: Mapping[str, Mapping[str, str]], prefix: str = "") -> dict[str, str]:
    """The variables that secrets make together. Raises ConfigurationError, which shows no value."""
    found: dict[str, str] = {}
    origins: dict[str, str] = {}
    for secret, values in secrets.items():
        for key, value in values.items():
            name = f"{prefix}{key}"
            _check(name, value, f"key {key!r} of {secret}" if _NAME.fullmatch(key) else f"a key of {secret}")
            if name in found and found[name] != value:
                both = f"{origins[name]} and {secret}"
                raise ConfigurationError(f"variable {name} is different in {both}; expected one of them, or a prefix")
            found[name] = value
            origins.setdefault(name, secret)
    return found


def _check(name: str, value: object, what: str) -> None:
    if not _NAME.fullmatch(name):
        shown = repr(name) if re.fullmatch(r"[\w.-]{1,60}", name) else "not shown"
        raise ConfigurationError(f"{what} makes a variable {shown}; expected letters, digits and '_', no digit first")
    if _LOADS_CODE.fullmatch(name):
        raise ConfigurationError(f"{what} makes a variable {name}, which decides what code runs; expected another name")
    if not isinstance(value, str):
        raise ConfigurationError(f"{what} is no text; expected text, as a variable is")
    if "\0" in value or not _is_unicode(value):
        raise ConfigurationError(f"{what} holds what no variable can; expected Unicode without NUL")


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
