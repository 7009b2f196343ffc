"""EKS' login at a running control plane: who has an access entry may do what its policy says, and nobody else anything.

AWS' token service is the sandbox's, which verifies signatures. Not proven: what AWS' own answers.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.serving import make_server

from fake_providers import nodes
from fake_providers.iam.declared import DeclaredAccount
from fake_providers.iam.gate import IamGate, gate
from fake_providers.nodes.identities import Identities
from fake_providers.token_service import TokenService
from tests.support import eks_tokens
from tests.support.eks_tokens import ACCOUNT, ARN, CLUSTER, REGION, TEAM, address, role, token
from tests.support.pods import Pods

READS = "/api/v1/namespaces/{}/configmaps"


@dataclass(frozen=True)
class Reached:
    """The cluster, the account that says who is let in, and its token service."""

    cluster: nodes.Cluster
    judged: IamGate
    service: str
    authority: Path

    def token(self, name: str, cluster: str = CLUSTER) -> str:
        """Of a session of a role."""
        return token(address(eks_tokens.credentials(self.judged, name), self.service, cluster))

    def answers(self, given: str, *, namespace: str = "default", writes: str = "") -> int:
        """The status of a request with a token: reading what is in a namespace, or writing it."""
        body: Any = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": writes}}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                "POST" if writes else "GET",
                self.cluster.endpoint + READS.format(namespace),
                json=body if writes else None,
                headers={"Authorization": f"Bearer {given}"},
                verify=str(self.authority),
                timeout=30,
            ).status_code


@pytest.fixture(scope="module")
def reached(cluster: nodes.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    """As `up --sandbox` tells the cluster of its account."""
    folder = tmp_path_factory.mktemp("account")
    identities = Identities(folder / "tls")
    identities.ensure()
    certificate, key = identities.issue("service", "service", names=[cluster.host_address])
    eks_tokens.declare(folder / "world.json")
    judged = gate(DeclaredAccount(world=folder / "world.json", number=ACCOUNT), role("administrator"))
    server = make_server(cluster.host_address, 0, judged, threaded=True, ssl_context=(str(certificate), str(key)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    service = f"https://{cluster.host_address}:{server.server_port}"
    cluster.use_token_service(
        TokenService(url=service, region=REGION, cluster=ARN, authority=identities.authority_file.read_bytes())
    )
    cluster.let_in(folder / "world.json")
    (folder / "cluster.crt").write_bytes(cluster.authority)
    yield Reached(cluster, judged, service, folder / "cluster.crt")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", autouse=True)
def team(cluster: nodes.Cluster) -> Iterator[None]:
    """The namespace of those who may use one only."""
    with Pods.inside(cluster, TEAM):
        yield


def test_who_is_listed_may_do_what_the_policy_says(reached: Reached) -> None:
    administrator, viewer, editor = (reached.token(name) for name in ("administrator", "viewer", "editor"))
    assert reached.answers(administrator) == 200
    assert reached.answers(administrator, writes="by-administrator") == 201
    assert reached.answers(viewer) == 200
    assert reached.answers(viewer, writes="by-viewer") == 403
    assert reached.answers(editor, namespace=TEAM, writes="by-editor") == 201
    assert reached.answers(editor) == 403
    assert reached.answers(editor, writes="by-editor") == 403


def test_nobody_else_is_let_in(reached: Reached) -> None:
    assert reached.answers(reached.token("stranger")) == 401
    assert reached.answers(reached.token("administrator", cluster="vault-prod")) == 401
    assert reached.answers(reached.token("administrator")[:-1] + "A") == 401
    assert reached.answers("k8s-aws-v1.") == 401


def test_a_token_is_old_after_a_quarter_of_an_hour(reached: Reached, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("botocore.auth.get_current_datetime", eks_tokens.sixteen_minutes_ago)
        old = reached.token("administrator")
    assert reached.answers(old) == 401
    assert reached.answers(reached.token("administrator")) == 200


def test_an_entry_that_is_taken_away_lets_nobody_in(reached: Reached) -> None:
    world = reached.judged.account.world
    eks_tokens.declare(world, without="viewer")
    assert reached.answers(reached.token("viewer")) == 401
    eks_tokens.declare(world)
    assert reached.answers(reached.token("viewer")) == 200
