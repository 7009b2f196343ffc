"""Servers in an EKS cluster, composed: the order in which things are there, whose provider makes them, and where each
setting goes. Under the recorder, so nothing is proven of AWS or Kubernetes; `tests/engine/test_eks_stacks.py` has the
real engine.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pulumi
import pytest
from pydantic import BaseModel

from components.vault.kubernetes import KubernetesLogin
from composition import eks, needs
from composition.estate import place
from composition.private_files import private_directory
from ops.keys.certificates import ensure_authority
from settings import parse
from settings.eks import EksPlatform
from tests.support.aws_samples import SITE
from tests.support.declare import Declared, Secret, declare
from tests.support.eks_samples import (
    CLUSTER,
    KMS_PLUGIN,
    LOAD_BALANCER,
    OF_OPENBAO,
    PLATFORM,
    POSTGRES,
    SNAPSHOTS,
    cluster,
    openbao,
)
from tests.unit.golden.local import CERTIFICATE, PUBLIC_KEY, RECIPIENT, declared, text
from tests.unit.settings.samples import FULL
from vault_estate.auth.kubernetes import KubernetesAuth
from vault_estate.opening import VaultClientConfig, opened

VERSIONS = tuple(SITE["addons"])
ROTATION_IMAGE = f"registry.internal/rotation@sha256:{'3' * 64}"
ROTATED: Mapping[str, Any] = {
    "kubernetes": {},
    "kv": {"secret": {}},
    "applications": {
        "shop": {
            "login": {"kind": "kubernetes", "service_account": "shop", "namespace": "shop"},
            "rotator": {"kind": "kubernetes", "service_account": "rotator-shop", "namespace": "vault-jobs"},
            "secrets": {"signing": {"keys": ["key"], "seed": "random", "rotation": {}}},
        }
    },
}
"""An application whose secret a CronJob beside the servers rotates."""


def built(whole: Mapping[str, Any], *, preview: bool = False) -> Declared:
    settings = parse(whole)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_keys(Path())
        return declare(lambda: place(settings, pulumi.Output.secret), preview=preview)


def write_keys(folder: Path) -> None:
    """The public halves that settings name."""
    (folder / "keys").mkdir()
    (folder / "keys/ada.asc").write_text(PUBLIC_KEY)
    (folder / "keys/age.pub").write_text(RECIPIENT)
    (folder / "admin.crt").write_text(CERTIFICATE)


EVERYTHING: Mapping[str, Any] = {
    **cluster(postgres=POSTGRES, authorities=["admin.crt"], load_balancer=LOAD_BALANCER),
    "kubernetes": {},
    "snapshots": SNAPSHOTS,
}


@cache
def production() -> Declared:
    """With everything that a cluster may have."""
    return built(EVERYTHING)


def after(declared: Declared, name: str) -> set[str]:
    """Everything that is there before a resource is made: its component, its provider, and what these wait for."""
    by_urn = {one.urn: one for one in declared.records}
    found: set[str] = set()
    waiting = [declared.named(name)]
    while waiting:
        one = waiting.pop()
        for urn in (one.parent, one.provider.rpartition("::")[0], *one.options.depends_on):
            if urn in by_urn and by_urn[urn].name not in found:
                found.add(by_urn[urn].name)
                waiting.append(by_urn[urn])
    return found


def test_things_are_there_before_what_needs_them() -> None:
    declared = production()
    assert {"cluster-access-deployer", "nodes-cert-manager", "nodes-servers-euc1-az1"} <= after(
        declared, "certificate-self-signed"
    )
    assert "namespaces-servers-nothing" in after(declared, "storage-data-vault-0")
    assert {
        "servers-association",
        "keys-seal-key",
        "certificate-listener",
        "storage-data-vault-4",
        "namespaces-servers",
    } <= after(declared, "servers-chart-chart")
    assert {
        "servers-chart-chart",
        "authority-publisher-job",
        "first-boot-role-identity-association",
        "keys-key-shares-key",
    } <= after(declared, "first-boot-run-job")
    assert "first-boot-run-job" in after(declared, "platform-ready")
    assert {"snapshots-association", "snapshots-bucket-encryption", "first-boot-run-job"} <= after(
        declared, "snapshot-job-taken-runs"
    )
    preview = built(EVERYTHING, preview=True)
    assert preview.names() == declared.names()


def test_what_stands_in_the_cluster_goes_with_it_and_nothing_uses_a_default_provider() -> None:
    declared = production()
    cluster_itself = declared.named("cluster").urn
    for name in ("namespaces", "certificate", "storage", "servers-chart", "authority", "first-boot"):
        assert declared.named(name).options.deleted_with == cluster_itself, name
    providers = {one.type.rpartition(":")[2]: one.urn for one in declared.records if "pulumi:providers:" in one.type}
    for one in declared.records:
        package = one.type.partition(":")[0]
        if one.custom and package in ("aws", "kubernetes"):
            assert one.provider.startswith(f"{providers[package]}::"), one.name
    (itself,) = declared.of("pulumi:providers:aws")
    assert itself.inputs["allowedAccountIds"] == json.dumps([SITE["account_id"]])


def test_all_servers_of_a_cluster_are_waited_for_by_a_port_of_this_machine() -> None:
    ready = production().named("platform-ready").inputs
    assert (ready["address"], ready["replicas"], ready["timeout_seconds"]) == ("https://127.0.0.1:8210", 5, 1_800)
    assert (ready["ca_certificate_file"], ready["authority_comes"]) == (".estate/test/authority.crt", True)
    assert production().exports == {}


def test_openbao_has_no_key_in_kms() -> None:
    declared = built(openbao(**OF_OPENBAO))
    assert [one.name for one in declared.of("aws:kms/key:Key")] == ["disks-key", "keys-key-shares-key"]
    (association,) = declared.of("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert association.inputs["serviceAccount"] == "bootstrap"


def test_openbao_has_a_key_in_kms_by_its_plugin() -> None:
    platform = {"chart": OF_OPENBAO["chart"], "kms_plugin": KMS_PLUGIN}
    declared = built(openbao(**platform))
    assert "keys-seal-key" in [one.name for one in declared.of("aws:kms/key:Key")]
    (chart,) = declared.of("kubernetes:helm.sh/v4:Chart")
    said = chart.inputs["values"]["server"]["ha"]["raft"]["config"]
    assert 'plugin "kms" "awskms" {' in said
    assert 'seal "awskms" {' in said
    policy = declared.named("namespaces-servers-vault").inputs["spec"]
    assert {"port": 443, "protocol": "TCP"} in [port for rule in policy["egress"] for port in rule["ports"]]


def test_pods_reach_what_contents_name_and_their_own_cluster_by_its_service_only() -> None:
    settings = parse({**FULL, "kubernetes": FULL["kubernetes"]})
    assert {need.reason for need in needs.of_contents(settings)} >= {"database main", "Kubernetes logins"}
    inside = parse({**CLUSTER, "kubernetes": {}})
    assert [need.reason for need in needs.of_contents(inside)] == ["audit device collector"]
    policy = production().named("namespaces-servers-vault").inputs["spec"]
    blocks = {one["ipBlock"]["cidr"] for rule in policy["egress"] for one in rule["to"] if "ipBlock" in one}
    assert {"10.0.0.0/16", "172.20.0.1/32"} <= blocks


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "charts").mkdir()
    write_keys(tmp_path)
    return tmp_path


def test_the_charts_archive_is_the_one_that_is_named_or_nothing_is_built(here: Path) -> None:
    archive = here / PLATFORM["chart"]["file"]
    archive.write_bytes(b"another chart")
    settings = parse(CLUSTER)
    found = sha256(b"another chart").hexdigest()
    with pytest.raises(
        ValueError, match=rf"platform\.chart\.checksum is '0{{64}}'; expected '{found}', or another file"
    ):
        place(settings, pulumi.Output.secret)
    right = parse(cluster(chart={**PLATFORM["chart"], "checksum": found}))
    assert len(declare(lambda: place(right, pulumi.Output.secret)).records) > 80


EXISTING: Mapping[str, Any] = {
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": {zone: f"subnet-0123456{number}" for number, zone in enumerate(SITE["zone_ids"])},
    "kms_endpoint_id": "vpce-01234567",
}


def test_a_cluster_is_put_into_a_network_that_is_there() -> None:
    declared = built(cluster(existing_network=EXISTING, network_cidr="10.4.0.0/20"))
    assert declared.of("aws:ec2/vpc:Vpc") == declared.of("aws:ec2/vpcEndpoint:VpcEndpoint") == ()
    inside = declared.named("cluster-cluster").inputs["vpcConfig"]["subnetIds"]
    assert inside == list(EXISTING["subnet_ids"].values())
    groups = {one.name: one.inputs["subnetIds"] for one in declared.of("aws:eks/nodeGroup:NodeGroup")}
    assert groups["nodes-servers-euc1-az2"] == [EXISTING["subnet_ids"]["euc1-az2"]]
    (key,) = (one for one in declared.of("aws:kms/key:Key") if one.name == "keys-seal-key")
    assert '"aws:SourceVpce": ["vpce-01234567"]' in key.inputs["policy"]
    assert "10.4.0.0/20" in text(declared)


OTHERWISE: Mapping[str, tuple[Any, str]] = {
    "account_id": ("210987654321", "arn:aws:iam::210987654321:root"),
    "region": ("eu-west-1", "com.amazonaws.eu-west-1.s3"),
    "profile": ("estate", "AWS_PROFILE"),
    "deployer_role_arn": ("arn:aws:iam::210987654321:role/deploys", "role/deploys"),
    "break_glass_role_arn": ("arn:aws:iam::210987654321:role/breaks", "role/breaks"),
    "zone_ids": (["euw1-az1", "euw1-az2", "euw1-az3"], "euw1-az2"),
    "network_cidr": ("10.9.0.0/16", "10.9.16.0/20"),
    "nat_gateways": ("one", ""),
    "endpoints": ("none", ""),
    "api_cidrs": (["198.51.100.0/24"], "198.51.100.0/24"),
    "kubernetes_version": ("1.36", '"1.36"'),
    "node_type": ("r7g.large", "r7g.large"),
    "system_node_type": ("m7g.medium", "m7g.medium"),
    "system_nodes": (7, '"desiredSize": 7'),
    "log_days": (400, '"retentionInDays": 400'),
    "tags": ({"cost-centre": "4711"}, "4711"),
    "tools_image": (f"registry.internal/other@sha256:{'2' * 64}", "registry.internal/other@sha256:"),
    "seal_multi_region": (True, '"multiRegion": true'),
    "forwarded_port": (8_299, "https://127.0.0.1:8299"),
    "boot_timeout": ("31m", '"timeout_seconds": 1860'),
    "destinations": ({"db.internal": ["10.8.0.0/24"]}, "10.8.0.0/24"),
    "pods.image.repository": ("registry.internal/vault", "registry.internal/vault"),
    "pods.image.digest": (f"sha256:{'1' * 64}", f"2.0.4@sha256:{'1' * 64}"),
    "pods.replicas": (3, '"replicas": 3'),
    "pods.cpu_millicores": (700, "700m"),
    "pods.memory_mebibytes": (3_000, "3000Mi"),
    "pods.data_gibibytes": (31, "31Gi"),
    "pods.audit_gibibytes": (32, "32Gi"),
    "load_balancer.domain": ("secrets.example.net", "secrets.example.net"),
    "load_balancer.client_cidrs": (["10.77.0.0/16"], "10.77.0.0/16"),
    "load_balancer.hosted_zone_id": ("Z9876543210XYZ", "Z9876543210XYZ"),
    "postgres.version": ("16", '"postgres16"'),
    "postgres.instance_class": ("db.r7g.large", "db.r7g.large"),
    "postgres.storage_gibibytes": (50, '"allocatedStorage": 50'),
    "postgres.storage_at_most": (500, '"maxAllocatedStorage": 500'),
    "postgres.backup_days": (21, '"backupRetentionPeriod": 21'),
    "postgres.database": ("shop", '"dbName": "shop"'),
    "postgres.username": ("vault_admin", '"username": "vault_admin"'),
    "postgres.port": (5_433, '"fromPort": 5433'),
    "postgres.password_version": (7, '"passwordWoVersion": 7'),
    **{f"addons.{name}": (f"v2.{number}.0-eksbuild.9", f"v2.{number}.0-") for number, name in enumerate(VERSIONS)},
}
"""Each setting of the platform, as something else, and what is declared then and wasn't before."""
ELSEWHERE = {
    "kind",
    "pod_roles",
    "access_logs_bucket",
    "authorities",
    "postgres.password_secret",
    "chart.file",
    "chart.checksum",
    "rotation_image",
    *(f"seal.{name}" for name in ("kind", "address", "key", "mount")),
    *(f"kms_plugin.{name}" for name in (*KMS_PLUGIN, "command")),
    *(f"existing_network.{name}" for name in EXISTING),
}
"""In the tests above, and in `tests/unit/settings/test_eks.py`."""


