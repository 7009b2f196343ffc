"""What the charts make of our values, field by field: each that a server in a cluster hangs on.

Both charts let a key pass that they don't know, and their schemas too, so a value counts by what is rendered from it.
The fake chart renders always; Helm and the official archive beside it, where both are there
(`tests/support/official_chart.py`).
"""

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from components.render.chart.server_file import ClusterServer, server_file
from components.render.chart.values import values
from fake_providers import chart
from tests.support import official_chart
from tests.support.cluster_samples import ARCHIVES
from tests.unit.render.chart_samples import DIGEST, OPENBAO, PLACE, REGISTRY, SERVERS, VAULT, leaves

Render = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
DIALS = {"openbao": "BAO", "vault": "VAULT"}
"""What variables begin with."""


def by_fake(flavor: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    return chart.render(ARCHIVES[flavor], "vault", "vault", given)


@dataclass
class Rendered:
    """A flavour's release, by one who renders."""

    server: ClusterServer
    render: Render
    name: str

    @cached_property
    def objects(self) -> dict[tuple[str, str], Any]:
        """By kind and name."""
        made = self.render(self.server.flavor, given(self.server))
        return {(one["kind"], one["metadata"]["name"]): one for one in made}

    @property
    def set(self) -> Any:
        return self.objects["StatefulSet", "vault"]["spec"]

    @property
    def pod(self) -> Any:
        return self.set["template"]["spec"]

    @property
    def container(self) -> Any:
        return self.pod["containers"][0]

    @property
    def variables(self) -> dict[str, Any]:
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in self.container["env"]}


def given(server: ClusterServer) -> dict[str, Any]:
    return values(server, server_file(server, PLACE))


def releases() -> Iterator[Rendered]:
    for server in SERVERS:
        yield Rendered(server, by_fake, f"{server.flavor}-fake")
        if official_chart.helm() and official_chart.archive(server.flavor):
            yield Rendered(server, official_chart.rendered_by_helm, f"{server.flavor}-helm")


RELEASES = tuple(releases())
each = pytest.mark.parametrize("made", RELEASES, ids=[one.name for one in RELEASES])


@each
def test_names_that_certificates_and_claims_hang_on(made: Rendered) -> None:
    assert made.set["serviceName"] == "vault-internal"
    assert {name for kind, name in made.objects if kind == "Service"} == {"vault", "vault-active", "vault-internal"}
    assert [one["metadata"]["name"] for one in made.set["volumeClaimTemplates"]] == ["data", "audit"]
    assert made.pod["serviceAccountName"] == "vault"
    # Pod Identity needs no annotation, and one would have the pod take another role.
    assert not made.objects["ServiceAccount", "vault"]["metadata"].get("annotations")


@each
def test_everything_speaks_tls(made: Rendered) -> None:
    for probe in ("readinessProbe", "livenessProbe"):
        assert made.container[probe]["httpGet"]["scheme"] == "HTTPS"
    prefix, home = DIALS[made.server.flavor], made.server.home
    assert made.variables[f"{prefix}_ADDR"] == "https://127.0.0.1:8200"
    assert made.variables[f"{prefix}_CACERT"] == f"{home}/tls/ca.crt"
    assert [one["name"] for one in made.container["ports"]] == ["https", "https-internal", "https-rep"]


@each
def test_images_are_by_digest(made: Rendered) -> None:
    flavor = made.server.flavor
    repository = {"vault": "hashicorp/vault", "openbao": "openbao/openbao"}[flavor]
    expected = f"{REGISTRY}/{repository}:{made.server.version}@{DIGEST}"
    assert [one["image"] for one in made.pod["containers"]] == [expected, expected]
    assert not made.pod.get("initContainers")


@each
def test_the_file_is_whole_and_each_pod_has_its_own_id_and_address(made: Rendered) -> None:
    (text,) = made.objects["ConfigMap", "vault-config"]["data"].values()
    assert text.strip() == server_file(made.server, PLACE).strip()
    prefix = DIALS[made.server.flavor]
    own = {"fieldRef": {"fieldPath": "metadata.name"}}
    assert made.variables[f"{prefix}_RAFT_NODE_ID"] == made.variables[f"{prefix}_K8S_POD_NAME"] == own
    assert made.variables[f"{prefix}_API_ADDR"] == f"https://$({prefix}_K8S_POD_NAME).vault-internal:8200"
    assert made.variables["AWS_EC2_METADATA_DISABLED"] == "true"
    # Kubernetes expands a name only where it was declared before.
    names = [one["name"] for one in made.container["env"]]
    for number, one in enumerate(made.container["env"]):
        for used in re.findall(r"\$\(([A-Z0-9_]+)\)", str(one.get("value", ""))):
            assert used in names[:number], one


