"""A stack in somebody's account of a cloud, as the commands use it: what drivers of such places have in common.

Owns what is said of a server that nobody here can look into. Refuses to start or to remove anything: the engine does.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from components.render.snapshots import Bucket
from ops.console import Console
from ops.engine import state
from ops.errors import EstateError
from ops.platforms.driver import FakeCloud, PlatformDriver, Purpose, Status, Table
from ops.snapshots import taking
from ops.snapshots.ages import Ages, ages
from ops.vault import status

AWS_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Account(PlatformDriver):
    """By the official plugins, with state where the user keeps it."""

    @property
    def fake_cloud(self) -> FakeCloud | None:
        """What a preview without plugins starts from: nothing."""
        return FakeCloud(folder=self.paths.own / "previews" / self.file.stack)

    @property
    def bucket(self) -> Bucket | None:
        """Where snapshots go."""
        snapshots = self.file.settings.snapshots
        return snapshots.store if snapshots and isinstance(snapshots.store, Bucket) else None

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:
        """Its keys are made on first use."""
        if purpose in ("up", "preview"):
            self.ensure_keys(console)
        yield self

    @abstractmethod
    def ensure_keys(self, console: Console) -> None:
        """Make the keys under `.estate/` that the program reads. Raises EstateError."""

    def start(self, deployment: Mapping[str, Any], console: Console) -> None:
        """Nothing: servers come up by themselves."""

    def remove(self) -> None:
        """Nothing: keys and settings stay."""

    def status(self, console: Console) -> Status:
        """What its state and its server tell."""
        stack = self.file.stack
        record = state.read_record(self.paths, stack, self.backend, console)
        outputs = record.outputs if record else {}
        address, cluster = outputs.get("address"), outputs.get("cluster_id")
        age, said = self.newest_snapshot(cluster) if record else (None, "")
        vault = status.ask(self.endpoint(address), cluster) if address else None
        document = {
            "built": record is not None,
            "vault": asdict(vault) if vault else None,
            "unfinished": record is not None and record.is_unfinished,
            "snapshot": said or None,
            "snapshot_age_seconds": age,
        }
        if record is None:
            return Status(document=document, sentence=f"stack {stack!r} was never up: {self.up_command} builds it")
        if vault is None:
            sentence = f"stack {stack!r} exports no address; expected one: {self.up_command} goes on"
            return Status(document=document, sentence=sentence)
        more = [["last `up`", "unfinished" if record.is_unfinished else "finished"], ["newest snapshot", said]]
        tables = Table.of_vault(vault, f"stack {stack}", more)
        return Status(document=document, tables=tables, trouble=vault.trouble, vault=vault)

    def newest_snapshot(self, cluster: str | None) -> tuple[float | None, str]:
        """Age in seconds of a cluster's newest snapshot in the stack's store, and what is to be said of it."""
        wanted = self.file.settings.snapshots
        if wanted is None:
            return None, "none is taken: the settings have no section snapshots"
        try:
            found = self.snapshot_ages(cluster)
        except EstateError as error:
            return None, f"can't be seen: {error}"
        age = found.snapshot if found else None
        return age, taking.freshness(age, wanted.stale_after)

    def snapshot_ages(self, cluster: str | None) -> Ages | None:
        """In the bucket, for which it takes a credential, or a profile in its place."""
        if self.bucket and self.bucket.profile is None and not all(os.environ.get(name) for name in AWS_CREDENTIALS):
            missing = " and ".join(AWS_CREDENTIALS)
            raise EstateError(f"{missing} are missing; expected them, or snapshots.store.profile")
        return ages(self.paths, self.file, cluster) if self.file.settings.snapshots else None
