"""What the fake Kubernetes provider sends to an API server, and how it tells what that answers, over TLS on loopback.

Not proven: that a real API server answers so; tests/clusters does that.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_providers.cluster_api import ApiRefusedError, ClusterAccess, ClusterApi, server_of
from fake_providers.servicer import RefusedError
from tests.support.answering import Answering, Said, answering

CANARY = "-".join(("canary", "of", "the", "api"))
POLICY = {"metadata": {"name": "a", "namespace": "b"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """Who answers."""
    with answering(tmp_path_factory.mktemp("api")) as found:
        yield found


def opened(server: Answering, folder: Path, user: dict[str, str] | None = None) -> ClusterApi:
    authority = base64.b64encode(server.ca_file.read_bytes()).decode()
    cluster = {"server": server.address, "certificate-authority-data": authority}
    file = folder / "kubeconfig"
    user = {"token": CANARY} if user is None else user
    file.write_text(json.dumps({"clusters": [{"cluster": cluster}], "users": [{"user": user}]}))
    assert server_of(file.read_text()) == server.address
    return ClusterApi(ClusterAccess.of_file(file))


def refusal(code: int, message: str) -> Said:
    return Said(status=code, body=json.dumps({"kind": "Status", "message": message}).encode())


def test_objects_are_at_their_addresses(server: Answering, tmp_path: Path) -> None:
    api = opened(server, tmp_path)
    created = "fieldManager=pulumi-kubernetes&fieldValidation=Strict"
    server.says()

    api.create("networking.k8s.io/v1:NetworkPolicy", POLICY)
    api.apply("core/v1:ConfigMap", POLICY, "mine")
    api.find("storage.k8s.io/v1:StorageClass", None, "gp3")
    api.delete("batch/v1:Job", "b", "a", "Foreground")

    assert [(one.method, one.path) for one in server.asked] == [
        ("POST", f"/apis/networking.k8s.io/v1/namespaces/b/networkpolicies?{created}"),
        ("PATCH", "/api/v1/namespaces/b/configmaps/a?fieldManager=mine&fieldValidation=Strict&force=false"),
        ("GET", "/apis/storage.k8s.io/v1/storageclasses/gp3"),
        ("DELETE", "/apis/batch/v1/namespaces/b/jobs/a"),
    ]
    assert server.asked[1].headers["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(server.asked[3].body) == {"propagationPolicy": "Foreground"}
    assert {one.headers["Authorization"] for one in server.asked} == {f"Bearer {CANARY}"}


def test_a_refusal_is_told_in_the_servers_own_words(server: Answering, tmp_path: Path) -> None:
    api = opened(server, tmp_path)
    server.says(refusal(422, 'Job "a" is invalid: spec.template: field is immutable'), Said(status=503, body=b"busy"))

    with pytest.raises(ApiRefusedError, match="field is immutable"):
        api.create("batch/v1:Job", POLICY)
    with pytest.raises(ApiRefusedError, match="the cluster answered 503"):
        api.find("batch/v1:Job", "b", "a")


def test_what_isnt_there_is_none_and_a_kind_that_isnt_there_has_none(server: Answering, tmp_path: Path) -> None:
    api = opened(server, tmp_path)
    server.says(*[refusal(404, "not found")] * 3)

    assert api.find("batch/v1:Job", "b", "a") is None
    assert list(api.listed("cert-manager.io/v1:Issuer")) == []
    assert api.delete("batch/v1:Job", "b", "a", "Orphan") is False


def test_the_last_line_of_a_pod_is_the_last_that_says_something(server: Answering, tmp_path: Path) -> None:
    api = opened(server, tmp_path)
    server.says(Said(body=b"one\ntwo\n\n", content_type="text/plain"), Said(body=b"", content_type="text/plain"))

    assert [api.last_line("b", "a"), api.last_line("b", "a")] == ["two", ""]


def test_the_token_is_told_to_nobody(server: Answering, tmp_path: Path) -> None:
    api = opened(server, tmp_path)
    server.says(Said(drop=True))

    with pytest.raises(ApiRefusedError, match="doesn't answer") as told:
        api.find("batch/v1:Job", "b", "a")

    assert CANARY not in str(told.value)
    assert CANARY not in repr(ClusterAccess(server.address, b"", CANARY))
    with pytest.raises(RefusedError, match="kubeconfig has no token"):
        opened(server, tmp_path, {})
