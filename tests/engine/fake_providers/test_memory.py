"""The clouds in memory, ordered faults, and the fake providers in a process of their own; no engine, no server."""

import time
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from fake_providers import aws, aws_cluster, hcloud, kubernetes
from fake_providers.attach import attach, attach_apart
from fake_providers.envelope import UNKNOWN, pack
from tests.engine.fake_providers.wire import Values, Wire, urn
from tests.support.faults import Fault, faulty

BUCKET, LOGGING = "aws:s3/bucket:Bucket", "aws:s3/bucketLogging:BucketLogging"
INPUTS: dict[str, Values] = {
    "hcloud:index/network:Network": {"name": "estate", "ipRange": "10.0.0.0/16"},
    "hcloud:index/networkSubnet:NetworkSubnet": {
        "networkId": 1,
        "ipRange": "10.0.1.0/24",
        "networkZone": "eu-central",
        "type": "cloud",
    },
    "hcloud:index/firewall:Firewall": {"name": "closed", "rules": []},
    "hcloud:index/volume:Volume": {"name": "vault", "size": 10},
    "hcloud:index/primaryIp:PrimaryIp": {"name": "front", "type": "ipv4", "location": "fsn1"},
    "hcloud:index/placementGroup:PlacementGroup": {"name": "vault", "type": "spread"},
    "hcloud:index/volumeAttachment:VolumeAttachment": {"serverId": 1, "volumeId": 2},
    "hcloud:index/serverNetwork:ServerNetwork": {"serverId": 1, "subnetId": "1-10.0.1.0/24", "ip": "10.0.1.2"},
    "hcloud:index/zoneRrset:ZoneRrset": {"zone": "example.com", "type": "A", "records": [{"value": "198.51.100.1"}]},
    "hcloud:index/server:Server": {"name": "vault", "serverType": "cx22", "image": "debian-12", "userData": "#!x"},
    "aws:s3/bucket:Bucket": {"bucket": "snapshots"},
    "aws:kms/key:Key": {"description": "seal"},
    "aws:kms/alias:Alias": {"name": "alias/seal", "targetKeyId": "1"},
    "aws:iam/user:User": {"name": "seal"},
    "aws:iam/userPolicy:UserPolicy": {"name": "seal", "user": "seal", "policy": "{}"},
    **{
        f"aws:s3/bucket{part}:Bucket{part}": {"bucket": "snapshots"}
        for part in (
            "LifecycleConfiguration",
            "ObjectLockConfiguration",
            "OwnershipControls",
            "Policy",
            "PublicAccessBlock",
            "ServerSideEncryptionConfiguration",
            "Versioning",
        )
    },
    LOGGING: {"bucket": "snapshots", "targetBucket": "records", "targetPrefix": "a/"},
    **{f"aws:{kind}": dict.fromkeys(made.required, "x") for kind, made in aws_cluster.CLUSTER_TYPES.items()},
    "aws:cloudwatch/logGroup:LogGroup": {"name": "flow-logs"},
    **{f"kubernetes:{kind}": {"metadata": {"name": "one", "namespace": "vault"}} for kind in kubernetes.TYPES},
    "kubernetes:core/v1:Namespace": {"metadata": {"name": "vault"}},
    "aws:iam/role:Role": {"name": "nodes", "assumeRolePolicy": "{}"},
    "aws:eks/cluster:Cluster": {"name": "vault", "roleArn": "arn", "vpcConfig": {}},
}
KINDS = {"hcloud": hcloud.TYPES, "aws": aws.TYPES, "kubernetes": kubernetes.TYPES}
NAMESPACE = "kubernetes:core/v1:Namespace"
NETWORK = "hcloud:index/network:Network"


def test_every_type_has_inputs() -> None:
    assert set(INPUTS) == {f"{package}:{kind}" for package, kinds in KINDS.items() for kind in kinds}


