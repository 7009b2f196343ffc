"""Commands on servers that are pods: by whose login, what `up` refuses, and what a status says of who votes.

Doesn't prove what is done to the servers: tests/unit/ops/clusters does.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import stack_file
from ops.cli.main import main
from ops.commands import clusters
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import Status
from ops.platforms.eks import Eks
from ops.platforms.registry import platform_of
from ops.vault.status import VaultStatus
from tests.support.eks_samples import PLATFORM, cluster
from tests.support.fake_servers import FakeRaft, FakeServers
from tests.unit.settings.samples import MINIMAL

SETTING = "Pulumi.trial.yaml: vault-estate:estate.platform.pods.replicas"


def checkout(folder: Path, replicas: int = 3) -> Paths:
    """A checkout with a stack `trial`."""
    settings = cluster(pods={**PLATFORM["pods"], "replicas": replicas})
    (folder / "Pulumi.trial.yaml").write_text(yaml.safe_dump({"config": {"vault-estate:estate": settings}}))
    return Paths(project=folder)


def driver(paths: Paths) -> Eks:
    """The stack's driver."""
    found = platform_of(paths, stack_file.read(paths, "trial"))
    assert isinstance(found, Eks)
    return found


def state(replicas: int) -> dict[str, Any]:
    """What an earlier `up` left."""
    inputs = {"metadata": {"name": "vault"}, "spec": {"replicas": replicas}}
    other = {"metadata": {"name": "another"}, "spec": {"replicas": 9}}
    kind = "kubernetes:apps/v1:StatefulSet"
    return {"resources": [{"type": kind, "inputs": other}, {"type": kind, "inputs": inputs}]}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> FakeServers:
    """Five servers, in the place of the cluster and of Raft."""
    found = FakeServers(replicas=5)
    monkeypatch.setattr(Eks, "cluster", lambda _: found)
    monkeypatch.setattr(clusters, "Raft", lambda _: FakeRaft(found))
    return found


def test_up_refuses_fewer_servers_until_these_have_left(tmp_path: Path, servers: FakeServers) -> None:
    platform = driver(checkout(tmp_path))
    with pytest.raises(EstateError) as caught:
        clusters.refuse_shrinking(platform, state(5))
    assert str(caught.value) == (
        f"{SETTING} is 3; expected 5, which there are, or that servers leave Raft first: ./estate scale trial 3"
    )
    servers.replicas = 3
    clusters.refuse_shrinking(platform, state(5))


@pytest.mark.parametrize(
    "deployment", [{}, {"resources": []}, state(1), state(3)], ids=["none", "empty", "one", "same"]
)
def test_up_asks_no_cluster_where_no_server_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deployment: dict[str, Any]
) -> None:
    def asked(_: Eks) -> None:
        raise AssertionError

    monkeypatch.setattr(Eks, "cluster", asked)
    clusters.refuse_shrinking(driver(checkout(tmp_path)), deployment)


def status_of(platform: Eks) -> Status:
    """Of a Vault that answers."""
    found = VaultStatus(address="https://127.0.0.1:8210", reachable=True, sealed=False)
    return clusters.in_status(platform, Status(document={"built": True}, vault=found))


