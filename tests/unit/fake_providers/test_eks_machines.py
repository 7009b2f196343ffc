"""What the fake AWS provider has a cluster do: control plane, nodes, identities of pods. The cluster is a fake.

Not proven: that nodes run, which tests/clusters does.
"""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fake_providers import aws_cluster, eks_machines, pod_endpoints
from fake_providers.aws import AwsProvider
from fake_providers.cluster_waits import UnreadyError
from fake_providers.eks_machines import EksMachines
from fake_providers.kubernetes import ADMINISTRATOR
from fake_providers.machines import MachineError
from fake_providers.nodes import ClusterNode
from fake_providers.servicer import Found, RefusedError, Values
from fake_providers.token_service import TokenService
from tests.support.fake_cluster import FakeClusterApi

CLUSTER, NODES, IDENTITY = (f"aws:{kind}" for kind in (aws_cluster.CLUSTER, aws_cluster.NODES, aws_cluster.IDENTITY))
SERVER = "https://192.0.2.1"
TAINT = {"key": "dedicated", "value": "vault", "effect": "NO_SCHEDULE"}


@dataclass
class FakeCluster:
    """Keeps nodes in memory; as strict as the real one in what is asked of it."""

    folder: Path
    there: dict[str, ClusterNode] = field(default_factory=dict)
    installed: list[str] = field(default_factory=list)
    awaited: list[str] = field(default_factory=list)
    starts: bool = True
    ready: bool = True
    """Whether nodes become so."""
    told: TokenService | None = None
    account: Path | None = None
    roles: dict[str, str | None] = field(default_factory=dict)
    endpoint = SERVER
    authority = b"certificate"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    def start(self) -> None:
        """Its folder is there then."""
        if not self.starts:
            raise MachineError("kube-apiserver ended: no room")
        self.folder.mkdir(parents=True, exist_ok=True)
        authority = base64.b64encode(self.authority).decode()
        cluster = {"server": SERVER, "certificate-authority-data": authority}
        self.kubeconfig.write_text(
            json.dumps({"clusters": [{"cluster": cluster}], "users": [{"user": {"token": "none"}}]})
        )

    def nodes(self) -> dict[str, bool]:
        """All run."""
        return dict.fromkeys(self.there, True)

    def add_node(self, node: ClusterNode) -> None:
        """The same again is no error."""
        if self.there.setdefault(node.name, node) != node:
            raise MachineError(f"there is a node {node.name!r} already, and another than this one")

    def is_awaited(self, name: str) -> bool:
        """Whether a node is ready, which whoever made it asks."""
        self.awaited.append(name)
        return self.ready

    def last_words(self, name: str) -> str:
        """As a node's log has them."""
        return f"kubelet: no disk for {name}"

    def remove_node(self, name: str) -> None:
        """None of that name is no error."""
        self.there.pop(name, None)

    def let_in(self, world: Path) -> None:
        """By the entries in a file; the token service is told before."""
        assert self.told is not None
        self.account = world

    def install_certificates(self) -> None:
        """Once is enough."""
        self.installed.append("certificates")

    def use_token_service(self, service: TokenService) -> None:
        """Where roles' credentials are from."""
        self.told = service

    def associate(self, namespace: str, account: str, role: str | None) -> None:
        """None takes it away."""
        self.roles[f"{namespace}/{account}"] = role

    def empty(self) -> None:
        """All of it; there is no image here."""
        self.there.clear()
        self.kubeconfig.unlink(missing_ok=True)
        self.folder.rmdir()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """The one of a sandbox in this folder."""
    found = FakeCluster(eks_machines.folder_of(tmp_path / "machines"))
    monkeypatch.setattr(eks_machines, "prepare", lambda _cache, _say: SimpleNamespace())
    monkeypatch.setattr(eks_machines, "Cluster", lambda _folder, _programs: found)
    monkeypatch.setattr(EksMachines, "api", lambda _self: None)
    monkeypatch.setattr(eks_machines, "_is_ready", lambda _api, name: found.is_awaited(name))
    monkeypatch.setattr(eks_machines, "_READY_SECONDS", 0.0)
    monkeypatch.setattr(eks_machines, "_pause", lambda _seconds: False)
    return found