@each
def test_pods_are_admitted_under_the_restricted_profile(made: Rendered) -> None:
    context = made.pod["securityContext"]
    assert context == {
        "runAsNonRoot": True,
        "runAsUser": 100,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in made.pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert not made.pod.get("hostNetwork")
    assert made.pod["shareProcessNamespace"] is True


@each
def test_what_is_mounted(made: Rendered) -> None:
    volumes = {one["name"]: one for one in made.pod["volumes"]}
    assert volumes["tmp"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Mi"}
    assert volumes["tls"]["secret"] == {"secretName": "vault-tls", "defaultMode": 0o440}
    mounts = {one["name"]: one["mountPath"] for one in made.container["volumeMounts"]}
    home = made.server.home
    assert {name: mounts[name] for name in ("tmp", "tls", "data", "audit")} == {
        "tmp": "/tmp",  # noqa: S108 - in the pod, and its own
        "tls": f"{home}/tls",
        "data": f"{home}/data",
        "audit": f"{home}/audit",
    }


@each
def test_ready_is_who_serves_and_alive_is_who_answers(made: Rendered) -> None:
    ready, alive = (made.container[probe] for probe in ("readinessProbe", "livenessProbe"))
    assert ready["httpGet"]["path"] == "/v1/sys/health?standbyok=true&perfstandbyok=true"
    assert alive["httpGet"]["path"].endswith("&sealedcode=204&uninitcode=204&removedcode=204&haunhealthycode=204")
    assert (alive["initialDelaySeconds"], alive["failureThreshold"], alive["periodSeconds"]) == (60, 12, 10)
    assert (ready["failureThreshold"], ready["periodSeconds"]) == (2, 5)


@each
def test_services_send_to_who_is_ready_and_joining_to_everyone(made: Rendered) -> None:
    services = {name: one["spec"] for (kind, name), one in made.objects.items() if kind == "Service"}
    assert {name: one["publishNotReadyAddresses"] for name, one in services.items()} == {
        "vault": False,
        "vault-active": False,
        "vault-internal": True,
    }
    assert services["vault-internal"]["clusterIP"] == "None"
    assert services["vault-active"]["selector"][f"{made.server.flavor}-active"] == "true"


@each
def test_a_pod_hands_its_lead_over_and_is_replaced_by_nobody_else(made: Rendered) -> None:
    assert made.pod["terminationGracePeriodSeconds"] == 60
    (*_, command) = made.container["lifecycle"]["preStop"]["exec"]["command"]
    assert command.startswith("sleep 5 ")
    assert "kill -SIGTERM" in command
    assert made.set["updateStrategy"] == {"type": "OnDelete"}
    assert made.set["podManagementPolicy"] == "Parallel"
    assert made.set["replicas"] == made.server.pods.replicas
    annotations = made.set["template"]["metadata"]["annotations"]
    assert any(name.endswith("/config-checksum") and text for name, text in annotations.items())
    kept = made.objects["StatefulSet", "vault"]["metadata"]["annotations"]
    assert kept["pulumi.com/deletionPropagationPolicy"] == "orphan"


@each
def test_claims_outlive_the_set(made: Rendered) -> None:
    for claim in made.set["volumeClaimTemplates"]:
        assert claim["spec"]["storageClassName"] == "vault-gp3"
        assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert made.set["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@each
def test_pods_are_apart_and_on_nodes_of_their_own(made: Rendered) -> None:
    selected = {"matchLabels": made.set["selector"]["matchLabels"]}
    (apart,) = made.pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart == {"topologyKey": "kubernetes.io/hostname", "labelSelector": selected}
    (spread,) = made.pod["topologySpreadConstraints"]
    assert spread == {
        "maxSkew": 1,
        "minDomains": 3,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": selected,
    }
    assert made.pod["tolerations"] == [
        {"key": "dedicated", "operator": "Equal", "value": "vault", "effect": "NoSchedule"}
    ]
    assert made.pod["nodeSelector"] == {"role": "vault"}
    assert made.pod["priorityClassName"] == "vault"
    budget = made.objects["PodDisruptionBudget", "vault"]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": selected}


@each
def test_rights_in_the_cluster_are_these(made: Rendered) -> None:
    kinds = {kind for kind, _ in made.objects}
    assert kinds == {
        "ClusterRoleBinding",
        "ConfigMap",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }
    assert made.objects["ClusterRoleBinding", "vault-server-binding"]["roleRef"]["name"] == "system:auth-delegator"
    (rule,) = made.objects["Role", "vault-discovery-role"]["rules"]
    assert (rule["resources"], set(rule["verbs"])) == (["pods"], {"get", "watch", "list", "update", "patch"})


def otherwise(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x" if "\n" not in value else f"other: true\n{value}"
        case list():
            return value[1:]
        case _:
            return {}


def changed(values_of_chart: dict[str, Any], key: str) -> dict[str, Any]:
    """The values, with one of them another."""
    whole = copy.deepcopy(values_of_chart)
    *way, last = key.split(".")
    section = whole
    for name in way:
        section = section[name]
    section[last] = otherwise(section[last])
    return whole


@each
def test_each_value_that_is_set_shows_in_what_is_rendered(made: Rendered) -> None:
    whole = given(made.server)
    before = made.render(made.server.flavor, whole)
    silent = set()
    for key, _ in leaves(whole):
        try:
            after = made.render(made.server.flavor, changed(whole, key))
        except ValueError:  # it is looked at, and refused
            continue
        if after == before:
            silent.add(key)
    assert silent == set()


def test_a_value_that_the_chart_does_not_know_is_refused() -> None:
    whole = given(VAULT)
    whole["server"]["readynessProbe"] = whole["server"].pop("readinessProbe")
    with pytest.raises(ValueError, match=r"value server\.readinessProbe\.enabled is missing"):
        by_fake("vault", whole)
    with pytest.raises(ValueError, match=r"value server\.nonsense is none that is known of the chart openbao"):
        by_fake("openbao", {**given(OPENBAO), "server": {**given(OPENBAO)["server"], "nonsense": 1}})
