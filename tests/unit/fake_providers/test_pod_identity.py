"""Which pods are given a token, and whom a token gets a role. The cluster's API is a fake here; not proven: that a
pod's AWS client finds what it is given, which `tests/clusters` has."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fake_providers.nodes import pod_identity
from fake_providers.nodes.pod_identity import Associations, DeniedError

ROLE = "arn:aws:iam::123456789012:role/seal"
CLUSTER = "arn:aws:eks:eu-central-1:123456789012:cluster/vault-staging"
POD = {
    "spec": {
        "serviceAccountName": "vault",
        "volumes": [{"name": "mine"}],
        "containers": [
            {"name": "vault", "env": [{"name": "AWS_REGION", "value": "mine"}], "volumeMounts": [{"name": "mine"}]},
            {"name": "certificate"},
        ],
        "initContainers": [{"name": "first"}],
    }
}


@pytest.fixture
def associations(tmp_path: Path) -> Associations:
    """One account has a role."""
    found = Associations(tmp_path)
    found.file.write_text(json.dumps({"region": "eu-central-1", "cluster": CLUSTER, "roles": {"vault/vault": ROLE}}))
    return found


def review(pod: dict[str, Any], namespace: str = "vault") -> dict[str, Any]:
    return {"request": {"uid": "1", "namespace": namespace, "object": pod}}


def test_a_pod_of_an_account_with_a_role_is_given_a_token(associations: Associations) -> None:
    answer = pod_identity.reviewed(review(POD), associations)["response"]

    assert (answer["uid"], answer["allowed"]) == ("1", True)
    added = {one["path"]: one["value"] for one in json.loads(base64.b64decode(answer["patch"]))}
    assert [one["name"] for one in added["/spec/volumes"]] == ["mine", "eks-pod-identity-token"]
    token = added["/spec/volumes"][1]["projected"]["sources"][0]["serviceAccountToken"]
    assert token["audience"] == "pods.eks.amazonaws.com"
    for container in ("/spec/initContainers/0", "/spec/containers/0", "/spec/containers/1"):
        given = {one["name"]: one["value"] for one in added[f"{container}/env"]}
        assert given["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://169.254.170.23/v1/credentials"
        mounted = {one["name"]: one.get("mountPath") for one in added[f"{container}/volumeMounts"]}
        where = f"{mounted['eks-pod-identity-token']}/eks-pod-identity-token"
        assert given["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] == where
    assert added["/spec/containers/0/env"][0] == {"name": "AWS_REGION", "value": "mine"}
    assert [one["name"] for one in added["/spec/containers/0/env"]].count("AWS_REGION") == 1


@pytest.mark.parametrize(
    ("account", "namespace"),
    [pytest.param("other", "vault", id="account"), pytest.param("vault", "apps", id="namespace")],
)
def test_other_pods_stay_as_they_are(associations: Associations, account: str, namespace: str) -> None:
    pod = {"spec": {"serviceAccountName": account, "containers": [{"name": "one"}]}}

    answer = pod_identity.reviewed(review(pod, namespace), associations)["response"]

    assert answer == {"uid": "1", "allowed": True}


class Api:
    """A cluster's API that knows one token."""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        assert (method, path) == ("POST", "/apis/authentication.k8s.io/v1/tokenreviews")
        assert body["spec"]["audiences"] == ["pods.eks.amazonaws.com"]
        if body["spec"]["token"] != "known":
            return {"status": {"authenticated": False}}
        extra = {
            f"authentication.kubernetes.io/pod-{name}": [one] for name, one in (("name", "vault-0"), ("uid", "u-1"))
        }
        return {"status": {"authenticated": True, "user": {"username": self.user, "extra": extra}}}

    def __init__(self, user: str) -> None:
        self.user = user


def test_a_token_gets_the_role_of_its_account(associations: Associations) -> None:
    api = Api("system:serviceaccount:vault:vault")

    session = pod_identity.session_of("known", api, associations)

    assert (session.role, session.name) == (ROLE, "vault-vault")
    assert session.tags == {
        "eks-cluster-arn": CLUSTER,
        "eks-cluster-name": "vault-staging",
        "kubernetes-namespace": "vault",
        "kubernetes-service-account": "vault",
        "kubernetes-pod-name": "vault-0",
        "kubernetes-pod-uid": "u-1",
    }


@pytest.mark.parametrize(
    ("token", "user", "said"),
    [
        pytest.param("other", "system:serviceaccount:vault:vault", "isn't one of this cluster's", id="token"),
        pytest.param("known", "system:serviceaccount:apps:vault", "account vault in apps has no role", id="account"),
        pytest.param("known", "administrator", "isn't a service account's", id="person"),
    ],
)
def test_nobody_else_gets_one(associations: Associations, token: str, user: str, said: str) -> None:
    with pytest.raises(DeniedError, match=said):
        pod_identity.session_of(token, Api(user), associations)