def names(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)
        if inner:
            yield from names(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def test_each_setting_of_the_platform_shows_in_what_is_declared() -> None:
    assert {*OTHERWISE, *ELSEWHERE} == set(names(EksPlatform))
    database = {
        "connections": {
            "main": {"host": "db.internal", "database": "app", "username": "vault", "password_secret": "first"}
        },
        "roles": {},
    }
    whole = json.loads(json.dumps({**cluster(postgres=POSTGRES, load_balancer=LOAD_BALANCER), "database": database}))
    before = built(whole)
    for name, (value, _) in OTHERWISE.items():
        *way, last = name.split(".")
        section = whole["platform"]
        for part in way:
            section = section[part]
        section[last] = value
    now = built(whole)

    was, said = text(before), text(now)
    for name, (_, shown) in OTHERWISE.items():
        if shown:
            assert shown in said, name
            assert shown not in was, name
    counted = ("aws:ec2/natGateway:NatGateway", "aws:ec2/vpcEndpoint:VpcEndpoint")
    assert [(len(before.of(kind)), len(now.of(kind))) for kind in counted] == [(3, 1), (9, 1)]


def test_first_boot_is_told_who_operates_and_from_where_the_administrator_comes() -> None:
    (made,) = (one for one in production().of("kubernetes:core/v1:ConfigMap") if one.name == "first-boot-run-programs")
    told = json.loads(made.inputs["data"]["parameters.json"])
    assert told["operators"] == [{"name": "ada", "public_key": PUBLIC_KEY}]
    assert (told["threshold"], told["servers"]) == (1, 5)
    assert told["custody"]["name"] == "vault/test/key-shares"
    assert told["administrator"]["role"]["token_bound_cidrs"] == ["127.0.0.1/32"]


def test_snapshots_are_taken_by_a_pod_that_may_take_them_and_by_nobody_else_in_the_cluster() -> None:
    whole = declared("staging")
    role = whole.named("kubernetes-role-snapshots").inputs
    assert (role["boundServiceAccountNames"], role["boundServiceAccountNamespaces"]) == (["snapshots"], ["vault-jobs"])
    assert (role["tokenPolicies"], role["tokenTtl"], role["tokenMaxTtl"]) == (["snapshots"], 900, 900)
    policy = whole.named("snapshot-policies-snapshots").inputs
    assert policy["name"] == "snapshots"
    assert "snapshot-force" not in policy["policy"]
    assert whole.named("snapshots-operator").inputs["tokenBoundCidrs"] == ["127.0.0.1/32"]
    pods = {one.inputs["roleName"] for one in whole.of("vault:kubernetes/authBackendRole:AuthBackendRole")}
    assert pods == {"greenlang-agents", "greenlang-api", "greenlang-jobs", "snapshots"}
    (key,) = (one for one in whole.of("aws:kms/key:Key") if one.name == "keys-snapshots-key")
    assert key.options.protect


def test_who_asks_for_snapshots_is_recorded_in_a_bucket_beside_theirs() -> None:
    whole = {**cluster(access_logs_bucket="requests-of-ours"), "kubernetes": {}, "snapshots": SNAPSHOTS}
    for found, records, of in (
        (built(whole), "requests-of-ours", SNAPSHOTS["store"]["name"]),
        (declared("staging"), "example-vault-staging-snapshots-logs", "example-vault-staging-snapshots"),
    ):
        (logging,) = found.of("aws:s3/bucketLogging:BucketLogging")
        assert logging.inputs == {"bucket": of, "targetBucket": records, "targetPrefix": f"{of}/"}
        assert {one.inputs["bucket"] for one in found.of("aws:s3/bucket:Bucket")} == {of, records}


def rotating(image: str | None = ROTATION_IMAGE) -> dict[str, Any]:
    """Settings whose one application has its secret rotated beside the servers."""
    whole: dict[str, Any] = json.loads(json.dumps({**cluster(rotation_image=image), **ROTATED}))
    return whole


def test_secrets_are_rotated_by_a_pod_that_is_told_everything_but_a_secret() -> None:
    whole = built(rotating())
    made = whole.named("rotation-of-shop-rotated-runs").inputs
    spec, pod = made["spec"], made["spec"]["jobTemplate"]["spec"]["template"]["spec"]

    assert made["metadata"] == {"name": "rotator-shop", "namespace": "vault-jobs"}
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("*/15 * * * *", "Forbid")
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("rotator-shop", False)
    (container,) = pod["containers"]
    assert container["image"] == ROTATION_IMAGE
    assert container["command"][-4:] == ["-m", "vault_estate", "rotate", "--due"]
    told = json.loads(whole.named("rotation-of-shop-rotated-programs").inputs["data"]["vault-estate.json"])
    assert told["addresses"] == ["https://vault-active.vault.svc:8200"]
    assert (told["login"]["kind"], told["login"]["role"]) == ("kubernetes", "rotator-shop")
    assert "first-boot-run-job" in after(whole, "rotation-of-shop-rotated-runs")
    login = parse(rotating()).logins["rotator-shop"]
    assert isinstance(login, KubernetesLogin)
    assert (login.service_account, login.namespace) == (pod["serviceAccountName"], made["metadata"]["namespace"])


def test_what_the_pod_is_told_is_enough_for_the_library(tmp_path: Path) -> None:
    """Its variables and files, as the image's Python has them; nobody is asked."""
    whole = built(rotating())
    pod = whole.named("rotation-of-shop-rotated-runs").inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for name, content in whole.named("rotation-of-shop-rotated-programs").inputs["data"].items():
        (tmp_path / name).write_text(content)
    ensure_authority(private_directory(tmp_path / "tls")).ca_file.replace(tmp_path / "ca.crt")
    environ = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    for folder in ("/programs", "/authority", "/identity"):
        environ = {name: value.replace(f"{folder}/", f"{tmp_path}/") for name, value in environ.items()}
    found = opened(VaultClientConfig(), environ=environ)

    assert found.chosen.method == KubernetesAuth(role="rotator-shop", file=tmp_path / "token", mount="kubernetes")
    assert found.trust.ca_file == tmp_path / "ca.crt"
    assert found.manifest is not None
    assert found.manifest.secret("signing").rotation is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"rotator": {"service_account": "other"}},
            "applications.shop.rotator.service_account is 'other'; expected 'rotator-shop', in vault-jobs",
        ),
        (
            {"rotator": {"audience": "other"}},
            "applications.shop.rotator.audience is 'other'; expected 'vault', in vault-jobs",
        ),
        (
            {"by": "hook:shop"},
            "applications.shop.secrets.signing.rotation.by is 'hook:shop'; expected 'random', since applications.shop",
        ),
        (
            {"image": None},
            "platform.rotation_image is missing; expected an image by its digest, since applications.shop.rotator is",
        ),
        (
            {"kubernetes": {"host": "https://10.0.0.9:6443", "ca_certificate_file": "ca.crt"}},
            "kubernetes.host is given; expected none, since applications.shop.rotator is in vault-jobs",
        ),
    ],
    ids=["account", "audience", "hook", "image", "another-cluster"],
)
def test_a_rotator_beside_the_servers_that_could_not_work_is_refused(changes: dict[str, Any], words: str) -> None:
    whole = rotating(changes.get("image", ROTATION_IMAGE))
    shop = whole["applications"]["shop"]
    shop["rotator"] |= changes.get("rotator", {})
    shop["secrets"]["signing"]["rotation"]["by"] = changes.get("by", "random")
    whole["kubernetes"] = changes.get("kubernetes", {})
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(whole)


