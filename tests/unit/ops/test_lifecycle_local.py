"""The local platform as commands use it: found from settings, started, bootstrapped. The servers are fakes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.local.servers import LocalPlatform
from ops.paths import Paths
from ops.platforms import local as lifecycle_local
from ops.platforms.local import administering, claim, platform_of, start_local
from settings import Settings
from tests.unit.ops.fakes import SETTINGS, checkout


def _settings(paths: Paths) -> Settings:
    return stack_file.read(paths, "local").settings


def test_the_platform_is_where_the_settings_say(tmp_path: Path) -> None:
    paths = checkout(tmp_path, SETTINGS.replace("8200", "9200").replace("8201", "9201").replace("15432", "25432"))

    local = platform_of(paths, _settings(paths))

    assert local.address == "https://127.0.0.1:9200"
    assert (local.api_port, local.cluster_port, local.postgres_port) == (9200, 9201, 25432)
    assert local.directory == tmp_path / ".estate" / "local"


@pytest.mark.parametrize(
    ("name", "there"),
    [("certificate", ".estate/local/administrator.crt"), ("private_key", ".estate/local/administrator.key")],
)
def test_the_administrators_files_are_where_the_platform_makes_them(tmp_path: Path, name: str, there: str) -> None:
    paths = checkout(tmp_path, SETTINGS.replace(f"{name}: {there}", f"{name}: elsewhere"))

    with pytest.raises(EstateError) as caught:
        platform_of(paths, _settings(paths))

    assert str(caught.value) == (
        f"bootstrap.administrator.{name} is 'elsewhere'; expected {there!r} on the local platform"
    )


def test_administering_logs_in_with_the_platforms_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    @contextmanager
    def administrator(*arguments: object) -> Iterator[str]:
        asked.append(arguments)
        yield "a client"

    monkeypatch.setattr(lifecycle_local, "administrator", administrator)
    paths = checkout(tmp_path)

    with administering(paths, _settings(paths)) as client:
        assert str(client) == "a client"

    local = tmp_path / ".estate" / "local"
    assert asked == [
        (
            "https://127.0.0.1:8200",
            platform_of(paths, _settings(paths)).ca_file,
            local / "administrator.crt",
            local / "administrator.key",
        )
    ]


class Started:
    """What `start_local` asked of the platform, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fresh: bool) -> None:
        self.happened: list[str] = []
        self.bootstrap: dict[str, Any] = {}

        def bootstrap(local: LocalPlatform, **arguments: Any) -> bool:
            self.happened.append("bootstrap")
            self.bootstrap = arguments
            return fresh

        def databases(_: LocalPlatform, names: list[str]) -> None:
            self.happened.append(f"databases {names}")

        def operator(folder: Path) -> Path:
            self.happened.append(f"operator in {folder.name}")
            return folder / "public.asc"

        monkeypatch.setattr(LocalPlatform, "start", lambda _: self.happened.append("start"))
        monkeypatch.setattr(LocalPlatform, "ensure_databases", databases)
        monkeypatch.setattr(lifecycle_local, "bootstrap", bootstrap)
        monkeypatch.setattr(lifecycle_local, "ensure_operator", operator)


def test_servers_are_started_bootstrapped_and_given_their_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = Started(monkeypatch, fresh=True)
    paths = checkout(tmp_path)

    local = start_local(paths, _settings(paths), Console())

    assert local.directory == tmp_path / ".estate" / "local"
    assert started.happened == ["start", "operator in operator", "bootstrap", "databases ['estate']"]
    assert started.bootstrap["operators"] == [("local", tmp_path / ".estate/local/operator/public.asc")]
    assert started.bootstrap["threshold"] == 1
    assert 'path "' in started.bootstrap["policy"]
    assert started.bootstrap["told"] is not None
    assert capsys.readouterr().err.splitlines() == [
        "local servers: OpenBao on https://127.0.0.1:8200, PostgreSQL on 127.0.0.1:15432",
        "bootstrapped: shares in custody, administrator's login enabled, root token revoked and dead",
    ]


def test_nothing_is_said_of_a_bootstrap_that_was_done_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = Started(monkeypatch, fresh=False)
    paths = checkout(tmp_path)

    start_local(paths, _settings(paths), Console(as_json=True))

    assert "bootstrapped" not in capsys.readouterr().err
    assert started.bootstrap["told"] is None


OPERATORS = """      operators:
        - name: ada
          pgp_key: keys/ada.asc
        - name: bob
          pgp_key: keys/bob.asc
      threshold: 2
"""


def test_operators_bring_their_own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, fresh=True)
    begin, end = SETTINGS.index("      operators:"), SETTINGS.index("      administrator:")
    paths = checkout(tmp_path, SETTINGS[:begin] + OPERATORS + SETTINGS[end:])
    looked_at: list[object] = []
    monkeypatch.setattr(lifecycle_local, "read_public_key", lambda *key: looked_at.append(key))

    start_local(paths, _settings(paths), Console())

    assert looked_at == [("ada", tmp_path / "keys" / "ada.asc"), ("bob", tmp_path / "keys" / "bob.asc")]
    assert "operator in operator" not in started.happened
    assert started.bootstrap["operators"] == [
        ("ada", tmp_path / "keys" / "ada.asc"),
        ("bob", tmp_path / "keys" / "bob.asc"),
    ]
    assert started.bootstrap["threshold"] == 2


def test_a_key_that_is_none_stops_before_a_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, fresh=True)
    begin, end = SETTINGS.index("      operators:"), SETTINGS.index("      administrator:")
    paths = checkout(tmp_path, SETTINGS[:begin] + OPERATORS + SETTINGS[end:])
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ada.asc").write_text("no key")

    with pytest.raises(EstateError, match=r"^operator 'ada': .*ada.asc: not an armored PGP public key$"):
        start_local(paths, _settings(paths), Console())

    assert started.happened == []


def test_a_database_elsewhere_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, fresh=True)
    own = ".estate/local/postgres/initial-password"
    elsewhere = "          port: 15432\n          database: estate"
    paths = checkout(
        tmp_path, SETTINGS.replace(elsewhere, elsewhere.replace("15432", "5432")).replace(own, "postgres.key")
    )

    start_local(paths, _settings(paths), Console())

    assert started.happened[-1] == "databases []"


def test_the_local_servers_belong_to_one_stack(tmp_path: Path) -> None:
    paths = checkout(tmp_path)
    claim(paths, "local")
    claim(paths, "local")

    with pytest.raises(EstateError) as caught:
        claim(paths, "mine")

    assert str(caught.value) == (
        "the local servers here are stack 'local''s; expected that one, or another checkout for 'mine'"
    )
    assert (paths.own / "local-stack").read_text() == "local\n"


def test_a_server_version_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    paths = checkout(tmp_path, SETTINGS.replace("version: 2.7.2", "version: 2.6.0"))

    with pytest.raises(
        EstateError, match=r"^server.version is '2.6.0'; expected '2.7.2', which the local server comes in"
    ):
        start_local(paths, _settings(paths), Console(as_json=True))

    assert not paths.local.exists()
