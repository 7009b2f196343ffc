"""What a command does to a stack, wherever it runs: the platform, the engine and Vault are fakes.

The order of a real run is proven in `tests/engine/test_local_stack.py` (from nothing to nothing), in
`tests/engine/test_interruptions.py` (killed, interrupted, doubled) and in `tests/machines` (a node).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import stack_file
from ops.commands import lifecycle, refreshing
from ops.commands.lifecycle import Install
from ops.commands.session import Choices
from ops.console import Console
from ops.engine.environment import Backend
from ops.engine.finding import Engine
from ops.engine.listening import Changes, Kept
from ops.errors import EstateError
from ops.platforms.driver import FakeCloud, PlatformDriver, Purpose, Status
from ops.vault import issued
from ops.vault.access_checks import AccessChecks
from ops.vault.endpoint import VaultEndpoint
from ops.vault.secret_ids import WrappedSecretId
from tests.unit.ops.fakes import SETTINGS, asked_of, checkout, fake_program
from vault_estate import manifest

ADDRESS = "https://vault.example.com:8200"
READY = {"urn": "r", "type": "pulumi-python:dynamic:Resource", "outputs": {"address": ADDRESS}}
MOUNT = {"urn": "urn:pulumi:local::vault-estate::m::kv-mount", "type": "vault:index/mount:Mount", "custom": True}


@dataclass(frozen=True, kw_only=True)
class FakePlatform(PlatformDriver):
    """A platform that writes down what it was asked for."""

    happened: list[str] = field(default_factory=list)
    packages = ("vault",)
    seal_kind = "static"
    authority_file = None
    why_unchecked = "out of reach"
    administrator_networks = ()

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:  # noqa: ARG002 - as the base has it
        self.happened.append(f"ready for {purpose}")
        yield self

    def start(self, deployment: Mapping[str, Any], console: Console) -> None:  # noqa: ARG002 - as the base has it
        self.happened.append("start")

    def remove(self) -> None:
        self.happened.append("remove")

    def status(self, console: Console) -> Status:  # noqa: ARG002 - as the base has it
        return Status(document={})

    def find_endpoint(self, console: Console) -> VaultEndpoint:  # noqa: ARG002 - as the base has it
        return self.endpoint(ADDRESS)


class Stack:
    """A stack on a fake platform, whose engine and Vault write into the same list."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = checkout(folder)
        self.platform = FakePlatform(paths=self.paths, file=stack_file.read(self.paths, "local"))
        self.happened = self.platform.happened
        self.deployment: Mapping[str, Any] = {}
        self.backend = Backend(state=folder)
        self.opened_with: list[Choices] = []
        self.fails_at = ""
        monkeypatch.setattr(lifecycle, "platform_of", lambda *_, **__: self.platform)
        monkeypatch.setattr("ops.commands.lifecycle.session.opened", self._opened)
        monkeypatch.setattr(lifecycle, "log_in", self._log_in)
        self.compared = refreshing.Comparison()
        monkeypatch.setattr(refreshing, "compare", lambda *_: self.compared)
        self.remembered = asked_of(monkeypatch, "ops.commands.refreshing.remember", None)

    @contextmanager
    def _opened(self, *asked: Any) -> Iterator[Any]:
        self.opened_with.append(asked[3])
        run = SimpleNamespace(
            deployment=lambda: self.deployment,
            operate=self._operate,
            forget=lambda: self.happened.append("forget"),
            stack="a stack",
        )
        yield SimpleNamespace(run=run, providers=SimpleNamespace(fakes=(), reason="a reason"), backend=self.backend)

    def _operate(
        self, operation: str, _: object, *, wrap: object = None, replace: Sequence[str] = (), refresh: bool = False
    ) -> Changes:
        how = [word for word, asked in (("importing", wrap), ("refreshing", refresh)) if asked]
        self.happened.append(" ".join([operation, *how, *replace]))
        if operation == self.fails_at:
            raise EstateError("failed as ordered")
        return Changes(counts={"same": 1}, outputs={"address": ADDRESS})

    @contextmanager
    def _log_in(self, endpoint: VaultEndpoint) -> Iterator[Any]:
        self.happened.append(f"log in to {endpoint.address}")
        yield SimpleNamespace(
            read=lambda path: {"data": {"secret/": {}} if path == "sys/mounts" else {}}, list=lambda _: None
        )

    def up(self, *replace: str) -> lifecycle.Built:
        return lifecycle.up(self.paths, "local", Console(), Choices(replace=replace))

    def down(self) -> Changes:
        return lifecycle.down(self.paths, "local", Console(), Choices())


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    return Stack(tmp_path, monkeypatch)


