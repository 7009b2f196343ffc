"""A node on Hetzner Cloud, as the commands use it: by the official plugins, with state where the user keeps it.

Owns what its account needs. Refuses to make people's own keys.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from ops.console import Console
from ops.keys.first_use import ensure_administrator_pair, ensure_operators, ensure_snapshot_keys
from ops.platforms.account import AWS_CREDENTIALS, Account
from settings.hetzner import HetznerPlatform


class Hetzner(Account):
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
        return (*(("aws",) if self.bucket or makes_seal_key else ()), "hcloud", "vault")

    @property
    def credentials(self) -> Sequence[str]:
        """A profile in AWS' files takes the place of the bucket's."""
        return ("HCLOUD_TOKEN", *(AWS_CREDENTIALS if self.bucket and self.bucket.profile is None else ()))

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

    def ensure_keys(self, console: Console) -> None:
        """Make the keys under `.estate/` that the program and the first boot read. Raises EstateError."""
        settings, ssh = self.file.settings, self.platform.ssh
        ensure_administrator_pair(self.paths, settings.bootstrap, console.say)
        ensure_operators(self.paths, settings.bootstrap, console.say)
        ensure_snapshot_keys(self.paths, self.file, ssh.public_keys if ssh else (), console.say)