def test_a_rotator_elsewhere_is_nobodys_here() -> None:
    whole = rotating(None)
    whole["applications"]["shop"]["rotator"]["namespace"] = "shop"
    assert not [one.name for one in built(whole).records if "rotation-of" in one.name]


def test_tags_are_on_everything_and_on_the_machines_that_groups_make() -> None:
    declared = built(cluster(tags={"cost-centre": "4711"}))
    (provider,) = declared.of("pulumi:providers:aws")
    assert json.loads(provider.inputs["defaultTags"]) == {"tags": {"cost-centre": "4711"}}
    (template,) = declared.of("aws:ec2/launchTemplate:LaunchTemplate")
    wanted = {"cost-centre": "4711", "estate": "vault-test"}
    assert [one["tags"] for one in template.inputs["tagSpecifications"]] == [wanted, wanted]


def test_a_database_is_reached_from_the_network_only_and_keeps_what_is_in_it() -> None:
    declared = production()
    (made,) = declared.of("aws:rds/instance:Instance")
    assert made.options.protect
    said = made.inputs
    on = (
        "storageEncrypted multiAz iamDatabaseAuthenticationEnabled deletionProtection performanceInsightsEnabled "
        "copyTagsToSnapshot autoMinorVersionUpgrade"
    )
    assert {name for name in on.split() if said[name] is not True} == set()
    assert (said["publiclyAccessible"], said["skipFinalSnapshot"], said["backupRetentionPeriod"]) == (False, False, 35)
    assert (said["passwordWoVersion"], said["engineVersion"], said["identifier"]) == (1, "17", "vault-test-postgres")
    assert isinstance(said["passwordWo"], Secret)
    rule = declared.named("postgres-clients").inputs
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("10.0.0.0/16", 5432, 5432)
    (parameters,) = declared.of("aws:rds/parameterGroup:ParameterGroup")
    assert {one["name"]: one["value"] for one in parameters.inputs["parameters"]}["rds.force_ssl"] == "1"
    logs = {one.inputs["name"] for one in declared.of("aws:cloudwatch/logGroup:LogGroup")}
    assert logs >= {f"/aws/rds/instance/vault-test-postgres/{log}" for log in said["enabledCloudwatchLogsExports"]}
    assert "postgres-postgresql-logs" in after(declared, "postgres-instance")


