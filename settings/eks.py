"""Settings of servers in an EKS cluster: the cluster, the pods in it, their chart, and how Vault is reached from here.

Owns which choices fit together. Refuses what no pod could do: another flavour's seal, and a file outside its volumes.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from components.aws.cluster_site import EksSite
from components.model import Host, Ipv4Cidr, Port, PositiveSeconds, RelativeFile, SettingError, hold
from components.render.acl import ROTATOR_PREFIX
from components.render.audit import AuditDevice, FileAudit
from components.render.calendar import cron
from components.render.chart.archive import ChartArchive
from components.render.chart.jobs import AUDIENCE, PinnedImage
from components.render.chart.names import JOBS_NAMESPACE
from components.render.chart.pods import ServerPods
from components.render.chart.server_file import ClusterServer
from components.render.kms_plugin import KmsPlugin
from components.render.release import Server
from components.render.seals import AwsKmsSeal, TransitSeal
from components.render.snapshots import LONGEST_BUCKET, Bucket, BucketName, Snapshots
from components.vault.kubernetes import KubernetesLogin
from settings.applications import Application
from settings.sources import ClusterPostgresWithPassword

_LOGS_OF = "-logs"
"""What a bucket's name ends in that records access to another."""


class EksPlatform(EksSite):
    """Servers in an EKS cluster of their own, by the official chart of their flavour, unsealed by AWS KMS."""

    kind: Literal["eks"]
    """An EKS cluster in an account of AWS."""
    pods: ServerPods
    chart: ChartArchive
    seal: TransitSeal | None = None
    """Another Vault that unseals the servers. None: a key in KMS, which the estate makes; OpenBao has that seal by
    `kms_plugin` only."""
    kms_plugin: KmsPlugin | None = None
    seal_multi_region: bool = False
    """Whether the seal's key can be brought into another region. Without it, snapshots are worth nothing where this
    region is lost for good. It is decided when the key is made: another answer is another key."""
    tools_image: PinnedImage
    """Image of the Jobs beside the servers, by its digest: with Python 3.11 or later, boto3,
    pysequoia and pyrage."""
    rotation_image: PinnedImage | None = None
    """Image of the CronJobs that rotate secrets, by its digest: with Python 3.11 or later and the library
    `vault-estate`. For applications whose `rotator` is a service account in the namespace `vault-jobs`."""
    forwarded_port: Port
    """Port on 127.0.0.1 by which Vault is reached from here: it is forwarded to a pod's, and each stack has another
    one. The administrator's login is good from there only."""
    authorities: Annotated[tuple[RelativeFile, ...], Field(strict=False)] = ()
    """PEM files, relative to the project's root, of authorities that the servers trust beside their image's own: of
    RDS, the region's from https://truststore.pki.rds.amazonaws.com."""
    access_logs_bucket: BucketName | None = None
    """Name of the bucket in which S3 records who asked the snapshots' one for what, for `log_days`; unique among all
    customers of AWS. None: the snapshots' with `-logs` behind it."""
    postgres: ClusterPostgresWithPassword | None = None
    """A database in the cluster's network. None: there is none, or others look after it."""
    boot_timeout: PositiveSeconds = 1_800
    """How long `up` waits for all servers to vote, beginning with their pods. They are initialised in that time, and
    the port is forwarded."""
    destinations: dict[Host, Annotated[tuple[Ipv4Cidr, ...], Field(min_length=1, strict=False)]] = {}
    """Networks behind a host name. To a host that isn't listed, its port is open to anywhere."""

    @staticmethod
    def rotators(applications: Mapping[str, Application]) -> Mapping[str, KubernetesLogin]:
        """Of the applications whose secrets a CronJob beside the servers rotates, that one's login."""
        return {
            name: one.rotator
            for name, one in applications.items()
            if isinstance(one.rotator, KubernetesLogin) and one.rotator.namespace == JOBS_NAMESPACE
        }

    @staticmethod
    def cluster_name(environment: str) -> str:
        """What the cluster is called in its account."""
        return f"vault-{environment}"

    def authority_file(self, stack: str) -> str:
        """Where the certificate of the cluster's own authority is put, relative to the project's root."""
        return f".estate/{stack}/authority.crt"

    def access_logs(self, store: Bucket) -> str:
        """Name of the bucket of records of access to the snapshots'."""
        return self.access_logs_bucket or f"{store.name}{_LOGS_OF}"

    def servers(self, server: Server) -> ClusterServer:
        """The servers. Raises SettingError where the flavour lacks the seal."""
        return ClusterServer(
            flavor=server.flavor,
            version=server.version,
            pods=self.pods,
            seal=self.seal or AwsKmsSeal(region=self.region),
            kms_plugin=self.kms_plugin,
            zones=len(self.zone_ids),
            has_authorities=bool(self.authorities),
        )

    def hold_beside(
        self,
        server: Server,
        audit: Mapping[str, AuditDevice],
        snapshots: Snapshots | None,
        *,
        asks_its_own_cluster: bool,
    ) -> None:
        """Raises SettingError for what doesn't go with the sections beside the platform's. The last one says whether
        pods of the cluster itself log in."""
        self._hold_seal(server)
        try:
            self.chart.hold(server.flavor)
        except SettingError as wrong:
            raise SettingError(f"platform.chart.{wrong.setting}", wrong.value, wrong.expected) from None
        own = self.servers(server).audit_log
        for name, device in audit.items():
            if isinstance(device, FileAudit) and device.file_path not in (own, "stdout"):
                expected = f"{own!r}, on a pod's own volume, or 'stdout'"
                raise SettingError(f"audit.{name}.file_path", repr(device.file_path), expected)
        if snapshots:
            self._hold_snapshots(snapshots, asks_its_own_cluster=asks_its_own_cluster)
        elif self.access_logs_bucket:
            raise SettingError(
                "platform.access_logs_bucket",
                repr(self.access_logs_bucket),
                "none, since there is no section snapshots and thus no bucket to be recorded",
            )

    def _hold_seal(self, server: Server) -> None:
        has = server.flavor in AwsKmsSeal.flavors
        if self.seal is None and not has and self.kms_plugin is None:
            expected = (
                f"a seal of kind 'transit', or kms_plugin beside it: server.flavor is {server.flavor!r}, which lacks "
                "the one by AWS KMS"
            )
            raise SettingError("platform.seal", "missing", expected)
        if self.kms_plugin and (has or self.seal is not None):
            other = f"server.flavor is {server.flavor!r}" if has else "platform.seal is given"
            raise SettingError("platform.kms_plugin", "given", f"none, since {other}")

    def hold_rotators(self, applications: Mapping[str, Application], *, asks_its_own_cluster: bool) -> None:
        """Raises SettingError for a rotator in the jobs' namespace that no CronJob could be."""
        for name, login in self.rotators(applications).items():
            here = f"since applications.{name}.rotator is in {JOBS_NAMESPACE}"
            for setting, value, expected in (
                ("service_account", login.service_account, f"{ROTATOR_PREFIX}{name}"),
                ("audience", login.audience, AUDIENCE),
            ):
                if value != expected:
                    where = f"applications.{name}.rotator.{setting}"
                    raise SettingError(where, repr(value), f"{expected!r}, in {JOBS_NAMESPACE}")
            for secret, one in applications[name].secrets.items():
                if one.rotation and one.rotation.by != "random":
                    where = f"applications.{name}.secrets.{secret}.rotation.by"
                    raise SettingError(where, repr(one.rotation.by), f"'random', {here}, which reaches Vault alone")
            if self.rotation_image is None:
                raise SettingError("platform.rotation_image", "missing", f"an image by its digest, {here}")
            if not asks_its_own_cluster:
                raise SettingError("kubernetes.host", "given", f"none, {here}")

    def _hold_snapshots(self, snapshots: Snapshots, *, asks_its_own_cluster: bool) -> None:
        """What takes them is a pod, by its service account; what keeps them, a bucket of AWS' by a key of its own."""
        store, here = snapshots.store, "since platform.kind is 'eks'"
        if store.kind != "bucket":
            raise SettingError("snapshots.store.kind", repr(store.kind), f"'bucket', off the cluster, {here}")
        for setting, given in (("store.writer", store.writer), ("node_certificate", snapshots.node_certificate)):
            if given:
                raise SettingError(f"snapshots.{setting}", "given", f"none, {here}, where a pod has an identity")
        endpoint = f"https://s3.{self.region}.amazonaws.com"
        for setting, value, expected in (("region", store.region, self.region), ("endpoint", store.endpoint, endpoint)):
            if value != expected:
                raise SettingError(f"snapshots.store.{setting}", repr(value), f"{expected!r}, where the key is")
        self._hold_access_logs(snapshots.bucket)
        if not asks_its_own_cluster:
            raise SettingError("kubernetes", "missing", f"it without a host, {here} and a pod takes snapshots")
        hold("snapshots.schedule", snapshots.schedule, cron)

    def _hold_access_logs(self, store: Bucket) -> None:
        """Records of a bucket are in another one."""
        if self.access_logs_bucket == store.name:
            expected = "another bucket than snapshots.store.name"
            raise SettingError("platform.access_logs_bucket", repr(store.name), expected)
        longest = LONGEST_BUCKET - len(_LOGS_OF)
        if self.access_logs_bucket is None and len(store.name) > longest:
            expected = f"a bucket's name, since snapshots.store.name has over {longest} characters and no room for it"
            raise SettingError("platform.access_logs_bucket", "missing", f"{expected}: {_LOGS_OF}")
