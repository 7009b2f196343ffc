"""What a cluster in AWS has beside its nodes: certificates by cert-manager, network policies, identities of pods.

Not proven: cert-manager's webhook, which isn't here; what AWS would allow a role.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from components.render.chart import certificates
from fake_providers import nodes
from fake_providers.token_service import TokenService
from tests.support.pods import Pods, asking

ROLE = "arn:aws:iam::123456789012:role/seal"
WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


@pytest.fixture(scope="module")
def with_certificates(cluster: nodes.Cluster) -> Iterator[None]:
    """cert-manager in the cluster."""
    cluster.install_certificates()
    cluster.kubectl(
        *("--namespace", "cert-manager", "rollout", "status", "deployment/cert-manager", "--timeout=90s"), seconds=95
    )
    yield
    cluster.remove_certificates()


def test_the_servers_certificate_is_issued(pods: Pods, with_certificates: None) -> None:
    wanted = (
        certificates.self_signed(),
        certificates.authority(),
        certificates.signing(),
        certificates.listener(3, ("vault.example.com",)),
    )
    for one in wanted:
        metadata = {"name": one.name, "namespace": pods.namespace}
        managed = {"apiVersion": certificates.API_VERSION, "kind": one.kind}
        pods.apply({**managed, "metadata": metadata, "spec": one.specification})

    pods.kubectl("wait", "--for=condition=Ready", "certificate", "--all", "--timeout=60s")

    secret = json.loads(pods.kubectl("get", "secret", certificates.listener(3).name, "--output", "json"))
    assert {"ca.crt", "tls.crt", "tls.key"} <= set(secret["data"])


def policy(namespace: str, **allowed: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "server", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"], **allowed},
    }


def test_a_network_policy_lets_in_whom_it_names_and_nobody_else(pods: Pods) -> None:
    tools = pods.cluster.programs.tools.reference
    pods.start("server", ["httpd", "-f", "-p", "8080", "-h", "/etc"])
    pods.wait("server", "condition=Ready")
    address = pods.kubectl("get", "pod", "server", "--output", "jsonpath={.status.podIP}")
    pods.run("before", asking(address, 8080, until="answered"), image=tools)

    pods.apply(policy(pods.namespace, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}]))

    pods.run("stranger", asking(address, 8080, until="refused"), image=tools)
    pods.run("friend", asking(address, 8080, until="answered"), image=tools)


@pytest.fixture
def token_service(cluster: nodes.Cluster) -> Iterator[str]:
    """A stand-in for AWS' token service on this machine, as the cluster reaches it."""
    server = ThreadedMotoServer(ip_address=cluster.host_address, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_pod_has_the_role_of_its_account_and_no_other_pod_has_one(pods: Pods, token_service: str) -> None:
    region = "eu-central-1"
    pods.cluster.use_token_service(TokenService(url=token_service, region=region, cluster="arn:none"))
    pods.cluster.associate(pods.namespace, "vault", ROLE)
    for name in ("vault", "other"):
        metadata = {"name": name, "namespace": pods.namespace}
        pods.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    tools = {
        "image": pods.cluster.programs.tools.reference,
        "environment": {
            "AWS_ENDPOINT_URL_STS": token_service,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": region,
        },
    }

    said = pods.run("with-role", ["python3", "-c", WHO], serviceAccountName="vault", **tools)
    assert said == f"arn:aws:sts::123456789012:assumed-role/seal/{pods.namespace}-vault"[: len(said) - 1] + "\n"

    refused = f"import botocore.exceptions\ntry:\n  {WHO}\nexcept botocore.exceptions.NoCredentialsError: print('none')"
    without = refused.replace("import boto3; ", "import boto3\n  ")
    assert pods.run("without", ["python3", "-c", without], serviceAccountName="other", **tools) == "none\n"
