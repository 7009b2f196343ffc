"""`./estate renew-shares`: an operator leaves or joins, so each present one gets a new key share and old ones are void.

Owns the order, in which a threshold of good shares is in somebody's hands at any moment: the old shares make the server
prepare new ones, each encrypted to its operator; these are written down; a threshold of operators shows that they can
open theirs; only then the server voids the old ones and the file takes the old one's place. Stopped anywhere, the same
command goes on from there. Refuses keys that can't decrypt, before anything begins. A share is in memory and in one TLS
request, nowhere else.
"""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
from hvac import exceptions

from components.payloads.bootstrap import BootstrapError, KeyHolder
from ops import stack_file
from ops.commands import session
from ops.commands.shares import Ask, Givers, KeyShares, own_keys
from ops.commands.unseal import may_be_share
from ops.console import Console
from ops.errors import EstateError
from ops.keys.first_use import ensure_operators
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.vault import renewed
from ops.vault.login import log_in

_WAITING, _PROVING = "waiting", "proving"
"""What the file beside the present one says of its shares: nobody has shown one yet; the last may have been shown."""


_TWIN = "already been provided"
"""The server's words of a share that it has."""


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """How far the renewal is."""

    stack: str
    done: bool
    file: str
    """Where the shares are that are good now."""
    operators: Sequence[str]
    threshold: int
    waiting_for: str
    """What the next shares to be given are; empty when it is done."""


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What is to be in force afterwards."""

    holders: Sequence[KeyHolder]
    threshold: int
    recovery: bool

    @property
    def fingerprints(self) -> list[str]:
        return [holder.fingerprint for holder in self.holders]

    def document(self, address: str, status: Mapping[str, Any]) -> dict[str, Any]:
        """The file, as the first boot writes it."""
        shares = [
            {"operator": holder.name, "fingerprint": holder.fingerprint, "encrypted_share": share}
            for holder, share in zip(self.holders, status["keys_base64"], strict=True)
        ]
        return {
            "format": 1,
            "state": _WAITING,
            "address": address,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "keys": "recovery" if self.recovery else "secret",
            "threshold": self.threshold,
            "nonce": status["nonce"],
            "shares": shares,
        }


@dataclass(frozen=True, kw_only=True)
class _Rotation:
    """The server's own state of it, which a restart of the server forgets."""

    client: hvac.Client
    path: str

    @classmethod
    def of(cls, client: hvac.Client, flavor: str, *, recovery: bool) -> "_Rotation":
        """OpenBao and Vault have other names for the same thing."""
        if flavor == "openbao":
            return cls(client=client, path=f"sys/rotate/{'recovery' if recovery else 'root'}")
        return cls(client=client, path="sys/rekey-recovery-key" if recovery else "sys/rekey")

    def call(self, method: str, step: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request. The server's words about a share never hold one."""
        answer = self.client.adapter.request(method, f"/v1/{self.path}/{step}", json=body)
        document: dict[str, Any] = answer if isinstance(answer, dict) else {}
        return dict(document.get("data") or document)

    def status(self) -> dict[str, Any]:
        return self.call("get", "init")

    def begin(self, wanted: _Wanted) -> None:
        keys = [base64.b64encode(holder.key).decode() for holder in wanted.holders]
        body = {"secret_shares": len(keys), "secret_threshold": wanted.threshold, "pgp_keys": keys}
        self.call("put", "init", {**body, "require_verification": True})

    def cancel(self) -> None:
        """Give up what is under way. Vault wants its nonce, for the first ten minutes of it."""
        self.call("delete", "init", {"nonce": self.status()["nonce"]})

    def is_for(self, wanted: _Wanted, status: Mapping[str, Any]) -> bool:
        """Whether what is under way leads to what is wanted."""
        there = [str(one).upper() for one in status.get("pgp_fingerprints") or ()]
        same = [theirs and ours.endswith(theirs) for theirs, ours in zip(there, wanted.fingerprints, strict=False)]
        return bool(same) and all(same) and (status["t"], status["n"]) == (wanted.threshold, len(wanted.holders))

    def give(self, step: str, shares: Iterator[str], before: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
        """Give shares until the server has enough; its last answer, None if there were no more.

        `before` is called with the state before each share. Raises EstateError: one of them is not of this server; all
        were taken back.
        """
        for share in shares:
            before(self.call("get", "init" if step == "update" else "verify"))
            if not may_be_share(share):
                raise EstateError("that is not a key share: it is neither hexadecimal nor base64; nothing was sent")
            nonce = self.status()["nonce" if step == "update" else "verification_nonce"]
            try:
                answer = self.call("put", step, {"key": share, "nonce": nonce})
            except (exceptions.InvalidRequest, exceptions.InternalServerError) as error:
                if _TWIN in str(error):
                    continue
                raise EstateError(
                    "this share, or one given before it, is not of this server. All were taken back; begin again "
                    "with the first"
                ) from None
            if answer.get("complete"):
                return answer
        return None


def renew(
    paths: Paths,
    stack: str,
    console: Console,
    ask: Ask,
    *,
    keys: Sequence[Path] = (),
    node: str | None = None,
    share_file: Path | None = None,
    sandbox: bool = False,
) -> Renewed:
    """Give each present operator a new share, and void those that are out.

    Args:
        paths: of the checkout.
        stack: whose shares.
        console: told of the progress.
        ask: for a share, or for the passphrase of a key; an empty share: no more for now.
        keys: operators' PGP private keys on this machine.
        node: the cloud node that keeps the file, as USER@HOST.
        share_file: or a copy of that file.
        sandbox: whether it is the stack's sandbox.

    Raises:
        EstateError: a key can't encrypt, the place of the file can't be told, or the server refuses a share.
    """
    file = stack_file.read(paths, stack)
    with session.locked(paths), platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        place = KeyShares.of(platform, node, share_file)
        givers = Givers(ask=ask, keys=(*keys, *own_keys(platform)))
        wanted = _wanted(platform)
        endpoint = platform.find_administrator(console)
        with log_in(endpoint) as client:
            rotation = _Rotation.of(client, file.settings.server.flavor, recovery=wanted.recovery)
            waiting = _Renewal(rotation=rotation, place=place, givers=givers, wanted=wanted, console=console).run(
                endpoint.address
            )
        if not waiting and not sandbox:
            renewed.note(paths, stack)
        return Renewed(
            stack=stack,
            done=not waiting,
            file=str(place),
            operators=[holder.name for holder in wanted.holders],
            threshold=wanted.threshold,
            waiting_for=waiting,
        )


def _wanted(platform: PlatformDriver) -> _Wanted:
    bootstrap = platform.file.settings.bootstrap
    public = ensure_operators(platform.paths, bootstrap, lambda _: None)
    try:
        holders = [KeyHolder({"name": name, "public_key": key.read_text(encoding="ascii")}) for name, key in public]
    except BootstrapError as error:
        raise EstateError(str(error)) from None
    return _Wanted(holders=holders, threshold=bootstrap.threshold, recovery=platform.seal_kind != "shamir")


@dataclass(frozen=True, kw_only=True)
class _Renewal:
    """One run."""

    rotation: _Rotation
    place: KeyShares
    givers: Givers
    wanted: _Wanted
    console: Console

    def run(self, address: str) -> str:
        """Go on from wherever it is; what it waits for, empty when it is done."""
        documents, status = self.place.act("read"), self.rotation.status()
        coming = documents["coming"]
        if coming and not (status.get("verification_nonce") and status["nonce"] == coming["nonce"]):
            if coming["state"] == _PROVING and not status["started"] and self._in_force(coming):
                return self._finish()
            self.console.say("the server knows nothing of the shares that an earlier run prepared: beginning anew")
            self.place.act("discard")
            coming, status = None, self.rotation.status()
        if coming is None:
            if status["started"] and (
                status.get("verification_nonce") or not self.rotation.is_for(self.wanted, status)
            ):
                self.rotation.cancel()
                status = self.rotation.status()
            if not status["started"]:
                self.rotation.begin(self.wanted)
            coming = self._prepare(documents["present"], address)
            if coming is None:
                return "old shares"
        return self._prove(coming)

    def _prepare(self, present: Mapping[str, Any] | None, address: str) -> dict[str, Any] | None:
        """Have the server make new shares, for a threshold of the old ones."""
        answer = self._give("update", present, "share in force")
        if answer is None:
            return None
        coming = self.wanted.document(address, answer)
        self.place.act("prepare", coming)
        self.console.say(f"new shares are prepared, each encrypted to its operator: {self.place}.next")
        return coming

    def _prove(self, coming: dict[str, Any]) -> str:
        """Have operators show that they can open theirs."""

        def about_to(state: dict[str, Any]) -> None:
            if state["progress"] + 1 >= self.wanted.threshold and coming["state"] != _PROVING:
                coming["state"] = _PROVING
                self.place.act("prepare", coming)

        if coming["state"] == _PROVING:
            # Of a run that was killed here; the server would count a share twice (OpenBao 2.7.2).
            self.rotation.call("delete", "verify")
        if self._give("verify", coming, "new share", about_to) is None:
            return "new shares"
        return self._finish()

    def _finish(self) -> str:
        self.place.act("renew")
        self.console.say("the new shares are in force, and the old ones void")
        return ""

    def _in_force(self, coming: Mapping[str, Any]) -> bool:
        """Whether an earlier run, killed in its very last step, had put its shares in force: they open a rotation."""
        self.console.say("an earlier run ended in its last step: giving its new shares again tells whether it was done")
        self.rotation.begin(self.wanted)
        try:
            answer = self._give("update", coming, "new share")
        except EstateError:
            return False
        finally:
            self.rotation.cancel()
        if answer is None:
            raise EstateError("too few shares were given; expected a threshold of the new ones. Nothing was changed")
        return True

    def _give(
        self,
        step: str,
        document: Mapping[str, Any] | None,
        what: str,
        before: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any] | None:
        def wanted() -> tuple[int, int]:
            now = self.rotation.call("get", "init" if step == "update" else "verify")
            return now.get("progress", 0), now.get("required", 0) if step == "update" else now["t"]

        return self.rotation.give(step, self.givers.shares(document, what, wanted), before)