def needed(wire: Wire, token: str) -> Values:
    """What a type is made of, made before it: the inputs that name it."""
    found: Values = {}
    if token.startswith("kubernetes:") and token != NAMESPACE:
        wire.create(NAMESPACE, INPUTS[NAMESPACE])
    if token == LOGGING:
        wire.create(BUCKET, {"bucket": INPUTS[LOGGING]["targetBucket"]})
    for name, other in aws_cluster.REFERS.get(token.removeprefix("aws:"), {}).items():
        of = f"aws:{other}"
        made = wire.create(of, INPUTS[of] | needed(wire, of)).identity
        first, _, inner = name.partition(".")
        found[first] = [{inner: made}] if inner else made
    return found


@pytest.mark.parametrize("token", INPUTS)
def test_life(token: str) -> None:
    package = token.split(":", maxsplit=1)[0]
    with attach([package]) as environment, Wire(environment, package) as wire:
        inputs = INPUTS[token] | needed(wire, token)
        changed = inputs | {"labels": {"team": "platform"}}
        planned = wire.create(token, inputs, preview=True)
        made = wire.create(token, inputs)
        kind = KINDS[package][token.split(":", 1)[1]]
        computed = kind.computed
        unknown = {name for name, value in planned.outputs.values.items() if value == UNKNOWN}
        assert unknown == set(computed) - set(kind.foretold)
        assert kind.foretold.items() <= planned.outputs.values.items()
        assert made.outputs.values.keys() == computed.keys() | inputs.keys()
        assert wire.read(made) == made
        assert not wire.diff(made, inputs).diffs
        assert list(wire.diff(made, changed).diffs) == ["labels"]
        updated = wire.update(made, changed)
        assert wire.read(made) == updated
        assert wire.load(token, made.identity) == updated
        wire.delete(updated)
        assert wire.read(updated) is None
        wire.delete(updated)
        with pytest.raises(grpc.RpcError, match="doesn't exist in memory"):
            wire.update(made, changed)


def test_a_second_process_sees_the_same_world(tmp_path: Path) -> None:
    world = tmp_path / "world.json"
    with attach_apart(["hcloud"], world=world) as environment, Wire(environment, "hcloud") as wire:
        made = wire.create(NETWORK, INPUTS[NETWORK])
    assert world.stat().st_mode & 0o777 == 0o600
    with attach(["hcloud"], world=world) as environment, Wire(environment, "hcloud") as wire:
        assert wire.read(made) == made
        second = wire.create(NETWORK, INPUTS[NETWORK])
        assert second.identity != made.identity


def test_replacing_and_refusing() -> None:
    with attach(["hcloud", "aws"]) as environment:
        with Wire(environment, "hcloud") as wire:
            server = wire.create("hcloud:index/server:Server", INPUTS["hcloud:index/server:Server"])
            assert server.outputs.values["status"] == "in memory only"
            other = server.inputs.values | {"userData": "#!y"}
            assert list(wire.diff(server, other).replaces) == ["userData"]
            with pytest.raises(ValueError, match="serverType is missing"):
                wire.check("hcloud:index/server:Server", {"name": "x"})
            with pytest.raises(ValueError, match="isn't offered by the fake hcloud provider"):
                wire.check("hcloud:index/loadBalancer:LoadBalancer", {})
        with Wire(environment, "aws") as wire:
            wire.create("aws:s3/bucket:Bucket", INPUTS["aws:s3/bucket:Bucket"])
            with pytest.raises(grpc.RpcError, match="snapshots already exists"):
                wire.create("aws:s3/bucket:Bucket", INPUTS["aws:s3/bucket:Bucket"])


