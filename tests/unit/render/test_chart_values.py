"""The values of both charts: that the charts have each key, what each is for, and how the server's file gets there.

Where the official chart's data and the values of a trial are beside the project (`../shared/data`), ours are held
against these, too; elsewhere those tests aren't collected. What is rendered is `test_rendered_chart.py`'s.
"""

import json
import re
from dataclasses import replace
from typing import Any

import hcl2
import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from components.render.chart import names, values
from components.render.chart.pods import ServerImage, ServerPods
from components.render.chart.server_file import REPLACED, ClusterServer, literal, server_file
from components.render.kms_plugin import KmsPlugin
from components.render.seals import AwsKmsSeal, SealPlace
from tests.support import official_chart
from tests.unit.render.chart_samples import DIGEST, KEY, KNOWN, OPENBAO, PLACE, REGISTRY, SERVERS, VAULT, keys, leaves

BOTH_OTHERWISE = {
    "server.affinity",  # a text now, of which Helm doesn't warn
    "server.extraContainers",
    "server.ha.raft.config",
    "server.logFormat",  # the file says it already
    "server.priorityClassName",
    "server.resources",  # the same in other units
    "server.statefulSet.annotations",
}
TRIED_OTHERWISE = {
    "vault": BOTH_OTHERWISE,
    # That trial had the names, the image and the seal of the other flavour; the order of pods it had by default.
    "openbao": BOTH_OTHERWISE
    | {
        "server.extraEnvironmentVars",
        "server.extraSecretEnvironmentVars",
        "server.ha.replicas",
        "server.image.registry",
        "server.image.repository",
        "server.image.tag",
        "server.podManagementPolicy",
        "server.topologySpreadConstraints",
        "server.volumeMounts",
        "server.volumes",  # a seal by another Vault brings that Vault's authority
    },
}
"""In which our values differ from those that a real API server admitted under the restricted profile."""
IN_TEMPLATES = {"fullnameOverride", "server.readinessProbe.path"}
"""What the official chart's templates use, and its values have in a comment or not at all."""
TRIED = {one: found for one in SERVERS if (found := official_chart.tried(one.flavor)) is not None}
each_flavor = pytest.mark.parametrize("server", SERVERS, ids=[one.flavor for one in SERVERS])


def rendered(server: ClusterServer) -> dict[str, Any]:
    return values.values(server, server_file(server, PLACE))


def unknown(found: set[str], there: set[str]) -> set[str]:
    """Keys that a chart's own values lack."""
    return {key for key in found - there - IN_TEMPLATES if not any(one.startswith(f"{key}.") for one in there)}


@each_flavor
def test_the_chart_has_each_key_that_is_set(server: ClusterServer) -> None:
    found = set(keys(rendered(server)))

    assert found - KNOWN[server.flavor] == set()
    # What is known and never set would hide a key that got lost.
    assert KNOWN[server.flavor] - found <= {"server.extraSecretEnvironmentVars"}


OFFICIAL = official_chart.published()
if OFFICIAL:

    def test_the_official_charts_values_and_schema_have_ours() -> None:
        assert unknown(set(keys(rendered(VAULT))), set(keys(OFFICIAL["values"]))) == set()
        validator = jsonschema.Draft7Validator(OFFICIAL["schema"])
        validator.validate(rendered(VAULT))
        assert not validator.is_valid({"server": {"ha": {"replicas": "three"}}})


if TRIED:

    @pytest.mark.parametrize("server", TRIED, ids=[one.flavor for one in TRIED])
    def test_ours_differ_from_those_that_were_admitted_in_what_is_named(server: ClusterServer) -> None:
        ours, theirs = dict(leaves(rendered(server))), dict(leaves(TRIED[server]))
        differing = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
        assert differing == TRIED_OTHERWISE[server.flavor]


def test_a_key_that_the_official_chart_lacks_would_be_found() -> None:
    there = set(keys({"server": {"ha": {"replicas": 3}, "volumes": None}}))

    assert unknown({"server.ha.replicas", "server.volumes", "server.ha.replica"}, there) == {"server.ha.replica"}


@each_flavor
def test_values_are_plain_and_the_same_each_time(server: ClusterServer) -> None:
    found = rendered(server)

    assert json.loads(json.dumps(found)) == found
    assert found == rendered(server)


