"""The driver of this machine's servers: found from settings, claimed, started, bootstrapped. The servers are fakes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ops import stack_file
from ops.console import Console
from ops.engine import state
from ops.engine.environment import Backend
from ops.engine.state import StateRecord
from ops.errors import EstateError
from ops.local.servers import LocalServers
from ops.platforms import local
from ops.platforms.local import Local
from ops.platforms.registry import platform_of
from tests.unit.ops.fakes import SETTINGS, checkout


def platform(folder: Path, settings: str = SETTINGS) -> Local:
    paths = checkout(folder, settings)
    found = platform_of(paths, stack_file.read(paths, "local"), sandbox=True)
    assert isinstance(found, Local)
    return found


def test_the_servers_are_where_the_settings_say(tmp_path: Path) -> None:
    found = platform(tmp_path, SETTINGS.replace("8200", "9200").replace("8201", "9201").replace("15432", "25432"))

    servers = found.servers
    assert servers.address == "https://127.0.0.1:9200"
    assert (servers.api_port, servers.cluster_port, servers.postgres_port) == (9200, 9201, 25432)
    assert servers.directory == tmp_path / ".estate" / "local"
    assert (found.packages, found.credentials, found.seal_kind) == (("vault",), (), "static")
    assert found.fake_cloud is None


def test_state_and_login_are_the_checkouts_own(tmp_path: Path) -> None:
    found = platform(tmp_path)

    own = tmp_path / ".estate"
    assert found.backend == Backend(state=own / "state", passphrase_file=own / "passphrase")
    endpoint = found.find_endpoint(Console())
    assert (endpoint.address, endpoint.ca_file) == (found.servers.address, found.servers.ca_file)
    assert endpoint.login.files == (str(own / "local/administrator.crt"), str(own / "local/administrator.key"))


@pytest.mark.parametrize(
    ("name", "there"),
    [("certificate", ".estate/local/administrator.crt"), ("private_key", ".estate/local/administrator.key")],
)
def test_the_administrators_files_are_where_the_servers_make_them(tmp_path: Path, name: str, there: str) -> None:
    found = platform(tmp_path, SETTINGS.replace(f"{name}: {there}", f"{name}: elsewhere"))

    with pytest.raises(EstateError) as caught:
        found.find_endpoint(Console())

    assert str(caught.value) == (
        f"Pulumi.local.yaml: vault-estate:estate.bootstrap.administrator.{name} is 'elsewhere'; "
        f"expected {there!r} on the local platform"
    )


class Started:
    """What a start asked of the servers, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fresh: bool, held: tuple[str, ...] = ()) -> None:
        self.happened: list[str] = []
        self.bootstrap: dict[str, Any] = {}

        def bootstrap(_: LocalServers, **arguments: Any) -> bool:
            self.happened.append("bootstrap")
            self.bootstrap = arguments
            return fresh

        def databases(_: LocalServers, names: list[str]) -> None:
            self.happened.append(f"databases {names}")

        monkeypatch.setattr(LocalServers, "start", lambda _: self.happened.append("start"))
        monkeypatch.setattr(LocalServers, "ensure_databases", databases)
        monkeypatch.setattr("ops.local.postgres.Postgres.reset_root_role", lambda _: self.happened.append("reset root"))
        monkeypatch.setattr(Local, "held", lambda _: held)
        monkeypatch.setattr(local, "bootstrap", bootstrap)


def start(found: Local, deployment: Mapping[str, Any], console: Console) -> None:
    with found.ready("up", console):
        found.start(deployment, console)


def test_servers_are_started_bootstrapped_and_given_their_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = Started(monkeypatch, fresh=True)

    start(platform(tmp_path), {}, Console())

    assert started.happened == ["start", "bootstrap", "databases ['estate']", "reset root"]
    key = tmp_path / ".estate/local/operator/public.asc"
    assert key.is_file()
    assert started.bootstrap["operators"] == [("local", key)]
    assert started.bootstrap["threshold"] == 1
    assert 'path "' in started.bootstrap["policy"]
    assert started.bootstrap["told"] is not None
    assert capsys.readouterr().err.splitlines() == [
        "local servers: OpenBao on https://127.0.0.1:8200, PostgreSQL on 127.0.0.1:15432",
        "bootstrapped: key shares written, administrator's login enabled, root token revoked and dead",
    ]


def test_nothing_is_said_of_a_bootstrap_that_was_done_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = Started(monkeypatch, fresh=False)

    start(platform(tmp_path), {}, Console(as_json=True))

    assert "bootstrapped" not in capsys.readouterr().err
    assert started.bootstrap["told"] is None


def test_a_database_password_that_vault_replaced_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, fresh=False)
    details = {"connectionUrl": "postgresql://a:b@127.0.0.1:15432/estate", "username": "vault_root"}
    inputs = {"backend": "database", "name": "postgresql", "postgresql": details | {"passwordWoVersion": 1}}
    connection = {"type": "vault:database/secretBackendConnection:SecretBackendConnection", "inputs": inputs}

    start(platform(tmp_path), {"resources": [connection]}, Console())

    assert "reset root" not in started.happened
    inputs["name"] = "of-another-name"
    (tmp_path / ".estate" / "adopting").touch()
    start(platform(tmp_path), {"resources": [connection]}, Console())
    assert "reset root" not in started.happened
    (tmp_path / ".estate" / "adopting").unlink()
    start(platform(tmp_path), {"resources": [connection]}, Console())
    assert "reset root" in started.happened


def test_so_it_is_where_only_vault_knows_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost state."""
    started = Started(monkeypatch, fresh=False, held=("database/",))

    start(platform(tmp_path), {}, Console())

    assert "reset root" not in started.happened


OPERATORS = """      operators:
        - name: ada
          pgp_key: keys/ada.asc
        - name: bob
          pgp_key: keys/bob.asc
      threshold: 2
