"""What the commands do to a cloud stack: keys are made beside the project, stand-ins never build, files are kept.

Doesn't prove that anything gets built: the engine is a fake here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ops import lifecycle, stack_file
from ops.console import Console
from ops.engine import session
from ops.engine.finding import Engine
from ops.engine.operations import Changes, opened
from ops.engine.session import Choices
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms import hetzner as lifecycle_cloud
from ops.vault import endpoint as reaching
from tests.support.hetzner_samples import NODE
from tests.unit.ops.fakes import asked_of

OWN = {
    "operators": [{"name": "dev", "pgp_key": ".estate/dev/operator/public.asc"}],
    "threshold": 1,
    "administrator": {"certificate": ".estate/dev/administrator.crt", "private_key": ".estate/dev/administrator.key"},
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A checkout with a cloud stack `dev`, whose keys are to be made."""
    (tmp_path / "Pulumi.yaml").write_text("name: vault-estate\nruntime: python\n")
    write(tmp_path, OWN)
    found = Paths(project=tmp_path)
    found.make_own()
    return found


def write(folder: Path, bootstrap: object, **more: Any) -> None:
    """Write the stack's file."""
    config = {"vault-estate:estate": {**NODE, "bootstrap": bootstrap}, **more}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))


def test_keys_under_the_estates_own_folder_are_made_once(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    file = stack_file.read(paths, "dev")

    lifecycle_cloud.ensure_keys(paths, file, Console())
    made = {path: path.read_bytes() for path in (paths.own / "dev").rglob("*") if path.is_file()}
    said = capsys.readouterr().err
    lifecycle_cloud.ensure_keys(paths, file, Console())

    assert {path.name for path in made} == {"administrator.crt", "administrator.key", "public.asc", "private.asc"}
    assert {path: path.read_bytes() for path in made} == made
    assert all(path.stat().st_mode & 0o077 == 0 for path in made if path.name in {"administrator.key", "private.asc"})
    assert said.splitlines() == [
        "making the administrator's certificate .estate/dev/administrator.crt",
        "making a key pair for operator dev: .estate/dev/operator/public.asc",
    ]
    assert capsys.readouterr().err == ""


def test_peoples_own_keys_are_never_made(paths: Paths) -> None:
    write(paths.project, NODE["bootstrap"])

    with pytest.raises(EstateError, match=r"operator 'ada': .*/keys/ada\.asc: not a readable armored PGP public key"):
        lifecycle_cloud.ensure_keys(paths, stack_file.read(paths, "dev"), Console())

    assert not (paths.project / "keys").exists()
    assert not (paths.project / "admin.crt").exists()


def test_an_operators_key_has_its_own_folder(paths: Paths) -> None:
    write(paths.project, {**OWN, "operators": [{"name": "dev", "pgp_key": ".estate/dev/key.asc"}]})

    with pytest.raises(EstateError, match=r"pgp_key is '\.estate/dev/key\.asc'; expected public\.asc in its folder"):
        lifecycle_cloud.ensure_keys(paths, stack_file.read(paths, "dev"), Console())


def test_a_sandbox_up_says_why_no_machine_boots(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.sandbox.world.machines.why_not", lambda: "there are no loop devices")

    with pytest.raises(EstateError) as caught:
        lifecycle.up(paths, "dev", Console(), Choices(sandbox=True))

    assert str(caught.value) == (
        "--sandbox: no machine can boot here: there are no loop devices; "
        "expected root on a Linux that may boot containers"
    )
    assert sorted(path.name for path in paths.own.iterdir()) == ["lock"]


@pytest.mark.parametrize(
    "command",
    [lifecycle.status, lambda paths, stack: lifecycle.secret_id(paths, stack, "a", "5m", Console(), choices=Choices())],
)
def test_commands_of_this_machines_servers_say_so(paths: Paths, command: Any) -> None:
    with pytest.raises(EstateError):
        command(paths, "dev")


class Engineless:
    """`session.opened` that notes what was asked of the engine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.protected: list[dict[str, Any]] = []
        self.pending: list[dict[str, Any]] = []
        monkeypatch.setattr(session, "opened", self._opened)

    @contextmanager
    def _opened(
        self, file: Any, _paths: object, _console: object, operation: str, _choices: object, **_more: object
    ) -> Iterator[Any]:
        self.asked.append(f"open for {operation}")
        run = SimpleNamespace(operate=self._operate, deployment=self._deployment, stack="a stack")
        yield SimpleNamespace(file=file, run=run, paths=_paths, providers=SimpleNamespace(reason=""))

    def _deployment(self) -> dict[str, Any]:
        return {"resources": self.protected, "pending_operations": self.pending}

    def _operate(self, operation: str, _: object, *, replace: Sequence[str] = (), wrap: object = None) -> Changes:
        self.asked.append(" ".join([operation, *(["importing"] if wrap else []), *replace]))
        return Changes(counts={"create": 1}, outputs={"address": "https://x"})


def test_up_with_plugins_is_the_engines_own(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engineless(monkeypatch)

    built = lifecycle.up(paths, "dev", Console(), Choices())

    assert engine.asked == ["open for up", "up"]
    assert (built.exports, built.providers) == ({"address": "https://x"}, "")
    assert (paths.own / "dev" / "administrator.crt").is_file()


def test_up_tells_that_no_access_was_checked(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = {"login": {"kind": "approle"}, "secrets": {"site": {"keys": ["password"]}}}
    estate = {**NODE, "bootstrap": OWN, "approle": {}, "applications": {"shop": shop}}
    write(paths.project, OWN, **{"vault-estate:estate": estate})
    Engineless(monkeypatch)

    (shown,) = lifecycle.up(paths, "dev", Console(), Choices()).checks.results

    assert (shown.application, shown.passed) == ("shop", True)
    assert str(shown.secret) == "not checked: a cloud stack is checked in its sandbox only"


def test_preview_has_its_keys(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engineless(monkeypatch)

    lifecycle.preview(paths, "dev", Console(), Choices())

    assert engine.asked == ["open for preview", "preview"]
    assert (paths.own / "dev" / "operator" / "public.asc").is_file()


def test_a_rebuild_is_asked_of_the_engine_by_its_own_name(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engineless(monkeypatch)
    urn = "urn:pulumi:dev::vault-estate::hcloud:index/server:Server::platform-server"
    engine.protected = [{"urn": urn, "type": "hcloud:index/server:Server", "custom": True}]
    choices = Choices(replace=("platform-server",))

    lifecycle.preview(paths, "dev", Console(), choices)
    lifecycle.up(paths, "dev", Console(), choices)

    assert engine.asked == ["open for preview", f"preview {urn}", "open for up", f"up {urn}"]


def test_what_a_killed_run_had_begun_in_vault_is_adopted(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engineless(monkeypatch)
    outputs = {"address": "https://vault.example.com:8200"}
    engine.protected = [{"urn": "a", "type": "pulumi-python:dynamic:Resource", "outputs": outputs}]
    mount = {"type": "vault:index/mount:Mount", "inputs": {"path": "secret"}}
    engine.pending = [{"type": "creating", "resource": mount}]
    met: list[str] = []

    @contextmanager
    def administering(where: reaching.Reached) -> Iterator[str]:
        met.append(where.address)
        yield "a client"

    monkeypatch.setattr(reaching, "administering", administering)
    monkeypatch.setattr("ops.engine.adoption.inventory", lambda _: {"mounts": ("secret",), "auth": ()})
    monkeypatch.setattr("ops.platforms.hetzner.pending.settle", lambda stack: met.append(f"settle {stack}"))

    lifecycle.up(paths, "dev", Console(), Choices())

    assert engine.asked == ["open for up", "up importing", "up"]
    assert met == [outputs["address"], "settle a stack"]


def test_a_killed_run_that_began_no_vault_object_adopts_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engineless(monkeypatch)
    engine.pending = [{"type": "creating", "resource": {"type": "hcloud:index/server:Server", "inputs": {}}}]
    settled = asked_of(monkeypatch, "ops.platforms.hetzner.pending.settle", None)

    lifecycle.up(paths, "dev", Console(), Choices())

    assert engine.asked == ["open for up", "up"]
    assert settled == [("a stack",)]


def test_down_keeps_keys_and_refuses_what_is_protected(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engineless(monkeypatch)
    lifecycle.up(paths, "dev", Console(), Choices())

    assert lifecycle.down(paths, "dev", Console(), Choices()).counts == {"create": 1}
    assert (paths.own / "dev" / "administrator.key").is_file()

    engine.protected = [{"urn": "a", "protect": True}]
    with pytest.raises(EstateError, match="1 resources of dev are protected"):
        lifecycle.down(paths, "dev", Console(), Choices())
    assert engine.asked[-1] == "open for down"


def test_a_cloud_stack_needs_both_plugins_and_a_token(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    file = stack_file.read(paths, "dev")
    monkeypatch.setattr(
        "ops.engine.session.finding.find", lambda _: Engine(executable=Path("/p"), version="3", source="x")
    )
    monkeypatch.setattr(session, "lacking_plugins", lambda *_: [])
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)

    assert session.packages(file) == ("hcloud", "vault")
    with (
        pytest.raises(EstateError, match="up of a cloud stack: the cloud's credentials are missing"),
        session.opened(file, paths, Console(), "up", Choices()),
    ):
        pass


def test_a_copy_for_stand_ins_needs_no_ones_secrets(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paths.project, OWN, **{"vault-estate:other": {"secure": "v1:abc"}, "vault-estate:flat": "x"})
    whole = yaml.safe_load((paths.project / "Pulumi.dev.yaml").read_text())
    (paths.project / "Pulumi.dev.yaml").write_text(yaml.safe_dump({**whole, "encryptionsalt": "v1:salt"}))
    monkeypatch.setattr("ops.engine.operations.automation.create_or_select_stack", lambda *_, **__: SimpleNamespace())
    copies = paths.own / "stacks"

    with opened(
        name="dev",
        project=paths.project,
        variables={},
        copies=copies,
        stand_in_secrets=["database-password"],
        inline=lambda: None,
    ):
        copied = yaml.safe_load((copies / "Pulumi.dev.yaml").read_text())

    assert "encryptionsalt" not in copied
    assert set(copied["config"]) == {"vault-estate:estate", "vault-estate:flat", "vault-estate:database-password"}
    assert isinstance(copied["config"]["vault-estate:database-password"], str)