def test_images_are_by_digest_and_from_the_registry_that_is_named() -> None:
    vault, openbao = (rendered(one)["server"]["image"] for one in SERVERS)

    assert vault == {"repository": f"{REGISTRY}/hashicorp/vault", "tag": f"2.0.4@{DIGEST}"}
    assert openbao == {"registry": REGISTRY, "repository": "openbao/openbao", "tag": f"2.7.2@{DIGEST}"}
    for server in SERVERS:
        (beside,) = rendered(server)["server"]["extraContainers"]
        assert beside["image"] == f"{server.pods.image.repository}:{server.version}@{DIGEST}"


@each_flavor
def test_the_cluster_joins_by_names_that_the_certificate_has(server: ClusterServer) -> None:
    ha = rendered(server)["server"]["ha"]
    (storage,) = hcl2.loads(ha["raft"]["config"].replace('"default" =', "default ="))["storage"]
    joins = storage['"raft"']["retry_join"]
    certified = set(names.certified(server.pods.replicas))

    assert len(joins) == ha["replicas"] == server.pods.replicas
    hosts = [join["leader_tls_servername"].strip('"') for join in joins]
    assert hosts == [f"vault-{ordinal}.vault-internal" for ordinal in range(server.pods.replicas)]
    assert set(hosts) <= certified
    assert [join["leader_api_addr"].strip('"') for join in joins] == [f"https://{host}:8200" for host in hosts]
    assert {"vault.vault.svc", "vault-active.vault.svc", "vault-0.vault-internal.vault.svc", "localhost"} <= certified
    name = {"vault": "VAULT", "openbao": "BAO"}[server.flavor]
    assert ha["apiAddr"] == f"https://$({name}_K8S_POD_NAME).vault-internal:8200"
    assert ha["disruptionBudget"] == {"enabled": True, "maxUnavailable": 1}
    assert not {'"node_id"', "node_id"} & storage['"raft"'].keys()


def test_the_seal_is_by_the_keys_arn_and_never_by_the_nodes_identity() -> None:
    server = rendered(VAULT)["server"]

    assert f'seal "awskms" {{\n  region = "eu-central-1"\n  kms_key_id = "{KEY}"\n}}' in server["ha"]["raft"]["config"]
    assert server["extraEnvironmentVars"]["AWS_EC2_METADATA_DISABLED"] == "true"
    assert "extraSecretEnvironmentVars" not in server


def test_a_plugin_that_is_fetched_has_a_volume_of_its_own() -> None:
    seal, told = AwsKmsSeal(region="eu-central-1"), {"version": "v0.1.0", "sha256sum": "0" * 64}
    fetched, there = (
        rendered(replace(OPENBAO, seal=seal, kms_plugin=KmsPlugin(**told, **place)))["server"]
        for place in ({"image": "ghcr.io/openbao/openbao-plugin-kms-aws"}, {"command": "kms"})
    )
    assert {"name": "plugins", "emptyDir": {"sizeLimit": "512Mi"}} in fetched["volumes"]
    assert {"name": "plugins", "mountPath": "/openbao/plugins"} in fetched["volumeMounts"]
    assert "plugins" not in [one["name"] for one in there["volumes"]]


def test_a_seals_token_is_named_and_never_written() -> None:
    (variable,) = rendered(OPENBAO)["server"]["extraSecretEnvironmentVars"]

    assert variable == {"envName": "VAULT_TOKEN", "secretName": "vault-seal", "secretKey": "token"}


def test_a_seal_by_another_vault_verifies_that_by_an_authority_of_its_own() -> None:
    server = rendered(OPENBAO)["server"]

    # The variable of the pod's own client names the listener's authority, which signed nothing of the other Vault.
    assert server["extraEnvironmentVars"]["BAO_CACERT"] == "/openbao/tls/ca.crt"
    assert '  tls_ca_cert = "/openbao/seal/ca.crt"\n' in server["ha"]["raft"]["config"]
    mounted = {one["name"]: one["mountPath"] for one in server["volumeMounts"]}
    assert mounted["seal"] == "/openbao/seal"
    (volume,) = [one for one in server["volumes"] if one["name"] == "seal"]
    assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert "seal" not in {one["name"] for one in rendered(VAULT)["server"]["volumes"]}


@each_flavor
def test_ready_is_who_serves_and_alive_is_who_answers(server: ClusterServer) -> None:
    found = rendered(server)["server"]

    # A sealed pod that counted as healthy would let a drain take the majority.
    assert "sealedcode" not in found["readinessProbe"]["path"]
    assert "uninitcode" not in found["readinessProbe"]["path"]
    assert "sealedcode=204" in found["livenessProbe"]["path"]
    assert found["service"]["publishNotReadyAddresses"] is False


