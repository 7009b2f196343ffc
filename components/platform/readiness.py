"""Waiting until a Vault is initialised, unsealed and accepts its administrator.

Owns `VaultReady`, a dynamic resource. It captures nothing: every input is plain, the private key is
named by its file and read only inside `create`. It refuses to initialise, unseal or configure anything.

This module and the class `_Waiting` stay where they are and keep their names: every state holds them, pickled by name,
and the engine loads them from there to refresh and to destroy (`tests/upgrade`).
"""

import hashlib
import ssl
import sys
import time
import urllib.error
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from ..https import request
from ..render.login import CertificateLogin

_POLL_SECONDS = 0.5
_VOTERS_POLL_SECONDS = 2.0
"""Each look is a login; a server votes 10 s after it joined at the earliest."""
_REQUEST_SECONDS = 5.0
_TELL_SECONDS = 15.0
"""How often it is told what is waited for, when that stays the same."""
WAITING = "waiting for "
"""What each such line begins with."""


class NotReadyError(Exception):
    """The server did not become ready in time; the message says what it was waiting for."""


@dataclass(frozen=True, kw_only=True)
class VaultReadyArgs:
    """Which server to wait for, and who must be able to log in."""

    address: pulumi.Input[str]
    login: CertificateLogin
    ca_certificate_file: str | None
    """PEM file of the listener's authority; None: the system's store."""
    timeout_seconds: int = 300
    server: pulumi.Input[str] | None = None
    """Identity of the machine behind the address; when it changes, this waits again."""
    replicas: int = 1
    """How many servers there are. Of several all have to vote: a server that joined doesn't for its first ten seconds
    and more, and if the leader is lost before, there is never one again (measured, both flavours)."""
    authority_comes: bool = False
    """Whether somebody brings `ca_certificate_file` while this waits: a cluster makes its authority itself."""
    pins_certificate: bool = False
    """Whether a server seen for the first time is taken at its word: its certificate is written to
    `ca_certificate_file`, and from then on nothing else is accepted. For certificates that sign themselves."""


def wait_until_ready(properties: dict[str, Any], told: Callable[[str], None] = lambda _text: None) -> dict[str, Any]:
    """Wait for a server, then log in once and give the token back.

    `properties` are those of `VaultReady`, resolved; `told` gets what it waits for, whenever that changes, and from
    time to time. Returns `cluster_id` and `server_version`; `certificate_sha256` as well of a certificate that is
    pinned. Raises NotReadyError where it isn't ready within `timeout_seconds`; says what was still missing.
    """
    address = properties["address"]
    pins, comes = bool(properties.get("pins_certificate")), bool(properties.get("authority_comes"))
    for name in ("certificate_file", "private_key_file", *(() if pins or comes else ("ca_certificate_file",))):
        file = properties[name]
        if file is not None and not Path(file).is_file():
            msg = f"{name} {file!r} is not there; expected it before the estate is built (local: run ./estate up)"
            raise NotReadyError(msg)
    deadline = time.monotonic() + properties["timeout_seconds"]
    missing, last, next_time = "to answer", "", 0.0
    while time.monotonic() < deadline:
        if missing != last or time.monotonic() >= next_time:
            last, next_time = missing, time.monotonic() + _TELL_SECONDS
            told(f"{WAITING}Vault at {address} {missing}; up to {deadline - time.monotonic():.0f} s more")
        if comes and not Path(properties["ca_certificate_file"]).is_file():
            missing = f"to have its authority's certificate in {properties['ca_certificate_file']}"
            time.sleep(_POLL_SECONDS)
            continue
        try:
            pinned = _pin(address, Path(properties["ca_certificate_file"])) if pins else {}
            context = ssl.create_default_context(cafile=properties["ca_certificate_file"])
            status = request(context, f"{address}/v1/sys/seal-status")
            missing = _missing(status) or _missing_for_administrator(properties)
            if not missing:
                return {"cluster_id": status["cluster_id"], "server_version": status["version"], **pinned}
        except urllib.error.HTTPError as error:
            missing = f"to let {properties['login_role']!r} log in (HTTP {error.code})"
        except OSError as error:
            missing = f"to answer ({getattr(error, 'reason', error)})"
        time.sleep(_VOTERS_POLL_SECONDS if missing.startswith(_VOTERS) else _POLL_SECONDS)
    msg = f"Vault at {address} is not ready after {properties['timeout_seconds']:.0f} s: still waiting for it {missing}"
    raise NotReadyError(msg)