def test_nothing_is_made_of_what_isnt_there_or_goes_while_it_is_needed() -> None:
    addon, cluster = "aws:eks/addon:Addon", "aws:eks/cluster:Cluster"
    inputs = {"clusterName": "vault", "addonName": "vpc-cni"}
    with attach(["aws"]) as environment, Wire(environment, "aws") as wire:
        with pytest.raises(grpc.RpcError, match="clusterName is vault, which doesn't exist in memory"):
            wire.create(addon, inputs)
        made = wire.create(cluster, INPUTS[cluster])
        with pytest.raises(grpc.RpcError, match="vault already exists"):
            wire.create(cluster, INPUTS[cluster])
        of_it = wire.create(addon, inputs)
        with pytest.raises(grpc.RpcError, match="vault is needed by eks/addon:Addon"):
            wire.delete(made)
        wire.delete(of_it)
        protected = wire.update(made, INPUTS[cluster] | {"deletionProtection": True})
        with pytest.raises(grpc.RpcError, match="vault is protected; expected deletionProtection to be taken off"):
            wire.delete(protected)
        wire.delete(wire.update(protected, INPUTS[cluster]))
        assert wire.read(made) is None


def test_a_load_balancer_has_one_listener_for_a_port_and_is_named_by_its_arn() -> None:
    balancer, targets, listener = (
        f"aws:lb/{kind}" for kind in ("loadBalancer:LoadBalancer", "targetGroup:TargetGroup", "listener:Listener")
    )
    rule, cluster = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "aws:eks/cluster:Cluster"
    with attach(["aws"]) as environment, Wire(environment, "aws") as wire:
        before = wire.create(balancer, INPUTS[balancer] | needed(wire, balancer) | {"enableDeletionProtection": True})
        behind = wire.create(targets, INPUTS[targets] | needed(wire, targets))
        leads = {
            "loadBalancerArn": before.outputs.values["arn"],
            "port": 8200,
            "defaultActions": [{"type": "forward", "targetGroupArn": behind.outputs.values["arn"]}],
        }
        wire.create(listener, leads)
        with pytest.raises(grpc.RpcError, match="port is 8200, which another listener has"):
            wire.create(listener, leads)
        with pytest.raises(grpc.RpcError, match=r"defaultActions\.targetGroupArn is arn:none, which doesn't exist"):
            wire.create(listener, leads | {"port": 443, "defaultActions": [{"targetGroupArn": "arn:none"}]})
        with pytest.raises(grpc.RpcError, match="is needed by lb/listener:Listener"):
            wire.delete(behind)
        with pytest.raises(grpc.RpcError, match="is protected; expected enableDeletionProtection to be taken off"):
            wire.delete(before)
        made = wire.create(cluster, INPUTS[cluster] | {"vpcConfig": {"endpointPrivateAccess": True}})
        given = made.outputs.values["vpcConfig"]
        assert given == {"endpointPrivateAccess": True, "clusterSecurityGroupId": "sg-of-vault"}
        to_nodes = INPUTS[rule] | needed(wire, rule) | {"referencedSecurityGroupId": given["clusterSecurityGroupId"]}
        assert wire.create(rule, to_nodes).identity


def test_a_cluster_has_namespaces_names_and_what_cant_be_changed() -> None:
    stateful, volumes = "kubernetes:apps/v1:StatefulSet", "kubernetes:storage.k8s.io/v1:StorageClass"
    inputs = INPUTS[stateful] | {"spec": {"replicas": 3, "volumeClaimTemplates": [{"size": "20Gi"}]}}
    with attach(["kubernetes"]) as environment, Wire(environment, "kubernetes") as wire:
        with pytest.raises(grpc.RpcError, match='namespaces "vault" not found'):
            wire.create(stateful, inputs)
        namespace = wire.create(NAMESPACE, INPUTS[NAMESPACE])
        made = wire.create(stateful, inputs)
        assert made.identity == "vault/one"
        with pytest.raises(grpc.RpcError, match="namespace vault still has kubernetes:apps/v1:StatefulSet vault/one"):
            wire.delete(namespace)
        assert not wire.diff(made, inputs | {"spec": inputs["spec"] | {"replicas": 5}}).replaces
        larger = inputs | {"spec": inputs["spec"] | {"volumeClaimTemplates": [{"size": "30Gi"}]}}
        change = wire.diff(made, larger)
        assert (list(change.replaces), change.deleteBeforeReplace) == (["spec"], True)
        renamed = wire.diff(made, inputs | {"metadata": {"name": "two", "namespace": "vault"}})
        assert list(renamed.replaces) == ["metadata"]
        with pytest.raises(ValueError, match=r"metadata\.name is missing"):
            wire.check(volumes, {"metadata": {}})
        wire.delete(made)
        wire.delete(namespace)


