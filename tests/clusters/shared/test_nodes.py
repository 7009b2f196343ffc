"""Nodes that really run pods: under the restricted standard, with volumes that a zone keeps, and with a plug to pull.

Not proven: anything that one kernel and one machine can't show, as separate disks and links.
"""

import json

import pytest

from fake_providers import nodes
from fake_providers.machines import MachineError
from fake_providers.machines.commands import eventually
from tests.support.pods import THREE_ZONES, Pods, on

FAST = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "fast"},
    "provisioner": "ebs.csi.aws.com",
    "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True,
    "reclaimPolicy": "Retain",
}


def test_nodes_are_ready_with_their_zones_and_labels(cluster: nodes.Cluster) -> None:
    found = json.loads(cluster.kubectl("get", "nodes", "--output", "json"))["items"]

    assert {
        one["metadata"]["name"]: (
            one["metadata"]["labels"]["topology.kubernetes.io/zone"],
            one["metadata"]["labels"]["size"],
            next(condition["status"] for condition in one["status"]["conditions"] if condition["type"] == "Ready"),
        )
        for one in found
    } == {name: (zone, "small", "True") for name, zone in THREE_ZONES.items()}
    assert cluster.nodes() == dict.fromkeys(THREE_ZONES, True)


def test_a_pod_finds_services_by_name_and_reaches_this_machine(pods: Pods) -> None:
    pods.cluster.resolve({"postgres.staging.example.com": pods.cluster.host_address})

    said = pods.run("asks", ["nslookup", "postgres.staging.example.com"])
    assert pods.cluster.host_address in said
    assert "172.20.0.1" in pods.run("service", ["nslookup", "kubernetes.default.svc.cluster.local"])


def test_jobs_programs_find_what_they_import(pods: Pods) -> None:
    program = (
        "import boto3, pyrage, pysequoia, ssl; boto3.client('secretsmanager', region_name='eu-central-1'); print('all')"
    )

    said = pods.run("tools", ["python3", "-B", "-E", "-s", "-c", program], image=pods.cluster.programs.tools.reference)

    assert said == "all\n"


def test_what_the_restricted_standard_forbids_is_refused(pods: Pods) -> None:
    with pytest.raises(MachineError, match="violates PodSecurity"):
        pods.start("root", ["id"], securityContext={"runAsUser": 0})


def test_a_zone_keeps_a_volume_over_pods_and_nodes(pods: Pods) -> None:
    pods.apply(FAST)
    pods.claim("kept", "fast")

    pods.run("writes", ["sh", "-c", "echo words >/volume/file"], claim="kept", **on("n-1"))
    assert pods.run("reads", ["cat", "/volume/file"], claim="kept", **on("n-2")) == "words\n"

    pods.start("elsewhere", ["cat", "/volume/file"], claim="kept", **on("n-3"))
    pods.wait("elsewhere", "condition=PodScheduled=False")


def test_a_volume_grows_with_its_claim(pods: Pods) -> None:
    pods.apply(FAST)
    pods.claim("grows", "fast")
    pods.run("first", ["true"], claim="grows", **on("n-3"))

    pods.kubectl("patch", "pvc", "grows", "--patch", '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}')

    pods.kubectl("wait", "--for=jsonpath={.status.capacity.storage}=2Gi", "pvc/grows", "--timeout=30s")


def test_a_node_without_power_comes_back_with_its_disk(pods: Pods) -> None:
    pods.start("stays", ["sleep", "600"], restartPolicy="Always", **on("n-3"))
    pods.wait("stays", "condition=Ready")

    running = "jsonpath={.status.containerStatuses[0].containerID}"
    before = pods.kubectl("get", "pod", "stays", "--output", running)

    pods.cluster.unplug("n-3")
    assert pods.cluster.nodes() == {**dict.fromkeys(THREE_ZONES, True), "n-3": False}

    pods.cluster.plug_in("n-3")
    pods.cluster.wait_ready()
    assert eventually(lambda: pods.kubectl("get", "pod", "stays", "--output", running) != before, 90)
    pods.wait("stays", "condition=Ready")
