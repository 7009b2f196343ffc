"""Three operators, two of whom are needed, and a server that its real first boot gave their shares: what they do to it.

Owns the people, the server and the tests that each server passes, in the class `Operators`. The node's side of SSH is a
program on this machine that runs what it is sent. A module that takes these says by a fixture `flavor` which server.
"""

import json
import os
import shutil
import signal
import stat
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hvac
import pytest
from pysequoia import Profile, Tsk

from components.render import acl
from components.render.administrator import administrator_policy
from components.render.release import Flavor
from ops import stack_file
from ops.commands import keys, rotation
from ops.commands import regain as regaining
from ops.commands.regain import regain
from ops.commands.renewal import Renewed, renew
from ops.commands.shares import KeyShares
from ops.console import Console
from ops.engine import state
from ops.errors import EstateError
from ops.keys.certificates import ensure_administrator
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.vault.key_shares import open_with
from ops.vault.login import log_in
from tests.support.nodes import NodeServer, write_stack
from tests.support.sealed import client_of, sealed
from tests.support.servers import call

PEOPLE = ("ada", "bob", "cyd", "dan")
POLICY = acl.render(administrator_policy())


class Typed:
    """Answers in order; then none. Before each, whether the administrator can log in is tried."""

    def __init__(self, stack: "Stack", *answers: str) -> None:
        self.stack = stack
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        self.stack.administrator_logs_in()
        return self.answers.pop(0) if self.answers else ""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack `dev`, its server and the people around it."""

    paths: Paths
    server: NodeServer

    @property
    def custody(self) -> Path:
        return self.server.custody

    @property
    def node(self) -> str | None:
        """Where regaining has to go; HashiCorp's server takes shares at its listener."""
        return "estate@vault.example.com" if self.server.flavor == "openbao" else None

    @property
    def audit_log(self) -> Path:
        return self.server.directory / "audit.log"

    def key(self, name: str) -> Path:
        return self.paths.project / f"{name}.private.asc"

    def shares(self, *names: str, file: Path | None = None) -> list[str]:
        """What these people's own keys open, in the file of today or another."""
        document = json.loads((file or self.custody).read_text())
        found = [open_with(document, self.key(name), lambda _: "") for name in names]
        assert all(found)
        return [share for share in found if share]

    def coming(self, *names: str) -> list[str]:
        return self.shares(*names, file=self.custody.with_name("shares.json.next"))

    def operators(self, names: tuple[str, ...], threshold: int) -> None:
        """Have settings name these."""
        write_stack(self.paths.project, self.server.settings(self.server.seal.kind, names, threshold))

    def renew(self, *answers: str, **more: Any) -> Renewed:
        ask = Typed(self, *answers)
        return renew(self.paths, "dev", Console(), ask, share_file=self.custody, **more)

    def renewed(self, givers: tuple[str, str], provers: tuple[str, ...]) -> None:
        """A renewal in two sittings, as people in different places hold it."""
        assert self.renew(*self.shares(*givers)).waiting_for == "new shares"
        assert self.renew(*self.coming(*provers)).done

    def regain(self, *answers: str) -> regaining.Regained:
        return regain(self.paths, "dev", Console(), Typed(self, *answers), node=self.node)

    def regain_alone(self, *answers: str, new_pair: bool = False) -> regaining.Regained:
        """The same while nobody can log in."""
        given = iter(answers)
        return regain(self.paths, "dev", Console(), lambda _: next(given), node=self.node, new_pair=new_pair)

    @contextmanager
    def administering(self) -> Iterator[hvac.Client]:
        """As the administrator of the settings."""
        platform = platform_of(self.paths, stack_file.read(self.paths, "dev"))
        with log_in(platform.endpoint(self.server.address)) as client:
            yield client

    def administrator_logs_in(self) -> None:
        with self.administering():
            pass


def made(folder: Path, flavor: Flavor, kind: str) -> Iterator[Stack]:
    for name in PEOPLE:
        pair = Tsk.generate(f"{name}@example.com", profile=Profile.RFC4880)
        (folder / f"{name}.private.asc").write_text(str(pair))
        (folder / f"{name}.asc").write_text(str(pair.extract_certificate()))
    ensure_administrator(folder / "administrator.crt", folder / "administrator.key")
    with sealed(folder / "node", flavor, kind) as server, pytest.MonkeyPatch.context() as patch:
        stack = Stack(paths=Paths(project=folder), server=server)
        stack.operators(("ada", "bob", "cyd"), 2)
        holders = [(name, (folder / f"{name}.asc").read_text()) for name in ("ada", "bob", "cyd")]
        certificate = (folder / "administrator.crt").read_text()
        boot = server.bootstrap(holders, 2, certificate, POLICY, auto_unseal=kind != "shamir")
        if kind == "shamir":
            assert boot.stdout is not None
            assert any("waiting-for-unseal" in line for line in boot.stdout)
            unseal(stack, *stack.shares("ada", "bob"))
        _, said = boot.communicate(timeout=600)
        assert boot.returncode == 0, said
        patch.setattr(state, "read_outputs", lambda *_, **__: {"address": server.address})
        patch.setattr(regaining, "REGAIN_SOCKET", str(server.regain_socket))
        patch.setenv("PATH", f"{ssh_double(folder)}{os.pathsep}{os.environ['PATH']}")
        if flavor == "vault":
            with stack.administering() as client:
                call(client, "put", "sys/audit/file", {"type": "file", "options": {"file_path": str(stack.audit_log)}})
        yield stack


