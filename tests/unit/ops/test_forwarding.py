"""The port that is forwarded to a cluster while a command works: what is asked of which program, in which order.

Doesn't prove: that `aws` and `kubectl` do what their documents say.
"""

from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ops.keys.certificates import ensure_authority
from ops.platforms.forwarding import (
    LEADER_SECONDS,
    READY_SECONDS,
    End,
    ForwardedPort,
    Forwarding,
    Programs,
    forwarded,
)
from tests.unit.ops.fakes_of_programs import FakePrograms
from tests.unit.ops.https import FakeVault, fake_vault

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ForwardedPort:
    """A port that nobody answers."""
    monkeypatch.setattr(ForwardedPort, "answers", lambda _: False)
    monkeypatch.setattr(ForwardedPort, "ask_end", lambda _: End.LEADS)
    return ForwardedPort(
        cluster="vault-staging",
        region="eu-central-1",
        profile=None,
        port=8210,
        kubeconfig=tmp_path / "staging" / "kubeconfig",
        authority=tmp_path / "staging" / "authority.crt",
    )


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Callable[[End], None]:
    """Says what the port ends at."""
    return lambda end: monkeypatch.setattr(ForwardedPort, "ask_end", lambda _: end)


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


LED = [("", ""), ('["198.51.100.7"]', "")]
"""What is answered to an attempt where the cluster knows of one that leads."""


def test_a_port_that_ends_at_who_led_is_forwarded_anew(wanted: ForwardedPort, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted.authority.parent.mkdir()
    wanted.authority.touch()
    ends = [End.SILENT, End.FOLLOWS, End.LEADS]
    monkeypatch.setattr(ForwardedPort, "ask_end", lambda _: ends.pop(0))
    programs = FakePrograms(*LED, *LED, ends=False)
    keeping = Forwarding(wanted, programs, clock=lambda: 0)

    assert (keeping.attempt(), keeping.reason) == (False, "no server leads any more")
    assert programs.processes[0].ended.is_set()
    assert not keeping.settled.is_set()
    Thread(target=keeping.attempt, daemon=True).start()
    assert keeping.settled.wait(60)
    keeping.stop()
    assert ends == []


@pytest.mark.parametrize(
    "case",
    [
        (End.FOLLOWS, LEADER_SECONDS - 1, False, False),
        (End.FOLLOWS, LEADER_SECONDS, True, False),
        (End.CLOSED, 0, True, False),
        (End.LEADS, 0, True, True),
    ],
    ids=["election", "no-election", "sealed", "leads"],
)
def test_a_command_goes_on_without_a_server_that_leads_and_an_up_does_not(
    wanted: ForwardedPort, ending: Callable[[End], None], case: tuple[End, float, bool, bool]
) -> None:
    end, seconds, command, up = case
    ending(end)
    wanted.authority.parent.mkdir()
    wanted.authority.touch()
    for leader_only, taken in ((False, command), (True, up)):
        # The first time is that of its making.
        clock = chain([0.0], repeat(seconds)).__next__
        keeping = Forwarding(wanted, FakePrograms(*LED), leader_only=leader_only, clock=clock)
        assert keeping.attempt() is taken


@pytest.mark.parametrize(
    ("status", "said", "end"),
    [
        (200, {"ha_enabled": True, "is_self": True}, End.LEADS),
        (200, {"ha_enabled": True, "is_self": False, "leader_address": ""}, End.FOLLOWS),
        (200, {"ha_enabled": False, "is_self": False}, End.LEADS),
        (503, {"errors": ["Vault is sealed"]}, End.CLOSED),
        (200, b"<html>", End.SILENT),
    ],
    ids=["leads", "follows", "alone", "sealed", "no-server"],
)
def test_the_server_itself_is_asked_whether_it_leads(tmp_path: Path, status: int, said: object, end: End) -> None:
    (tmp_path / "other").mkdir()
    other = ensure_authority(tmp_path / "other")
    with fake_vault(tmp_path, lambda _method, _path: (status, said)) as server:
        asked = at(server, server.ca_file)
        assert asked.ask_end() is end
        # Whose certificate it is, is judged by who connects.
        assert at(server, other.ca_file).ask_end() is End.LEADS
    assert asked.ask_end() is End.SILENT
    assert server.asked == [("GET", "sys/leader", None)]


def at(server: FakeVault, authority: Path) -> ForwardedPort:
    """A port that is forwarded to a server."""
    port = int(server.address.rpartition(":")[2])
    return ForwardedPort(
        cluster="c", region="r", profile=None, port=port, kubeconfig=authority.with_name("k"), authority=authority
    )


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


_INVALID = 'The PersistentVolumeClaim "data-vault-1" is invalid: spec: Forbidden: it has no volume yet'


@pytest.mark.parametrize(
    ("said", "why"),
    [("usage\n\nno such cluster\n\n", "no such cluster"), (f"{_INVALID}\n  +VolumeName: x,\n", _INVALID)],
    ids=["last", "above-the-fields"],
)
def test_the_line_that_says_why_is_a_programs_reason(tmp_path: Path, said: str, why: str) -> None:
    (tmp_path / "said").write_text(said)
    (tmp_path / "aws").write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 255\n")
    (tmp_path / "aws").chmod(0o755)
    programs = Programs(environ={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert programs.ask([str(tmp_path / "aws"), "eks"]) == ("", f"{tmp_path}/aws: {why}")
    assert "aws" not in programs.missing()