def test_accounts_of_pods_that_take_on_roles_by_tokens_name_them_and_reach_who_gives_credentials() -> None:
    addons = {name: version for name, version in SITE["addons"].items() if name != "pod_identity_agent"}
    declared = built({**EVERYTHING, **cluster(EVERYTHING, pod_roles="irsa", addons=addons)})
    named = {
        one.inputs["metadata"]["name"]: one.inputs["metadata"]["annotations"].keys()
        for one in declared.of("kubernetes:core/v1:ServiceAccount")
        if "annotations" in one.inputs["metadata"]
    }
    note = "eks.amazonaws.com/role-arn"
    assert named == {"bootstrap": {note}, "snapshots": {note}}
    server = declared.named("servers-chart-chart").inputs["values"]["server"]["serviceAccount"]
    assert server["annotations"].keys() == {note}
    assert {"servers-role", "cluster-provider"} <= after(declared, "servers-chart-chart")
    before = production()
    assert "annotations" not in before.named("servers-chart-chart").inputs["values"]["server"]["serviceAccount"]
    assert not [
        one.name for one in before.of("kubernetes:core/v1:ServiceAccount") if "annotations" in one.inputs["metadata"]
    ]


def test_a_load_balancer_passes_tls_on_to_the_servers_api_and_to_nothing_else() -> None:
    declared = production()
    (balancer,) = declared.of("aws:lb/loadBalancer:LoadBalancer")
    on = ("internal", "enableCrossZoneLoadBalancing", "enableDeletionProtection")
    assert [balancer.inputs[name] for name in on] == [True, True, True]
    subnets = [one for one in declared.of("aws:ec2/subnet:Subnet") if "balancer" in one.name]
    assert [one.inputs["cidrBlock"] for one in subnets] == ["10.0.248.0/24", "10.0.249.0/24", "10.0.250.0/24"]
    assert balancer.inputs["subnets"] == [f"{one.name}-id" for one in subnets]
    (listener,) = declared.of("aws:lb/listener:Listener")
    assert (listener.inputs["protocol"], listener.inputs["port"]) == ("TCP", 8200)
    (targets,) = declared.of("aws:lb/targetGroup:TargetGroup")
    said = targets.inputs
    assert (said["protocol"], said["port"], said["targetType"]) == ("TCP", 30_820, "instance")
    assert said["healthCheck"]["protocol"] == "HTTPS"
    assert said["healthCheck"]["path"] == "/v1/sys/health?standbyok=true&perfstandbyok=true"
    attached = declared.of("aws:autoscaling/attachment:Attachment")
    assert [one.inputs["autoscalingGroupName"] for one in attached] == ["eks-nodes"] * 3
    # Nobody comes to the port between servers.
    groups = [one.inputs for one in declared.records if one.type.startswith("aws:vpc/securityGroup")]
    ports = {(one["fromPort"], one["toPort"]) for one in groups}
    assert ports == {(443, 443), (5432, 5432), (8200, 8200), (30_820, 30_820)}
    (record,) = declared.of("aws:route53/record:Record")
    assert (record.inputs["name"], record.inputs["zoneId"]) == ("vault.example.com", "Z0123456789ABC")