def ssh_double(folder: Path) -> Path:
    """In SSH's place: runs what it is sent as a shell at the far end would, as whoever this is."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in {
        "ssh": f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{folder}/arguments"\nshift\nexec sh -c "$1"\n',
        "sudo": '#!/bin/sh\nexec "$@"\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return programs


def unseal(stack: Stack, *shares: str) -> dict[str, Any]:
    client = client_of(stack.server)
    return [call(client, "put", "sys/unseal", {"key": share}) for share in shares][-1]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, flavor: Flavor) -> Iterator[Stack]:
    """It unseals itself; shares are of the recovery key."""
    yield from made(tmp_path_factory.mktemp("operators"), flavor, "static" if flavor == "openbao" else "transit")


@pytest.fixture(autouse=True)
def again(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins with ada, bob and cyd, two of them needed, whatever the one before left."""
    yield
    if "stack" in request.fixturenames:
        stack: Stack = request.getfixturevalue("stack")
        now = tuple(one["operator"] for one in json.loads(stack.custody.read_text())["shares"])
        needed = json.loads(stack.custody.read_text())["threshold"]
        stack.operators(("ada", "bob", "cyd"), 2)
        if (now, needed) != (("ada", "bob", "cyd"), 2):
            keys = [stack.key(name) for name in PEOPLE]
            assert stack.renew(keys=keys).done


