"""The administrator's pair of a cloud stack under the real engine: made, used by both commands, replaced, never shown.

The server is a real OpenBao, initialised by the real bootstrap; the cloud around it is in memory. Not proven: a secrets
provider other than a passphrase, and the official plugin, which reads the same two files.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pysequoia import Profile, Tsk

from components.render import acl
from components.render.administrator import administrator_policy
from components.render.login import CertificateLogin
from components.render.seals import StaticSeal
from fake_providers.attach import attach_apart
from ops import stack_file
from ops.commands import keys, rotation, session, turned_back
from ops.commands.keys import Made, make
from ops.commands.rotation import rotate
from ops.console import Console
from ops.engine import finding, operations
from ops.engine.environment import Backend, environment
from ops.engine.listening import Changes
from ops.errors import EstateError
from ops.keys import secrets_provider
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.vault.endpoint import VaultEndpoint
from ops.vault.login import log_in
from tests.support.checkouts import copy_code
from tests.support.language_host import install
from tests.support.nodes import NodeServer, node_server, write_stack
from tests.support.servers import call

HEADING = "# A comment of the team's, to be kept.\n"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack `dev` in a folder of its own, with a state of its own and a server that was initialised with its pair."""

    paths: Paths
    server: NodeServer
    first: Made
    arguments: Path
    """Every argument that any engine of this module was started with."""

    @property
    def file(self) -> Path:
        return self.paths.stack_file("dev")

    def placed(self) -> tuple[Path, Path]:
        folder = self.paths.own / "dev"
        return folder / "administrator.crt", folder / "administrator.key"

    def key(self) -> str:
        """The private key that the file holds now."""
        file = stack_file.read(self.paths, "dev")
        with secrets_provider.opened(self.paths, file, Backend(), Console()) as held:
            return held.decrypt("administrator-key")

    def who(self) -> VaultEndpoint:
        certificate, key = self.placed()
        return self.endpoint(certificate, key)

    def endpoint(self, certificate: Path, key: Path) -> VaultEndpoint:
        login = CertificateLogin(certificate_file=str(certificate), private_key_file=str(key))
        return VaultEndpoint(address=self.server.address, ca_file=self.server.ca_file, login=login)

    def up(self) -> Changes:
        """What `./estate up dev` has the engine do."""
        shims = self.paths.own / "shims"
        world = self.paths.own / "world.json"
        with contextlib.chdir(self.paths.project), attach_apart(["hcloud", "vault"], world=world) as attached:
            engine = finding.find(print)
            variables = environment(engine, Backend(), shims, attached)
            with (
                operations.opened(
                    name="dev", project=self.paths.project, engine=engine, variables=variables, copies=None
                ) as run,
                Console().stage("applying") as steps,
            ):
                return run.operate("up", steps)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`keys`, then the first boot with what it made."""
    folder = tmp_path_factory.mktemp("keys")
    project = folder / "project"
    copy_code(project)
    (project / "ada.asc").write_text(str(Tsk.generate("ada", profile=Profile.RFC4880).extract_certificate()))
    (project / "keys").mkdir()
    (project / "keys" / "ada.pub").write_text("ssh-ed25519 AAAA ada\n")
    seal_key = folder / "seal.key"
    seal_key.write_bytes(os.urandom(32))
    with (
        pytest.MonkeyPatch.context() as patch,
        node_server(folder / "node", StaticSeal()) as server,
    ):
        (folder / "state").mkdir()
        patch.setenv("PULUMI_BACKEND_URL", f"file://{folder / 'state'}")
        patch.setenv("PULUMI_CONFIG_PASSPHRASE", "-".join(("pass", "phrase")))
        write_stack(project, server.settings("static", ["ada"], 1))
        _tell_arguments(patch, folder)
        paths = Paths(project=project)
        paths.stack_file("dev").write_text(HEADING + paths.stack_file("dev").read_text())
        made = make(paths, "dev", Console())
        boot = server.bootstrap(
            [("ada", (project / "ada.asc").read_text())],
            1,
            made.certificate,
            acl.render(administrator_policy()),
            auto_unseal=True,
        )
        _, said = boot.communicate(timeout=600)
        assert boot.returncode == 0, said
        yield Stack(paths=paths, server=server, first=made, arguments=folder / "arguments")


def _tell_arguments(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have each start of the engine write its arguments down."""
    found = finding.find(print)
    spy = folder / "spy" / "pulumi"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{folder}/arguments\nexec {found.executable} "$@"\n')
    spy.chmod(0o755)
    spied = finding.Engine(executable=spy, version=found.version, source=found.source)
    patch.setattr(finding, "find", lambda _: spied)