@each_flavor
def test_every_container_is_as_the_restricted_profile_asks(server: ClusterServer) -> None:
    found = rendered(server)["server"]
    contexts = found["statefulSet"]["securityContext"]
    containers = [contexts["container"], *(one["securityContext"] for one in found["extraContainers"])]

    assert contexts["pod"]["runAsNonRoot"] is True
    assert contexts["pod"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers:
        assert container["allowPrivilegeEscalation"] is False
        assert container["capabilities"] == {"drop": ["ALL"]}
        assert container["readOnlyRootFilesystem"] is True
    assert {"name": "tmp", "mountPath": "/tmp"} in found["volumeMounts"]  # noqa: S108 - in the pod, and its own


@each_flavor
def test_pods_are_selected_by_the_labels_that_the_flavours_chart_gives(server: ClusterServer) -> None:
    found = rendered(server)["server"]
    (apart,) = yaml.safe_load(found["affinity"])["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (spread,) = found["topologySpreadConstraints"]

    wanted = {
        "app.kubernetes.io/name": server.flavor,
        "app.kubernetes.io/instance": "vault",
        "component": "server",
    }
    assert apart["labelSelector"] == spread["labelSelector"] == {"matchLabels": wanted}
    assert (spread["minDomains"], spread["whenUnsatisfiable"]) == (3, "DoNotSchedule")


def test_openbaos_pods_begin_together() -> None:
    assert rendered(OPENBAO)["server"]["podManagementPolicy"] == "Parallel"


@each_flavor
def test_nothing_is_restarted_or_deleted_by_a_change(server: ClusterServer) -> None:
    found = rendered(server)["server"]

    assert found["updateStrategyType"] == "OnDelete"
    assert found["statefulSet"]["annotations"] == {"pulumi.com/deletionPropagationPolicy": "orphan"}
    assert found["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.parametrize(("gibibytes", "files"), [(10, 34), (20, 68)])
def test_old_audit_logs_leave_room_on_their_volume(gibibytes: int, files: int) -> None:
    pods = VAULT.pods.model_copy(update={"audit_gibibytes": gibibytes})
    (beside,) = rendered(replace(VAULT, pods=pods))["server"]["extraContainers"]
    told = {one["name"]: one["value"] for one in beside["env"]}

    assert told["AUDIT_FILES"] == str(files)
    # One is being written, and grows for a while after its size was seen.
    assert (files + 2) * int(told["AUDIT_BYTES"]) < 0.95 * gibibytes * 2**30


def test_claims_are_called_as_the_set_expects_them() -> None:
    assert list(names.claims(2)) == [
        ("data", "data-vault-0"),
        ("audit", "audit-vault-0"),
        ("data", "data-vault-1"),
        ("audit", "audit-vault-1"),
    ]


@pytest.mark.parametrize("word", ["{{", *REPLACED])
def test_what_the_chart_would_replace_is_refused(word: str) -> None:
    seal = AwsKmsSeal(region="eu-central-1")

    expected = f'kms_key_id is "a{word}b"; expected a text without {word}, which the chart replaces'
    with pytest.raises(ValueError, match=re.escape(expected)):
        server_file(replace(VAULT, seal=seal), SealPlace(kms_key=f"a{word}b"))
    with pytest.raises(ValueError, match=re.escape(f"# a {word} is written; expected a text without {word}")):
        literal(f"ui = false\n# a {word}\n")


def test_a_seal_that_the_flavour_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seal\.kind is 'awskms'; expected one that 'openbao' has"):
        replace(OPENBAO, seal=AwsKmsSeal(region="eu-central-1"))


IMAGE = {"repository": "docker.io/hashicorp/vault", "digest": DIGEST}


@pytest.mark.parametrize(
    ("image", "pods", "words"),
    [
        ({}, {"replicas": 2}, "expected an odd number, since an even one bears the loss of no more pods"),
        ({}, {"replicas": 9}, "less than or equal to 7"),
        ({"digest": "sha256:1"}, {}, "expected a digest: sha256:, and 64 hexadecimal digits in lower case"),
        ({"repository": "vault"}, {}, "expected a registry and a repository such as docker.io/hashicorp/vault"),
    ],
)
def test_pods_that_would_not_hold_are_refused(image: dict[str, Any], pods: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        ServerPods(image=ServerImage(**{**IMAGE, **image}), **pods)
