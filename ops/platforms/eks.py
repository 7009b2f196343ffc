"""Servers in an EKS cluster, as the commands use them: by the official plugins, and by a port that is forwarded.

Owns what is asked of this machine before `up`, and which port is forwarded when. Refuses to reach the cluster itself:
`forwarding` does.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import cast

from components.platform.local import ADMINISTRATOR_NETWORKS
from components.render.aws.role_policies import key_shares
from components.render.chart.names import api_in_cluster
from components.vault.kubernetes import KubernetesLogin
from ops.clusters.api import KubernetesApi
from ops.console import Console
from ops.engine.listening import Kept
from ops.keys.first_use import ensure_administrator_pair, ensure_operators, ensure_snapshot_keys
from ops.platforms import chart_archive
from ops.platforms.account import AWS_CREDENTIALS, Account
from ops.platforms.driver import PlatformDriver, Purpose
from ops.platforms.forwarding import ForwardedPort, forwarded
from ops.platforms.kubectl import Kubectl
from settings.eks import EksPlatform


class Eks(Account):
    """The cluster in the user's account."""

    brings_credentials = False
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
        """The cluster's own, which the first `up` fetches."""
        return self.paths.project / self.platform.authority_file(self.file.stack)

    @property
    def expected_address(self) -> str:
        """Of the forwarded port."""
        return f"https://127.0.0.1:{self.platform.forwarded_port}"

    @property
    def administrator_networks(self) -> Sequence[str]:
        """A forwarded port comes out on a pod's loopback."""
        return ADMINISTRATOR_NETWORKS

    def address_for_applications(self, address: str, role: str) -> str:
        """By its service, or from outside of the cluster by its load balancer: a forwarded port is nothing for them."""
        del address
        settings, balancer = self.file.settings, self.platform.load_balancer
        own = settings.kubernetes is not None and settings.kubernetes.host is None
        inside = own and isinstance(settings.logins[role], KubernetesLogin)
        return balancer.address if balancer and not inside else api_in_cluster()

    @property
    def kept_beside(self) -> Sequence[Kept]:
        """Key shares, which first boot has made."""
        return [Kept(kind="key shares", identity=f"{key_shares(self.file.settings.environment)}/…")]

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:
        """As elsewhere, and the chart's archive is there. The port is forwarded: by an `up` as soon as there is a
        cluster, by another command where an `up` of this checkout has reached it."""
        if purpose == "up":
            chart_archive.ensure(self.paths.project, self.file, self.platform, console.say)
            reached: AbstractContextManager[None] = forwarded(self.forwarded_port, waits=False, say=console.say)
        else:
            reached = self.reached(console)
        with super().ready(purpose, console) as platform, reached:
            yield platform

    def reached(self, console: Console) -> AbstractContextManager[None]:
        """By the forwarded port, where an `up` of this checkout has reached the cluster."""
        if not self.authority_file.exists():
            return nullcontext()
        return forwarded(self.forwarded_port, waits=True, say=console.say)

    def cluster(self) -> KubernetesApi:
        """By `kubectl`."""
        found = Kubectl(cluster=self.forwarded_port)
        found.find()
        return found

    @property
    def forwarded_port(self) -> ForwardedPort:
        """By which the servers are reached."""
        return ForwardedPort(
            cluster=self.platform.cluster_name(self.file.settings.environment),
            region=self.platform.region,
            profile=self.platform.profile,
            port=self.platform.forwarded_port,
            kubeconfig=self.authority_file.with_name("kubeconfig"),
            authority=self.authority_file,
        )

    def ensure_keys(self, console: Console) -> None:
        """Make the keys under `.estate/` that the program reads. Raises EstateError."""
        bootstrap = self.file.settings.bootstrap
        ensure_administrator_pair(self.paths, bootstrap, console.say)
        ensure_operators(self.paths, bootstrap, console.say)
        ensure_snapshot_keys(self.paths, self.file, (), console.say)
