"""The administrator's own login: what first boot wrote, kept as the settings have it from then on.

Owns the administrator's role of the `cert` auth method and the ACL policy of its name. Refuses to write either before a
copy of both has let this very caller in, from where it is, with the power to write them again; and to delete them: not
by a replacement, not when the stack is taken down. Its login is the one it changes, so nobody else could mend it.

This module and the class `_Keeping` stay where they are and keep their names: every state holds them, pickled by name.
"""

import ipaddress
import json
import ssl
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from ..https import request
from ..model import PositiveSeconds, SettingError
from ..render.acl import AclPolicy, render
from ..render.bootstrap import ADMINISTRATOR_TRIAL, SHORTEST_TOKEN_SECONDS, administrator_role
from ..render.login import CertificateLogin

_GONE = 404
_WRITES = frozenset({"create", "update"})


class LockedOutError(Exception):
    """The change would keep out who makes it; nothing was changed."""


class _RefusedError(OSError):
    """The server's own words, with its status."""

    def __init__(self, what: str, code: int, errors: Sequence[str]) -> None:
        super().__init__(f"{what} answered {code}: {'; '.join(map(str, errors)) or 'no reason given'}")
        self.code = code


@dataclass(frozen=True, kw_only=True)
class AdministratorLoginArgs:
    """Who administers which Vault, from where."""

    address: pulumi.Input[str]
    """URL of the API."""
    ca_certificate_file: str | None
    """PEM file of the listener's authority; None: the system's store."""
    login: CertificateLogin
    """The files are read when they are needed, relative to the project's root. The role's certificate is the one that
    logs in."""
    policy: AclPolicy
    """Its name is the role's."""
    token_ttl: PositiveSeconds
    """How long one login lasts; it must outlive the longest `pulumi up`."""
    token_bound_cidrs: Sequence[str] = ()
    """Networks its tokens may be used from; none: any."""
    networks_setting: str = "token_bound_cidrs"
    """What these networks are called where they are set, for the message that refuses them."""

    def __post_init__(self) -> None:
        if self.policy.name != self.login.role:
            raise SettingError("policy.name", repr(self.policy.name), f"{self.login.role!r}, as the role is called")
        if self.token_ttl < SHORTEST_TOKEN_SECONDS:
            raise SettingError("token_ttl", f"{self.token_ttl}s", f"at least {SHORTEST_TOKEN_SECONDS}s")


@dataclass(frozen=True, kw_only=True)
class _Login:
    """A role and the policy of its name, as they are on a server."""

    policy: str
    role: Mapping[str, Any]

    @property
    def compared(self) -> tuple[object, ...]:
        """What tells two of them apart. The server spells a network of one address without its mask."""
        networks = {ipaddress.ip_network(one) for one in self.role["token_bound_cidrs"] or ()}
        certificate = str(self.role["certificate"]).strip()
        kept = [self.role[name] for name in ("display_name", "token_ttl", "token_max_ttl", "token_policies")]
        return (self.policy, certificate, networks, *kept)


