"""`./estate regain`: whoever holds a threshold of key shares lets the administrator of the settings in again.

For when nobody can log in: a certificate that has ended or whose key was lost, networks nobody is in any more, a login
or a policy that was changed by hand. Owns the life of one root token: made by the shares, decoded in memory, used for
the login alone, revoked and looked up until it is dead, also where something fails in between. Refuses to end before
the administrator has logged in. A share, the one-time password and the token are in this process's memory and on a
socket only root reaches, or in TLS; nowhere else.
"""

import base64
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import components.payloads
from components.render import acl
from components.render.administrator import administrator_policy
from components.render.bootstrap import administrator_role
from components.render.node.layout import REGAIN_SOCKET
from composition.private_files import write_private
from ops import stack_file
from ops.commands import keys as pairs
from ops.commands import rotation, session
from ops.commands.shares import Ask, Givers, KeyShares, own_keys
from ops.commands.unseal import may_be_share
from ops.console import Console
from ops.errors import EstateError
from ops.keys import secrets_provider
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.processes import node as over_ssh
from ops.vault import turns
from ops.vault.connection import connect
from ops.vault.endpoint import VaultEndpoint
from ops.vault.login import log_in

_PIPE = Path(components.payloads.__path__[0]) / "regain_pipe.py"
_SECONDS = 30
_FORBIDDEN, _NOT_THERE = 403, 404
_ATTEMPT = "sys/generate-root/attempt"


@dataclass(frozen=True, kw_only=True)
class Regained:
    """Who can log in again."""

    stack: str
    address: str
    done: bool
    """False: too few shares were given."""
    new_pair: bool
    other_root_tokens: int
    """Of an earlier run that was killed; revoked."""


class _Socket(http.client.HTTPConnection):
    """HTTP to a server's socket, which is on this machine or at the far end of a command."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._connect = connect

    def connect(self) -> None:
        self.sock = self._connect()


def _local(path: Path) -> socket.socket:
    """A connection to a socket whose whole name may be longer than the 107 bytes one can have."""
    found = socket.socket(socket.AF_UNIX)
    with contextlib.chdir(path.parent):
        found.connect(path.name)
    return found


def _remote(command: Sequence[str]) -> socket.socket:
    """The standard input and output of a command as one connection. It ends when that is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(list(command), stdin=theirs.fileno(), stdout=theirs.fileno())
    return ours