def test_a_load_balancers_nodes_lead_to_their_own_server_once_it_serves() -> None:
    declared = production()
    (service,) = (one for one in declared.of("kubernetes:core/v1:Service") if one.name == "node-port-service")
    assert service.inputs["spec"]["externalTrafficPolicy"] == "Local"
    assert service.inputs["spec"]["ports"][0]["nodePort"] == 30_820
    pods = declared.named("namespaces-servers-vault").inputs["spec"]["podSelector"]["matchLabels"]
    assert service.inputs["spec"]["selector"] == pods
    assert "first-boot-run-job" in after(declared, "node-port-service")
    assert "vault.example.com" in declared.named("certificate-listener").inputs["spec"]["dnsNames"]


def test_behind_a_load_balancer_pods_are_still_let_in_by_their_namespace_only() -> None:
    (api, _) = production().named("namespaces-servers-vault").inputs["spec"]["ingress"]
    blocks = [one["ipBlock"] for one in api["from"] if "ipBlock" in one]
    pods = ["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"]
    assert blocks == [
        {"cidr": "10.0.0.0/8", "except": pods},
        {"cidr": "192.168.7.0/24"},
        *({"cidr": f"10.0.{number}.0/24"} for number in (248, 249, 250)),
    ]


def test_without_a_load_balancer_there_is_nothing_of_one() -> None:
    declared = built(CLUSTER)
    assert not [one.name for one in declared.records if "balancer" in one.name or "node-port" in one.name]
    (api, _) = declared.named("namespaces-servers-vault").inputs["spec"]["ingress"]
    assert not [one for one in api["from"] if "ipBlock" in one]


