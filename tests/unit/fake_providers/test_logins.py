"""Whom EKS' login lets in, by a token service that verifies signatures. The cluster's API is a fake here; not proven:
that the API server asks, which `tests/clusters` has."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from fake_providers.nodes import logins
from tests.support import eks_tokens
from tests.support.eks_tokens import ARN, CLUSTER, TEAM, address, token
from tests.support.judged_account import JudgedAccount, judged_account


class Bindings:
    """A fake of a cluster's API that takes bindings, once each."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def call(self, method: str, path: str, body: Any = None) -> Any:
        assert (method, body["kind"]) == ("POST", "RoleBinding")
        if path in self.made:
            answer = requests.Response()
            answer.status_code = 409
            raise requests.HTTPError(response=answer)
        self.made.append(path)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JudgedAccount]:
    """One for all tests here."""
    with judged_account(tmp_path_factory.mktemp("account")) as made:
        yield made


@pytest.fixture
def kept(account: JudgedAccount, tmp_path: Path) -> dict[str, str]:
    """What a cluster knows of the account."""
    eks_tokens.declare(tmp_path / "world.json")
    return {
        "world": str(tmp_path / "world.json"),
        "cluster": ARN,
        "token_service": account.endpoint,
        "authority_file": str(account.ca_file),
    }


def asked(given: str, kept: Mapping[str, str], later: timedelta = timedelta(0)) -> dict[str, Any]:
    """The status that the API server is answered."""
    review = {"spec": {"token": given}}
    answer = logins.reviewed(review, kept, Bindings(), lambda: datetime.now(UTC) + later)
    status: dict[str, Any] = answer["status"]
    return status


def signed(account: JudgedAccount, name: str, cluster: str = CLUSTER, **more: Any) -> str:
    """An address that a role's session has signed."""
    return address(eks_tokens.credentials(account.gate, name), account.endpoint, cluster, **more)


def test_a_listed_role_is_let_in_with_its_policies(account: JudgedAccount, kept: dict[str, str]) -> None:
    for name, groups in {
        "administrator": ["eks-access-policy:AmazonEKSClusterAdminPolicy"],
        "viewer": ["eks-access-policy:AmazonEKSViewPolicy"],
        "editor": [f"eks-access-policy:AmazonEKSEditPolicy:{TEAM}"],
    }.items():
        status = asked(token(signed(account, name)), kept)
        user = {"username": f"arn:aws:sts::{eks_tokens.ACCOUNT}:assumed-role/{name}/one", "groups": groups}
        assert status == {"authenticated": True, "user": user}


def test_a_policy_of_a_namespace_is_bound_there_once(account: JudgedAccount, kept: dict[str, str]) -> None:
    api = Bindings()
    for _ in range(2):
        review = {"spec": {"token": token(signed(account, "editor"))}}
        assert logins.reviewed(review, kept, api)["status"]["authenticated"]
    assert api.made == [f"/apis/rbac.authorization.k8s.io/v1/namespaces/{TEAM}/rolebindings"]


def test_who_is_not_listed_is_not_let_in(account: JudgedAccount, kept: dict[str, str]) -> None:
    status = asked(token(signed(account, "stranger")), kept)
    assert (status["authenticated"], "has no access entry" in status["error"]) == (False, True)
    eks_tokens.declare(Path(kept["world"]), without="viewer")
    assert not asked(token(signed(account, "viewer")), kept)["authenticated"]
    assert asked(token(signed(account, "administrator")), kept)["authenticated"]


def test_a_token_for_another_cluster_is_refused_by_its_signature(account: JudgedAccount, kept: dict[str, str]) -> None:
    given = token(signed(account, "administrator", cluster="vault-prod"))
    assert asked(given, kept) == {"authenticated": False, "error": "the token service answered 403"}
    assert account.told[-1].startswith("refused: SignatureDoesNotMatch: The request signature")


def test_a_token_of_a_quarter_of_an_hour_is_refused_by_both(
    account: JudgedAccount, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, later = signed(account, "administrator"), timedelta(minutes=15, seconds=5)
    assert asked(token(old), kept, timedelta(minutes=14))["authenticated"]
    assert "more than 15 minutes old" in asked(token(old), kept, later)["error"]
    monkeypatch.setattr(account.gate, "now", lambda: datetime.now(UTC) + later)
    assert asked(token(old), kept) == {"authenticated": False, "error": "the token service answered 403"}
    assert account.told[-1] == "refused: SignatureDoesNotMatch: Signature expired"


def test_a_secret_of_another_session_signs_nothing(account: JudgedAccount, kept: dict[str, str]) -> None:
    one, other = (eks_tokens.credentials(account.gate, name) for name in ("administrator", "stranger"))
    forged = {**one, "aws_secret_access_key": other["aws_secret_access_key"]}
    assert not asked(token(address(forged, account.endpoint, CLUSTER)), kept)["authenticated"]
    unknown = {**one, "aws_access_key_id": "ASIA-unknown"}
    assert not asked(token(address(unknown, account.endpoint, CLUSTER)), kept)["authenticated"]
    assert account.told[-1].startswith("refused: InvalidClientTokenId: ")


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        ("https://", "http://", "isn't one of the token service's"),
        ("https://127.0.0.1", "https://127.0.0.2", "isn't one of the token service's"),
        ("/?Action", "/other?Action", "unexpected path"),
        ("Version=", "More=1&Version=", "unexpected parameter 'More'"),
        ("Version=2011-06-15", "Version=2011-06-15&Version=2011-06-15", "unexpected parameter 'Version'"),
        ("Action=GetCallerIdentity", "Action=AssumeRole", "asks for something else"),
        ("%3Bx-k8s-aws-id", "", "x-k8s-aws-id isn't signed"),
        ("X-Amz-Expires=60", "X-Amz-Expires=901", "other than 0 to 900 s"),
        ("X-Amz-Date=", "X-Amz-Date=not", "says no time"),
    ],
)
def test_what_eks_itself_refuses_is_never_asked(
    account: JudgedAccount, kept: dict[str, str], was: str, becomes: str, why: str
) -> None:
    good = signed(account, "administrator")
    assert was in good
    told = len(account.told)
    status = asked(token(good.replace(was, becomes)), kept)
    assert (status["authenticated"], why in status["error"]) == (False, True)
    assert len(account.told) == told


def test_what_is_no_such_token_is_refused(account: JudgedAccount, kept: dict[str, str]) -> None:
    good = token(signed(account, "administrator"))
    for given in ("", good.removeprefix("k8s-aws-v1."), "k8s-aws-v1.%%%", good + "a" * 4_096):
        assert not asked(given, kept)["authenticated"]
    assert not asked(good, {**kept, "token_service": "https://127.0.0.1:1"})["authenticated"]
    assert not asked(good, {})["authenticated"]


def test_a_signed_address_asks_for_nothing_else(account: JudgedAccount) -> None:
    elsewhere = signed(account, "administrator", action="GetSessionToken")
    answer = requests.get(elsewhere, headers={logins.HEADER: CLUSTER}, verify=str(account.ca_file), timeout=10)
    assert answer.status_code == 501
    assert json.dumps(account.told[-1]).startswith('"refused: NotImplemented')