def _pin(address: str, file: Path) -> dict[str, Any]:
    """Keep the certificate a server shows, unless one is kept already; its fingerprint, as browsers show it."""
    if not file.exists():
        parts = urllib.parse.urlsplit(address)
        shown = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=_REQUEST_SECONDS)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="ascii") as stream:
            stream.write(shown)
    certificate = ssl.PEM_cert_to_DER_cert(file.read_text(encoding="ascii"))
    return {"certificate_sha256": hashlib.sha256(certificate).hexdigest().upper()}


def _missing(status: dict[str, Any]) -> str:
    if not status["initialized"]:
        return "to be initialised"
    return "to be unsealed" if status["sealed"] else ""


_VOTERS = "to have "


def _missing_voters(state: dict[str, Any], replicas: int) -> str:
    """What Raft's own view of the servers lacks. A server that is there is no voter yet."""
    voters, tolerance = len(state.get("voters") or []), state.get("failure_tolerance") or 0
    wanted = (replicas - 1) // 2
    if voters == replicas and tolerance == wanted and state.get("healthy"):
        return ""
    return f"{_VOTERS}{replicas} voters and bear the loss of {wanted} (now {voters} and {tolerance})"


def _missing_for_administrator(properties: dict[str, Any]) -> str:
    """What the administrator finds missing, who logs in for that. Raises OSError where that isn't possible."""
    context = ssl.create_default_context(cafile=properties["ca_certificate_file"])
    context.load_cert_chain(properties["certificate_file"], properties["private_key_file"])
    address = properties["address"]
    body = {"name": properties["login_role"]}
    answer = request(context, f"{address}/v1/auth/{properties['login_path']}/login", body=body)
    token, replicas = answer["auth"]["client_token"], int(properties.get("replicas") or 1)
    try:
        if replicas == 1:
            return ""
        state = request(context, f"{address}/v1/sys/storage/raft/autopilot/state", token=token)
        return _missing_voters(state.get("data") or {}, replicas)
    except urllib.error.HTTPError as error:
        return f"{_VOTERS}its voters shown (HTTP {error.code})"
    finally:
        request(context, f"{address}/v1/auth/token/revoke-self", body={}, token=token)


def _tell(text: str) -> None:
    """The engine shows what a provider's process writes there, in `pulumi up` and in the events `./estate` reads."""
    print(text, file=sys.stderr, flush=True)


class _Waiting(ResourceProvider):
    """Runs in the provider's process. Waits again when an input changed; never replaces, since nothing is made."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("ready", {**props, **wait_until_ready(props, _tell)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = any(_olds.get(key) != value for key, value in _news.items() if key != "__provider")
        return DiffResult(changes=changed)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult({**_news, **wait_until_ready(_news, _tell)})


class VaultReady(Resource):
    """Exists once the server answers, is initialised, unsealed and lets its administrator in."""

    cluster_id: pulumi.Output[str]
    """The server's own name for its cluster; a restored or wiped server has another one."""
    server_version: pulumi.Output[str]
    certificate_sha256: pulumi.Output[str]
    """Of a pinned certificate only."""

    def __init__(self, name: str, args: VaultReadyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        properties: dict[str, pulumi.Input[Any]] = {
            "address": args.address,
            "certificate_file": args.login.certificate_file,
            "private_key_file": args.login.private_key_file,
            "ca_certificate_file": args.ca_certificate_file,
            "login_path": args.login.mount,
            "login_role": args.login.role,
            "timeout_seconds": args.timeout_seconds,
            "cluster_id": None,
            "server_version": None,
        }
        if args.server is not None:
            properties["server"] = args.server
        if args.replicas > 1:
            properties["replicas"] = args.replicas
        if args.authority_comes:
            properties["authority_comes"] = True
        if args.pins_certificate:
            properties |= {"pins_certificate": True, "certificate_sha256": None}
        super().__init__(_Waiting(), name, properties, opts)
