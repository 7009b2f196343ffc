"""The order of what a command does to a stack, and what it refuses before it does anything.

Engine, servers and access checks are fakes that write down when they were used; `tests/engine` and `tests/live` use
real ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import lifecycle
from ops.console import Console
from ops.engine import adoption
from ops.engine.finding import Engine
from ops.engine.operations import Changes
from ops.engine.session import Choices
from ops.errors import EstateError
from ops.paths import Paths
from ops.vault import endpoint as reaching
from ops.vault.access_checks import AccessChecks
from tests.unit.ops.fakes import SETTINGS, checkout, fake_program

PROTECTED = {"resources": [{"urn": "a", "protect": True}, {"urn": "b", "protect": False}, {"urn": "c"}]}


class World:
    """A checkout whose engine, servers and access checks are fakes; `happened` is the order they were used in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = checkout(folder)
        self.happened: list[str] = []
        self.deployment: Mapping[str, Any] = {}
        self.lost = adoption.Orphans(mounts=frozenset(), auth=frozenset(), authorities=frozenset())
        self.failing: str | None = None
        run = SimpleNamespace(
            deployment=lambda: self.deployment,
            operate=self._operate,
            forget=lambda: self.happened.append("forget"),
            stack=SimpleNamespace(outputs=lambda: {"address": SimpleNamespace(value="https://x")}),
        )
        self._run = run
        platform = SimpleNamespace(
            wipe=lambda: self.happened.append("wipe"),
            status=lambda: SimpleNamespace(openbao=SimpleNamespace(running=False)),
            address="https://127.0.0.1:8200",
            postgres=SimpleNamespace(reset_root_role=lambda: self.happened.append("reset the database's root")),
        )
        monkeypatch.setattr(lifecycle, "platform_of", lambda *_: platform)
        monkeypatch.setattr(lifecycle, "start_local", lambda *_: self.happened.append("start servers"))
        monkeypatch.setattr(lifecycle, "administering", self._administering)
        monkeypatch.setattr(reaching, "administering", self._administering)
        monkeypatch.setattr(lifecycle, "check_access", self._check_access)
        monkeypatch.setattr("ops.lifecycle.session.opened", self._opened)
        monkeypatch.setattr("ops.lifecycle.adoption.inventory", lambda _: adoption.BUILT_IN)
        monkeypatch.setattr("ops.lifecycle.adoption.orphans", self._orphans)
        monkeypatch.setattr(
            "ops.lifecycle.adoption.empty_authorities", lambda *_: self.happened.append("empty authorities")
        )

    @property
    def mark(self) -> adoption.Unfinished:
        return adoption.Unfinished(file=self.paths.own / "unfinished-local.json")

    def _operate(self, operation: str, _: object, *, wrap: object = None, replace: Sequence[str] = ()) -> Changes:
        how = f"{' that imports' if wrap else ''}{''.join(f' replacing {urn}' for urn in replace)}"
        self.happened.append(f"{operation}{how}{', marked' if self.mark.is_set else ''}")
        if self.failing == operation:
            raise EstateError(f"{operation} failed")
        return Changes(counts={"same": 1}, outputs={"address": "https://x"})

    @contextmanager
    def _administering(self, *_: object) -> Iterator[object]:
        self.happened.append("log in")
        yield "a client"

    @contextmanager
    def _opened(self, file: Any, paths: Paths, _: object, operation: str, __: object, **___: object) -> Iterator[Any]:
        self.happened.append(f"open for {operation}")
        (paths.state / ".pulumi").mkdir(parents=True, exist_ok=True)
        providers = SimpleNamespace(reason="a reason")
        yield SimpleNamespace(file=file, paths=paths, run=self._run, providers=providers)

    def _check_access(self, *_: object) -> AccessChecks:
        self.happened.append("check access")
        return AccessChecks(results=[])

    def _orphans(self, *_: object) -> adoption.Orphans:
        self.happened.append("look for orphans")
        return self.lost

    def up(self) -> lifecycle.Built:
        return lifecycle.up(self.paths, "local", Console(), Choices())

    def down(self) -> Changes:
        return lifecycle.down(self.paths, "local", Console(), Choices())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_up_starts_applies_and_checks_access(world: World) -> None:
    built = world.up()

    assert world.happened == ["open for up", "start servers", "log in", "up, marked", "log in", "check access"]
    assert (built.stack, built.changes.counts, built.adopted) == ("local", {"same": 1}, 0)
    assert (built.exports, built.providers, built.checks.passed) == ({"address": "https://x"}, "a reason", True)
    assert not world.mark.is_set


