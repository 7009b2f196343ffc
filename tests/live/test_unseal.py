"""Operators open a real server's seal with shares that the real bootstrap gave them, encrypted to their PGP keys.

Doesn't prove the node around the server: it runs as a process here. The stack's outputs are those of a test.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pysequoia import Profile, Tsk

from components.render.seals import ShamirSeal, StaticSeal
from ops.commands.unseal import ShareFile, Unsealed, unseal
from ops.console import Console
from ops.engine import state
from ops.errors import EstateError
from ops.keys.certificates import ensure_administrator
from ops.paths import ROOT, Paths
from ops.vault.key_shares import open_share
from tests.support.hetzner_samples import OF_VAULT
from tests.support.nodes import NodeServer, node_server, write_stack
from tests.support.servers import ADMINISTRATOR_POLICY

NAMES = ("ada", "bob", "cyd")
THRESHOLD = 2


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack `dev`, its server and its operators."""

    paths: Paths
    server: NodeServer
    shares: dict[str, str]
    """Each operator's share in the clear."""
    cluster: str

    @property
    def custody(self) -> Path:
        return self.server.custody

    def key(self, name: str) -> Path:
        return self.paths.project / f"{name}.private.asc"

    def sealed_anew(self) -> None:
        """Stop and start the server, which seals it and forgets what was given."""
        self.server.stop()
        self.server.start()


def never(question: str) -> str:
    pytest.fail(f"asked: {question}")


class Typed:
    """Answers in order; then none."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        return self.answers.pop(0) if self.answers else ""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Initialised by the real bootstrap, which is left waiting for the operators as on a node, and opened by them."""
    folder = tmp_path_factory.mktemp("unseal")
    for name in NAMES:
        pair = Tsk.generate(f"{name}@example.com", profile=Profile.RFC4880)
        (folder / f"{name}.private.asc").write_text(str(pair))
        (folder / f"{name}.asc").write_text(str(pair.extract_certificate()))
    ensure_administrator(folder / "administrator.crt", folder / "administrator.key")
    with node_server(folder / "node", ShamirSeal()) as server:
        write_stack(folder, server.settings("shamir", NAMES, THRESHOLD))
        operators = [(name, (folder / f"{name}.asc").read_text()) for name in NAMES]
        certificate = (folder / "administrator.crt").read_text()
        boot = server.bootstrap(operators, THRESHOLD, certificate, ADMINISTRATOR_POLICY, auto_unseal=False)
        assert boot.stdout is not None
        assert any("waiting-for-unseal" in line for line in boot.stdout)
        shares = {name: open_share(server.custody, folder / f"{name}.private.asc", never) for name in NAMES}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state, "read_outputs", lambda *_, **__: {})
            first = unseal(Paths(project=folder), "dev", Console(), Typed(shares["ada"], shares["cyd"]))
        rest, said = boot.communicate(timeout=600)
        assert boot.returncode == 0, said
        assert "root-token-dead" in rest
        assert first.cluster_id
        yield Stack(paths=Paths(project=folder), server=server, shares=shares, cluster=first.cluster_id)