def test_up_readies_the_platform_starts_it_and_applies(stack: Stack) -> None:
    built = stack.up()

    assert stack.happened == ["ready for up", "start", "up"]
    assert str(built.checks.results[0].secret) == "not checked: out of reach"
    assert (built.stack, built.changes.counts, built.adopted) == ("local", {"same": 1}, 0)
    assert (built.exports, built.providers, built.checks.passed) == ({"address": ADDRESS}, "a reason", True)


def test_access_is_checked_where_the_platform_can_be_reached(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePlatform, "why_unchecked", "")
    checks = AccessChecks(results=[])
    asked = asked_of(monkeypatch, "ops.commands.lifecycle.check_access", checks)

    assert stack.up().checks is checks

    assert stack.happened[-1] == f"log in to {ADDRESS}"
    assert asked[0][1].address == ADDRESS


def test_what_a_killed_run_had_begun_is_imported_first(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = [{"type": "creating", "resource": {**MOUNT, "inputs": {"path": path}}} for path in ("secret", "never")]
    stack.deployment = {"resources": [READY], "pending_operations": begun}
    settled = asked_of(monkeypatch, "ops.commands.lifecycle.recovery.settle", None)

    assert stack.up().adopted == 1

    assert stack.happened[1:] == ["start", f"log in to {ADDRESS}", "up importing", "up"]
    assert settled == [("a stack",)]


def test_a_killed_run_that_began_no_vault_object_adopts_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"type": "hcloud:index/server:Server", "inputs": {}}
    stack.deployment = {"pending_operations": [{"type": "creating", "resource": elsewhere}]}
    settled = asked_of(monkeypatch, "ops.commands.lifecycle.recovery.settle", None)

    assert stack.up().adopted == 0

    assert stack.happened[1:] == ["start", "up"]
    assert settled == [("a stack",)]