def test_an_up_that_failed_stays_marked(world: World) -> None:
    world.failing = "up"

    with pytest.raises(EstateError, match="up failed"):
        world.up()

    assert world.mark.before() == adoption.BUILT_IN
    assert "check access" not in world.happened


def test_the_next_up_adopts_what_the_killed_one_made(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.mark.file.parent.mkdir()
    world.mark.begin(adoption.BUILT_IN)
    world.lost = adoption.Orphans(mounts=frozenset({"secret"}), auth=frozenset({"jwt"}), authorities=frozenset())

    built = world.up()

    assert world.happened == [
        "open for up",
        "start servers",
        "log in",
        "look for orphans",
        "reset the database's root",
        "empty authorities",
        "up that imports, marked",
        "up, marked",
        "log in",
        "check access",
    ]
    assert built.adopted == 2
    assert not world.mark.is_set
    assert capsys.readouterr().err.splitlines() == [
        "an earlier run did not end: looking for what it made",
        "adopting 2 objects",
        "applying local",
    ]


def test_a_killed_run_that_made_nothing_needs_no_adoption(world: World) -> None:
    world.mark.file.parent.mkdir()
    world.mark.begin(adoption.BUILT_IN)
    world.deployment = {"resources": [{"type": "vault:database/secretBackendConnection:SecretBackendConnection"}]}

    assert world.up().adopted == 0

    assert "up that imports, marked" not in world.happened
    assert "reset the database's root" not in world.happened  # the state knows it: its password is Vault's own


def test_preview_touches_no_server(world: World) -> None:
    changes, reason = lifecycle.preview(world.paths, "local", Console(), Choices())

    assert (changes.counts, reason) == ({"same": 1}, "a reason")
    assert world.happened == ["open for preview", "preview"]


def test_replace_reaches_the_update_and_the_preview(world: World) -> None:
    urn = "urn:pulumi:local::vault-estate::vault:index/mount:Mount::kv-mount"
    world.deployment = {"resources": [{"urn": urn, "type": "vault:index/mount:Mount", "custom": True}]}
    choices = Choices(replace=("kv-mount",))

    lifecycle.preview(world.paths, "local", Console(), choices)
    lifecycle.up(world.paths, "local", Console(), choices)

    assert [step for step in world.happened if "replacing" in step] == [
        f"preview replacing {urn}",
        f"up replacing {urn}, marked",
    ]


def test_an_unknown_name_is_told_before_anything_changes(world: World) -> None:
    with pytest.raises(EstateError, match=r"^--replace kv: nothing of stack 'local' is built"):
        lifecycle.up(world.paths, "local", Console(), Choices(replace=("kv",)))

    assert not [step for step in world.happened if step.startswith("up")]
    assert not world.mark.is_set


def test_down_destroys_then_wipes_then_forgets(world: World) -> None:
    world.up()
    world.happened.clear()

    assert world.down().counts == {"same": 1}

    assert world.happened == ["open for down", "destroy, marked", "forget", "wipe"]
    assert sorted(path.name for path in world.paths.own.iterdir() if path.suffix != "" or path.is_dir()) == []
    assert not world.paths.state.exists()


def test_down_of_what_was_never_up_still_leaves_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.paths.make_own()
    (world.paths.own / "passphrase").write_text("x")

    assert world.down().counts == {}

    assert world.happened == ["wipe"]
    assert not (world.paths.own / "passphrase").exists()
    assert capsys.readouterr().err == "local has no state here\n"


def test_down_refuses_what_is_protected_before_it_touches_anything(world: World) -> None:
    world.up()
    world.deployment = PROTECTED
    world.happened.clear()

    with pytest.raises(EstateError) as caught:
        world.down()

    assert str(caught.value) == (
        "1 resources of local are protected; expected protect: false in Pulumi.local.yaml, brought about by an `up` of "
        "its own, before an estate is taken down"
    )
    assert world.happened == ["open for down"]
    assert world.paths.state.is_dir()
    assert not world.mark.is_set


def test_a_down_that_failed_is_found_by_the_next_up(world: World) -> None:
    world.up()
    world.failing = "destroy"

    with pytest.raises(EstateError, match="destroy failed"):
        world.down()

    assert world.mark.before() == adoption.BUILT_IN
    assert "wipe" not in world.happened
    assert world.paths.state.is_dir()


@pytest.mark.parametrize("command", ["up", "down"])
def test_another_stacks_servers_are_left_alone(world: World, command: str) -> None:
    (world.paths.make_own() / "local-stack").write_text("another\n")

    with pytest.raises(EstateError, match="the local servers here are stack 'another''s"):
        getattr(world, command)()

    assert world.happened == []


def test_status_looks_and_changes_nothing(world: World) -> None:
    found: tuple[Any, Any] = lifecycle.status(world.paths, "local")

    assert found[0].openbao.running is False
    assert found[1] == {"address": "https://127.0.0.1:8200", "unfinished": False, "vault": None}
    assert world.happened == []
    world.mark.file.parent.mkdir()
    world.mark.begin(adoption.BUILT_IN)
    assert lifecycle.status(world.paths, "local")[1]["unfinished"]


@pytest.mark.parametrize("command", ["up", "preview", "down"])
def test_a_wrong_file_stops_every_command_before_anything(world: World, command: str) -> None:
    checkout(world.paths.project, SETTINGS.replace("protect: false", "protect: 7"))

    with pytest.raises(EstateError, match=r"estate\.protect is 7; expected true or false"):
        getattr(lifecycle, command)(world.paths, "local", Console(), Choices())

    assert world.happened == []
    assert not world.paths.own.exists()


SECRET_IDS = {
    "nobody": (
        "nobody",
        "5m",
        "application 'nobody' is unknown; expected one of: bike-data-flow, dagster,",
    ),
    "no duration": (
        "aos",
        "soon",
        "--wrap-ttl is 'soon'; expected a duration such as 45s, 30m, 1h30m or 90d",
    ),
    "no time at all": ("aos", "0s", "--wrap-ttl is '0s'; expected at least one second"),
    "empty": ("aos", "", "--wrap-ttl is ''; expected a duration such as 45s, 30m, 1h30m or 90d"),
}


@pytest.mark.parametrize(("application", "wrap_ttl", "line"), SECRET_IDS.values(), ids=SECRET_IDS.keys())
def test_a_secret_id_that_cannot_be_issued(world: World, application: str, wrap_ttl: str, line: str) -> None:
    with pytest.raises(EstateError) as caught:
        lifecycle.secret_id(world.paths, "local", application, wrap_ttl, Console(), choices=Choices())

    assert str(caught.value).startswith(line)
    assert world.happened == []


def test_an_application_with_another_login_has_no_secret_id(world: World) -> None:
    other = SETTINGS.replace(
        "      aos:\n        login: { kind: approle, token_ttl: 1h, token_max_ttl: 4h }",
        "      aos:\n        login: { kind: jwt, audience: a, claims: { repository: org/aos } }",
    ).replace("    approle: {}\n", "    approle: {}\n    jwt: { bound_issuer: 'https://i', jwks_url: 'https://i/k' }\n")
    checkout(world.paths.project, other)

    with pytest.raises(EstateError) as caught:
        lifecycle.secret_id(world.paths, "local", "aos", "5m", Console(), choices=Choices())

    assert str(caught.value) == "application 'aos' logs in by another method; expected login.kind 'approle'"


def test_a_secret_id_is_asked_for_as_the_administrator(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(lifecycle, "issue_secret_id", lambda *arguments: asked.append(arguments))
    with pytest.raises(
        EstateError, match=r"^stack 'local' isn't built here; expected one that is: \./estate up local$"
    ):
        lifecycle.secret_id(world.paths, "local", "aos", "1h30m", Console(), choices=Choices())
    world.paths.local.mkdir(parents=True)
    (world.paths.local / "administrator.crt").touch()

    lifecycle.secret_id(world.paths, "local", "aos", "1h30m", Console(), choices=Choices())

    assert asked == [("a client", "approle", "aos", 5_400)]
    assert world.happened == ["log in"]


def test_plain_pulumi_is_shown_the_same_state(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = fake_program(world.paths.project / "bin" / "pulumi")
    engine = Engine(executable=executable, version="9.9.9", source="PATH")
    monkeypatch.setattr("ops.lifecycle.finding.find", lambda _: engine)
    monkeypatch.setenv("PATH", "/usr/bin")

    shown = lifecycle.variables(world.paths, "local", Console(), choices=Choices())

    own = world.paths.own
    assert shown == {
        "PULUMI_BACKEND_URL": f"file://{own / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(own / "passphrase"),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PATH": f"{own / 'shims'}:{executable.parent}:/usr/bin",
    }
