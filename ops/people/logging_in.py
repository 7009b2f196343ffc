"""A person's login: by password, by certificate, or at their own issuer with a browser.

Owns what is asked of the server for each. Refuses a password or a token as an argument: both are asked for. What it
gives is kept by `session`.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidRequest, VaultError

from components.model import duration_text
from components.render.acl import PERSON_PREFIX
from components.vault.userpass import Userpass
from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.people import browser
from ops.people.inviting import WRAPPED_AT
from ops.people.session import KeptLogin, forget, keep, kept, told, who
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.vault import turns
from ops.vault.api import call, reason
from settings import Settings

Ask = Callable[[str], str]
"""Asks a person for a secret."""
SHORTEST_PASSWORD = 12
_LONGEST_PASSWORD = 72
"""Bytes: what the server hashes of one (bcrypt)."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How somebody wants to log in; what isn't given is told by the settings."""

    ask: Ask
    first: bool = False
    """By an invitation."""
    certificate: Path | None = None
    private_key: Path | None = None
    opens_browser: bool = True


@dataclass(frozen=True, kw_only=True)
class LoggedIn:
    """Who is logged in where."""

    name: str
    address: str
    ttl_seconds: int


def log_in(
    paths: Paths, stack: str, name: str | None, way: Way, console: Console, *, sandbox: bool = False
) -> LoggedIn:
    """Log a person in, and keep their token. Without a name at the issuer.
    Raises EstateError: no such member, what they gave isn't right, or the server is away."""
    driver = platform_of(paths, stack_file.read(paths, stack), sandbox=sandbox)
    driver.refuse_unbuilt()
    kind = _kind(driver.file.settings, stack, name)
    if way.first and kind != "userpass":
        raise EstateError(f"--first: {name or 'who has no name'} logs in by {kind}; expected who logs in by password")
    if way.certificate and kind != "certificate":
        raise EstateError(
            f"--certificate: {name or 'who has no name'} logs in by {kind}; expected neither it nor --key"
        )
    with driver.ready("use", console) as platform:
        address = platform.find_endpoint(console).address
        attempt = _Attempt(platform=platform, address=address, name=name or "", way=way, console=console)
        with told(address):
            answer = attempt.by(kind)
            client = turns.client(address, platform.authority_file)
            client.token = answer["client_token"]
            called = who(client)
            client.adapter.close()
        with suppress(EstateError, VaultError):  # an earlier login, if there is one
            _end(platform)
        keep(platform, KeptLogin(address=address, token=answer["client_token"]))
    return LoggedIn(name=called, address=address, ttl_seconds=int(answer["lease_duration"]))


def log_out(paths: Paths, stack: str, console: Console, *, sandbox: bool = False) -> str:
    """Revoke the login that is kept, and forget it; how that went. Raises EstateError: there is none."""
    driver = platform_of(paths, stack_file.read(paths, stack), sandbox=sandbox)
    with driver.ready("use", console) as platform:
        return _end(platform)


def _end(platform: PlatformDriver) -> str:
    login = kept(platform, open_too=True)
    if login is None:
        raise EstateError(f"nobody is logged in to stack {platform.file.stack!r}; expected a login that is kept")
    client = turns.client(login.address, platform.authority_file)
    client.token = login.token
    try:
        call(client, "post", "auth/token/revoke-self")
        how = "revoked"
    except Forbidden:
        how = "had ended"
    except VaultError as error:
        how = f"is forgotten here; {login.address} refuses to revoke it, so it ends by itself: {reason(error)}"
    except requests.exceptions.RequestException:
        how = f"is forgotten here; {login.address} does not answer, so it ends by itself"
    finally:
        client.adapter.close()
    forget(platform)
    return how


def _kind(settings: Settings, stack: str, name: str | None) -> str:
    people = settings.people
    if people is None:
        raise EstateError(f"stack {stack!r} has no section people; expected one, or a token in VAULT_TOKEN")
    if name is None and people.oidc:
        return "oidc"
    if name is None or name not in people.members:
        given = "NAME is missing" if name is None else f"{name!r} is no member of stack {stack!r}"
        raise EstateError(f"{given}; expected one of people.members: {', '.join(people.members) or 'none is there'}")
    return people.members[name].login.kind