def test_secrets_stay_secret() -> None:
    token = "hcloud:index/server:Server"
    with attach(["hcloud"]) as environment, Wire(environment, "hcloud") as wire:
        made = wire.create(token, INPUTS[token], ["userData"])
        assert made.outputs.secret == {"userData"}
        found = wire.read(made)
        assert found is not None
        assert (found.inputs.secret, found.outputs.secret) == ({"userData"}, {"userData"})
        with pytest.raises(grpc.RpcError, match="name: not known outside a preview"):
            wire.create(token, INPUTS[token] | {"name": UNKNOWN})


def test_functions_and_packages_are_refused() -> None:
    with attach(["aws"]) as environment, Wire(environment, "aws") as wire:
        request = provider_pb2.InvokeRequest(tok="aws:index/getRegion:getRegion", args=pack({}))
        with pytest.raises(grpc.RpcError, match="has no functions"):
            wire.stub.Invoke(request)
    with (
        pytest.raises(ValueError, match="package 'gcp': expected one of vault, hcloud, aws"),
        attach(["gcp"]),
    ):
        pass
    with pytest.raises(ValueError, match="did not start"), attach_apart(["gcp"]):
        pass


def test_the_nth_call_of_a_type_fails_and_the_next_works() -> None:
    faults = [Fault(package="hcloud", type_token=NETWORK, nth=2)]
    with attach(["hcloud"]) as attached, faulty(attached, faults) as environment, Wire(environment, "hcloud") as wire:
        wire.create("hcloud:index/firewall:Firewall", {"name": "x"})
        wire.create(NETWORK, INPUTS[NETWORK])
        with pytest.raises(grpc.RpcError, match="Create number 2 failed as ordered"):
            wire.create(NETWORK, INPUTS[NETWORK])
        assert wire.create(NETWORK, INPUTS[NETWORK]).identity == "3"


def test_a_fault_after_the_work_leaves_it_done(tmp_path: Path) -> None:
    faults = [Fault(package="aws", after=True, kind="drop")]
    world = tmp_path / "world.json"
    with (
        attach(["aws"], world=world) as attached,
        faulty(attached, faults) as environment,
        Wire(environment, "aws") as wire,
    ):
        with pytest.raises(grpc.RpcError):
            wire.create("aws:s3/bucket:Bucket", INPUTS["aws:s3/bucket:Bucket"])
        with pytest.raises(grpc.RpcError):
            wire.check("aws:s3/bucket:Bucket", {})
    with attach(["aws"], world=world) as environment, Wire(environment, "aws") as wire:
        assert wire.load("aws:s3/bucket:Bucket", "snapshots") is not None


def test_a_hang_only_takes_time() -> None:
    faults = [Fault(package="aws", call="Delete", kind="hang", seconds=0.3)]
    with attach(["aws"]) as attached, faulty(attached, faults) as environment, Wire(environment, "aws") as wire:
        made = wire.create("aws:kms/key:Key", {})
        start = time.monotonic()
        wire.delete(made)
        assert time.monotonic() - start >= 0.3
        assert wire.read(made) is None


def test_a_hang_ends_with_the_stand_ins() -> None:
    faults = [Fault(package="aws", kind="hang", seconds=600)]
    start = time.monotonic()
    with attach(["aws"]) as attached, faulty(attached, faults) as environment, Wire(environment, "aws") as wire:
        request = provider_pb2.CreateRequest(urn=urn("aws:kms/key:Key"), properties=pack({}))
        hanging = wire.stub.Create.future(request)
        time.sleep(0.2)
        assert not hanging.done()
    assert time.monotonic() - start < 10