@pytest.fixture(autouse=True)
def outputs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the stack exports, for a test to change."""
    stack: Stack = request.getfixturevalue("stack")
    exported = {"address": stack.server.address, "cluster_id": stack.cluster}
    monkeypatch.setattr(state, "read_outputs", lambda *_, **__: exported)
    return exported


def given(stack: Stack, *answers: str) -> Unsealed:
    return unseal(stack.paths, "dev", Console(), Typed(*answers))


def test_typed_shares_open_the_seal(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.sealed_anew()
    ask = Typed(stack.shares["bob"], stack.shares["bob"], stack.shares["cyd"])

    done = unseal(stack.paths, "dev", Console(), ask)

    assert (done.sealed, done.given, done.threshold, done.cluster_id) == (False, 2, THRESHOLD, stack.cluster)
    assert stack.server.status()["sealed"] is False
    assert ask.asked == [
        "share 1 of 2 (hidden; empty to stop): ",
        "share 2 of 2 (hidden; empty to stop): ",
        "share 2 of 2 (hidden; empty to stop): ",
    ]
    assert capsys.readouterr().err.splitlines() == ["1 of 2 given", "that share was given already", "2 of 2 given"]


def test_each_operator_gives_the_share_that_their_key_opens(stack: Stack) -> None:
    stack.sealed_anew()

    def of(name: str) -> Unsealed:
        source = ShareFile(custody=stack.custody, private_key=stack.key(name))
        return unseal(stack.paths, "dev", Console(), never, source=source)

    assert (of("ada").given, stack.server.status()["sealed"]) == (1, True)
    assert of("bob").cluster_id == stack.cluster


def test_shares_given_stay_when_an_operator_stops(stack: Stack) -> None:
    stack.sealed_anew()

    assert given(stack, stack.shares["ada"]).given == 1
    assert given(stack, stack.shares["bob"]).sealed is False


def test_a_wrong_share_takes_the_half_done_unseal_back(stack: Stack) -> None:
    stack.sealed_anew()
    given(stack, stack.shares["ada"])
    wrong = bytes.fromhex(stack.shares["bob"])
    wrong = bytes([wrong[0] ^ 1]) + wrong[1:]

    with pytest.raises(EstateError) as caught:
        given(stack, wrong.hex())

    assert str(caught.value) == (
        f"{stack.server.address} did not open: this share, or one given before it, is not of this server. "
        "All were taken back; begin again with the first"
    )
    assert stack.server.status()["progress"] == 0
    assert given(stack, stack.shares["ada"], stack.shares["bob"]).sealed is False


@pytest.mark.parametrize("typed", ["not a share", "zz", "é"])
def test_what_is_no_share_is_not_sent(stack: Stack, typed: str) -> None:
    stack.sealed_anew()
    given(stack, stack.shares["ada"])

    with pytest.raises(EstateError, match=r"^that is not a key share: .*; nothing was sent$"):
        given(stack, typed)

    assert stack.server.status()["progress"] == 1


def test_an_open_server_is_refused(stack: Stack, outputs: dict[str, str]) -> None:
    if stack.server.status()["sealed"]:
        given(stack, stack.shares["ada"], stack.shares["bob"])

    with pytest.raises(EstateError, match=r"is not sealed; expected a sealed server$"):
        unseal(stack.paths, "dev", Console(), never)
    outputs["cluster_id"] = "another"
    with pytest.raises(
        EstateError, match=rf"is cluster {stack.cluster}, but the stack knows another; expected that one$"
    ):
        unseal(stack.paths, "dev", Console(), never)


def test_another_cluster_is_told_when_it_tells_its_name(stack: Stack, outputs: dict[str, str]) -> None:
    stack.sealed_anew()
    outputs["cluster_id"] = "another"

    with pytest.raises(EstateError, match=r"but the stack knows another"):
        given(stack, stack.shares["ada"], stack.shares["bob"])


def test_a_server_with_other_shares_gets_none(stack: Stack) -> None:
    stack.sealed_anew()
    write_stack(stack.paths.project, stack.server.settings("shamir", NAMES, 3))
    try:
        with pytest.raises(
            EstateError, match=r"wants 2 of 3 shares, but bootstrap says 3 of 3; expected the server of"
        ):
            unseal(stack.paths, "dev", Console(), never)
    finally:
        write_stack(stack.paths.project, stack.server.settings("shamir", NAMES, THRESHOLD))


def test_a_server_of_another_authority_gets_none(stack: Stack, tmp_path: Path) -> None:
    ensure_administrator(tmp_path / "other.crt", tmp_path / "other.key")
    settings = stack.server.settings("shamir", NAMES, THRESHOLD)
    settings["platform"]["tls"]["ca_certificate_file"] = str(tmp_path / "other.crt")
    write_stack(tmp_path, settings)

    with pytest.raises(EstateError, match=r"is not the server of this stack: its certificate isn't vouched for"):
        unseal(Paths(project=tmp_path), "dev", Console(), never)


def test_a_server_that_is_away_or_new_gets_none(stack: Stack, tmp_path: Path, outputs: dict[str, str]) -> None:
    with node_server(tmp_path / "new", ShamirSeal()) as new:
        outputs["address"] = new.address
        write_stack(tmp_path, new.settings("shamir", NAMES, THRESHOLD))
        with pytest.raises(
            EstateError, match=r"is not initialised; expected a server whose first boot made its shares$"
        ):
            unseal(Paths(project=tmp_path), "dev", Console(), never)
    with pytest.raises(EstateError, match=r"does not answer; expected a running Vault$"):
        unseal(Paths(project=tmp_path), "dev", Console(), never)


def test_a_server_with_another_seal_gets_none(stack: Stack, tmp_path: Path, outputs: dict[str, str]) -> None:
    with node_server(tmp_path / "node", StaticSeal()) as other:
        outputs["address"] = other.address
        write_stack(tmp_path, other.settings("shamir", NAMES, THRESHOLD))
        holder = [(name, (stack.paths.project / f"{name}.asc").read_text()) for name in NAMES]
        certificate = (stack.paths.project / "administrator.crt").read_text()
        boot = other.bootstrap(holder, THRESHOLD, certificate, ADMINISTRATOR_POLICY, auto_unseal=True)
        _, said = boot.communicate(timeout=600)
        assert boot.returncode == 0, said
        outputs.pop("cluster_id")

        with pytest.raises(EstateError, match=r"is not sealed"):
            unseal(Paths(project=tmp_path), "dev", Console(), never)
        source = ShareFile(custody=other.custody, private_key=stack.key("ada"))
        with pytest.raises(EstateError, match=r"holds recovery shares, which open no seal; expected the key shares of"):
            open_share(source.custody, source.private_key, never)


@pytest.mark.parametrize("seal", ["static", "awskms"])
def test_a_stack_whose_seal_opens_by_itself_is_refused(stack: Stack, tmp_path: Path, seal: str) -> None:
    settings = stack.server.settings(seal, NAMES, THRESHOLD)
    if seal == "awskms":
        arn = "arn:aws:kms:eu-central-1:123456789012:key/a-b"
        settings["platform"]["seal"] |= {"region": "eu-central-1", "key_arn": arn}
        settings |= OF_VAULT
    write_stack(tmp_path, settings)

    with pytest.raises(EstateError, match=f"has the seal '{seal}', which is auto-unseal; expected 'shamir'"):
        unseal(Paths(project=tmp_path), "dev", Console(), never)


def test_the_command_takes_shares_from_a_pipe_and_shows_none(stack: Stack) -> None:
    """A share in no argument, on no output, in no file of the server's, and in no traceback."""
    stack.sealed_anew()
    answers: list[Any] = []
    for name, wrong in (("ada", False), ("bob", True), ("ada", False), ("cyd", False)):
        share = stack.shares[name] if not wrong else stack.shares[name][:-2] + "ff"
        answers.append(_command(stack, share))

    assert [answer.returncode for answer in answers] == [0, 2, 0, 0]
    assert [json.loads(answer.stdout)["given"] for answer in answers if answer.returncode == 0] == [1, 1, 2]
    assert json.loads(answers[-1].stdout)["cluster_id"] == stack.cluster
    everything = "".join(answer.stdout + answer.stderr for answer in answers)
    everything += "".join(file.read_text(errors="replace") for file in stack.server.directory.glob("*.log"))
    for share in stack.shares.values():
        assert share not in everything
        assert base64.b64encode(bytes.fromhex(share)).decode() not in everything
    assert "Traceback" not in everything


def _command(stack: Stack, share: str) -> "subprocess.CompletedProcess[str]":
    """`./estate unseal dev --json` in the stack's folder, its outputs given."""
    exported = {"address": stack.server.address, "cluster_id": stack.cluster}
    program = (
        "import sys; from pathlib import Path\n"
        "from ops.cli import main, operators\n"
        "from ops.paths import Paths\n"
        "from ops.engine import state\n"
        f"state.read_outputs = lambda *_, **__: {exported!r}\n"
        f"operators.Paths = lambda: Paths(project=Path({str(stack.paths.project)!r}))\n"
        "sys.exit(main.main(['unseal', 'dev', '--json']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, input=share, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
