"""The driver of a node on Hetzner Cloud: what its account needs, and the keys that are made beside the project.

Doesn't prove that anything gets built: that is in `tests/engine/test_dev_stack.py` and `tests/machines`.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ops import stack_file
from ops.commands import lifecycle, session
from ops.commands.session import Choices
from ops.console import Console
from ops.engine import state
from ops.engine.environment import Backend
from ops.engine.finding import Engine
from ops.engine.operations import opened
from ops.errors import EstateError
from ops.paths import Paths
from ops.people import session as people
from ops.platforms.hetzner import Hetzner
from ops.platforms.registry import platform_of
from ops.platforms.sandbox import Sandbox
from tests.support.hetzner_samples import NODE

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


def hetzner(paths: Paths) -> Hetzner:
    """The stack's driver."""
    found = platform_of(paths, stack_file.read(paths, "dev"))
    assert isinstance(found, Hetzner)
    return found


def test_keys_under_the_estates_own_folder_are_made_once(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    hetzner(paths).ensure_keys(Console())
    made = {path: path.read_bytes() for path in (paths.own / "dev").rglob("*") if path.is_file()}
    said = capsys.readouterr().err
    hetzner(paths).ensure_keys(Console())

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

    with pytest.raises(
        EstateError, match=r"operator 'ada': .*/keys/ada\.asc can't be read; expected an armored PGP public key"
    ):
        hetzner(paths).ensure_keys(Console())

    assert not (paths.project / "keys").exists()
    assert not (paths.project / "admin.crt").exists()


def test_an_operators_key_has_its_own_folder(paths: Paths) -> None:
    write(paths.project, {**OWN, "operators": [{"name": "dev", "pgp_key": ".estate/dev/key.asc"}]})

    with pytest.raises(EstateError, match=r"pgp_key is '\.estate/dev/key\.asc'; expected public\.asc in its folder"):
        hetzner(paths).ensure_keys(Console())


def test_a_sandbox_up_says_why_no_machine_boots(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.sandbox.services.machines.why_not", lambda: "there are no loop devices")

    with pytest.raises(EstateError) as caught:
        lifecycle.up(paths, "dev", Console(), Choices(sandbox=True))

    assert str(caught.value) == (
        "--sandbox: no machine can boot here: there are no loop devices; "
        "expected root on a Linux that may boot containers"
    )
    assert sorted(path.name for path in paths.own.iterdir()) == ["lock"]


def test_a_cloud_stack_needs_both_plugins_and_a_token(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ops.commands.session.finding.find", lambda _: Engine(executable=Path("/p"), version="3", source="x")
    )
    monkeypatch.setattr(session, "lacking_plugins", lambda *_: [])
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)

    assert hetzner(paths).packages == ("hcloud", "vault")
    with (
        pytest.raises(EstateError, match="up of a cloud stack: the cloud's credentials are missing"),
        session.opened(hetzner(paths), Console(), "up", Choices()),
    ):
        pass


def test_a_copy_for_fake_providers_needs_no_ones_secrets(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paths.project, OWN, **{"vault-estate:other": {"secure": "v1:abc"}, "vault-estate:flat": "x"})
    whole = yaml.safe_load((paths.project / "Pulumi.dev.yaml").read_text())
    (paths.project / "Pulumi.dev.yaml").write_text(yaml.safe_dump({**whole, "encryptionsalt": "v1:salt"}))
    monkeypatch.setattr("ops.engine.operations.automation.create_or_select_stack", lambda *_, **__: SimpleNamespace())
    copies = paths.own / "stacks"

    with opened(
        name="dev",
        project=paths.project,
        engine=Engine(executable=Path("pulumi"), version="3.259.0", source="PATH"),
        variables={},
        copies=copies,
        invented_secrets=["database-password"],
        inline=lambda: None,
    ):
        copied = yaml.safe_load((copies / "Pulumi.dev.yaml").read_text())

    assert "encryptionsalt" not in copied
    assert set(copied["config"]) == {"vault-estate:estate", "vault-estate:flat", "vault-estate:database-password"}
    assert isinstance(copied["config"]["vault-estate:database-password"], str)


def test_state_is_the_users_own_and_fake_providers_never_see_it(paths: Paths) -> None:
    found = hetzner(paths)

    assert found.backend == Backend()
    assert found.fake_cloud is not None
    assert found.fake_cloud.backend == Backend(
        state=paths.own / "previews/dev/state", passphrase_file=paths.own / "previews/dev/passphrase"
    )
    inside = platform_of(paths, found.file, sandbox=True)
    assert isinstance(inside, Sandbox)
    assert inside.backend == Backend(
        state=paths.own / "sandbox/dev/state", passphrase_file=paths.own / "sandbox/dev/passphrase"
    )


def test_the_administrator_logs_in_with_the_files_of_the_settings(paths: Paths) -> None:
    endpoint = hetzner(paths).endpoint("https://198.51.100.7:8200")

    own = paths.own / "dev"
    assert endpoint.login.files == (str(own / "administrator.crt"), str(own / "administrator.key"))
    assert (endpoint.login.role, endpoint.login.mount) == ("administrator", "cert")


@pytest.mark.parametrize("sandbox", [False, True])
def test_a_stack_that_exports_no_address_was_not_built(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, sandbox: bool
) -> None:
    monkeypatch.setattr(state, "read_outputs", lambda *_: {})
    command = "./estate up dev --sandbox" if sandbox else "./estate up dev"

    with pytest.raises(EstateError) as caught:
        platform_of(paths, stack_file.read(paths, "dev"), sandbox=sandbox).find_endpoint(Console())

    assert str(caught.value) == f"stack 'dev' exports no address; expected one that was built: {command}"


def test_a_persons_login_to_the_sandbox_is_none_to_the_stack(paths: Paths) -> None:
    """Both have the same address: a token of one would be sent to the other."""
    real, inside = (platform_of(paths, stack_file.read(paths, "dev"), sandbox=sandbox) for sandbox in (False, True))
    people.keep(real, people.KeptLogin(address="https://vault.example.com:8200", token="of-the-stack"))

    assert people.kept(inside) is None
    lifecycle.down(paths, "dev", Console(), Choices(sandbox=True))
    assert people.kept(real) is not None


def test_a_sandbox_that_is_not_there(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert lifecycle.status(paths, "dev", Console(), sandbox=True).document == {
        "servers": {},
        "machines": [],
        "address": None,
        "health": {},
        "vault": None,
        "warnings": [],
        "ends": [],
        "drill_age_seconds": None,
    }
    assert lifecycle.down(paths, "dev", Console(), Choices(sandbox=True)).counts == {}
    assert capsys.readouterr().err == "dev has no sandbox here\n"
    inside = platform_of(paths, stack_file.read(paths, "dev"), sandbox=True)
    with pytest.raises(EstateError) as caught:
        inside.variables()
    assert str(caught.value) == "stack 'dev' has no sandbox here; expected one: ./estate up dev --sandbox"
