"""What a killed run left behind: the mark, the comparison with the state, the import. Server and state are fakes.

Kills of real runs are in `tests/engine`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hvac
import pulumi
import pytest

from ops.engine import adoption
from ops.engine.adoption import BUILT_IN, Inventory, Orphans, Unfinished, orphans
from tests.support.contents import everything
from tests.support.declare import declare

MOUNT = "vault:index/mount:Mount"
AUTH = "vault:index/authBackend:AuthBackend"
JWT = "vault:jwt/authBackend:AuthBackend"
ROOT_CERTIFICATE = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
REQUEST = "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest"


class FakeClient:
    """A client of a server that has these mounts (with their types), auth methods and authorities' issuers and keys."""

    def __init__(self, mounts: Mapping[str, str], auth: tuple[str, ...] = (), **below: list[str]) -> None:
        self._answers: dict[str, dict[str, Any] | None] = {
            "sys/mounts": {f"{path}/": {"type": kind} for path, kind in mounts.items()},
            "sys/auth": {f"{path}/": {"type": "any"} for path in auth},
        }
        self._lists = {path.replace("__", "/"): keys for path, keys in below.items()}
        self.deleted: list[str] = []

    def read(self, path: str) -> dict[str, Any]:
        return {"data": self._answers[path]}

    def list(self, path: str) -> dict[str, Any] | None:
        return {"data": {"keys": self._lists[path]}} if path in self._lists else None

    def delete(self, path: str) -> None:
        self.deleted.append(path)


def _client(mounts: Mapping[str, str], auth: tuple[str, ...] = (), **below: list[str]) -> Any:
    return FakeClient(
        {"sys": "system", "identity": "identity", "cubbyhole": "cubbyhole", **mounts}, ("cert", "token", *auth), **below
    )


def _state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resources": list(resources)}


def test_an_inventory_is_what_the_server_has_without_slashes() -> None:
    assert adoption.inventory(_client({"secret": "kv", "team/kv": "kv"}, ("approle",))) == {
        "mounts": ("cubbyhole", "identity", "secret", "sys", "team/kv"),
        "auth": ("approle", "cert", "token"),
    }
    assert adoption.inventory(_client({})) == BUILT_IN


def test_nothing_is_lost_when_the_state_knows_everything() -> None:
    client = _client({"secret": "kv", "pki": "pki"}, ("approle", "jwt"))
    state = _state(
        {"type": MOUNT, "id": "secret"},
        {"type": MOUNT, "id": "pki"},
        {"type": AUTH, "id": "approle"},
        {"type": JWT, "id": "jwt"},
        {"type": ROOT_CERTIFICATE, "id": "x", "inputs": {"backend": "pki"}},
    )

    found = orphans(client, BUILT_IN, state)

    assert found == Orphans(mounts=frozenset(), auth=frozenset(), authorities=frozenset())
    assert len(found) == 0


def test_what_came_since_and_is_in_no_state_is_lost() -> None:
    client = _client({"secret": "kv", "transit": "transit", "pki": "pki"}, ("approle", "userpass"))
    state = _state({"type": MOUNT, "id": "secret"}, {"type": AUTH, "id": "approle"}, {"type": "pulumi:pulumi:Stack"})

    found = orphans(client, BUILT_IN, state)

    assert found == Orphans(
        mounts=frozenset({"transit", "pki"}), auth=frozenset({"userpass"}), authorities=frozenset({"pki"})
    )
    assert len(found) == 3


def test_what_was_there_before_the_killed_run_is_not_ours() -> None:
    before: Inventory = {"mounts": (*BUILT_IN["mounts"], "theirs", "their-pki"), "auth": (*BUILT_IN["auth"], "ldap")}
    client = _client({"theirs": "kv", "their-pki": "pki", "ours": "kv"}, ("ldap", "approle"))

    found = orphans(client, before, {})

    assert found == Orphans(mounts=frozenset({"ours"}), auth=frozenset({"approle"}), authorities=frozenset())


