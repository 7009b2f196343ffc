"""Logins of pods by which access is checked, against a cluster that is a fake.

Not proven: that a real pod logs in, which tests/clusters does.
"""

from collections.abc import Callable

import pytest

from components.vault.kubernetes import KubernetesLogin
from fake_providers.servicer import Values
from ops.sandbox.pod_logins import PodLogins
from ops.vault.checks.outcome import CheckError
from tests.support.fake_cluster import FakeClusterApi

LOGIN = KubernetesLogin(service_account="api", namespace="greenlang")
POD = "core/v1:Pod"
NAME = "access-check-greenlang-api"


def phase(word: str) -> Callable[[Values], None]:
    """What becomes of a pod."""

    def became(live: Values) -> None:
        live["status"] = {"phase": word}

    return became


@pytest.fixture
def api() -> FakeClusterApi:
    """An empty cluster."""
    return FakeClusterApi()


@pytest.fixture
def pods(api: FakeClusterApi) -> PodLogins:
    """Pods whose ends are looked for without a pause."""
    return PodLogins(api=api, image="tools@sha256:0", authority="certificate", pause=lambda _: None)


def test_a_pod_logs_in_by_its_account_and_is_taken_away(api: FakeClusterApi, pods: PodLogins) -> None:
    seen: list[Values] = []

    def run(live: Values) -> None:
        seen.append(live)
        phase("Succeeded")(live)

    api.born[POD] = run
    pods.log_in_from_pod(LOGIN, "kubernetes", "greenlang-api")
    pods.log_in_from_pod(LOGIN, "kubernetes", "greenlang-api")

    assert not [key for key in api.objects if key[0] == POD]
    spec = seen[0]["spec"]
    assert (len(seen), spec["serviceAccountName"]) == (2, "api")
    assert spec["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "vault"
    assert spec["containers"][0]["command"][-4:] == [
        "https://vault.vault.svc:8200",
        "kubernetes",
        "greenlang-api",
        "45",
    ]
    labels = api.objects["core/v1:Namespace", None, "greenlang"]["metadata"]["labels"]
    assert labels["vault-estate/client"] == "yes"
    assert api.objects["core/v1:ConfigMap", "greenlang", "vault-authority"]["data"] == {"ca.crt": "certificate"}


def test_what_a_pod_says_that_cant_is_told_and_it_stays_to_be_looked_at(api: FakeClusterApi, pods: PodLogins) -> None:
    api.born[POD] = phase("Failed")
    api.lines[NAME] = "HTTPError: HTTP Error 403: Forbidden"

    with pytest.raises(CheckError, match="from a pod: HTTPError: HTTP Error 403: Forbidden"):
        pods.log_in_from_pod(LOGIN, "kubernetes", "greenlang-api")

    assert (POD, "greenlang", NAME) in api.objects


def test_a_pod_that_doesnt_end_is_told(pods: PodLogins) -> None:
    with pytest.raises(CheckError, match="from a pod: it doesn't end"):
        pods.log_in_from_pod(LOGIN, "kubernetes", "greenlang-api")


def test_a_token_is_for_the_logins_audience(api: FakeClusterApi, pods: PodLogins) -> None:
    assert pods.token(LOGIN) == "greenlang/api for vault, 600 s"
    assert ("core/v1:ServiceAccount", "greenlang", "api") in api.objects