"""


def with_operators() -> str:
    begin, end = SETTINGS.index("      operators:"), SETTINGS.index("      administrator:")
    return SETTINGS[:begin] + OPERATORS + SETTINGS[end:]


def test_operators_bring_their_own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, fresh=True)
    monkeypatch.setattr("ops.keys.first_use.read_public_key", lambda *_: "a key")

    start(platform(tmp_path, with_operators()), {}, Console())

    assert started.bootstrap["operators"] == [
        ("ada", tmp_path / "keys" / "ada.asc"),
        ("bob", tmp_path / "keys" / "bob.asc"),
    ]
    assert started.bootstrap["threshold"] == 2


@pytest.mark.parametrize("purpose", ["up", "preview"])
def test_a_key_that_is_none_stops_before_a_server_starts(tmp_path: Path, purpose: Any) -> None:
    found = platform(tmp_path, with_operators())
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ada.asc").write_text("no key")

    with (
        pytest.raises(EstateError, match=r"^operator 'ada': .*ada.asc holds none; expected an armored PGP public key$"),
        found.ready(purpose, Console()),
    ):
        pass


@pytest.mark.parametrize("purpose", ["up", "preview"])
def test_a_server_version_that_is_not_installed_is_refused(tmp_path: Path, purpose: Any) -> None:
    found = platform(tmp_path, SETTINGS.replace("version: 2.7.2", "version: 2.6.0"))

    with (
        pytest.raises(
            EstateError,
            match=r"\.yaml: .*\.server\.version is '2\.6\.0'; expected '2.7.2', which the local server comes",
        ),
        found.ready(purpose, Console()),
    ):
        pass
    assert not found.paths.local.exists()


def test_a_database_elsewhere_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, fresh=True)
    own = ".estate/local/postgres/initial-password"
    elsewhere = "          port: 15432\n          database: estate"
    settings = SETTINGS.replace(elsewhere, elsewhere.replace("15432", "5432")).replace(own, "postgres.key")

    start(platform(tmp_path, settings), {}, Console())

    assert "databases []" in started.happened


@pytest.mark.parametrize("purpose", ["up", "down"])
def test_the_servers_belong_to_one_stack(tmp_path: Path, purpose: Any) -> None:
    with platform(tmp_path).ready("up", Console()):
        pass
    paths = checkout(tmp_path, SETTINGS, "mine")

    with (
        pytest.raises(EstateError) as caught,
        platform_of(paths, stack_file.read(paths, "mine")).ready(purpose, Console()),
    ):
        pass

    assert str(caught.value) == (
        "the local servers here are stack 'local''s; expected that one, or another checkout for 'mine'"
    )
    assert (paths.own / "local-stack").read_text() == "local\n"


def test_removing_leaves_nothing_but_what_others_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = platform(tmp_path)
    assert found.nothing_to_destroy() == "local has no state here"
    wiped: list[str] = []
    monkeypatch.setattr(LocalServers, "wipe", lambda servers: wiped.append(servers.address))
    for name in ("state/.pulumi", "stacks", "theirs"):
        (tmp_path / ".estate" / name).mkdir(parents=True)
    for name in ("passphrase", "local-stack"):
        (tmp_path / ".estate" / name).touch()
    assert found.nothing_to_destroy() == ""

    found.remove()
    found.remove()

    assert [path.name for path in (tmp_path / ".estate").iterdir()] == ["theirs"]
    assert wiped == [found.servers.address] * 2


@pytest.mark.parametrize("unfinished", [True, False])
def test_status_tells_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfinished: bool) -> None:
    record = StateRecord(outputs={}, is_unfinished=unfinished)
    monkeypatch.setattr(state, "read_record", lambda *_: record)
    monkeypatch.setattr("ops.local.postgres.Postgres.is_ready", lambda _: False)

    found = platform(tmp_path).status(Console())

    assert found.document["openbao"] == {"running": False, "pid": None, "port": 8200, "restarts": 0}
    assert (found.document["unfinished"], found.document["vault"]) == (unfinished, None)
    assert found.tables[0].rows == [
        ["OpenBao", "stopped", "8200", "https://127.0.0.1:8200"],
        ["PostgreSQL", "stopped", "15432", ""],
    ]
    assert found.sentence == f"OpenBao is stopped; {'an' if unfinished else 'no'} `up` is unfinished"
    assert found.trouble is None


def test_a_first_boot_that_was_killed_is_unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "read_record", lambda *_: None)
    monkeypatch.setattr("ops.local.postgres.Postgres.is_ready", lambda _: False)
    found = platform(tmp_path)
    assert found.status(Console()).document["unfinished"] is False
    (found.servers.openbao.home / "data").mkdir(parents=True)
    assert found.status(Console()).document["unfinished"] is True
    found.servers.custody.with_name("custody.json.complete").touch()
    assert found.status(Console()).document["unfinished"] is False


def test_a_stack_that_was_never_built_is_told_from_one_that_was(tmp_path: Path) -> None:
    found = platform(tmp_path)
    with pytest.raises(EstateError, match=r"isn't built here; expected one that is: \./estate up"):
        found.refuse_unbuilt()
    (found.servers.openbao.home / "data").mkdir(parents=True)
    found.refuse_unbuilt()


def test_a_restore_needs_the_key_of_the_seal(tmp_path: Path) -> None:
    found = platform(tmp_path)
    assert found.seal_keys
    assert found.seal_keys.current == tmp_path / ".estate/local/openbao/seal.key"

    with pytest.raises(EstateError, match=r"and with it the key of the seal; expected it: \./estate up local$"):
        found.start_for_restore()