def test_an_authority_of_which_the_state_knows_the_request_only_is_known() -> None:
    client = _client({"pki_int": "pki"})
    state = _state({"type": MOUNT, "id": "pki_int"}, {"type": REQUEST, "id": "x", "inputs": {"backend": "pki_int"}})

    assert orphans(client, BUILT_IN, state).authorities == frozenset()


def test_a_mount_and_an_auth_method_of_one_name_are_two_things() -> None:
    client = _client({"app": "kv"}, ("app",))

    assert orphans(client, BUILT_IN, _state({"type": MOUNT, "id": "app"})) == Orphans(
        mounts=frozenset(), auth=frozenset({"app"}), authorities=frozenset()
    )


LOST = Orphans(mounts=frozenset({"secret"}), auth=frozenset({"approle", "jwt"}), authorities=frozenset({"pki"}))


@pytest.mark.parametrize(
    ("type_token", "properties", "identity"),
    [
        (MOUNT, {"path": "secret"}, "secret"),
        (MOUNT, {"path": "approle"}, None),
        (MOUNT, {"path": "other"}, None),
        (MOUNT, {}, None),
        (AUTH, {"path": "approle", "type": "approle"}, "approle"),
        (AUTH, {"type": "approle"}, "approle"),
        (AUTH, {"path": "other", "type": "approle"}, None),
        (JWT, {"path": "jwt"}, "jwt"),
        ("vault:index/policy:Policy", {"path": "secret"}, None),
        (ROOT_CERTIFICATE, {"backend": "pki"}, None),
    ],
)
def test_what_is_imported_and_by_which_id(type_token: str, properties: dict[str, Any], identity: str | None) -> None:
    assert LOST.identity(type_token, properties) == identity


def test_authorities_nobody_knows_are_emptied_and_no_other() -> None:
    client = _client({}, pki__issuers=["i1", "i2"], pki__keys=["k1"], other__issuers=["i3"])
    found = Orphans(mounts=frozenset(), auth=frozenset(), authorities=frozenset({"pki", "empty", "other"}))

    adoption.empty_authorities(client, found, frozenset({"pki", "empty"}))

    assert client.deleted == ["pki/issuer/i1", "pki/issuer/i2", "pki/key/k1"]


def test_whether_the_state_knows_a_database() -> None:
    connection = {"type": "vault:database/secretBackendConnection:SecretBackendConnection"}

    assert adoption.knows_database(_state({"type": MOUNT}, connection))
    assert not adoption.knows_database(_state({"type": MOUNT}))
    assert not adoption.knows_database({})
    assert not adoption.knows_database({"resources": None})


FIRST: Inventory = {"mounts": ("secret", "sys"), "auth": ("token",)}
SECOND: Inventory = {"mounts": ("secret", "sys", "transit"), "auth": ("approle", "token")}


def test_the_mark_keeps_what_was_there_before(tmp_path: Path) -> None:
    mark = Unfinished(file=tmp_path / "unfinished-local.json")
    mark.begin(FIRST)

    assert mark.is_set
    assert mark.before() == FIRST
    assert [path.name for path in tmp_path.iterdir()] == ["unfinished-local.json"]


def test_the_first_of_several_killed_runs_counts(tmp_path: Path) -> None:
    mark = Unfinished(file=tmp_path / "mark.json")
    mark.begin(FIRST)
    mark.begin(SECOND)

    assert mark.before() == FIRST


def test_a_run_that_ended_leaves_no_mark(tmp_path: Path) -> None:
    Unfinished(file=tmp_path / "mark.json").begin(FIRST)
    Unfinished(file=tmp_path / "mark.json").end()
    Unfinished(file=tmp_path / "mark.json").end()

    mark = Unfinished(file=tmp_path / "mark.json")
    assert not mark.is_set
    mark.begin(SECOND)
    assert mark.before() == SECOND