def test_servers_trust_authorities_that_settings_name() -> None:
    declared = production()
    assert declared.named("servers-chart-authorities").inputs["data"] == {"0.crt": CERTIFICATE}
    server = declared.named("servers-chart-chart").inputs["values"]["server"]
    assert server["extraEnvironmentVars"]["SSL_CERT_DIR"] == "/vault/authorities"
    assert {"name": "authorities", "mountPath": "/vault/authorities", "readOnly": True} in server["volumeMounts"]
    assert "servers-chart-authorities" in after(declared, "servers-chart-chart")
    without = built(CLUSTER).named("servers-chart-chart").inputs["values"]["server"]
    assert "SSL_CERT_DIR" not in without["extraEnvironmentVars"]


@pytest.mark.parametrize(
    "written",
    [
        PUBLIC_KEY,
        PUBLIC_KEY.replace("\n\n", "\nComment: hers\n\n").replace("\n", "\r\n"),
        PUBLIC_KEY.replace("\n\n", "\n \n"),
        PUBLIC_KEY.replace("\n\n", "\n"),
    ],
    ids=["the same file", "another head and lines", "a space in the blank line", "no blank line"],
)
def test_two_operators_with_one_key_are_one_person(here: Path, written: str) -> None:
    (here / "keys/bob.asc").write_text(written)
    people = [{"name": name, "pgp_key": f"keys/{name}.asc"} for name in ("ada", "bob")]
    settings = parse({**CLUSTER, "bootstrap": {**CLUSTER["bootstrap"], "operators": people, "threshold": 2}})
    with pytest.raises(
        ValueError, match=r"bootstrap\.operators\[1\]\.pgp_key is 'keys/bob\.asc'; expected another key"
    ):
        place(settings, pulumi.Output.secret)
    (here / "keys/ada.asc").write_text(written)
    (here / "keys/bob.asc").write_text(written.replace("AA==", "BB=="))
    assert declare(lambda: place(settings, pulumi.Output.secret)).records


