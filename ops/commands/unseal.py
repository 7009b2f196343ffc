"""`./estate unseal`: operators open the seal of a cloud stack's server, one share each.

Owns the questions asked before a share leaves this process: is it the stack's server, initialised, sealed, and by
shares? Refuses a share that can't be one before the server sees it, and to leave a half-done unseal behind a wrong one.
A share is in memory and in one TLS request, nowhere else.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import requests
from hvac import exceptions

from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.stack_file import StackFile
from ops.vault.endpoint import VaultEndpoint
from ops.vault.key_shares import open_share

_SECONDS = 30
_OPENING_SECONDS = 30.0
"""How long a server may take from its last share to being at work; measured here: under 2 s."""

Ask = Callable[[str], str]
"""Asks for a secret without showing it; an empty answer means: no more."""


@dataclass(frozen=True, kw_only=True)
class Unsealed:
    """How far the seal is."""

    stack: str
    address: str
    given: int
    """Shares the server has; all of them once it is open."""
    threshold: int
    sealed: bool
    cluster_id: str | None
    """Known only of an open server."""


@dataclass(frozen=True, kw_only=True)
class ShareFile:
    """Where a share comes from that isn't typed."""

    custody: Path
    private_key: Path


def unseal(
    paths: Paths,
    stack: str,
    console: Console,
    ask: Ask,
    *,
    source: ShareFile | None = None,
    address: str | None = None,
    sandbox: bool = False,
) -> Unsealed:
    """Give shares to a stack's server: the one of a file of key shares, or as many as are typed.

    Works while an `up` waits for it, so it takes no lock.

    Args:
        paths: of the checkout.
        stack: whose server.
        console: told of the progress.
        ask: for a share, or for the passphrase of a key.
        source: the share to take; None: typed ones, until the seal is open or an answer is empty.
        address: of the server, where neither settings nor outputs tell it yet.
        sandbox: whether it is the stack's sandbox.

    Raises:
        EstateError: the stack has auto-unseal, the server isn't the stack's, isn't initialised, isn't sealed or
            refuses a share.
    """
    file = stack_file.read(paths, stack)
    with platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        if platform.seal_kind != "shamir":
            msg = f"stack {stack!r} has the seal {platform.seal_kind!r}, which is auto-unseal; expected 'shamir'"
            raise EstateError(msg)
        exported = platform.outputs(console)
        endpoint = _endpoint(platform, address or exported.get("address") or platform.expected_address)
        with _answering(endpoint) as client:
            server = _Server(client=client, endpoint=endpoint, known_cluster=exported.get("cluster_id"))
            return _give(platform.file, server, console, ask, source)


def _give(file: StackFile, server: "_Server", console: Console, ask: Ask, source: ShareFile | None) -> Unsealed:
    status = server.checked(file)
    if source:
        status = server.give(open_share(source.custody, source.private_key, ask))
        console.say(_progress(status))
    while status["sealed"] and not source:
        share = ask(f"share {status['progress'] + 1} of {status['t']} (hidden; empty to stop): ").strip()
        if not share:
            break
        before = status["progress"]
        status = server.give(share)
        known = status["sealed"] and status["progress"] == before
        console.say("that share was given already" if known else _progress(status))
    return Unsealed(
        stack=file.stack,
        address=server.endpoint.address,
        given=status["progress"] if status["sealed"] else status["t"],
        threshold=status["t"],
        sealed=status["sealed"],
        cluster_id=None if status["sealed"] else server.opened(),
    )


def _progress(status: dict[str, Any]) -> str:
    given = status["progress"] if status["sealed"] else status["t"]
    return f"{given} of {status['t']} given"


def _endpoint(platform: PlatformDriver, address: str | None) -> VaultEndpoint:
    if not address:
        msg = (
            f"stack {platform.file.stack!r} exports no address yet and its node has no name; expected --address "
            "https://IP:8200"
        )
        raise EstateError(msg)
    if not address.startswith("https://"):
        raise EstateError(f"--address is {address!r}; expected one that begins with https://")
    endpoint = platform.endpoint(address)
    if endpoint.ca_file and not endpoint.ca_file.is_file():
        msg = (
            f"{endpoint.ca_file} is not there; expected the certificate that the server is known by (`up` keeps it "
            "there)"
        )
        raise EstateError(msg)
    return endpoint


