"""What a killed run had begun: found in the state, compared with the server, imported. Server and state are fakes.

Kills of real runs are in `tests/engine`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hvac
import pulumi
import pytest

from ops.engine import recovery
from ops.engine.recovery import Begun
from tests.support.contents import everything
from tests.support.declare import declare

MOUNT = "vault:index/mount:Mount"
AUTH = "vault:index/authBackend:AuthBackend"
JWT = "vault:jwt/authBackend:AuthBackend"
AUDIT = "vault:index/audit:Audit"
ROLE = "vault:appRole/authBackendRole:AuthBackendRole"
ROOT_CERTIFICATE = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
REQUEST = "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest"


class FakeClient:
    """A client of a server that has these mounts (with their types), auth methods and authorities' issuers and keys."""

    def __init__(self, mounts: Mapping[str, str], auth: tuple[str, ...] = (), **below: list[str]) -> None:
        self._answers: dict[str, dict[str, Any] | None] = {
            "sys/mounts": {f"{path}/": {"type": kind} for path, kind in mounts.items()},
            "sys/auth": {f"{path}/": {"type": "any"} for path in auth},
        }
        self._answers["auth/whole/config"] = {"bound_issuer": "https://issuer.example"}
        self._answers["auth/approle/role/app"] = {"token_ttl": 0}
        self._lists = {path.replace("__", "/"): keys for path, keys in below.items()}
        self.deleted: list[str] = []

    def read(self, path: str) -> dict[str, Any] | None:
        answer = self._answers.get(path)
        return None if answer is None else {"data": answer}

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


LOST = Begun(
    mounts=frozenset({"secret"}),
    auth=frozenset({"approle", "jwt"}),
    jwt=frozenset({"jwt"}),
    audit=frozenset({"file"}),
    roles=frozenset({"auth/approle/role/app"}),
    authorities=frozenset({"pki"}),
)


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
        (AUDIT, {"path": "file", "type": "file"}, "file"),
        (AUDIT, {"path": "other", "type": "file"}, None),
        (ROLE, {"backend": "approle", "roleName": "app"}, "auth/approle/role/app"),
        (ROLE, {"roleName": "app"}, "auth/approle/role/app"),
        (ROLE, {"backend": "approle", "roleName": "other"}, None),
        ("vault:index/policy:Policy", {"path": "secret"}, None),
        (ROOT_CERTIFICATE, {"backend": "pki"}, None),
    ],
)
def test_what_is_imported_and_by_which_id(type_token: str, properties: dict[str, Any], identity: str | None) -> None:
    assert LOST.identity(type_token, properties) == identity


def test_authorities_that_were_under_way_are_emptied_and_no_other() -> None:
    client = _client({}, pki__issuers=["i1", "i2"], pki__keys=["k1"], other__issuers=["i3"])
    found = Begun(mounts=frozenset(), auth=frozenset(), authorities=frozenset({"pki", "empty"}))

    recovery.empty_authorities(client, found)

    assert client.deleted == ["pki/issuer/i1", "pki/issuer/i2", "pki/key/k1"]


def test_a_jwt_method_that_nobody_configured_is_removed_and_no_other() -> None:
    client = _client({}, ("whole", "half", "approle"))
    auth = frozenset({"whole", "half", "approle"})

    left = recovery.remove_halves(client, Begun(auth=auth, jwt=frozenset({"whole", "half"})))

    assert client.deleted == ["sys/auth/half"]
    assert left.auth == {"whole", "approle"}


def test_roles_are_imported_where_the_server_has_them() -> None:
    begun = Begun(roles=frozenset({"auth/approle/role/app", "auth/approle/role/never"}))

    assert recovery.existing(_client({}), begun).roles == {"auth/approle/role/app"}


def test_whether_the_state_knows_a_database() -> None:
    connection = {"type": "vault:database/secretBackendConnection:SecretBackendConnection"}

    assert recovery.knows_database(_state({"type": MOUNT}, connection))
    assert not recovery.knows_database(_state({"type": MOUNT}))
    assert not recovery.knows_database({})
    assert not recovery.knows_database({"resources": None})