def test_a_key_that_is_not_there_is_told_by_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = parse(CLUSTER)
    with pytest.raises(ValueError, match=r"bootstrap\.operators\[0\]\.pgp_key is 'keys/ada\.asc', which can't be read"):
        place(settings, pulumi.Output.secret)


@pytest.mark.usefixtures("here")
def test_the_stack_exports_what_a_person_needs() -> None:
    found: dict[str, pulumi.Input[str]] = {}
    settings = parse(CLUSTER)
    assert isinstance(settings.platform, EksPlatform)
    platform = settings.platform
    declare(lambda: found.update(eks.build(settings, platform, pulumi.Output.secret).exports))
    assert sorted(found) == ["address", "cluster_id", "cluster_name"]
    with_database = parse(cluster(postgres=POSTGRES, load_balancer=LOAD_BALANCER))
    assert isinstance(with_database.platform, EksPlatform)
    platform = with_database.platform
    declare(lambda: found.update(eks.build(with_database, platform, pulumi.Output.secret).exports))
    assert {"postgres_host", "load_balancer"} <= found.keys()


def test_the_administrator_of_several_servers_sees_who_votes_from_first_boot_on() -> None:
    """Else `VaultReady` would wait for what nobody shows it."""
    seen = 'path "sys/storage/raft/autopilot/state"'
    whole = declared("staging")
    (made,) = (one for one in whole.of("kubernetes:core/v1:ConfigMap") if one.name == "first-boot-run-programs")
    assert seen in json.loads(made.inputs["data"]["parameters.json"])["administrator"]["policy"]
    assert seen in whole.named("administrator-login").inputs["policy"]
    assert whole.named("autopilot-configuration").inputs["minQuorum"] == 3
