"""What stands in a cluster: the whole graph, what is kept, and the values that reach the chart.

Not proven: that a cluster takes it, and that cert-manager and Helm do with it what their documentation says; mocks
declare only.
"""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from components.render.chart.server_file import server_file
from components.render.chart.values import values
from components.render.kubeconfig import kubeconfig
from tests.support.cluster_samples import ARCHIVES, CLUSTER, DISKS, servers
from tests.support.declare import Declared, declare
from tests.unit.render.chart_samples import OPENBAO, PLACE, VAULT

CLAIMS = [f"storage-{volume}-vault-{ordinal}" for ordinal in range(3) for volume in ("data", "audit")]


def built(*, preview: bool = False, **parts: Any) -> Declared:
    return declare(lambda: servers(**parts), preview=preview)


@pytest.mark.parametrize("preview", [False, True])
def test_exactly_these_resources(preview: bool) -> None:
    expected = [
        *(("kubernetes:core/v1:PersistentVolumeClaim", claim) for claim in CLAIMS),
        ("kubernetes:batch/v1:CronJob", "rotation-of-shop-rotated-runs"),
        ("kubernetes:batch/v1:CronJob", "snapshots-taken-runs"),
        ("kubernetes:batch/v1:Job", "authority-publisher-job"),
        ("kubernetes:batch/v1:Job", "first-boot-run-job"),
        ("kubernetes:cert-manager.io/v1:Certificate", "certificate-authority"),
        ("kubernetes:cert-manager.io/v1:Certificate", "certificate-listener"),
        ("kubernetes:cert-manager.io/v1:Issuer", "certificate-issuer"),
        ("kubernetes:cert-manager.io/v1:Issuer", "certificate-self-signed"),
        ("kubernetes:core/v1:ConfigMap", "authority-published"),
        ("kubernetes:core/v1:ConfigMap", "authority-publisher-programs"),
        ("kubernetes:core/v1:ConfigMap", "first-boot-run-programs"),
        ("kubernetes:core/v1:ConfigMap", "rotation-of-shop-rotated-programs"),
        ("kubernetes:core/v1:ConfigMap", "snapshots-taken-programs"),
        ("kubernetes:core/v1:Namespace", "namespaces-jobs"),
        ("kubernetes:core/v1:Namespace", "namespaces-servers"),
        ("kubernetes:core/v1:ServiceAccount", "authority-publisher-account"),
        ("kubernetes:core/v1:ServiceAccount", "first-boot-run-account"),
        ("kubernetes:core/v1:ServiceAccount", "rotation-of-shop-rotated-account"),
        ("kubernetes:core/v1:ServiceAccount", "snapshots-taken-account"),
        ("kubernetes:helm.sh/v4:Chart", "vault-chart"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "authority-reached"),
        ("kubernetes:rbac.authorization.k8s.io/v1:Role", "authority-role"),
        ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "authority-binding"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "namespaces-jobs-nothing"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "namespaces-jobs-vault"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "namespaces-servers-nothing"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "namespaces-servers-vault"),
        ("kubernetes:scheduling.k8s.io/v1:PriorityClass", "vault-priority"),
        ("kubernetes:storage.k8s.io/v1:StorageClass", "storage-class"),
        ("pulumi:providers:kubernetes", "cluster"),
        ("vault-estate:index:BootstrapJob", "first-boot"),
        ("vault-estate:index:ListenerCertificate", "certificate"),
        ("vault-estate:index:ProgramJob", "authority-publisher"),
        ("vault-estate:index:ProgramJob", "first-boot-run"),
        ("vault-estate:index:ProgramJob", "rotation-of-shop-rotated"),
        ("vault-estate:index:ProgramJob", "snapshots-taken"),
        ("vault-estate:index:PublishedAuthority", "authority"),
        ("vault-estate:index:ServerChart", "vault"),
        ("vault-estate:index:ServerNamespaces", "namespaces"),
        ("vault-estate:index:ServerStorage", "storage"),
        ("vault-estate:index:RotationCronJob", "rotation-of-shop"),
        ("vault-estate:index:SnapshotCronJob", "snapshots"),
    ]
    assert sorted(built(preview=preview).names()) == sorted(expected)


def test_five_servers_have_ten_claims() -> None:
    claims = built(server=OPENBAO).of("kubernetes:core/v1:PersistentVolumeClaim")

    assert len(claims) == 10
    assert {claim.inputs["metadata"]["labels"]["app.kubernetes.io/name"] for claim in claims} == {"openbao"}


@pytest.mark.parametrize("protect", [True, False])
def test_claims_are_kept_with_their_namespace_and_stay_when_the_stack_goes(protect: bool) -> None:
    declared = built(protect=protect)

    kept = {one.name for one in declared.records if one.options.protect}
    assert kept == ({*CLAIMS, "namespaces-servers", "namespaces-jobs"} if protect else set())
    staying = {one.name for one in declared.records if one.options.retain_on_delete}
    # Whoever deletes a namespace deletes the claims in it.
    assert staying == {*CLAIMS, "namespaces-servers"}


