"""Servers in an EKS cluster, as the commands use them: by the official plugins, and by a port that is forwarded.

Owns what is asked of this machine before `up`. Refuses to reach the cluster itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from components.platform.local import ADMINISTRATOR_NETWORKS
from components.render.chart.names import api_in_cluster
from ops.console import Console
from ops.errors import EstateError
from ops.keys.first_use import ensure_administrator_pair, ensure_operators, ensure_snapshot_keys
from ops.platforms.account import AWS_CREDENTIALS, Account
from ops.platforms.driver import PlatformDriver, Purpose
from settings.eks import EksPlatform


class Eks(Account):
    """The cluster in the user's account."""

    why_unchecked = "a cluster's database and its applications' networks are out of reach from here"

    @property
    def platform(self) -> EksPlatform:
        """Its settings."""
        return cast("EksPlatform", self.file.settings.platform)  # the registry chose this driver by them

    @property
    def packages(self) -> Sequence[str]:
        """AWS' for the cluster, and that of what is in it."""
        return ("aws", "kubernetes", "vault")

    @property
    def credentials(self) -> Sequence[str]:
        """A profile in AWS' files takes their place."""
        return () if self.platform.profile else AWS_CREDENTIALS

    @property
    def seal_kind(self) -> str:
        """As the settings have it, or the cluster's own."""
        return self.platform.servers(self.file.settings.server).seal.kind

    @property
    def authority_file(self) -> Path:
        """The cluster's own, which somebody brings during the first `up`."""
        return self.paths.project / self.platform.authority_file(self.file.stack)

    @property
    def expected_address(self) -> str:
        """Of the forwarded port."""
        return f"https://127.0.0.1:{self.platform.forwarded_port}"

    @property
    def administrator_networks(self) -> Sequence[str]:
        """A forwarded port comes out on a pod's loopback."""
        return ADMINISTRATOR_NETWORKS

    def address_for_applications(self, address: str) -> str:
        """By its service, since a forwarded port is nothing for them."""
        del address
        return api_in_cluster()

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:
        """As elsewhere, and the chart's archive is there."""
        if purpose == "up" and not (self.paths.project / self.platform.chart.file).is_file():
            setting = self.file.named("platform.chart.file")
            raise EstateError(
                f"{setting} is {self.platform.chart.file!r}, which isn't there; expected it, as docs/eks.md tells"
            )
        with super().ready(purpose, console) as platform:
            yield platform

    def ensure_keys(self, console: Console) -> None:
        """Make the keys under `.estate/` that the program reads. Raises EstateError."""
        bootstrap = self.file.settings.bootstrap
        ensure_administrator_pair(self.paths, bootstrap, console.say)
        ensure_operators(self.paths, bootstrap, console.say)
        ensure_snapshot_keys(self.paths, self.file, (), console.say)
