"""A person's own connection to a stack's Vault, for the commands of daily work.

Owns how a login is kept: in one private file for each stack. Refuses one that others can read, and the administrator's
certificate: whoever works here is named in the audit log.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field

import hvac
import requests
from hvac.exceptions import Forbidden, VaultDown, VaultError, VaultNotInitialized

from composition.private_files import private_directory, write_private
from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.vault import turns
from ops.vault.api import call, reason
from ops.vault.identity import NAMED_BY_SERVER, own_token

_TOKEN_VARIABLES = ("BAO_TOKEN", "VAULT_TOKEN")
"""As the servers' own clients take them; the first that is set counts, before a kept login."""
_OTHERS = 0o077


@dataclass(frozen=True, kw_only=True)
class KeptLogin:
    """What `./estate login` leaves for the commands after it."""

    address: str
    """Of the server that gave the token."""
    token: str = field(repr=False)


def keep(platform: PlatformDriver, login: KeptLogin) -> None:
    """Keep a login for this machine's user, in the place of an earlier one. Raises OSError."""
    file = platform.login_file
    platform.paths.make_own()
    private_directory(file.parent)
    write_private(file, json.dumps(asdict(login)).encode())


def kept(platform: PlatformDriver, *, open_too: bool = False) -> KeptLogin | None:
    """The login that is kept; None: there is none. Raises EstateError: others can read it, unless `open_too`, or it
    isn't one."""
    file = platform.login_file
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EstateError(f"{file} can't be read: {error.strerror}; expected {_again(platform)}") from None
    with os.fdopen(descriptor) as stream:
        about = os.fstat(stream.fileno())
        if about.st_uid != os.geteuid():
            raise EstateError(f"{file} is another user's; expected one's own")
        if (about.st_mode | file.parent.stat().st_mode) & _OTHERS and not open_too:
            mode = f"{stat.S_IMODE(about.st_mode):04o}"
            raise EstateError(
                f"{file} or its folder is open to others (file mode {mode}); expected both closed: "
                f"{platform.command('logout')} ends the login, then log in anew"
            )
        try:
            return KeptLogin(**json.load(stream))
        except (ValueError, TypeError):
            raise EstateError(f"{file} is no login; expected {_again(platform)}") from None


def forget(platform: PlatformDriver) -> None:
    """Remove the login that is kept, if there is one. Raises OSError."""
    file = platform.login_file
    file.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        file.parent.rmdir()


@contextmanager
def person(paths: Paths, stack: str, console: Console, *, sandbox: bool = False) -> Iterator[hvac.Client]:
    """A client of whoever is logged in, by the token of their environment or the login that is kept. The token stays
    good afterwards.

    Raises:
        EstateError: nobody is logged in, the token has ended, the server is away or sealed, or it refused what the
            block asked of it.
    """
    driver = platform_of(paths, stack_file.read(paths, stack), sandbox=sandbox)
    driver.refuse_unbuilt()
    with driver.ready("use", console) as platform, logged_in(platform, console) as client:
        yield client


@contextmanager
def logged_in(platform: PlatformDriver, console: Console) -> Iterator[hvac.Client]:
    """The same at a platform that is ready. Raises EstateError."""
    stack, given = platform.file.stack, _of_environment()
    login = None if given else kept(platform)
    if not (given or login):
        raise EstateError(f"nobody is logged in to stack {stack!r}; expected {_again(platform)}")
    address = login.address if login else platform.find_endpoint(console).address
    client = turns.client(address, platform.authority_file)
    client.token = given or (login.token if login else "")
    with told(address):
        try:
            own_token(client)
        except Forbidden:
            whose = f"the login of stack {stack!r}" if login else "the token of your environment"
            raise EstateError(f"{whose} has ended, or was revoked; expected {_again(platform)}") from None
        try:
            yield client
        finally:
            client.adapter.close()


def _of_environment() -> str:
    """The token that somebody's environment has; empty: none."""
    name = next((name for name in _TOKEN_VARIABLES if os.environ.get(name)), None)
    token = os.environ[name].strip() if name else ""
    if not (token.isascii() and token.isprintable()):
        raise EstateError(f"{name} is not shown, and no token; expected one in ASCII, on one line")
    return token


def who(client: hvac.Client) -> str:
    """Whom the server takes a client for: the name of a person, or of what logged in. Raises VaultError."""
    about = own_token(client)
    if about.get("entity_id"):
        # Whoever may not ask is named by the way they came.
        with suppress(VaultError):
            name = str(call(client, "get", f"identity/entity/id/{about['entity_id']}")["data"]["name"])
            if not name.startswith(NAMED_BY_SERVER):
                return name
    meta = about.get("meta") or {}
    return str(meta.get("username") or meta.get("common_name") or about["display_name"])


def may_not(client: hvac.Client, what: str, application: str) -> str:
    """That the server refuses something to whoever is logged in, and whom it lets. Raises VaultError."""
    return f"{who(client)} may not {what}; expected a person of a group that owns {application}"


@contextmanager
def told(address: str) -> Iterator[None]:
    """Say in one line, and without a value, what a server refused, or that it is away.
    Raises EstateError."""
    try:
        yield
    except requests.exceptions.SSLError:
        msg = f"{address} shows a certificate that isn't vouched for; expected the server of this estate"
        raise EstateError(msg) from None
    except requests.exceptions.RequestException:
        raise EstateError(f"{address} does not answer; expected a running Vault") from None
    except (VaultDown, VaultNotInitialized):
        raise EstateError(f"Vault at {address} is sealed; expected it unsealed") from None
    except VaultError as error:
        raise EstateError(f"Vault at {address} refused a step: {reason(error)}") from None


def _again(platform: PlatformDriver) -> str:
    return f"a login first: {platform.command('login', 'NAME')}"
