"""The components of a cluster, declared whole: what tests of them and of the policy pack look at."""

import pulumi

from components.kubernetes.authority import PublishedAuthority, PublishedAuthorityArgs
from components.kubernetes.bootstrap_job import BootstrapJob, BootstrapJobArgs
from components.kubernetes.certificates import ListenerCertificate, ListenerCertificateArgs
from components.kubernetes.namespaces import ServerNamespaces, ServerNamespacesArgs
from components.kubernetes.provider import cluster_provider
from components.kubernetes.rotation_cron_job import RotationCronJob, RotationCronJobArgs
from components.kubernetes.server_chart import ServerChart, ServerChartArgs
from components.kubernetes.snapshot_cron_job import SnapshotCronJob, SnapshotCronJobArgs
from components.kubernetes.storage import ServerStorage, ServerStorageArgs
from components.render.bootstrap import Administrator, Bootstrap, Operator
from components.render.chart.jobs import first_boot_needs
from components.render.chart.network_policies import PodTraffic
from components.render.chart.server_file import ClusterServer
from components.render.snapshots import Bucket, Snapshots
from components.render.traffic import Need
from tests.unit.render.chart_samples import KEY, VAULT

CLUSTER = "arn:aws:eks:eu-central-1:123456789012:cluster/vault-staging"
DISKS = "arn:aws:kms:eu-central-1:123456789012:key/5678cdef"
SHARES = "arn:aws:kms:eu-central-1:123456789012:key/9012abcd"
ARCHIVES = {"vault": "charts/vault-0.34.1.tgz", "openbao": "charts/openbao-0.29.2.tgz"}
TRAFFIC = PodTraffic(
    flavor="vault",
    api_networks=("10.0.0.0/16", "172.20.0.1/32"),
    client_networks=("10.0.240.0/24",),
    needs=(
        Need(host="kms.eu-central-1.amazonaws.com", port=443, reason="seal by AWS KMS"),
        Need(host="db.internal", port=5432, reason="database main"),
        Need(host="10.9.0.4", port=5432, reason="database second"),
    ),
    job_needs=(first_boot_needs("eu-central-1"),),
    destinations={"db.internal": ("10.8.0.0/24",)},
)


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
TOOLS = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/vault-estate/tools@sha256:{'1' * 64}"
FIRST_BOOT = BootstrapJobArgs(
    bootstrap=Bootstrap(
        operators=(Operator(name="ada", pgp_key="ada.asc"),),
        threshold=1,
        administrator=Administrator(certificate_pem=CERTIFICATE, private_key_secret="administrator"),
    ),
    texts={"ada.asc": "A"},
    policy='path "sys/mounts" {}',
    replicas=3,
    image=TOOLS,
    environment="staging",
    region="eu-central-1",
    kms_key_arn=SHARES,
    kept='{"Statement": []}',
)

SNAPSHOTS = SnapshotCronJobArgs(
    snapshots=Snapshots(
        store=Bucket(name="snapshots", endpoint="https://s3.eu-central-1.amazonaws.com", region="eu-central-1"),
        schedule="*-*-* 00/4:15",
        stale_after=28_800,
        recipients=("operator.txt",),
        certificate="snapshots.crt",
    ),
    texts={"operator.txt": f"age1{'q' * 58}\n"},
    image=TOOLS,
    scratch_gibibytes=40,
    auth_path="kubernetes",
)


def servers(server: ClusterServer = VAULT, *, protect: bool = True) -> None:
    """Everything in the cluster."""
    provider = cluster_provider("cluster", kubeconfig="{}", cluster=CLUSTER)
    options = pulumi.ResourceOptions(providers=[provider])
    namespaces = ServerNamespaces("namespaces", ServerNamespacesArgs(traffic=TRAFFIC, protect=protect), options)
    within = pulumi.ResourceOptions(providers=[provider], depends_on=[namespaces])
    names = ListenerCertificateArgs(pods=server.pods, more_names=("vault.example.com",))
    certificate = ListenerCertificate("certificate", names, within)
    storage = ServerStorage("storage", ServerStorageArgs(server=server, kms_key_arn=DISKS, protect=protect), within)
    chart = ServerChart(
        "vault",
        ServerChartArgs(server=server, archive=ARCHIVES[server.flavor], seal_key_arn=KEY),
        pulumi.ResourceOptions(providers=[provider], depends_on=[namespaces, certificate, storage]),
    )
    authority = PublishedAuthority(
        "authority",
        PublishedAuthorityArgs(image=TOOLS, api_networks=TRAFFIC.api_networks),
        pulumi.ResourceOptions(providers=[provider], depends_on=[namespaces, certificate]),
    )
    after = pulumi.ResourceOptions(providers=[provider], depends_on=[chart, authority])
    BootstrapJob("first-boot", FIRST_BOOT, after)
    SnapshotCronJob("snapshots", SNAPSHOTS, after)
    rotated = RotationCronJobArgs(account="rotator-shop", document="{}", image=TOOLS)
    RotationCronJob("rotation-of-shop", rotated, after)