def test_an_up_takes_over_what_a_down_that_did_not_end_has_left(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.fails_at = "destroy"
    with pytest.raises(EstateError, match="ordered"):
        stack.down()
    with pytest.raises(EstateError, match=r"the last `down` didn't end; expected \./estate up local without it first"):
        stack.up("policies-aos")

    stack.up()

    assert "the last `down` didn't end: what it left is taken over" in capsys.readouterr().err
    assert [choices.adopt for choices in stack.opened_with] == [False, True]
    assert not stack.paths.taking_down.exists()
    assert not stack.paths.taking_over.exists()

    stack.up()

    assert stack.opened_with[-1].adopt is False


def test_of_a_cloud_no_record_is_kept_that_a_down_began(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePlatform, "fake_cloud", FakeCloud(folder=stack.paths.own))

    stack.down()

    assert "destroy" in stack.happened
    assert not stack.paths.taking_down.exists()


def test_a_preview_refuses_fewer_servers_as_up_does(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def fewer(platform: object, deployment: object) -> None:
        del platform, deployment
        raise EstateError("fewer servers")

    monkeypatch.setattr("ops.commands.lifecycle.clusters.refuse_shrinking", fewer)
    for command in (stack.up, lambda: lifecycle.preview(stack.paths, "local", Console(), Choices())):
        with pytest.raises(EstateError, match="fewer servers"):
            command()


def test_replace_reaches_the_update_and_the_preview(stack: Stack) -> None:
    urn = "urn:pulumi:local::vault-estate::p::policies-aos"
    stack.deployment = {"resources": [{"urn": urn, "type": "vault:index/policy:Policy", "custom": True}]}

    lifecycle.preview(stack.paths, "local", Console(), Choices(replace=("policies-aos",)))
    stack.up("policies-aos")

    assert stack.happened == ["ready for preview", f"preview {urn}", "ready for up", "start", f"up {urn}"]


def test_a_server_that_the_state_does_not_describe_is_looked_at_first(stack: Stack) -> None:
    stack.compared = refreshing.Comparison(other=True, lost=["urn:request"])

    stack.up()

    assert stack.happened == ["ready for up", "start", "up refreshing urn:request"]
    assert stack.remembered[0][2:4] == ({"address": ADDRESS}, stack.compared)


def test_refresh_reaches_the_update_and_the_preview(stack: Stack) -> None:
    lifecycle.preview(stack.paths, "local", Console(), Choices(refresh=True))
    lifecycle.up(stack.paths, "local", Console(), Choices(refresh=True))

    assert stack.happened == ["ready for preview", "preview refreshing", "ready for up", "start", "up refreshing"]


def test_an_unknown_name_is_told_before_anything_starts(stack: Stack) -> None:
    with pytest.raises(EstateError, match=r"^--replace kv: nothing of stack 'local' is built"):
        stack.up("kv")

    assert stack.happened == ["ready for up"]


def test_down_destroys_forgets_and_removes(stack: Stack) -> None:
    assert stack.down().counts == {"same": 1}

    assert stack.happened == ["ready for down", "destroy", "forget", "remove"]


def test_down_tells_what_is_never_deleted_and_whose_deletion_waits(stack: Stack) -> None:
    bucket, keeps = "aws:s3/bucket:Bucket", {"custom": True, "retainOnDelete": True}
    key = {"urn": "k", "type": "aws:kms/key:Key", "custom": True, "id": "0123", "inputs": {"deletionWindowInDays": 30}}
    stack.deployment = {
        "resources": [
            {"urn": "a", "type": "estate:Component", "retainOnDelete": True},
            {"urn": "b", "type": bucket, "id": "snapshots", **keeps},
            {"urn": "c", "type": "aws:s3/bucketPolicy:BucketPolicy", "id": "58", **keeps},
            {"urn": "d", "type": "aws:iam/role:Role", "custom": True, "id": "goes"},
            {"urn": "e", "type": "kubernetes:core/v1:Namespace", "id": "vault", **keeps},
            {"urn": "f", "type": "kubernetes:core/v1:PersistentVolumeClaim", "id": "vault/data-vault-0", **keeps},
            key,
        ]
    }

    assert stack.down().kept == (
        Kept(kind=bucket, identity="snapshots"),
        Kept(kind="volume", identity="of claim vault/data-vault-0"),
        Kept(kind="aws:kms/key:Key", identity="0123", days=30),
    )


def test_a_state_of_the_users_own_is_not_forgotten(stack: Stack) -> None:
    stack.backend = Backend()
    stack.down()

    assert "forget" not in stack.happened


def test_down_of_what_was_never_up_only_removes(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FakePlatform, "nothing_to_destroy", lambda _: "nothing is here")

    assert stack.down().counts == {}

    assert stack.happened == ["ready for down", "remove"]
    assert capsys.readouterr().err == "nothing is here\n"


def test_down_refuses_what_is_protected_before_it_touches_anything(stack: Stack) -> None:
    stack.deployment = {"resources": [{"urn": "a", "protect": True}, {"urn": "b", "protect": False}, {"urn": "c"}]}

    with pytest.raises(EstateError) as caught:
        stack.down()

    assert str(caught.value) == (
        "1 resources of local are protected; expected protect: false in Pulumi.local.yaml, brought about by an `up` of "
        "its own, before an estate is taken down"
    )
    assert stack.happened == ["ready for down"]


@pytest.mark.parametrize("command", ["up", "preview", "down"])
def test_a_wrong_file_stops_every_command_before_anything(stack: Stack, command: str) -> None:
    checkout(stack.paths.project, SETTINGS.replace("protect: false", "protect: 7"))

    with pytest.raises(EstateError, match=r"estate\.protect is 7; expected true or false"):
        getattr(lifecycle, command)(stack.paths, "local", Console(), Choices())

    assert stack.happened == []
    assert not stack.paths.own.exists()


def test_this_machine_has_no_sandbox(stack: Stack) -> None:
    with pytest.raises(EstateError, match=r"^--sandbox: stack 'local' runs on this machine anyway; expected a cloud"):
        lifecycle.status(stack.paths, "local", Console(), sandbox=True)


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
def test_a_secret_id_that_cannot_be_issued(stack: Stack, application: str, wrap_ttl: str, line: str) -> None:
    with pytest.raises(EstateError) as caught:
        lifecycle.secret_id(stack.paths, "local", application, wrap_ttl, Console(), choices=Choices())

    assert str(caught.value).startswith(line)
    assert stack.happened == []


def test_an_application_with_another_login_has_no_secret_id(stack: Stack) -> None:
    other = SETTINGS.replace(
        "    pki:\n",
        "    applications: { aos: { login: { kind: jwt, audience: a, claims: { repository: org/aos } } } }\n"
        "    people: { groups: [aos-owners], members: [ada] }\n"
        "    jwt: { bound_issuer: 'https://i', jwks_url: 'https://i/k' }\n    pki:\n",
    )
    checkout(stack.paths.project, other)

    with pytest.raises(EstateError) as caught:
        lifecycle.secret_id(stack.paths, "local", "aos", "5m", Console(), choices=Choices())

    assert str(caught.value) == "application 'aos' logs in by another method; expected login.kind 'approle'"


def test_who_rotates_has_a_secret_id_of_its_own(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EstateError) as caught:
        lifecycle.secret_id(stack.paths, "local", "aos", "5m", Console(), choices=Choices(), rotator=True)
    assert str(caught.value).endswith(
        "applications.aos.rotator is missing; expected a login, and an up with it, for --rotator"
    )

    base = stack.paths.project / "estate.base.yaml"
    text = base.read_text(encoding="utf-8")
    base.write_text(
        text.replace("    mount: agenticverz\n", "    mount: agenticverz\n    rotator: { kind: approle }\n")
    )
    asked = asked_of(monkeypatch, "ops.commands.lifecycle.issue_secret_id", None)
    _place_administrator(stack)
    lifecycle.secret_id(stack.paths, "local", "aos", "5m", Console(), choices=Choices(), rotator=True)
    assert [arguments[1:] for arguments in asked] == [("approle", "rotator-aos", 300)]
    assert list(issued.all_of(stack.paths, "local")) == ["rotator-aos"]


def test_with_that_goes_a_timer_which_rotates(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    base = stack.paths.project / "estate.base.yaml"
    login = "    rotator: { kind: approle, renews_secret_id: true }\n"
    mount = "    mount: agenticverz\n"
    base.write_text(base.read_text(encoding="utf-8").replace(mount, mount + login))
    made = WrappedSecretId(wrapping_token="t", accessor="", ttl_seconds=300, role_id="r1", creation_path="")
    asked_of(monkeypatch, "ops.commands.lifecycle.issue_secret_id", made)
    _place_administrator(stack)
    there = Install(folder=stack.paths.project / "there", user="aos")
    for _ in range(2):
        lifecycle.secret_id(
            stack.paths, "local", "aos", "5m", Console(), choices=Choices(), install=there, rotator=True
        )
    document = manifest.parse((there.folder / "vault-rotation-rotator-aos.json").read_text())
    assert (document.application, document.login.role) == ("aos", "rotator-aos")
    assert isinstance(document.login, manifest.ManifestAppRole)
    assert document.login.role_id == "r1"
    assert document.secrets["app-prod"].rotation is not None


def test_a_secret_id_is_asked_for_as_the_administrator(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(monkeypatch, "ops.commands.lifecycle.issue_secret_id", None)
    with pytest.raises(EstateError, match=r" is missing; expected it back, or a new pair: \./estate regain local --"):
        lifecycle.secret_id(stack.paths, "local", "aos", "1h30m", Console(), choices=Choices())
    _place_administrator(stack)

    lifecycle.secret_id(stack.paths, "local", "aos", "1h30m", Console(), choices=Choices())

    assert [arguments[1:] for arguments in asked] == [("approle", "aos", 5_400)]


def _place_administrator(stack: Stack) -> None:
    for file in stack.platform.endpoint(ADDRESS).login.files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()


def test_what_renews_it_is_written_with_the_wrapping_token(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "-".join(("wrapped", "for", "aos"))
    made = WrappedSecretId(wrapping_token=token, accessor="", ttl_seconds=300, role_id="r1", creation_path="")
    asked_of(monkeypatch, "ops.commands.lifecycle.issue_secret_id", made)
    _place_administrator(stack)
    folder = stack.paths.project / "there"
    for application in ("aos", "dagster"):
        issued.note(stack.paths, "local", application, 60)

    lifecycle.secret_id(
        stack.paths, "local", "aos", "5m", Console(), choices=Choices(), install=Install(folder=folder, user="aos")
    )

    assert (folder / "wrapping-token").read_text() == token
    assert json.loads((folder / "vault-renewal-aos.json").read_text())["role_id"] == "r1"
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert [file.name for file in folder.iterdir() if token in file.read_text()] == ["wrapping-token"]
    assert list(issued.all_of(stack.paths, "local")) == ["dagster"], "nobody has to think of the other"

    there, choices = Install(folder=stack.paths.project / "other", user="dagster"), Choices(sandbox=True)
    lifecycle.secret_id(stack.paths, "local", "dagster", "5m", Console(), choices=choices, install=there)

    assert list(issued.all_of(stack.paths, "local")) == ["dagster"], "a sandbox is another stack"


def test_what_may_not_renew_isnt_installed(stack: Stack) -> None:
    there = Install(folder=stack.paths.project / "there", user="greenlang")
    with pytest.raises(EstateError) as caught:
        lifecycle.secret_id(stack.paths, "local", "greenlang-api", "5m", Console(), choices=Choices(), install=there)

    assert str(caught.value) == (
        "estate.base.yaml: vault-estate:estate.applications.greenlang-api.login.renews_secret_id is false; expected "
        "true, and an up with it, for --install"
    )
    assert not there.folder.exists()


def test_a_folder_that_cant_be_written_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    made = WrappedSecretId(wrapping_token="t", accessor="", ttl_seconds=300, role_id="r1", creation_path="")
    asked = asked_of(monkeypatch, "ops.commands.lifecycle.issue_secret_id", made)
    _place_administrator(stack)
    (stack.paths.project / "file").touch()
    (stack.paths.project / "home").mkdir()
    (stack.paths.project / "home").chmod(0o755)
    (stack.paths.project / "home" / "notes").touch()
    for name, words in (
        ("file", r"/file', Not a directory; expected a folder that can be written$"),
        ("file/below", r"/file/below', Not a directory; expected a folder that can be written$"),
        ("home", r"/home', which holds notes; expected a folder of its own$"),
    ):
        there = Install(folder=stack.paths.project / name, user="aos")
        with pytest.raises(EstateError, match=f"^--install is '.*{words}"):
            lifecycle.secret_id(stack.paths, "local", "aos", "5m", Console(), choices=Choices(), install=there)
    assert asked == [], "what is issued can be lost"
    assert (stack.paths.project / "home").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("user", ["", "Root", "a b", "-x", "a;b", "a" * 33])
def test_a_user_that_is_none_is_refused(user: str) -> None:
    with pytest.raises(EstateError, match=r"^--user is .*; expected the name of a user of the application's machine$"):
        Install(folder=Path(), user=user)


def test_plain_pulumi_is_shown_the_same_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = checkout(tmp_path)
    executable = fake_program(tmp_path / "bin" / "pulumi")
    engine = Engine(executable=executable, version="9.9.9", source="PATH")
    monkeypatch.setattr("ops.commands.lifecycle.finding.find", lambda _: engine)
    monkeypatch.setenv("PATH", "/usr/bin")

    shown = lifecycle.variables(paths, "local", Console(), choices=Choices())

    own = paths.own
    assert shown == {
        "PULUMI_BACKEND_URL": f"file://{own / 'state'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(own / "passphrase"),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PATH": f"{own / 'shims'}:{executable.parent}:/usr/bin",
    }
