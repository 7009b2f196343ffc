"""Where a stack's encrypted key shares are kept, and where the shares come from that operators give.

Owns the two places: a file of this machine, and the node's by SSH. A share in the clear is in memory only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.payloads import key_shares as payload
from components.render.node.layout import SHARES
from ops.errors import EstateError
from ops.platforms.driver import PlatformDriver
from ops.processes.node import run_on
from ops.vault.key_shares import open_with

Ask = Callable[[str], str]
"""Asks for a secret without showing it; an empty answer means: no more."""


@dataclass(frozen=True, kw_only=True)
class KeyShares:
    """The file of key shares of one stack."""

    file: str
    node: str | None = None
    """USER@HOST of the node it is on; None: this machine."""

    @classmethod
    def of(cls, platform: PlatformDriver, node: str | None, file: Path | None) -> "KeyShares":
        """The one that is meant. Raises EstateError if it can't be told, or is told twice."""
        own = platform.shares_file
        if own and (node or file):
            raise EstateError(f"stack {platform.file.stack!r} keeps its key shares in {own}; expected no other place")
        if own or (file and not node):
            return cls(file=str(own or file))
        if node and not file:
            return cls(file=SHARES, node=node)
        given = "are both given" if node else "are both missing"
        raise EstateError(
            f"--node and --share-file {given}; expected the node as USER@HOST, or a copy of its shares.json"
        )

    def act(self, step: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One step of the payload: the documents `present` and `coming` afterwards. Raises EstateError."""
        told = {"file": self.file, "step": step, "document": document}
        if self.node:
            return run_on(self.node, Path(payload.__file__), told)
        try:
            return payload.act(told)
        except ValueError:
            raise EstateError(f"{self.file} is not a file of key shares; expected what the first boot wrote") from None

    def __str__(self) -> str:
        return f"{self.node}:{self.file}" if self.node else self.file


@dataclass(frozen=True, kw_only=True)
class Givers:
    """Who gives shares: private keys that are on this machine, then whoever types."""

    ask: Ask
    keys: Sequence[Path] = ()

    def shares(
        self, document: Mapping[str, Any] | None, what: str, wanted: Callable[[], tuple[int, int]]
    ) -> Iterator[str]:
        """Shares in the clear until an answer is empty. Raises EstateError.

        Args:
            document: what the file of key shares holds, for the private keys; None: it isn't there.
            what: whose shares, for the prompt.
            wanted: how many are given and how many it takes, asked before each prompt.
        """
        opened: set[str] = set()
        for key in self.keys if document else ():
            share = open_with(document or {}, key, self.ask)
            # The checkout's own key may be named once more, and a share that is given twice counts as a wrong one.
            if share and share not in opened:
                opened.add(share)
                yield share
        while True:
            given, needed = wanted()
            share = self.ask(f"{what} {given + 1} of {needed} (hidden; empty to stop): ").strip()
            if not share:
                return
            yield share


def own_keys(platform: PlatformDriver) -> tuple[Path, ...]:
    """Private keys of operators that were made in this checkout, beside the public ones that the settings name."""
    paths = platform.paths
    public = [paths.project / one.pgp_key for one in platform.file.settings.bootstrap.operators]
    return tuple(
        private
        for private in (file.with_name("private.asc") for file in public if file.is_relative_to(paths.own))
        if private.is_file()
    )
