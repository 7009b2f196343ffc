"""The components of a cluster, declared whole: what tests of them and of the policy pack look at."""

import pulumi

from components.kubernetes.certificates import ListenerCertificate, ListenerCertificateArgs
from components.kubernetes.namespaces import ServerNamespaces, ServerNamespacesArgs
from components.kubernetes.provider import cluster_provider
from components.kubernetes.server_chart import ServerChart, ServerChartArgs
from components.kubernetes.storage import ServerStorage, ServerStorageArgs
from components.render.chart.network_policies import PodTraffic
from components.render.chart.server_file import ClusterServer
from components.render.traffic import Need
from tests.unit.render.chart_samples import KEY, VAULT

CLUSTER = "arn:aws:eks:eu-central-1:123456789012:cluster/vault-staging"
DISKS = "arn:aws:kms:eu-central-1:123456789012:key/5678cdef"
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
    job_needs=(Need(host="secretsmanager.eu-central-1.amazonaws.com", port=443, reason="key shares"),),
    destinations={"db.internal": ("10.8.0.0/24",)},
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
    ServerChart(
        "vault",
        ServerChartArgs(server=server, archive=ARCHIVES[server.flavor], seal_key_arn=KEY),
        pulumi.ResourceOptions(providers=[provider], depends_on=[namespaces, certificate, storage]),
    )
