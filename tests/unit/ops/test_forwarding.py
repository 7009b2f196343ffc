"""The port that is forwarded to a cluster while a command works: what is asked of which program, in which order.

Doesn't prove: that `aws` and `kubectl` do what their documents say.
"""

from pathlib import Path
from typing import Any

import pytest

from ops.platforms.forwarding import READY_SECONDS, ForwardedPort, Forwarding, Programs, forwarded
from tests.unit.ops.fakes_of_programs import FakePrograms

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ForwardedPort:
    """A port that nobody answers."""
    monkeypatch.setattr(ForwardedPort, "answers", lambda _: False)
    return ForwardedPort(
        cluster="vault-staging",
        region="eu-central-1",
        profile=None,
        port=8210,
        kubeconfig=tmp_path / "staging" / "kubeconfig",
        authority=tmp_path / "staging" / "authority.crt",
    )


def test_the_authority_is_fetched_once_and_then_the_port_is_forwarded(wanted: ForwardedPort) -> None:
    programs = FakePrograms(("", ""), (CERTIFICATE, ""), ("", ""), ("", ""), ('["198.51.100.7"]', ""))
    keeping = Forwarding(wanted, programs)

    assert (keeping.attempt(), keeping.attempt()) == (True, True)
    found = f"aws eks update-kubeconfig --region eu-central-1 --name vault-staging --kubeconfig {wanted.kubeconfig}"
    kubectl = f"kubectl --kubeconfig {wanted.kubeconfig}"
    forwards = f"{kubectl} port-forward --namespace vault --address 127.0.0.1 service/vault"
    leads = f"{kubectl} get endpointslices --namespace vault --selector kubernetes.io/service-name=vault-active"
    leads = f"{leads} --output jsonpath={{.items[*].endpoints[*].addresses}}"
    asks = f"{kubectl} get configmap vault-authority --namespace vault-jobs --output jsonpath={{.data.ca\\.crt}}"
    # Before first boot nobody leads; later on the port ends at who does.
    first, later = f"{forwards} 8210:8200", f"{forwards}-active 8210:8200"
    assert programs.asked == [found, asks, leads, first, found, leads, later]
    assert wanted.authority.read_text() == CERTIFICATE


def test_an_up_is_forwarded_to_nobody_but_the_active_server(wanted: ForwardedPort) -> None:
    programs = FakePrograms(("", ""), (CERTIFICATE, ""), ("", ""), ("", ""), ('["198.51.100.7"]', ""))
    keeping = Forwarding(wanted, programs, leader_only=True)

    assert (keeping.attempt(), keeping.reason, programs.processes) == (False, "no server leads yet", [])
    assert keeping.attempt() is True
    assert "service/vault-active" in programs.asked[-1]


def test_an_authority_that_is_known_is_never_replaced(wanted: ForwardedPort) -> None:
    wanted.authority.parent.mkdir()
    wanted.authority.write_text("known")

    assert Forwarding(wanted, FakePrograms(("", ""), (CERTIFICATE, ""))).attempt() is True
    assert wanted.authority.read_text() == "known"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([("", "aws: no such cluster")], "aws: no such cluster"),
        ([("", ""), ("", "kubectl: not found")], "kubectl: not found"),
        ([("", ""), ("", "")], "ConfigMap vault-authority is empty yet"),
    ],
    ids=["no-cluster", "no-config-map", "not-published"],
)
def test_what_isnt_there_yet_is_told_and_nothing_is_forwarded(
    wanted: ForwardedPort, answers: list[tuple[str, str]], reason: str
) -> None:
    programs = FakePrograms(*answers)
    keeping = Forwarding(wanted, programs)

    assert (keeping.attempt(), keeping.reason, programs.processes) == (False, reason, [])
    assert not wanted.authority.exists()


def test_a_profile_is_handed_on() -> None:
    folder = Path("/nowhere")
    port = ForwardedPort(
        cluster="c", region="r", profile="trial", port=1, kubeconfig=folder / "k", authority=folder / "a"
    )
    assert port.finds[0][-2:] == ["--profile", "trial"]


def test_it_is_ended_with_the_command(wanted: ForwardedPort) -> None:
    programs = FakePrograms(("", ""), (CERTIFICATE, ""), ('["198.51.100.7"]', ""), ends=False)
    told: list[str] = []

    with forwarded(wanted, waits=False, say=told.append, programs=programs):
        assert programs.started.wait(60)
        (process,) = programs.processes
        assert not process.ended.is_set()
    assert process.ended.is_set()
    assert told == []


def test_one_that_is_stopped_as_it_begins_is_ended(wanted: ForwardedPort) -> None:
    programs = FakePrograms(("", ""), (CERTIFICATE, ""), ends=False)
    keeping = Forwarding(wanted, programs)
    keeping.stop()

    assert keeping.attempt() is True
    assert programs.processes[0].ended.is_set()


def test_a_command_waits_a_while_and_then_says_why(wanted: ForwardedPort) -> None:
    paused: list[float] = []
    told: list[str] = []

    with forwarded(wanted, waits=True, say=told.append, programs=FakePrograms(), pause=paused.append):
        assert READY_SECONDS <= sum(paused) < READY_SECONDS + 1
    assert len(told) == 1
    assert told[0].startswith("port 8210 isn't forwarded to the cluster: ")


def test_a_port_that_somebody_forwards_is_left_to_them(wanted: ForwardedPort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForwardedPort, "answers", lambda _: True)
    programs, told = FakePrograms(), list[Any]()
    with forwarded(wanted, waits=True, say=told.append, programs=programs):
        assert (programs.asked, told) == ([], [])


def test_a_program_that_is_missing_is_told_once(wanted: ForwardedPort) -> None:
    programs, told = FakePrograms(missing=["kubectl"]), list[str]()
    with forwarded(wanted, waits=True, say=told.append, programs=programs):
        assert programs.asked == []
    assert told == ["kubectl not found; expected here, or port 8210 forwarded as docs/eks.md tells"]


def test_what_a_program_said_last_is_its_reason(tmp_path: Path) -> None:
    (tmp_path / "aws").write_text("#!/bin/sh\nprintf 'usage\\n\\nno such cluster\\n\\n' >&2\nexit 255\n")
    (tmp_path / "aws").chmod(0o755)
    programs = Programs(environ={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert programs.ask([str(tmp_path / "aws"), "eks"]) == ("", f"{tmp_path}/aws: no such cluster")
    assert "aws" not in programs.missing()