def test_the_file_keeps_its_lines_and_a_second_run_changes_nothing(stack: Stack) -> None:
    before = stack.file.read_text()

    again = make(stack.paths, "dev", Console())

    assert before.startswith(HEADING)
    assert (stack.first.outcome, again.outcome) == ("made", "there already")
    assert again.fingerprint == stack.first.fingerprint
    assert stack.file.read_text() == before


def test_both_commands_log_in_with_it(stack: Stack, tmp_path: Path) -> None:
    assert stack.up().counts["create"] > 5
    assert stack.up().total == 0
    for file in stack.placed():
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()

    install(tmp_path)
    world = stack.paths.own / "world.json"
    with contextlib.chdir(stack.paths.project), attach_apart(["hcloud", "vault"], world=world) as attached:
        answer = subprocess.run(
            ["pulumi", "preview", "--stack", "dev", "--non-interactive", "--expect-no-changes"],
            cwd=stack.paths.project,
            env=_plain(stack, tmp_path, attached),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert stack.placed()[0].read_text() == stack.first.certificate
    with log_in(stack.who()) as client:
        own = call(client, "get", "auth/token/lookup-self")["data"]
        assert sorted(own["policies"]) == ["administrator", "default"]


def _plain(stack: Stack, doubles: Path, attached: Any) -> dict[str, str]:
    variables = environment(finding.find(print), Backend(), stack.paths.own / "shims", attached)
    return {**variables, "PATH": f"{doubles}{os.pathsep}{variables['PATH']}"}


def test_a_lost_file_is_put_back_for_commands_that_run_no_program(stack: Stack) -> None:
    """And one of a pair that somebody else has replaced."""
    file = stack_file.read(stack.paths, "dev")
    before = [one.read_text() for one in stack.placed()]
    certificate, key = stack.placed()

    for spoil in (key.unlink, certificate.unlink, lambda: certificate.write_text("another")):
        spoil()
        secrets_provider.ensure_placed(stack.paths, file, Backend(), Console())

        assert [one.read_text() for one in stack.placed()] == before


def test_rotation_goes_on_from_where_it_stopped_and_ends_the_old_pair(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack.up()
    before, old = stack.file.read_text(), [one.read_text() for one in stack.placed()]
    for name, content in zip(("old.crt", "old.key"), old, strict=True):
        (tmp_path / name).write_text(content)
    formerly = stack.endpoint(tmp_path / "old.crt", tmp_path / "old.key")

    def stopped(*_: object, **__: object) -> None:
        raise EstateError("stopped")

    for place in ("hand_over", "write_pair"):
        with monkeypatch.context() as patch:
            patch.setattr(rotation, place, stopped)
            with pytest.raises(EstateError, match="stopped"):
                rotate(stack.paths, "dev", Console())
        assert stack.file.read_text() == before
    made = rotate(stack.paths, "dev", Console())

    assert made.outcome == "rotated"
    assert made.fingerprint != stack.first.fingerprint
    assert not list((stack.paths.own / "dev").glob("next-*"))
    assert stack.placed()[0].read_text() == made.certificate
    with log_in(stack.who()) as client:
        role = call(client, "get", "auth/cert/certs/administrator")["data"]
        assert (role["token_policies"], role["token_ttl"]) == (["administrator"], 3_600)
    with pytest.raises(EstateError, match=r"refuses the administrator's certificate"), log_in(formerly):
        pass
    # The certificate is part of what a node is made from: the next `up` makes another server.
    replaced = {urn.split("::")[-1] for kind, urn in stack.up().resources if kind == "replace"}
    assert replaced == {"platform-server", "platform-private", "platform-attachment"}
    assert stack.up().total == 0


def test_a_server_that_knows_an_earlier_pair_again_gets_the_present_one(stack: Stack) -> None:
    """As a restore leaves it: a snapshot from before a rotation has the pair of then."""
    stack.up()
    before = stack.placed()[0].read_text()
    rotate(stack.paths, "dev", Console())
    with log_in(stack.who()) as client:
        rotation._replace_certificate(client, "auth/cert/certs/administrator", before)
    with pytest.raises(EstateError, match=r"refuses the administrator's certificate"), log_in(stack.who()):
        pass
    platform = platform_of(stack.paths, stack_file.read(stack.paths, "dev"))

    assert turned_back._mend_pair(platform, stack.who(), Console()) == "put in again"
    with log_in(stack.who()):
        assert turned_back._mend_pair(platform, stack.who(), Console()) == "as it was"


def test_the_private_key_is_shown_nowhere(stack: Stack) -> None:
    """Not in the state, its history, the stack's file, any argument, or anything the server wrote."""
    lines = [line for line in stack.key().splitlines() if "-----" not in line]
    assert len(lines) >= 2
    folder = stack.paths.project.parent
    looked_at = [
        *folder.joinpath("state").rglob("*"),
        *folder.joinpath("node").rglob("*.log"),
        stack.arguments,
        stack.file,
        *(file for file in stack.paths.own.rglob("*") if file not in stack.placed()),
    ]
    everything = [file.read_text(errors="replace") for file in looked_at if file.is_file()]

    assert any("administrator.key" in text for text in everything)
    assert [line for line in lines for text in everything if line in text] == []
    assert "config\nset\n--secret\nvault-estate:administrator-key\n" in stack.arguments.read_text()


def test_other_pairs_and_no_pairs_are_told_apart(stack: Stack, tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: vault-estate\nruntime: python\n")
    document = yaml.safe_load(stack.file.read_text())
    administrator = document["config"]["vault-estate:estate"]["bootstrap"]["administrator"]

    def refused(match: str, command: Any = make) -> None:
        text = yaml.safe_dump(document)
        paths.stack_file("dev").write_text(text)
        with pytest.raises(EstateError, match=match) as caught:
            command(paths, "dev", Console())
        assert "\n" not in str(caught.value)
        assert paths.stack_file("dev").read_text() == text

    administrator["certificate_pem"] = stack.first.certificate  # the one before the rotation
    refused("the administrator's private key doesn't belong to the certificate; expected the two halves of one pair")
    secret = document["config"].pop("vault-estate:administrator-key")
    refused("stack 'dev': the engine can't keep its secrets: configuration key 'administrator-key' not found")
    document["config"]["vault-estate:administrator-key"] = secret
    del administrator["private_key_secret"]
    administrator["private_key"] = "a.key"
    refused(r"\.yaml: .*estate\.bootstrap\.administrator has certificate_pem and a file beside it; expected both")
    del administrator["certificate_pem"]
    administrator["certificate"] = "a.crt"
    refused("holds no pair yet; expected one to replace: ./estate keys dev", rotate)
    (tmp_path / "a.crt").write_text(stack.first.certificate)
    refused(r"^a\.key is missing, while its other half is there; expected both, or neither to make a new pair$")


def test_without_a_passphrase_nothing_changes(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    paths = Paths(project=tmp_path)
    write_stack(tmp_path, stack.server.settings("static", ["ada"], 1))
    before = paths.stack_file("dev").read_text()

    with pytest.raises(EstateError, match=r"^stack 'dev': the engine can't keep its secrets: .*passphrase"):
        make(paths, "dev", Console())

    assert paths.stack_file("dev").read_text() == before
    assert not list(paths.own.glob("keys-*"))


def test_a_pair_in_files_is_taken_over(stack: Stack, tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)
    write_stack(tmp_path, stack.server.settings("static", ["ada"], 1))
    for name, file in zip(("administrator.crt", "administrator.key"), stack.placed(), strict=True):
        (tmp_path / name).write_text(file.read_text())

    taken = make(paths, "dev", Console())

    assert taken.outcome == "taken over"
    assert taken.certificate == stack.placed()[0].read_text()


def test_a_preview_with_fake_providers_needs_no_ones_key(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves the real one where it is."""
    before = [one.read_text() for one in stack.placed()]
    file = stack_file.read(stack.paths, "dev")
    monkeypatch.setattr(session, "lacking_plugins", lambda *_: ["hcloud", "vault"])
    choices = session.Choices(policies=False)
    opened = session.opened(platform_of(stack.paths, file), Console(), "preview", choices)

    with contextlib.chdir(stack.paths.project), opened as held, Console().stage("previewing") as steps:
        changes = held.run.operate("preview", steps)

    assert changes.counts["create"] > 5
    assert [one.read_text() for one in stack.placed()] == before
    assert keys.SECRET not in json.dumps(changes.resources)


def test_networks_that_keep_the_caller_out_are_refused_and_others_followed(stack: Stack) -> None:
    """Somebody's successor is somewhere else; who lets them in stays in until they are."""
    written = stack.file.read_text()

    def applied(*networks: str) -> Changes:
        document = yaml.safe_load(written)
        document["config"]["vault-estate:estate"]["platform"]["api_cidrs"] = list(networks)
        stack.file.write_text(yaml.safe_dump(document))
        return stack.up()

    with pytest.raises(EstateError, match=r"platform\.api_cidrs is 198\.51\.100\.0/24; expected networks with this"):
        applied("198.51.100.0/24")
    applied("127.0.0.0/8", "198.51.100.0/24")
    with log_in(stack.who()) as client:
        role = call(client, "get", "auth/cert/certs/administrator")["data"]
    assert role["token_bound_cidrs"] == ["127.0.0.0/8", "198.51.100.0/24"]

    stack.file.write_text(written)
    stack.up()
    with log_in(stack.who()) as client:
        role = call(client, "get", "auth/cert/certs/administrator")["data"]
        assert role["token_bound_cidrs"] == ["127.0.0.0/8"]
        assert "administrator-trial" not in call(client, "list", "auth/cert/certs")["data"]["keys"]