def test_volumes_are_encrypted_grow_stay_and_are_made_where_their_pod_is() -> None:
    made = built().named("storage-class").inputs

    assert made["parameters"] == {"type": "gp3", "encrypted": "true", "kmsKeyId": DISKS}
    assert made["reclaimPolicy"] == "Retain"
    assert made["volumeBindingMode"] == "WaitForFirstConsumer"
    assert made["allowVolumeExpansion"] is True


def test_a_claim_is_what_the_set_would_have_made() -> None:
    claim = built().named("storage-data-vault-0").inputs

    assert claim["metadata"]["name"] == "data-vault-0"
    assert claim["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "vault-gp3",
        "resources": {"requests": {"storage": "20Gi"}},
    }


def test_both_namespaces_are_restricted() -> None:
    declared = built()

    for name, called in (("namespaces-servers", "vault"), ("namespaces-jobs", "vault-jobs")):
        metadata = declared.named(name, "kubernetes:core/v1:Namespace").inputs["metadata"]
        assert metadata["name"] == called
        levels = ("enforce", "audit", "warn")
        assert metadata["labels"] == {f"pod-security.kubernetes.io/{level}": "restricted" for level in levels}


def test_certificates_are_waited_for_and_made_in_order() -> None:
    declared = built()
    chain = [declared.named(f"certificate-{name}") for name in ("self-signed", "authority", "issuer", "listener")]

    for earlier, later in pairwise(chain):
        assert earlier.urn in later.options.depends_on
    assert {one.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] for one in chain} == {"condition=Ready"}
    assert [one.inputs["metadata"]["namespace"] for one in chain] == ["vault"] * 4
    _, authority, issuer, listener = (one.inputs["spec"] for one in chain)
    assert (authority["isCA"], authority["duration"]) == (True, "87600h0m0s")
    assert issuer["ca"]["secretName"] == authority["secretName"]
    assert listener["privateKey"] == {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}
    assert (listener["duration"], listener["renewBefore"]) == ("2160h0m0s", "720h0m0s")
    assert listener["secretName"] == "vault-tls"
    assert listener["issuerRef"] == {"kind": "Issuer", "name": "vault-authority"}
    assert {"vault-2.vault-internal", "vault-active.vault.svc", "vault.example.com"} <= set(listener["dnsNames"])
    assert "vault-3.vault-internal" not in listener["dnsNames"]


def test_the_chart_is_not_waited_for_and_comes_after_what_its_pods_need() -> None:
    declared = built()
    chart = declared.named("vault-chart")

    assert chart.inputs["skipAwait"] is True
    assert (chart.inputs["name"], chart.inputs["namespace"], chart.inputs["chart"]) == (
        "vault",
        "vault",
        ARCHIVES["vault"],
    )
    before = ("vault-priority", "certificate-listener", "namespaces-servers-nothing", *CLAIMS)
    needed = {declared.named(name).urn for name in before}
    parent = declared.named("vault", "vault-estate:index:ServerChart")
    assert needed <= chart.options.depends_on | parent.options.depends_on


def test_the_servers_file_has_the_seals_key() -> None:
    config = built().named("vault-chart").inputs["values"]["server"]["ha"]["raft"]["config"]

    assert config == server_file(VAULT, PLACE)
    assert built().named("vault-chart").inputs["values"] == values(VAULT, config)


def test_the_provider_keeps_what_it_can_not_reach_and_holds_to_one_cluster() -> None:
    inputs = built().named("cluster").inputs

    assert inputs["clusterIdentifier"] == CLUSTER
    assert (inputs["deleteUnreachable"], inputs["enableConfigMapMutable"]) == ("false", "true")
    assert {one.provider.split("::")[-2] for one in built().records if one.type.startswith("kubernetes:")} == {
        "cluster"
    }


@pytest.mark.parametrize(
    ("more", "expected", "environment"),
    [
        ({}, [], []),
        ({"profile": "vault"}, [], [{"name": "AWS_PROFILE", "value": "vault"}]),
        ({"role_arn": "arn:aws:iam::1:role/a"}, ["--role-arn", "arn:aws:iam::1:role/a"], []),
    ],
)
def test_a_kubeconfig_asks_for_each_token(more: dict[str, str], expected: list[str], environment: Any) -> None:
    text = kubeconfig(name="one", endpoint="https://eks", authority="QUE=", region="eu-central-1", **more)

    (user,) = json.loads(text)["users"]
    arguments = ["eks", "get-token", "--cluster-name", "one", "--region", "eu-central-1", "--output", "json"]
    assert user["user"]["exec"]["args"] == [*arguments, *expected]
    assert user["user"]["exec"]["env"] == environment
    assert "token" not in user["user"]


def test_another_size_is_another_claims_and_nothing_of_the_set() -> None:
    larger = replace(VAULT, pods=VAULT.pods.model_copy(update={"data_gibibytes": 30}))

    claim = built(server=larger).named("storage-data-vault-0").inputs
    assert claim["spec"]["resources"] == {"requests": {"storage": "30Gi"}}
    assert values(larger, "") == values(VAULT, "")