@dataclass(frozen=True, kw_only=True)
class _Ways:
    """A server by its two ways in."""

    api: http.client.HTTPConnection
    """For whoever has a token. The socket is not: with any rate limit there the server refuses what has no address."""
    address: str
    attempts: http.client.HTTPConnection
    """Where key shares alone count."""
    where: str
    token: list[str] = field(default_factory=list, repr=False)
    """The root token, while there is one."""

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """One request, after its turn where a rate limit turns it away. Raises EstateError if no answer comes."""
        headers = {"X-Vault-Request": "true", **({"X-Vault-Token": self.token[0]} if self.token else {})}
        connection = self.attempts if path.startswith("sys/generate-root/") else self.api
        deadline = time.monotonic() + turns.PATIENCE_SECONDS
        while True:
            try:
                connection.request(method, f"/v1/{path}", json.dumps(body or {}), headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                where = self.address if connection is self.api else self.where
                raise EstateError(f"{where} does not answer ({error}); expected a running server") from None
            if answer.status != http.client.TOO_MANY_REQUESTS or time.monotonic() > deadline:
                return answer.status, json.loads(text) if text.startswith(b"{") else {}
            time.sleep(0.5)

    def must(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One that has to succeed. Raises EstateError with the server's words, which never hold what was sent."""
        status, document = self.ask(method, path, body)
        if status in (200, 204):
            return document
        reasons = "; ".join(map(str, document.get("errors") or ["no reason given"]))
        raise EstateError(f"{self.address}: {method} {path} answered {status}: {reasons}")


def regain(
    paths: Paths,
    stack: str,
    console: Console,
    ask: Ask,
    *,
    keys: Sequence[Path] = (),
    node: str | None = None,
    share_file: Path | None = None,
    new_pair: bool = False,
    sandbox: bool = False,
) -> Regained:
    """Let the administrator of the settings in, by a threshold of key shares.

    Args:
        paths: of the checkout.
        stack: whose Vault.
        console: told of the progress.
        ask: for a share, or for the passphrase of a key.
        keys: operators' PGP private keys on this machine.
        node: a cloud stack's node, as USER@HOST.
        share_file: a copy of the file of key shares, for those private keys.
        new_pair: make the administrator another pair first, where the present one has ended or was lost.
        sandbox: whether it is the stack's sandbox.

    Raises:
        EstateError: a share is refused, the server can't be asked, or the administrator can't log in afterwards. No
            root token is left in any case.
    """
    file = stack_file.read(paths, stack)
    with session.locked(paths), platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        endpoint = platform.find_endpoint(console)
        givers = Givers(ask=ask, keys=(*keys, *own_keys(platform)))
        return regain_on(platform, endpoint, console, givers, node=node, share_file=share_file, new_pair=new_pair)


def regain_on(
    platform: PlatformDriver,
    endpoint: VaultEndpoint,
    console: Console,
    givers: Givers,
    *,
    node: str | None = None,
    share_file: Path | None = None,
    new_pair: bool = False,
) -> Regained:
    """The same for a command that holds the checkout and knows the server."""
    paths, stack = platform.paths, platform.file.stack
    _look_for_pair(platform, endpoint, console, new_pair=new_pair)
    server = _server(platform, endpoint, node)
    server.ask("GET", "sys/seal-status")  # before a share is given: a root token is used and revoked there
    server.api.close()  # people take longer than an idle connection lives; the next request opens it again
    present = KeyShares.of(platform, node, share_file).act("read")["present"] if givers.keys else None
    begun = paths.make_own() / f"regaining-{stack}"
    others = 0
    with contextlib.closing(server.api), contextlib.closing(server.attempts):
        killed = begun.exists()
        write_private(begun, b"")
        with _root(server, givers, present, console) as done:
            if done:
                others = _revoke_others(server) if killed else 0
                _let_in(paths, platform, endpoint, server, console, new_pair=new_pair)
        begun.unlink()
    return Regained(
        stack=stack, address=endpoint.address, done=done, new_pair=done and new_pair, other_root_tokens=others
    )


def _look_for_pair(platform: PlatformDriver, endpoint: VaultEndpoint, console: Console, *, new_pair: bool) -> None:
    """Before anybody gives a share: is there a pair to put in, or a place for a new one? Raises EstateError."""
    file, administrator = platform.file, platform.file.settings.bootstrap.administrator
    if new_pair:
        if not (platform.makes_administrator or (administrator.certificate_pem and administrator.private_key_secret)):
            raise EstateError(f"Pulumi.{file.stack}.yaml holds no pair; expected one: ./estate keys {file.stack}")
        return
    secrets_provider.ensure_placed(platform.paths, file, platform.backend, console)
    missing = [name for name in endpoint.login.files if not Path(name).is_file()]
    if missing:
        raise EstateError(f"{missing[0]} is not there; expected the administrator's pair, or --new-pair")


def _server(platform: PlatformDriver, endpoint: VaultEndpoint, node: str | None) -> _Ways:
    api = connect(endpoint.address, ssl.create_default_context(cafile=endpoint.ca_file), _SECONDS)
    attempts: http.client.HTTPConnection = api
    where, own = endpoint.address, platform.regain_socket
    if platform.file.settings.server.flavor == "vault":
        pass
    elif own:
        attempts, where = _Socket(lambda: _local(own)), str(own)
    elif node:
        command = over_ssh.command(node, _PIPE, REGAIN_SOCKET)
        attempts, where = _Socket(lambda: _remote(command)), f"{node}:{REGAIN_SOCKET}"
    else:
        raise EstateError("--node is missing; expected the node as USER@HOST: only its own socket takes key shares")
    return _Ways(api=api, address=endpoint.address, attempts=attempts, where=where)


@contextlib.contextmanager
def _root(server: _Ways, givers: Givers, present: Mapping[str, Any] | None, console: Console) -> Iterator[bool]:
    """The server with a root token, for the length of the block, if enough shares are given. Revoked at the end."""
    made = _make_root(server, givers, present)
    if not made:
        yield False
        return
    console.say("the key shares made a root token")
    try:
        yield True
    finally:
        server.must("POST", "auth/token/revoke-self")
        status, _ = server.ask("GET", "auth/token/lookup-self")
        if status != _FORBIDDEN:
            raise EstateError(f"{server.where}: the revoked root token still gets {status}; expected {_FORBIDDEN}")
        server.token.clear()
        console.say("the root token is revoked and dead")


def _make_root(server: _Ways, givers: Givers, present: Mapping[str, Any] | None) -> bool:
    status, attempt = server.ask("GET", _ATTEMPT)
    if status in (_FORBIDDEN, _NOT_THERE):
        raise EstateError(
            f"{server.where} lets nobody without a token make a root token; expected a server that was started with "
            'enable_unauthenticated_access = ["generate-root"], for as long as this takes'
        )
    if attempt.get("started"):
        server.must("DELETE", _ATTEMPT)  # nobody else's could be decoded
    begun = server.must("PUT", _ATTEMPT)
    progress = [0]
    for share in givers.shares(present, "share", lambda: (progress[0], begun["required"])):
        if not may_be_share(share):
            server.must("DELETE", _ATTEMPT)
            raise EstateError("that is not a key share: it is neither hexadecimal nor base64; nothing was sent")
        status, answer = server.ask("PUT", "sys/generate-root/update", {"key": share, "nonce": begun["nonce"]})
        if status != http.client.OK:
            server.must("DELETE", _ATTEMPT)
            raise EstateError(
                f"{server.where}: this share, or one given before it, is not of this server. All were taken back; "
                "begin again with the first"
            )
        progress[0] = answer["progress"]
        if answer["complete"]:
            server.token.append(_decoded(answer["encoded_token"], begun["otp"]))
            return True
    server.must("DELETE", _ATTEMPT)
    return False


def _decoded(encoded: str, otp: str) -> str:
    """What the server hid under the one-time password that it gave when it began."""
    hidden = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return bytes(one ^ other for one, other in zip(hidden, otp.encode(), strict=True)).decode()


def _revoke_others(server: _Ways) -> int:
    """Root tokens that a killed run left; how many those were."""
    own = server.must("GET", "auth/token/lookup-self")["data"]["accessor"]
    listed = server.must("GET", "auth/token/accessors?list=true")["data"]["keys"]
    revoked = 0
    for accessor in listed:
        _, answer = server.ask("POST", "auth/token/lookup-accessor", {"accessor": accessor})
        if accessor != own and "root" in (answer.get("data") or {}).get("policies", ()):
            server.must("POST", "auth/token/revoke-accessor", {"accessor": accessor})
            revoked += 1
    return revoked


def _let_in(
    paths: Paths,
    platform: PlatformDriver,
    endpoint: VaultEndpoint,
    server: _Ways,
    console: Console,
    *,
    new_pair: bool,
) -> None:
    """Write the login and its policy, and prove that the administrator logs in."""
    file, login = platform.file, endpoint.login
    administrator = file.settings.bootstrap.administrator

    def write(certificate: str) -> None:
        role = administrator_role(certificate, administrator.token_ttl, platform.administrator_networks, login.role)
        policy = acl.render(administrator_policy(login.role))
        if f"{login.mount}/" not in server.must("GET", "sys/auth")["data"]:
            server.must("POST", f"sys/auth/{login.mount}", {"type": "cert", "description": "Administrators"})
        server.must("PUT", f"sys/policies/acl/{login.role}", {"policy": policy})
        server.must("POST", f"auth/{login.mount}/certs/{login.role}", role)

    if not new_pair:
        write(Path(login.certificate_file).read_text(encoding="ascii"))
    elif platform.makes_administrator:
        pair = pairs.new_pair()
        rotation.hand_over(paths, endpoint, file.stack, pair, console=console, replace_certificate=write)
        for place, content in zip(login.files, (pair.certificate, pair.private_key), strict=True):
            write_private(Path(place), content.encode())
    else:
        kept, pair = rotation.next_pair(platform, console, administrator.private_key_secret or pairs.SECRET)
        rotation.hand_over(paths, endpoint, file.stack, pair, console=console, replace_certificate=write)
        rotation.take_up(paths, file, kept, pair)
    with log_in(endpoint) as client:
        found: Any = client.lookup_token()
        if login.role not in found["data"]["policies"]:
            raise EstateError(f"{endpoint.address}: the login gives no policy {login.role!r}; expected it")
    console.say("the administrator has logged in")
