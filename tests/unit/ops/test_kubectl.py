"""A cluster's API by `kubectl`: which command asks for what, what is sent, and how a refusal is told.

Doesn't prove: that `kubectl` does what its document says (tests/clusters runs it).
"""

import json
from pathlib import Path

import pytest

from ops.clusters.api import NOT_FOUND, TOO_MANY, KubernetesRefusedError
from ops.platforms.forwarding import ForwardedPort
from ops.platforms.kubectl import Kubectl
from tests.unit.ops.fakes_of_programs import FakePrograms

PATH = "/api/v1/namespaces/vault/pods/vault-1"
OPTIONS = json.dumps({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "u-1"}})


def asked(tmp_path: Path, *answers: tuple[str, str], missing: tuple[str, ...] = ()) -> tuple[Kubectl, FakePrograms]:
    """One whose programs answer so."""
    programs = FakePrograms(*answers, missing=missing)
    port = ForwardedPort(
        cluster="vault-staging",
        region="eu-central-1",
        profile=None,
        port=8210,
        kubeconfig=tmp_path / "staging" / "kubeconfig",
        authority=tmp_path / "staging" / "authority.crt",
    )
    return Kubectl(cluster=port, programs=programs), programs


def test_each_verb_is_one_command_at_the_stacks_own_cluster(tmp_path: Path) -> None:
    kubectl, programs = asked(tmp_path, *[('{"kind": "Pod"}', "")] * 4)

    assert kubectl.get(PATH) == {"kind": "Pod"}
    assert kubectl.create(f"{PATH}/eviction", {"kind": "Eviction"}) == {"kind": "Pod"}
    kubectl.delete(PATH, "u-1")
    kubectl.patch("statefulset", "vault", "vault", {"spec": "any"})

    program = f"kubectl --kubeconfig {tmp_path}/staging/kubeconfig"
    assert programs.asked == [
        f"{program} get --raw {PATH}",
        f'{program} create --raw {PATH}/eviction --filename - {{"kind": "Eviction"}}',
        f"{program} delete --raw {PATH} --filename - {OPTIONS}",
        f'{program} patch statefulset vault --namespace vault --type merge --output json --patch {{"spec": "any"}}',
    ]


def test_what_is_not_there_is_no_error_to_look_for_or_to_delete(tmp_path: Path) -> None:
    gone = ("", 'kubectl: Error from server (NotFound): pods "vault-1" not found')
    kubectl, _ = asked(tmp_path, gone, gone, gone)
    assert kubectl.get(PATH) is None
    kubectl.delete(PATH, "u-1")
    with pytest.raises(KubernetesRefusedError) as caught:
        kubectl.create(f"{PATH}/eviction", {})
    assert caught.value.why == NOT_FOUND


@pytest.mark.parametrize(
    ("said", "why", "told"),
    [
        (
            "kubectl: Error from server (TooManyRequests): Cannot evict pod",
            TOO_MANY,
            "the cluster refuses create: Cannot evict pod; expected it to be done",
        ),
        (
            'kubectl: The Pod "vault-1" is invalid: spec: Forbidden: no',
            "Invalid",
            'the cluster refuses create: The Pod "vault-1" is invalid: spec: Forbidden: no; expected it to be done',
        ),
        (
            "kubectl: Unable to connect to the server",
            "",
            "the cluster refuses create: kubectl: Unable to connect to the server; expected it to be done",
        ),
    ],
    ids=["refused", "invalid", "away"],
)
def test_a_refusal_is_told_in_one_line(tmp_path: Path, said: str, why: str, told: str) -> None:
    kubectl, _ = asked(tmp_path, ("", said))
    with pytest.raises(KubernetesRefusedError) as caught:
        kubectl.create(f"{PATH}/eviction", {})
    assert (str(caught.value), caught.value.why) == (told, why)


@pytest.mark.parametrize("printed", ["", "warning: old", "[]"], ids=["nothing", "words", "a-list"])
def test_what_is_no_object_is_refused(tmp_path: Path, printed: str) -> None:
    kubectl, _ = asked(tmp_path, (printed, ""))
    with pytest.raises(KubernetesRefusedError, match="kubectl get printed no object; expected the one"):
        kubectl.get(PATH)


def test_the_cluster_is_found_before_it_is_asked(tmp_path: Path) -> None:
    kubectl, programs = asked(tmp_path, ("", ""))
    kubectl.find()
    assert programs.asked[0].startswith("aws eks update-kubeconfig --region eu-central-1 --name vault-staging")
    assert (tmp_path / "staging").stat().st_mode & 0o777 == 0o700
    with pytest.raises(KubernetesRefusedError) as caught:
        kubectl.find()
    assert str(caught.value) == "cluster vault-staging isn't found: aws: no such cluster; expected it there"
    kubectl, _ = asked(tmp_path, missing=("kubectl",))
    with pytest.raises(KubernetesRefusedError) as caught:
        kubectl.find()
    assert str(caught.value) == "kubectl not found; expected them on PATH"