class _Vault:
    """The server as the administrator sees it, logged in by one of its roles for the length of a block."""

    def __init__(self, properties: Mapping[str, Any], role: str) -> None:
        self._context = ssl.create_default_context(cafile=properties["ca_certificate_file"])
        self._context.load_cert_chain(properties["certificate_file"], properties["private_key_file"])
        self._base, self._mount = f"{properties['address']}/v1", properties["login_path"]
        self._role, self._token = role, ""

    def __enter__(self) -> "_Vault":
        self._token = self.call(f"auth/{self._mount}/login", {"name": self._role})["auth"]["client_token"]
        return self

    def __exit__(self, *_: object) -> None:
        self.call("auth/token/revoke-self", {})

    def call(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        """One request. Raises _RefusedError; OSError where there is no answer."""
        try:
            return request(self._context, f"{self._base}/{path}", body=body, token=self._token or None, method=method)
        except urllib.error.HTTPError as error:
            text = error.read()
            document = json.loads(text) if text.startswith(b"{") else {}
            raise _RefusedError(path, error.code, document.get("errors") or ()) from None

    def paths(self, name: str) -> tuple[str, str]:
        """Of a policy and of the role of the same name."""
        return f"sys/policies/acl/{name}", f"auth/{self._mount}/certs/{name}"

    def found(self, name: str) -> _Login | None:
        """What the server has."""
        policy, role = self.paths(name)
        try:
            return _Login(policy=self.call(policy)["data"]["policy"], role=self.call(role)["data"])
        except _RefusedError as error:
            if error.code != _GONE:
                raise
            return None

    def write(self, name: str, login: _Login) -> None:
        """The policy first: without it the role gives nothing."""
        policy, role = self.paths(name)
        self.call(policy, {"policy": login.policy})
        self.call(role, dict(login.role))

    def remove(self, name: str) -> None:
        """Both, where they are. A policy of an earlier release keeps the role, which gives nothing then."""
        policy, role = self.paths(name)
        for path in (role, policy):
            try:
                self.call(path, method="DELETE")
            except _RefusedError:
                if path == policy:
                    raise


def keep(properties: Mapping[str, Any]) -> None:
    """Have the server's login be what the resource's properties say, if it isn't. Raises LockedOutError where that
    would keep this caller out; OSError where the server refuses, or can't be reached."""
    name = properties["login_role"]
    wanted = _wanted(properties, name)
    with _Vault(properties, name) as vault:
        found = vault.found(name)
        if found and found.compared == wanted.compared:
            vault.remove(ADMINISTRATOR_TRIAL)  # of a run that was killed
            return
        try:
            vault.write(ADMINISTRATOR_TRIAL, _wanted(properties, ADMINISTRATOR_TRIAL))
            _try(properties, vault.paths(name))
            vault.write(name, wanted)
        finally:
            vault.remove(ADMINISTRATOR_TRIAL)
    with _Vault(properties, name) as vault:
        now = vault.found(name)
    if not now or now.compared != wanted.compared:
        raise OSError(f"the administrator's login {name!r} reads back changed; expected it as it was written")


def accessor(properties: Mapping[str, Any]) -> str:
    """What the server calls the mount of the login, of which aliases are. Raises OSError."""
    with _Vault(properties, properties["login_role"]) as vault:
        return str(vault.call("sys/auth")["data"][f"{properties['login_path']}/"]["accessor"])


def _wanted(properties: Mapping[str, Any], name: str) -> _Login:
    certificate = Path(properties["certificate_file"]).read_text(encoding="ascii")
    ttl = int(properties["token_ttl"])  # the engine knows no whole numbers
    role = administrator_role(certificate, ttl, properties["token_bound_cidrs"], name)
    return _Login(policy=properties["policy"], role=role)


def _try(properties: Mapping[str, Any], paths: Sequence[str]) -> None:
    """Log in by the copy, and see that its token could write both again."""
    networks = ", ".join(properties["token_bound_cidrs"])
    try:
        with _Vault(properties, ADMINISTRATOR_TRIAL) as trial:
            answer = trial.call("sys/capabilities-self", {"paths": list(paths)})
    except _RefusedError as error:
        raise LockedOutError(
            f"{properties['networks_setting']} is {networks or 'empty'}; expected networks with this machine's address "
            f"in them, as the server sees it, or it could never log in again ({error.code}). Nothing was changed"
        ) from None
    if not all(set(answer["data"][path]) >= _WRITES for path in paths):
        raise LockedOutError(
            "the administrator's ACL policy can't be written again by who has it; expected one that can. "
            "Nothing was changed"
        )


class _Keeping(ResourceProvider):
    """Runs in the provider's process. `delete` is the base's, which does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        keep(props)
        return CreateResult(props["login_role"], {**props, "accessor": accessor(props)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = any(_olds.get(key) != value for key, value in _news.items() if key != "__provider")
        changed |= "accessor" not in _olds  # a state of an earlier release
        return DiffResult(changes=changed)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        keep(_news)
        return UpdateResult({**_news, "accessor": accessor(_news)})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What the server has; what means the same keeps the program's words."""
        with _Vault(props, props["login_role"]) as vault:
            found = vault.found(id_)
        if found is None:
            return ReadResult("", {})
        if found.compared == _wanted(props, id_).compared:
            return ReadResult(id_, props)
        networks = list(found.role["token_bound_cidrs"] or ())
        told = {"policy": found.policy, "token_ttl": found.role["token_ttl"], "token_bound_cidrs": networks}
        return ReadResult(id_, {**props, **told})


class AdministratorLogin(Resource, module="vault", name="AdministratorLogin"):
    """Exists once the administrator's login is as the settings have it. Depends on a Vault that is ready; whoever
    needs what a later release adds to the policy depends on it."""

    accessor: pulumi.Output[str]
    """The server's own name for the mount, made by first boot."""

    def __init__(self, name: str, args: AdministratorLoginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            _Keeping(),
            name,
            {
                "address": args.address,
                "certificate_file": args.login.certificate_file,
                "private_key_file": args.login.private_key_file,
                "ca_certificate_file": args.ca_certificate_file,
                "login_path": args.login.mount,
                "login_role": args.login.role,
                "policy": render(args.policy),
                "token_ttl": args.token_ttl,
                "token_bound_cidrs": list(args.token_bound_cidrs),
                "networks_setting": args.networks_setting,
                "accessor": None,
            },
            opts,
        )