@pytest.fixture
def cloud(tmp_path: Path, cluster: FakeCluster) -> AwsProvider:
    """AWS of that sandbox."""
    del cluster
    return AwsProvider(tmp_path / "world.json", tmp_path / "machines")


def made(cloud: AwsProvider) -> tuple[Found, list[str]]:
    """A cluster, and subnets in two zones."""
    role = cloud.create(None, "aws:iam/role:Role", {"name": "nodes", "assumeRolePolicy": "{}"})
    network = cloud.create(None, "aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}).identity
    subnets = [
        cloud.create(None, f"aws:{aws_cluster.SUBNET}", {"vpcId": network, "availabilityZoneId": zone}).identity
        for zone in ("euc1-az2", "euc1-az1")
    ]
    inputs = {"name": "vault", "roleArn": role.outputs["arn"], "vpcConfig": {}}
    return cloud.create(None, CLUSTER, inputs), subnets


def group(subnets: list[str], count: int = 3, **more: Any) -> Values:
    return {
        "clusterName": "vault",
        "nodeRoleArn": "arn",
        "nodeGroupNamePrefix": "servers-",
        "scalingConfig": {"desiredSize": count},
        "subnetIds": subnets,
        "taints": [TAINT],
        **more,
    }


def test_a_cluster_is_where_it_says(cloud: AwsProvider, tmp_path: Path) -> None:
    found, _ = made(cloud)

    assert found.outputs["endpoint"] == SERVER
    assert base64.b64decode(found.outputs["certificateAuthority"]["data"]) == b"certificate"
    administrator = tmp_path / "machines" / ADMINISTRATOR
    assert json.loads(administrator.read_text())["clusters"][0]["cluster"]["server"] == SERVER
    assert administrator.stat().st_mode & 0o077 == 0


def test_one_that_doesnt_start_is_refused_and_nowhere(cloud: AwsProvider, cluster: FakeCluster) -> None:
    cluster.starts = False

    with pytest.raises(RefusedError, match="kube-apiserver ended: no room"):
        made(cloud)

    assert cloud.read(None, CLUSTER, Found("vault")) is None


def test_a_group_is_spread_over_its_zones_with_its_labels_and_taints(cloud: AwsProvider, cluster: FakeCluster) -> None:
    _, subnets = made(cloud)

    name = f"servers-{cloud.create(None, NODES, group(subnets, labels={'role': 'vault'})).identity}"

    assert [(one.name, one.zone) for one in cluster.there.values()] == [
        (f"{name}-0", "euc1-az1"),
        (f"{name}-1", "euc1-az2"),
        (f"{name}-2", "euc1-az1"),
    ]
    assert cluster.awaited == [f"{name}-0", f"{name}-1", f"{name}-2"]
    first = cluster.there[f"{name}-0"]
    assert first.labels == {"role": "vault", "eks.amazonaws.com/nodegroup": name}
    assert first.taints == {"dedicated": "vault:NoSchedule"}


def test_a_node_that_never_is_ready_is_told_with_its_last_words(cloud: AwsProvider, cluster: FakeCluster) -> None:
    _, subnets = made(cloud)
    cluster.ready = False

    with pytest.raises(UnreadyError, match=r"not ready after 0 s: node servers-\S+-0; kubelet: no disk for servers-"):
        cloud.create(None, NODES, group(subnets))


def test_a_group_that_is_for_all_has_one_node_here(cloud: AwsProvider, cluster: FakeCluster) -> None:
    _, subnets = made(cloud)

    name = f"servers-{cloud.create(None, NODES, group(subnets, 3, taints=None)).identity}"

    assert [*cluster.there] == [f"{name}-0"]


def test_a_group_grows_and_shrinks_and_goes_alone(cloud: AwsProvider, cluster: FakeCluster) -> None:
    _, subnets = made(cloud)
    other = cloud.create(None, NODES, group(subnets, 1, nodeGroupNamePrefix="system-"))
    found = cloud.create(None, NODES, group(subnets, 1))

    found = cloud.update(None, NODES, found, group(subnets, 3))
    assert len(cluster.there) == 4
    found = cloud.update(None, NODES, found, group(subnets, 2))
    assert len(cluster.there) == 3
    cloud.delete(None, NODES, found)

    assert list(cluster.there) == [f"system-{other.identity}-0"]


def test_an_add_on_brings_what_nodes_lack(cloud: AwsProvider, cluster: FakeCluster) -> None:
    made(cloud)
    for name in ("vpc-cni", "cert-manager"):
        cloud.create(None, f"aws:{aws_cluster.ADDON}", {"clusterName": "vault", "addonName": name})

    assert cluster.installed == ["certificates"]


def test_what_a_killed_run_left_is_taken_away(cloud: AwsProvider, cluster: FakeCluster) -> None:
    found, subnets = made(cloud)
    kept = cloud.create(None, NODES, group(subnets, 1))
    lost = cloud.create(None, NODES, group(subnets, 1))
    cluster.add_node(ClusterNode(name="servers-99-0", zone="euc1-az1"))
    known = {
        (CLUSTER, found.identity),
        (NODES, kept.identity),
        ("aws:ec2/vpc:Vpc", "2"),
        ("aws:iam/role:Role", "nodes"),
    }

    dropped = cloud.drop_unknown(None, known | {(f"aws:{aws_cluster.SUBNET}", one) for one in subnets})

    assert dropped == [NODES]
    assert list(cluster.there) == [f"servers-{kept.identity}-0"]
    assert cloud.read(None, NODES, lost) is None


def test_users_are_taken_away_before_what_they_need(cloud: AwsProvider, cluster: FakeCluster) -> None:
    _, subnets = made(cloud)
    cloud.create(None, NODES, group(subnets, 1))

    dropped = cloud.drop_unknown(None, set())

    assert set(dropped[:1]) == {NODES} or dropped.index(NODES) < dropped.index(CLUSTER)
    assert cluster.there == {}
    assert not cluster.folder.exists()


def test_pods_of_an_account_have_its_role_and_find_aws(
    cloud: AwsProvider, cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = FakeClusterApi()
    monkeypatch.setattr(EksMachines, "api", lambda _self: api)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://192.0.2.2:443")
    (tmp_path / "ca.crt").write_bytes(b"authority")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.crt"))
    made(cloud)
    assert cluster.account == tmp_path / "world.json"
    settings = {"region": "eu-central-1", "allowedAccountIds": json.dumps(["111122223333"])}
    account = {"namespace": "jobs", "serviceAccount": "bootstrap"}

    inputs = {"clusterName": "vault", "roleArn": "arn", **account}
    found = cloud.create(cloud.configure(settings), IDENTITY, inputs)

    assert cluster.told == TokenService(
        url="https://192.0.2.2:443",
        region="eu-central-1",
        cluster="arn:aws:eks:eu-central-1:111122223333:cluster/vault",
        authority=b"authority",
    )
    assert cluster.roles == {"jobs/bootstrap": "arn"}
    name = f"aws-of-{found.identity}"
    policy = api.objects[pod_endpoints.POLICY, None, name]["spec"]
    assert policy["matchConditions"][0]["expression"] == 'object.spec.serviceAccountName == "bootstrap"'
    assert policy["matchConstraints"]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "jobs"}
    change = policy["mutations"][0]["applyConfiguration"]["expression"]
    assert 'env{name: "AWS_ENDPOINT_URL", value: "https://192.0.2.2:443"}' in change
    assert 'env{name: "AWS_CA_BUNDLE", value: "/etc/ssl/certs/ca-certificates.crt"}' in change
    assert api.objects[pod_endpoints.BINDING, None, name]["spec"] == {"policyName": name}
    cloud.delete(None, IDENTITY, found)
    assert (api.objects, cluster.roles) == ({}, {"jobs/bootstrap": None})


def test_without_a_sandboxs_folder_clusters_stay_in_memory(tmp_path: Path, cluster: FakeCluster) -> None:
    found, subnets = made(AwsProvider(tmp_path / "memory.json"))

    assert found.outputs["endpoint"] == "https://vault.eks.invalid"
    assert (subnets, cluster.there) == (["3", "4"], {})