def _refuse_no_pair(certificate: str, key: str) -> None:
    try:
        ssl.create_default_context().load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError):  # a refusal of TLS is the former
        raise EstateError(
            f"--certificate {certificate} and --key {key} are no pair; expected a certificate and its private key, in "
            "PEM, not swapped and without passphrase"
        ) from None


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One login under way."""

    platform: PlatformDriver
    address: str
    name: str
    way: Way
    console: Console

    def by(self, kind: str) -> dict[str, Any]:
        """What Vault answers of the token."""
        if kind == "certificate":
            return self._by_certificate()
        client = turns.client(self.address, self.platform.authority_file)
        if kind == "oidc":
            return self._at_issuer(client)
        userpass = self.platform.file.settings.userpass
        mount = userpass.path if userpass else ""
        if self.way.first:
            return self._first(client, mount)
        return self._with(client, mount, self._asked("password"))

    def _first(self, client: hvac.Client, mount: str) -> dict[str, Any]:
        """Open an invitation, and have a password of one's own from then on."""
        token = self._asked("wrapping token")
        # Asked for before the invitation is opened, which can be done once.
        chosen = self._asked("password of your own")
        if len(chosen) < SHORTEST_PASSWORD:
            raise EstateError(f"the password is too short; expected at least {SHORTEST_PASSWORD} characters")
        if len(chosen.encode(errors="surrogateescape")) > _LONGEST_PASSWORD:
            raise EstateError(f"the password is too long; expected at most {_LONGEST_PASSWORD} bytes")
        if self._asked("password of your own once more") != chosen:
            raise EstateError("the two passwords differ; expected the same twice")
        client.token = self._with(client, mount, self._opened(client, token))["client_token"]
        call(client, "post", f"auth/{mount}/users/{self.name}/password", {"password": chosen})
        call(client, "post", "auth/token/revoke-self")
        client.token = ""
        self.console.say(f"{self.name} has a password of their own; the first one is void")
        return self._with(client, mount, chosen)

    def _opened(self, client: hvac.Client, token: str) -> str:
        """The password in an invitation. Raises EstateError: somebody opened it before, or it isn't this person's."""
        try:
            made_at = call(client, "post", "sys/wrapping/lookup", {"token": token})["data"]["creation_path"]
            if made_at != WRAPPED_AT:
                raise EstateError(f"the token was made at {made_at}; expected an invitation, made at {WRAPPED_AT}")
            client.token = token
            inside = call(client, "post", "sys/wrapping/unwrap")["data"]
        except (InvalidRequest, Forbidden):
            command = self.platform.command("invite", self.name)
            raise EstateError(
                "the invitation has ended, was typed wrong, or somebody opened it; expected one that nobody did: tell "
                f"the administrator, who runs {command}"
            ) from None
        finally:
            client.token = ""
        whose = inside.get("user")
        if whose != self.name or not isinstance(inside.get("password"), str):
            people = self.platform.file.settings.people
            owner = whose if people and whose in people.members else "somebody else"
            raise EstateError(
                f"the invitation is {owner}'s, and is used up now; expected one for {self.name}: tell the "
                f"administrator, who makes {owner} another"
            )
        return str(inside["password"])

    def _with(self, client: hvac.Client, mount: str, password: str) -> dict[str, Any]:
        try:
            return dict(call(client, "post", f"auth/{mount}/login/{self.name}", {"password": password})["auth"])
        except (InvalidRequest, Forbidden) as error:
            # A wrong password, a user that is locked out and none at all are one to whoever guesses.
            userpass = self.platform.file.settings.userpass or Userpass()
            locked = f"{userpass.lockout_threshold} failures lock it for {duration_text(userpass.lockout_duration)}"
            raise EstateError(
                f"{self.name} is not let in ({reason(error)}); expected their password, or --first and an invitation. "
                f"{locked}"
            ) from None

    def _by_certificate(self) -> dict[str, Any]:
        pair = [file for file in (self.way.certificate, self.way.private_key) if file]
        if len(pair) < 2:
            raise EstateError(f"{self.name} logs in by certificate; expected --certificate and --key, a pair's files")
        for file in pair:
            if not file.is_file():
                raise EstateError(f"{file} is not there; expected a file of the pair")
        cert = (str(pair[0]), str(pair[1]))
        _refuse_no_pair(*cert)
        client = turns.client(self.address, self.platform.authority_file, cert=cert)
        try:
            return dict(call(client, "post", "auth/cert/login", {"name": f"{PERSON_PREFIX}{self.name}"})["auth"])
        except (InvalidRequest, Forbidden) as error:
            why = reason(error)
            raise EstateError(f"{self.name} is not let in ({why}); expected the certificate in the settings") from None
        finally:
            client.adapter.close()

    def _at_issuer(self, client: hvac.Client) -> dict[str, Any]:
        oidc = self.platform.file.settings.people.oidc if self.platform.file.settings.people else None
        if oidc is None:
            raise EstateError("people.oidc is missing; expected an issuer in the settings")
        return browser.log_in(client, oidc.path, oidc.redirect_uris, self.console, opens=self.way.opens_browser)

    def _asked(self, what: str) -> str:
        given = self.way.ask(f"{what}: ")
        if not given:
            raise EstateError(f"the {what} is empty; expected it typed, or piped in")
        return given
