"""Settings of servers in an EKS cluster: who says how many, and what doesn't go together.

Not proven: that AWS has what is named; `tests/unit/test_eks_estate.py` shows where each setting goes.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from components.render.chart.server_file import ClusterServer
from ops.cli import told_settings
from ops.paths import Paths
from ops.stack_file import read as read_file
from settings import parse, read
from settings.eks import EksPlatform
from tests.support.eks_samples import (
    CLUSTER,
    EXISTING_NETWORK,
    KMS_PLUGIN,
    LOAD_BALANCER,
    OF_OPENBAO,
    PLATFORM,
    SNAPSHOTS,
    cluster,
    openbao,
)
from tests.unit.settings.samples import MINIMAL, refusal


def platform(whole: dict[str, Any]) -> EksPlatform:
    found = parse(whole).platform
    assert isinstance(found, EksPlatform)
    return found


def test_a_stack_says_another_number_of_servers_and_that_is_told() -> None:
    told = read({**cluster(pods={**PLATFORM["pods"], "replicas": 3}), "profile": "production"})
    said = told.layers.said["platform", "pods", "replicas"]
    assert (said.value, said.source, said.instead and (said.instead.value, said.instead.source)) == (
        3,
        "stack",
        (5, "profile"),
    )


@pytest.mark.parametrize(("stack", "replicas"), [("staging", 3), ("prod", 5)])
def test_the_committed_stacks_take_their_number_from_the_profile(stack: str, replicas: int) -> None:
    said = read_file(Paths(), stack).layers.said["platform", "pods", "replicas"]
    assert (said.value, said.source) == (replicas, "profile")


def without_flavor(whole: Mapping[str, Any]) -> dict[str, Any]:
    return {**whole, "server": {"version": whole["server"]["version"]}}


def test_a_clusters_server_is_vault_unless_a_stack_says_another_and_the_rest_have_to_say() -> None:
    told = read(without_flavor(cluster()))
    said = told.layers.said["server", "flavor"]
    assert (told.settings.server.flavor, said.value, said.source) == ("vault", "vault", "platform")
    stated = read(openbao(**OF_OPENBAO))
    said = stated.layers.said["server", "flavor"]
    assert (stated.settings.server.flavor, said.source) == ("openbao", "stack")
    assert (said.instead and (said.instead.value, said.instead.source)) == ("vault", "platform")
    missing = "vault-estate:estate.server.flavor is missing; expected a value"
    assert refusal(without_flavor(MINIMAL)) == [missing]
    assert missing in refusal({**without_flavor(MINIMAL), "platform": {"kind": ["eks"]}})


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_the_committed_stacks_have_their_platforms_flavour(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    told_settings.settings(stack=stack)
    assert "platform server.flavor: vault" in capsys.readouterr().out.splitlines()


def test_snapshots_are_taken_where_pods_log_in() -> None:
    assert parse(snapshots()).snapshots is not None


def test_the_seal_is_by_kms_of_the_clusters_own_region_unless_another_vault_unseals() -> None:
    own = platform(cluster()).servers(parse(cluster()).server)
    assert isinstance(own, ClusterServer)
    assert (own.seal.kind, own.version, own.zones) == ("awskms", "2.0.4", 3)
    other = openbao(**OF_OPENBAO)
    assert platform(other).servers(parse(other).server).seal.kind == "transit"


STORE = SNAPSHOTS["store"]


def snapshots(**parts: Any) -> dict[str, Any]:
    """A stack that takes snapshots, with parts of their section replaced."""
    return {**CLUSTER, "kubernetes": {}, "snapshots": {**SNAPSHOTS, **parts}}


AUDIT = {**CLUSTER["audit"], "one": {"type": "file", "file_path": "/var/log/audit.log"}}


@pytest.mark.parametrize(
    ("whole", "line"),
    [
        (
            openbao(),
            (
                "platform.seal is missing; expected a seal of kind 'transit', or kms_plugin beside it: "
                "server.flavor is 'openbao', which lacks the one by AWS KMS"
            ),
        ),
        (
            cluster(kms_plugin=KMS_PLUGIN),
            "platform.kms_plugin is given; expected none, since server.flavor is 'vault'",
        ),
        (
            openbao(**OF_OPENBAO, kms_plugin=KMS_PLUGIN),
            "platform.kms_plugin is given; expected none, since platform.seal is given",
        ),
        (
            openbao(kms_plugin={**KMS_PLUGIN, "command": "a"}),
            "platform.kms_plugin.image is given beside command; expected either image or command",
        ),
        (
            openbao(kms_plugin={**KMS_PLUGIN, "sha256sum": "abc"}),
            (
                "platform.kms_plugin.sha256sum is 'abc'; expected a SHA-256 checksum: 64 hexadecimal digits in lower "
                "case"
            ),
        ),
        (
            cluster(existing_network={"vpc_id": "vpc-01234567", "subnet_ids": {"euc1-az1": "subnet-01234567"}}),
            (
                "platform.existing_network.subnet_ids is 'euc1-az1'; expected one for each of zone_ids: euc1-az1, "
                "euc1-az2, euc1-az3"
            ),
        ),
        (
            cluster(pod_roles="irsa"),
            "platform.addons.pod_identity_agent is 'v1.2.0-eksbuild.1'; expected none, since pod_roles is 'irsa'",
        ),
        (
            cluster(addons={**PLATFORM["addons"], "pod_identity_agent": None}),
            (
                "platform.addons.pod_identity_agent is missing; expected an add-on's version, since pod_roles is "
                "'pod_identity'"
            ),
        ),
        (
            cluster(load_balancer={**LOAD_BALANCER, "client_cidrs": ["192.168.0.0/16", "10.0.7.0/24"]}),
            (
                "platform.load_balancer.client_cidrs[1] is '10.0.7.0/24'; expected a network outside of network_cidr, "
                "which is '10.0.0.0/16', or one around it"
            ),
        ),
        (
            cluster(load_balancer={**LOAD_BALANCER, "client_cidrs": ["0.0.0.0/0"]}),
            (
                "platform.load_balancer.client_cidrs[0] is '0.0.0.0/0'; expected a network such as 10.0.0.0/8, with no "
                "bit set behind its length and smaller than the internet"
            ),
        ),
        (
            cluster(load_balancer={**LOAD_BALANCER, "hosted_zone_id": "example.com"}),
            (
                "platform.load_balancer.hosted_zone_id is 'example.com'; expected a hosted zone's id such as "
                "Z0123456789ABCDEFGHIJ"
            ),
        ),
        (
            cluster(load_balancer=LOAD_BALANCER, existing_network=EXISTING_NETWORK),
            "platform.load_balancer is given; expected none, since existing_network is given, where nothing is made",
        ),
        (
            cluster(existing_network={"vpc_id": "main", "subnet_ids": {}}),
            "platform.existing_network.vpc_id is 'main'; expected a network's id such as vpc-0123456789abcdef0",
        ),
        (
            cluster(chart={**PLATFORM["chart"], "file": "charts/vault-0.33.0.tgz"}),
            (
                "platform.chart.file is 'charts/vault-0.33.0.tgz'; expected a file called vault-0.34.1.tgz, the "
                "chart that the values are for"
            ),
        ),
        (
            openbao(seal=OF_OPENBAO["seal"]),
            (
                "platform.chart.file is 'charts/vault-0.34.1.tgz'; expected a file called openbao-0.29.2.tgz, the "
                "chart that the values are for"
            ),
        ),
        (
            {**CLUSTER, "audit": {}},
            ("audit is empty; expected at least two different types, so that one that blocks doesn't stop Vault"),
        ),
        (
            {**CLUSTER, "audit": {"one": CLUSTER["audit"]["file"]}},
            (
                "audit is of type file only; expected at least two different types, so that one that blocks doesn't "
                "stop Vault"
            ),
        ),
        (
            {**CLUSTER, "audit": AUDIT},
            (
                "audit.one.file_path is '/var/log/audit.log'; expected '/vault/audit/audit.log', on a pod's own "
                "volume, or 'stdout'"
            ),
        ),
        (
            snapshots(node_certificate="keys/node.crt"),
            (
                "snapshots.node_certificate is given; expected none, since platform.kind is 'eks', where a pod has an "
                "identity"
            ),
        ),
        (
            {**snapshots(), "platform": {**CLUSTER["platform"], "access_logs_bucket": STORE["name"]}},
            "platform.access_logs_bucket is 'vault-snapshots'; expected another bucket than snapshots.store.name",
        ),
        (
            snapshots(store={**STORE, "name": "s" * 59}),
            (
                "platform.access_logs_bucket is missing; expected a bucket's name, since snapshots.store.name has over "
                "58 characters and no room for it: -logs"
            ),
        ),
        (
            cluster(access_logs_bucket="records"),
            (
                "platform.access_logs_bucket is 'records'; expected none, since there is no section snapshots and thus "
                "no bucket to be recorded"
            ),
        ),
        (
            snapshots(store={**STORE, "writer": "arn:aws:iam:::user/p1:KEY"}),
            "snapshots.store.writer is given; expected none, since platform.kind is 'eks', where a pod has an identity",
        ),
        (
            snapshots(store={"kind": "folder", "path": "snapshots"}),
            "snapshots.store.kind is 'folder'; expected 'bucket', off the cluster, since platform.kind is 'eks'",
        ),
        (
            snapshots(store={**STORE, "region": "eu-west-1"}),
            "snapshots.store.region is 'eu-west-1'; expected 'eu-central-1', where the key is",
        ),
        (
            snapshots(store={**STORE, "endpoint": "https://fsn1.your-objectstorage.com"}),
            (
                "snapshots.store.endpoint is 'https://fsn1.your-objectstorage.com'; expected "
                "'https://s3.eu-central-1.amazonaws.com', where the key is"
            ),
        ),
        (
            snapshots(schedule="*-*-* 03:00:30", stale_after="2d"),
            (
                "snapshots.schedule is '*-*-* 03:00:30'; expected an event that cron can say: no seconds, no days "
                "from a month's end, and days either of the week or of the month"
            ),
        ),
        (
            {**CLUSTER, "snapshots": SNAPSHOTS},
            (
                "kubernetes is missing; expected it without a host, since platform.kind is 'eks' and a pod takes "
                "snapshots"
            ),
        ),
        (
            cluster(pods={**PLATFORM["pods"], "replicas": 4}),
            (
                "platform.pods.replicas is 4; expected an odd number, since an even one bears the loss of no more "
                "pods than one fewer"
            ),
        ),
        (
            cluster(network_cidr="172.20.0.0/16"),
            "platform.network_cidr is '172.20.0.0/16'; expected another one: the cluster's services are there",
        ),
        (
            cluster(zone_ids=["euc1-az1", "euc1-az1", "euc1-az2"]),
            "platform.zone_ids[1] is 'euc1-az1'; expected each entry once",
        ),
        (
            {**MINIMAL, "kubernetes": {}},
            "kubernetes.host is missing; expected the URL of a cluster's API server, since platform.kind is 'local'",
        ),
        (
            {**CLUSTER, "kubernetes": {"ca_certificate_file": "ca.pem"}},
            "kubernetes.host is missing; expected it beside ca_certificate_file",
        ),
    ],
    ids=[
        "seal",
        "needless-plugin",
        "plugin-beside-seal",
        "plugin-from-two-places",
        "plugin-without-checksum",
        "existing-subnets",
        "needless-agent",
        "agent",
        "clients-inside",
        "clients-anywhere",
        "zone",
        "balancer-elsewhere",
        "existing-id",
        "another-version",
        "another-chart",
        "nobody-audits",
        "one-audits",
        "audit",
        "certificate",
        "recorded-in-itself",
        "no-room-for-a-name",
        "records-of-nothing",
        "writer",
        "folder",
        "region",
        "endpoint",
        "schedule",
        "nobody-logs-in",
        "even",
        "services",
        "zones",
        "no-cluster",
        "one-half",
    ],
)
def test_what_does_not_go_together_is_one_line(whole: dict[str, Any], line: str) -> None:
    assert refusal(whole) == [f"vault-estate:estate.{line}"]