def _transform(monkeypatch: pytest.MonkeyPatch, found: Begun) -> tuple[Any, list[str]]:
    """The transform that `importing` registers before the program, caught: mocks don't run transforms."""
    order: list[str] = []
    caught: list[Any] = []

    def register(transform: Any) -> None:
        order.append("registered")
        caught.append(transform)

    monkeypatch.setattr("ops.engine.recovery.register_resource_transform", register)
    recovery.importing(lambda: order.append("program"), found)()
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
    tokens = {*recovery._MOUNT_TYPES, *recovery._AUTH_TYPES, *recovery._AUDIT_TYPES, *recovery._AUTHORITY_TYPES}
    tokens |= {recovery._APPROLE_TYPE, recovery.CONNECTION_TYPE}

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
            creating(AUDIT, path="file", type="file"),
            creating(ROLE, backend="approle", roleName="app"),
            creating(root, backend="pki-new"),
            # One that is in use is made anew beside itself, and must not be emptied.
            creating(root, backend="pki-old"),
        ],
    }

    found = recovery.begun(deployment)

    assert found == recovery.Begun(
        mounts=frozenset({"secret"}),
        auth=frozenset({"approle", "ci"}),
        jwt=frozenset({"ci"}),
        audit=frozenset({"file"}),
        roles=frozenset({"auth/approle/role/app"}),
        authorities=frozenset({"pki-new"}),
    )
    assert recovery.begun({}) == recovery.Begun()


def test_only_what_the_server_has_is_imported() -> None:
    client = _client({"secret": "kv"}, ("ci",))
    begun = Begun(
        mounts=frozenset({"secret", "never"}), auth=frozenset({"approle", "ci"}), authorities=frozenset({"pki"})
    )

    found = recovery.existing(client, begun)

    assert found == Begun(mounts=frozenset({"secret"}), auth=frozenset({"ci"}), authorities=frozenset({"pki"}))
    assert found.importable == 2


def test_the_vault_of_a_first_up_is_known_by_its_readiness() -> None:
    ready = {"type": "pulumi-python:dynamic:Resource", "outputs": {"address": "https://vault.example.com:8200"}}

    assert recovery.address_in(_state({"type": MOUNT}, ready)) == "https://vault.example.com:8200"


class FakeStack:
    """A stack whose state is here."""

    def __init__(self, deployment: dict[str, Any] | None) -> None:
        self.name = "dev"
        self.document: dict[str, Any] = {"version": 3, "deployment": deployment}
        self.asked: list[str] = []
        self.workspace = SimpleNamespace(work_dir="/work", env_vars={}, pulumi_command=SimpleNamespace(run=self._run))

    def _run(self, arguments: list[str], _folder: str, _variables: object) -> SimpleNamespace:
        self.asked.append(arguments[1])
        assert arguments[-2:] == ["--stack", "dev"]
        if arguments[1] == "import":
            file = Path(arguments[3])
            assert file.stat().st_mode & 0o077 == 0
            self.document = json.loads(file.read_text())
        return SimpleNamespace(stdout=json.dumps(self.document))


def test_a_pending_operation_is_removed_and_nothing_else() -> None:
    stack = FakeStack({"resources": [{"urn": "a"}], "pending_operations": [{"type": "creating"}]})

    recovery.settle(stack)  # type: ignore[arg-type]  # a fake

    assert stack.document == {"version": 3, "deployment": {"resources": [{"urn": "a"}]}}
    assert stack.asked == ["export", "import"]


@pytest.mark.parametrize("deployment", [None, {}, {"resources": []}, {"pending_operations": []}])
def test_a_state_in_which_nothing_was_under_way_is_left_alone(deployment: dict[str, Any] | None) -> None:
    stack = FakeStack(deployment)

    recovery.settle(stack)  # type: ignore[arg-type]  # a fake

    assert stack.asked == ["export"]
