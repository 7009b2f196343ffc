"""A node on Hetzner Cloud, as the commands use it: by the official plugins, with state where the user keeps it.

Owns what its account needs, and what is said of a node that nobody here can look into. Refuses to make people's own
keys.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from components.render.snapshots import Bucket
from ops.console import Console
from ops.engine import state
from ops.errors import EstateError
from ops.keys.first_use import ensure_administrator_pair, ensure_operators, ensure_snapshot_keys
from ops.platforms.driver import FakeCloud, PlatformDriver, Purpose, Status, Table
from ops.snapshots import taking
from ops.snapshots.ages import Ages, ages
from ops.vault import status
from settings.hetzner import HetznerPlatform

BUCKET_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Hetzner(PlatformDriver):
    """The node in the user's account."""

    why_unchecked = "a cloud stack is checked in its sandbox only"
    """Its database and the applications' networks are out of reach from here."""

    @property
    def platform(self) -> HetznerPlatform:
        """Its settings."""
        return cast("HetznerPlatform", self.file.settings.platform)  # the registry chose this driver by them

    @property
    def packages(self) -> Sequence[str]:
        """With AWS' where it makes the bucket or the key of the seal."""
        seal = self.platform.seal
        makes_seal_key = seal.kind == "awskms" and seal.key_arn is None
        return (*(("aws",) if self._bucket or makes_seal_key else ()), "hcloud", "vault")

    @property
    def _bucket(self) -> Bucket | None:
        snapshots = self.file.settings.snapshots
        return snapshots.store if snapshots and isinstance(snapshots.store, Bucket) else None

    @property
    def credentials(self) -> Sequence[str]:
        """A profile in AWS' files takes the place of the bucket's."""
        return ("HCLOUD_TOKEN", *(BUCKET_CREDENTIALS if self._bucket and self._bucket.profile is None else ()))

    @property
    def fake_cloud(self) -> FakeCloud | None:
        """What a preview without plugins starts from: nothing."""
        return FakeCloud(folder=self.paths.own / "previews" / self.file.stack)

    @property
    def seal_kind(self) -> str:
        """As the settings have it."""
        return self.platform.seal.kind

    @property
    def authority_file(self) -> Path | None:
        """As the settings have it."""
        file = self.platform.tls.authority_file
        return self.paths.project / file if file else None

    @property
    def expected_address(self) -> str | None:
        """By its name, where it has one: during the first `up` nothing is exported yet."""
        return f"https://{self.platform.name}:{self.platform.api_port}" if self.platform.name else None

    @property
    def administrator_networks(self) -> Sequence[str]:
        """Those that the node was made with."""
        return self.platform.api_cidrs

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:
        """Its keys are made on first use."""
        if purpose in ("up", "preview"):
            self.ensure_keys(console)
        yield self

    def ensure_keys(self, console: Console) -> None:
        """Make the keys under `.estate/` that the program and the first boot read. Raises EstateError."""
        settings, ssh = self.file.settings, self.platform.ssh
        ensure_administrator_pair(self.paths, settings.bootstrap, console.say)
        ensure_operators(self.paths, settings.bootstrap, console.say)
        ensure_snapshot_keys(self.paths, self.file, ssh.public_keys if ssh else (), console.say)

    def start(self, deployment: Mapping[str, Any], console: Console) -> None:
        """Nothing: the node comes up by itself."""

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
        """In the bucket, for which it takes a credential."""
        if not all(os.environ.get(name) for name in self.credentials if name in BUCKET_CREDENTIALS):
            missing = " and ".join(BUCKET_CREDENTIALS)
            raise EstateError(f"{missing} are missing; expected them, or snapshots.store.profile")
        return ages(self.paths, self.file, cluster) if self.file.settings.snapshots else None