def test_a_mark_half_written_is_none(tmp_path: Path) -> None:
    mark = Unfinished(file=tmp_path / "mark.json")
    (tmp_path / "mark.new").write_text('{"mounts": [')

    assert not mark.is_set
    mark.begin(FIRST)
    assert json.loads((tmp_path / "mark.json").read_text()) == {"mounts": ["secret", "sys"], "auth": ["token"]}


def _transform(monkeypatch: pytest.MonkeyPatch, found: Orphans) -> tuple[Any, list[str]]:
    """The transform that `importing` registers before the program, caught: mocks don't run transforms."""
    order: list[str] = []
    caught: list[Any] = []

    def register(transform: Any) -> None:
        order.append("registered")
        caught.append(transform)

    monkeypatch.setattr("ops.engine.adoption.register_resource_transform", register)
    adoption.importing(lambda: order.append("program"), found)()
    return caught[0], order


def _arguments(type_token: str, path: str, *, custom: bool = True) -> pulumi.ResourceTransformArgs:
    return pulumi.ResourceTransformArgs(
        custom=custom, type_=type_token, name="x", props={"path": path}, opts=pulumi.ResourceOptions(protect=True)
    )


def test_the_program_runs_with_the_lost_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    transform, order = _transform(monkeypatch, LOST)

    result = transform(_arguments(MOUNT, "secret"))

    assert order == ["registered", "program"]
    assert result.props == {"path": "secret"}
    assert (result.opts.import_, result.opts.ignore_changes, result.opts.protect) == ("secret", ["*"], True)


def test_everything_else_is_created_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    transform, _ = _transform(monkeypatch, LOST)

    assert transform(_arguments(MOUNT, "other")) is None
    assert transform(_arguments(MOUNT, "secret", custom=False)) is None


def test_the_types_are_the_providers_own() -> None:
    """A misspelt type would adopt nothing, and no fake would tell."""
    tokens = {*adoption._MOUNT_TYPES, *adoption._AUTH_TYPES, *adoption._AUTHORITY_TYPES, adoption._CONNECTION_TYPE}

    assert tokens <= {record.type for record in declare(everything).records}
    assert all(hasattr(hvac.Client, name) for name in ("read", "list", "delete"))


def test_what_was_under_way_is_begun() -> None:
    def creating(kind: str, **inputs: str) -> dict[str, Any]:
        return {"type": "creating", "resource": {"type": kind, "inputs": inputs}}

    root = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
    deployment = {
        "resources": [{"type": root, "inputs": {"backend": "pki-old"}}],
        "pending_operations": [
            creating("vault:index/mount:Mount", path="secret"),
            {**creating("vault:index/mount:Mount", path="going"), "type": "deleting"},
            creating("vault:index/authBackend:AuthBackend", type="approle"),
            creating("vault:jwt/authBackend:AuthBackend", path="ci"),
            creating("vault:index/policy:Policy", name="x"),
            creating(root, backend="pki-new"),
            # One that is in use is made anew beside itself, and must not be emptied.
            creating(root, backend="pki-old"),
        ],
    }

    found = adoption.begun(deployment)

    assert found == adoption.Orphans(
        mounts=frozenset({"secret"}), auth=frozenset({"approle", "ci"}), authorities=frozenset({"pki-new"})
    )
    assert adoption.begun({}) == adoption.Orphans(mounts=frozenset(), auth=frozenset(), authorities=frozenset())


def test_only_what_the_server_has_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "inventory", lambda _: {"mounts": ("secret",), "auth": ("ci", "token")})
    begun = adoption.Orphans(
        mounts=frozenset({"secret", "never"}), auth=frozenset({"approle", "ci"}), authorities=frozenset({"pki"})
    )

    found = adoption.there(None, begun)  # type: ignore[arg-type]  # asked of the fake above

    assert found == adoption.Orphans(
        mounts=frozenset({"secret"}), auth=frozenset({"ci"}), authorities=frozenset({"pki"})
    )