def killed(patch: Callable[[], None], act: Callable[[], object]) -> None:
    """Run something in a process of its own that kills itself on the way, as a power cut does."""
    child = os.fork()
    if child == 0:
        try:
            patch()
            act()
        except EstateError:
            traceback.print_exc()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def dies_at(step: str, after: int, *, before: bool) -> None:
    """Patch the place of the file: the process ends when it is told this step so many times."""
    act, left = KeyShares.act, [after]

    def acting(self: KeyShares, told: str, document: Any = None) -> Any:
        if told != step:
            return act(self, told, document)
        left[0] -= 1
        if before and left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = act(self, told, document)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    KeyShares.act = acting  # type: ignore[assignment,method-assign]  # in a process that ends


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Operators:
    """What holds on every server."""

    def test_one_leaves_and_one_joins(self, stack: Stack) -> None:
        old = stack.shares("ada", "cyd")
        stack.operators(("ada", "bob", "dan"), 2)

        first = stack.renew(*stack.shares("ada", "cyd"))
        assert (first.done, first.waiting_for, first.operators) == (False, "new shares", ["ada", "bob", "dan"])
        # Until new ones are shown to be good the old ones are.
        assert [one["operator"] for one in json.loads(stack.custody.read_text())["shares"]] == ["ada", "bob", "cyd"]
        new = stack.coming("bob", "dan")
        assert stack.renew(*new).done

        document = json.loads(stack.custody.read_text())
        assert ([one["operator"] for one in document["shares"]], document["threshold"]) == (["ada", "bob", "dan"], 2)
        assert stat.S_IMODE(stack.custody.stat().st_mode) == 0o600
        assert not stack.custody.with_name("shares.json.next").exists()
        with pytest.raises(EstateError, match=r"this share, or one given before it, is not of this server\. All were"):
            stack.regain(*old)
        done = stack.regain(*new)
        assert (done.done, done.new_pair, done.other_root_tokens) == (True, False, 0)

    def test_another_threshold_and_keys_that_are_here(self, stack: Stack) -> None:
        stack.operators(PEOPLE, 3)

        assert stack.renew(keys=[stack.key(name) for name in PEOPLE]).threshold == 3

        assert not stack.regain(*stack.shares("ada", "bob")).done
        assert stack.regain(*stack.shares("ada", "bob", "dan")).done

    def test_shares_are_asked_for_one_by_one_and_a_twin_counts_once(self, stack: Stack) -> None:
        ada, bob = stack.shares("ada", "bob")
        ask = Typed(stack, ada, ada, bob)

        renew(stack.paths, "dev", Console(), ask, share_file=stack.custody)

        words = [question.partition(" (")[0] for question in ask.asked]
        assert words == [
            "share in force 1 of 2",
            "share in force 2 of 2",
            "share in force 2 of 2",
            "new share 1 of 2",
        ]
        assert stack.renew(*stack.coming("ada", "cyd")).done

    def test_each_comes_in_their_own_time(self, stack: Stack) -> None:
        ada, bob = stack.shares("ada", "bob")
        assert stack.renew(ada).waiting_for == "old shares"
        assert stack.renew(bob).waiting_for == "new shares"
        bob, cyd = stack.coming("bob", "cyd")
        assert stack.renew(bob).waiting_for == "new shares"
        assert stack.renew(cyd).done

    def test_a_wrong_share_changes_nothing(self, stack: Stack) -> None:
        before = stack.custody.read_text()
        with pytest.raises(EstateError, match=r"^that is not a key share: .*; nothing was sent$"):
            stack.renew("no share")
        with pytest.raises(EstateError, match=r"^this share, or one given before it, is not of this server\. All were"):
            stack.renew(stack.shares("ada")[0], "ab" * 33)
        stack.renew(*stack.shares("ada", "bob"))
        with pytest.raises(EstateError, match=r"^this share, or one given before it, is not of this server\. All were"):
            stack.renew(*stack.shares("ada", "bob"))

        assert stack.custody.read_text() == before
        assert stack.regain(*stack.shares("ada", "bob")).done
        assert stack.renew(*stack.coming("ada", "bob")).done

    @pytest.mark.parametrize(
        ("step", "after", "before"),
        [
            ("prepare", 1, True),  # the server has made new shares, and nobody has seen them
            ("prepare", 1, False),  # they are written down
            ("prepare", 2, False),  # the last is about to be shown
            ("renew", 1, True),  # the server has voided the old ones, and the file doesn't know
            ("renew", 1, False),
        ],
    )
    def test_a_kill_at_any_moment_is_gone_on_from(self, stack: Stack, step: str, after: int, before: bool) -> None:
        keys = [stack.key(name) for name in ("ada", "bob", "cyd")]
        old = stack.shares("ada", "bob")

        killed(lambda: dies_at(step, after, before=before), lambda: stack.renew(keys=keys))

        stack.administrator_logs_in()
        assert stack.renew(keys=keys).done
        assert stack.regain(*stack.shares("bob", "cyd")).done
        with pytest.raises(EstateError, match="not of this server"):
            stack.regain(*old)

    def test_a_server_that_forgot_begins_anew(self, stack: Stack) -> None:
        assert stack.renew(*stack.shares("ada", "bob")).waiting_for == "new shares"
        forgotten = stack.coming("ada", "bob")
        stack.server.stop()
        stack.server.start()

        assert stack.renew(*stack.shares("bob", "cyd")).waiting_for == "new shares"

        assert stack.coming("ada", "bob") != forgotten
        assert stack.renew(*stack.coming("ada", "bob")).done

    def test_other_operators_than_those_a_renewal_began_for_begin_it_anew(self, stack: Stack) -> None:
        stack.operators(("ada", "bob"), 2)
        assert stack.renew(stack.shares("ada")[0]).waiting_for == "old shares"
        stack.operators(("ada", "bob", "dan"), 2)

        done = stack.renew(*stack.shares("ada", "bob"))

        assert (done.waiting_for, len(stack.coming("ada", "bob", "dan"))) == ("new shares", 3)
        assert stack.renew(*stack.coming("bob", "dan")).done

    def test_a_login_and_a_policy_that_were_spoilt_are_mended(self, stack: Stack) -> None:
        with stack.administering() as client:
            call(client, "post", "auth/cert/certs/administrator", {"token_bound_cidrs": ["192.0.2.0/24"]})
            call(client, "put", "sys/policies/acl/administrator", {"policy": ""} | {"policy": 'path "a" {}'})
        with pytest.raises(EstateError, match=r"refuses the administrator's certificate"):
            stack.administrator_logs_in()

        assert stack.regain_alone(*stack.shares("bob", "cyd")).done

        with stack.administering() as client:
            assert call(client, "get", "sys/policies/acl/administrator")["data"]["policy"] == POLICY
            role = call(client, "get", "auth/cert/certs/administrator")["data"]
        assert role["token_bound_cidrs"] == ["127.0.0.0/8"]

    def test_a_killed_one_leaves_no_root_token_for_long(self, stack: Stack) -> None:
        shares = stack.shares("ada", "bob")

        killed(lambda: setattr(regaining, "_let_in", die), lambda: stack.regain(*shares))

        assert stack.regain(*shares).other_root_tokens == 1
        assert stack.regain(*shares).other_root_tokens == 0

    def test_a_failure_leaves_no_root_token(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise EstateError("failed")

        shares = stack.shares("ada", "bob")
        with monkeypatch.context() as patch:
            patch.setattr(regaining, "_let_in", fail)
            with pytest.raises(EstateError, match=r"^failed$"):
                stack.regain(*shares)

        assert stack.regain(*shares).other_root_tokens == 0

    def test_no_share_and_no_root_token_is_anywhere(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        tokens, decoded = [], regaining._decoded

        def seen(encoded: str, otp: str) -> str:
            tokens.extend([decoded(encoded, otp), otp])
            return tokens[-2]

        monkeypatch.setattr(regaining, "_decoded", seen)
        old = stack.shares("ada", "bob")
        stack.renewed(("ada", "bob"), ("bob", "cyd"))
        new = stack.shares("ada", "bob", "cyd")
        assert stack.regain(*new[:2]).done
        with pytest.raises(EstateError) as caught:
            stack.regain(*old)

        files = [file for file in stack.paths.project.rglob("*") if file.is_file()]
        assert stack.audit_log in files
        assert (stack.paths.project / "arguments" in files) == (stack.server.flavor == "openbao")
        texts = [file.read_bytes().decode(errors="replace") for file in files] + [
            *capfd.readouterr(),
            str(caught.value),
        ]
        secrets = [*old, *new, *tokens]
        assert len(secrets) == 7
        assert [number for number, secret in enumerate(secrets) for text in texts if secret in text] == []

    def test_a_rate_limit_is_waited_for_and_leaves_no_root_token(self, stack: Stack) -> None:
        shares = stack.shares("ada", "bob")
        with stack.administering() as client:
            call(client, "post", "sys/quotas/rate-limit/narrow", {"rate": 4, "interval": "3s"})
        try:
            assert stack.regain_alone(*shares).done
        finally:
            with stack.administering() as client:
                call(client, "delete", "sys/quotas/rate-limit/narrow")

        assert stack.regain(*shares).other_root_tokens == 0

    def test_a_lost_pair_that_was_encrypted_is_replaced(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "-".join(("pass", "phrase")))
        shares = stack.shares("ada", "cyd")
        with stack.administering() as client:
            rotation._replace_certificate(client, "auth/cert/certs/administrator", keys.new_pair().certificate)
        first = keys.make(stack.paths, "dev", Console())
        # As on another machine, which has the stack's file only.
        placed = [stack.paths.own / "dev" / f"administrator.{half}" for half in ("crt", "key")]
        assert [file for file in placed if file.exists()] == []
        assert stack.regain_alone(*shares).done
        for file in placed:
            file.unlink()
        renewal = renew(stack.paths, "dev", Console(), lambda _: "", share_file=stack.custody)
        assert renewal.waiting_for == "old shares"

        killed(lambda: setattr(rotation, "take_up", die), lambda: stack.regain_alone(*shares, new_pair=True))
        with pytest.raises(EstateError, match=r"refuses the administrator's certificate"):
            stack.administrator_logs_in()
        done = stack.regain_alone(*shares, new_pair=True)

        assert (done.done, done.new_pair, done.other_root_tokens) == (True, True, 1)
        stack.administrator_logs_in()
        there = keys.make(stack.paths, "dev", Console())
        assert (there.outcome, there.fingerprint != first.fingerprint) == ("there already", True)
        assert placed[0].read_text() == there.certificate
        # Back to a pair in files, as the other tests have it.
        for file in placed:
            shutil.copy(file, stack.paths.project)

    def test_shares_that_unseal_are_renewed_too(self, tmp_path: Path, flavor: Flavor) -> None:
        for stack in made(tmp_path, flavor, "shamir"):
            again = partial(stack.renew, keys=[stack.key(name) for name in PEOPLE])
            old = stack.shares("ada", "bob")
            stack.operators(("ada", "bob", "dan"), 2)

            stack.renewed(("ada", "cyd"), ("bob", "dan"))
            with pytest.raises(EstateError, match="not of this server"):
                stack.regain(*old)
            killed(lambda: dies_at("renew", 1, before=True), again)
            assert again().done

            assert stack.regain(*stack.shares("bob", "dan")).done
            stack.server.stop()
            stack.server.start()
            with pytest.raises(Exception, match=r"400|invalid key|Unseal failed|decrypt"):
                unseal(stack, *old)
            call(client_of(stack.server), "put", "sys/unseal", {"reset": True})
            assert unseal(stack, *stack.shares("ada", "dan"))["sealed"] is False