def place_pair(platform: Eks) -> None:
    """The administrator's, which nobody uses here."""
    for file in platform.endpoint("https://127.0.0.1:8210").login.files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator is let in."""

    @contextmanager
    def let_in(_: object) -> Iterator[object]:
        yield object()

    monkeypatch.setattr(clusters, "log_in", let_in)


@pytest.mark.usefixtures("logged_in")
def test_a_status_says_who_was_taken_out_though_its_pod_is_ready(tmp_path: Path, servers: FakeServers) -> None:
    platform = driver(checkout(tmp_path, 5))
    place_pair(platform)
    del servers.members["vault-3"]
    servers.taken_out.add("vault-3")
    servers.change()

    found = status_of(platform)

    assert found.warnings[0] == "vault-3 isn't among Raft's servers, whatever its pod says"
    assert found.warnings[-1] == (
        "vault-0, vault-1, vault-2, vault-3, vault-4 run what an earlier template says: ./estate upgrade replaces them"
    )
    assert found.document["servers"]["vault-3"] == {"pod": "ready", "raft": "missing", "revision": "old"}
    assert list(found.tables[-1].rows[0]) == ["vault-0", "ready", "leads", "old"]
    json.dumps(found.document)


EARLY = (
    "vault-2 isn't ready (made before service account vault had its role in AWS: kubectl delete pod vault-2 "
    "--namespace vault)"
)


@pytest.mark.usefixtures("logged_in")
def test_a_status_says_which_pod_was_made_before_its_role_and_what_to_do(tmp_path: Path, servers: FakeServers) -> None:
    platform = driver(checkout(tmp_path, 5))
    place_pair(platform)
    servers.early.add("vault-2")

    assert status_of(platform).warnings[0] == EARLY
    # Where no server has a role none answers, and Raft tells nothing.
    away = VaultStatus(address="https://127.0.0.1:8210", reachable=False, sealed=None)
    assert clusters.in_status(platform, Status(document={}, vault=away)).warnings == (EARLY,)
    servers.early.clear()
    assert clusters.in_status(platform, Status(document={}, vault=away)).warnings == ()


@pytest.mark.usefixtures("logged_in")
def test_a_status_of_servers_that_are_well_warns_of_nothing(tmp_path: Path, servers: FakeServers) -> None:
    platform = driver(checkout(tmp_path, 5))
    assert "servers" not in status_of(platform).document  # without the administrator's pair
    place_pair(platform)
    found = status_of(platform)
    assert found.warnings == ()
    assert set(found.document["servers"]) == set(servers.names)


@pytest.mark.usefixtures("logged_in")
def test_a_cluster_that_cannot_be_asked_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Eks) -> None:
        raise EstateError("kubectl not found; expected them on PATH")

    monkeypatch.setattr(Eks, "cluster", away)
    platform = driver(checkout(tmp_path))
    place_pair(platform)
    assert status_of(platform).warnings == (
        "which servers vote can't be seen: kubectl not found; expected them on PATH",
    )


@pytest.mark.usefixtures("servers")
def test_whoever_upgrades_logs_in_as_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BAO_TOKEN", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EstateError) as caught:
        clusters.upgrade(checkout(tmp_path), "trial", Console(), sandbox=False)
    assert str(caught.value) == (
        "nobody is logged in to stack 'trial'; expected a login first: ./estate login trial NAME"
    )


def test_a_stack_whose_servers_are_no_pods_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.trial.yaml").write_text(yaml.safe_dump({"config": {"vault-estate:estate": dict(MINIMAL)}}))
    with pytest.raises(EstateError) as caught:
        clusters.rejoin(Paths(project=tmp_path), "trial", "vault-1", Console(), sandbox=False)
    assert str(caught.value) == ("stack 'trial' is one whose servers are no pods; expected a stack in a cluster")


@pytest.mark.usefixtures("servers")
def test_a_run_takes_no_snapshot_where_the_settings_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: FakeServers, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def person(*_: object) -> Iterator[object]:
        yield object()

    monkeypatch.setattr(clusters, "logged_in", person)
    monkeypatch.setattr(clusters, "Gate", lambda **given: servers.gate(given["say"]))
    servers.change()
    done = clusters.upgrade(checkout(tmp_path, 5), "trial", Console(), sandbox=False)
    assert done.replaced[-1] == "vault-0"
    assert "no snapshot is taken: the settings have no section snapshots" in capsys.readouterr().err


def test_the_commands_print_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: FakeServers, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def reached(*_: object, **__: object) -> Iterator[Any]:
        yield type("Place", (), {"platform": driver(checkout(tmp_path)), "gate": servers.gate(lambda _: None)})

    monkeypatch.setattr(clusters, "_reached", reached)
    servers.change()
    assert main(["upgrade", "trial", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["replaced"] == ["vault-1", "vault-2", "vault-3", "vault-4", "vault-0"]
    assert main(["scale", "trial", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == ["vault-4", "vault-3"]
    assert main(["rejoin", "trial", "vault-1", "--json"]) == EstateError.exit_code
    assert json.loads(capsys.readouterr().out)["error"].startswith("vault-1 is a healthy voter")
    assert main(["scale", "trial", "3"]) == 0
    assert "next: platform.pods.replicas: 3 in Pulumi.trial.yaml, and ./estate up trial" in capsys.readouterr().out
