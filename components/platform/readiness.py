"""Waiting until a Vault is initialised, unsealed and accepts its administrator.

Owns `VaultReady`, the estate's one dynamic resource. It captures nothing: every input is plain, the private key is
named by its file and read only inside `create`. It refuses to initialise, unseal or configure anything.
"""

import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

_POLL_SECONDS = 0.5
_REQUEST_SECONDS = 5.0


class NotReadyError(Exception):
    """The server did not become ready in time; the message says what it was waiting for."""


@dataclass(frozen=True, kw_only=True)
class VaultReadyArgs:
    """Which server to wait for, and who must be able to log in."""

    address: pulumi.Input[str]
    certificate_file: str
    """PEM file of the administrator's certificate, relative to the project's root."""
    private_key_file: str
    """PEM file of its private key. Only the path is an input."""
    ca_certificate_file: str | None
    """PEM file of the listener's authority; None: the system's store."""
    login_path: str = "cert"
    """Mount of the `cert` auth method."""
    login_role: str = "administrator"
    timeout_seconds: int = 300


def wait_until_ready(properties: dict[str, Any]) -> dict[str, Any]:
    """Wait for a server, then log in once and give the token back.

    Args:
        properties: the fields of `VaultReadyArgs`, resolved.

    Returns:
        `cluster_id` and `server_version`.

    Raises:
        NotReadyError: not ready within `timeout_seconds`; says what was still missing.
    """
    address = properties["address"]
    for name in ("certificate_file", "private_key_file", "ca_certificate_file"):
        file = properties[name]
        if file is not None and not Path(file).is_file():
            msg = f"{name} {file!r} is not there; expected it before the estate is built (local: run ./estate up)"
            raise NotReadyError(msg)
    context = ssl.create_default_context(cafile=properties["ca_certificate_file"])
    deadline = time.monotonic() + properties["timeout_seconds"]
    missing = "an answer"
    while time.monotonic() < deadline:
        try:
            status = _request(context, f"{address}/v1/sys/seal-status")
            missing = _missing(status)
            if not missing:
                _prove_login(properties)
                return {"cluster_id": status["cluster_id"], "server_version": status["version"]}
        except urllib.error.HTTPError as error:
            missing = f"the login of {properties['login_role']!r} (HTTP {error.code})"
        except OSError as error:
            missing = f"an answer ({getattr(error, 'reason', error)})"
        time.sleep(_POLL_SECONDS)
    msg = f"Vault at {address} is not ready after {properties['timeout_seconds']} s: still waiting for {missing}"
    raise NotReadyError(msg)


def _missing(status: dict[str, Any]) -> str:
    if not status["initialized"]:
        return "its initialisation"
    return "its unsealing" if status["sealed"] else ""


def _prove_login(properties: dict[str, Any]) -> None:
    context = ssl.create_default_context(cafile=properties["ca_certificate_file"])
    context.load_cert_chain(properties["certificate_file"], properties["private_key_file"])
    address = properties["address"]
    body = {"name": properties["login_role"]}
    answer = _request(context, f"{address}/v1/auth/{properties['login_path']}/login", body=body)
    _request(context, f"{address}/v1/auth/token/revoke-self", body={}, token=answer["auth"]["client_token"])


def _request(
    context: ssl.SSLContext, url: str, *, body: dict[str, Any] | None = None, token: str | None = None
) -> dict[str, Any]:
    headers = {"X-Vault-Token": token} if token else {}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=content, headers=headers)  # noqa: S310 - settings allow https only
    with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS, context=context) as response:  # noqa: S310 - as above
        text = response.read()
    return cast("dict[str, Any]", json.loads(text)) if text else {}


class _Waiting(ResourceProvider):
    """Runs in the provider's process. Waits again when an input changed; never replaces, since nothing is made."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("ready", {**props, **wait_until_ready(props)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = any(_olds.get(key) != value for key, value in _news.items() if key != "__provider")
        return DiffResult(changes=changed)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult({**_news, **wait_until_ready(_news)})


class VaultReady(Resource):
    """Exists once the server answers, is initialised, unsealed and lets its administrator in."""

    cluster_id: pulumi.Output[str]
    """The server's own name for its cluster; a restored or wiped server has another one."""
    server_version: pulumi.Output[str]

    def __init__(self, name: str, args: VaultReadyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        properties = {
            "address": args.address,
            "certificate_file": args.certificate_file,
            "private_key_file": args.private_key_file,
            "ca_certificate_file": args.ca_certificate_file,
            "login_path": args.login_path,
            "login_role": args.login_role,
            "timeout_seconds": args.timeout_seconds,
            "cluster_id": None,
            "server_version": None,
        }
        super().__init__(_Waiting(), name, properties, opts)