@contextmanager
def _answering(endpoint: VaultEndpoint) -> Iterator[hvac.Client]:
    """A client without any token. Its errors never name what was sent."""
    verify = str(endpoint.ca_file) if endpoint.ca_file else True
    client = hvac.Client(url=endpoint.address, token="", verify=verify, timeout=_SECONDS)
    try:
        yield client
    except requests.exceptions.SSLError:
        msg = (
            f"{endpoint.address} is not the server of this stack: its certificate isn't vouched for; no share was sent"
        )
        raise EstateError(msg) from None
    except requests.exceptions.RequestException:
        raise EstateError(f"{endpoint.address} does not answer; expected a running Vault") from None
    except (exceptions.VaultError, KeyError, TypeError, ValueError):
        raise EstateError(f"{endpoint.address} does not answer as a Vault does; expected a Vault there") from None
    finally:
        client.adapter.close()


@dataclass(frozen=True, kw_only=True)
class _Server:
    """The server whose seal is to be opened."""

    client: hvac.Client
    endpoint: VaultEndpoint
    known_cluster: str | None

    def status(self) -> dict[str, Any]:
        """What it says of its seal."""
        status: dict[str, Any] = self.client.adapter.get("/v1/sys/seal-status")
        return status

    def checked(self, file: StackFile) -> dict[str, Any]:
        """The same, if a share may be given."""
        status, address = self.status(), self.endpoint.address
        if not status["initialized"]:
            raise EstateError(f"{address} is not initialised; expected a server whose first boot made its shares")
        if not status["sealed"]:
            self._refuse_other_cluster(status.get("cluster_id"))
            raise EstateError(f"{address} is not sealed; expected a sealed server")
        if status["type"] != "shamir":
            raise EstateError(f"{address} has the seal {status['type']!r}, which is auto-unseal; expected 'shamir'")
        first = file.settings.bootstrap
        wanted = (first.threshold, len(first.operators))
        if (status["t"], status["n"]) != wanted:
            # A sealed server doesn't tell its cluster.
            msg = (
                f"{address} wants {status['t']} of {status['n']} shares, but bootstrap says {wanted[0]} of "
                f"{wanted[1]}; expected the server of this stack"
            )
            raise EstateError(msg)
        return status

    def give(self, share: str) -> dict[str, Any]:
        """Send one share; what is wrong with it ends the whole unseal, whosever shares were given before."""
        if not may_be_share(share):
            raise EstateError("that is not a key share: it is neither hexadecimal nor base64; nothing was sent")
        try:
            status: dict[str, Any] = self.client.sys.submit_unseal_key(key=share)
        except exceptions.InvalidRequest:
            self.client.sys.submit_unseal_key(reset=True)
            msg = (
                f"{self.endpoint.address} did not open: this share, or one given before it, is not of this server. "
                "All were taken back; begin again with the first"
            )
            raise EstateError(msg) from None
        return status

    def opened(self) -> str:
        """The cluster's name, as soon as the server is at work."""
        deadline = time.monotonic() + _OPENING_SECONDS
        while True:
            cluster = self.status().get("cluster_id")
            if cluster:
                self._refuse_other_cluster(cluster)
                return str(cluster)
            if time.monotonic() > deadline:
                msg = f"{self.endpoint.address} took its shares, but is not at work after {_OPENING_SECONDS:.0f} s"
                raise EstateError(msg)
            time.sleep(0.1)

    def _refuse_other_cluster(self, cluster: object) -> None:
        if self.known_cluster and cluster and cluster != self.known_cluster:
            msg = (
                f"{self.endpoint.address} is cluster {cluster}, but the stack knows {self.known_cluster}; "
                "expected that one"
            )
            raise EstateError(msg)


def may_be_share(text: str) -> bool:
    """Whether a text has one of the two forms that servers take."""
    try:
        return bool(bytes.fromhex(text))
    except ValueError:
        pass
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
