"""KV and PostgreSQL: exact resources, and what each refuses. Transit and PKI have files of their own."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.render.sql import Access, creation_statements, revocation_statements
from components.vault.database import (
    DynamicRole,
    PostgresConnection,
    PostgresEngine,
    PostgresEngineArgs,
    StaticRole,
)
from components.vault.kv import KvMount, KvMountArgs
from components.vault.transit import TransitEngine, TransitEngineArgs
from tests.support.contents import CANARY, URL
from tests.support.declare import Secret, declare, secret_paths
from tests.unit.components.graph import below, graph

MOUNT = "vault:index/mount:Mount"
CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
ROLE = "vault:database/secretBackendRole:SecretBackendRole"
STATIC_ROLE = "vault:database/secretBackendStaticRole:SecretBackendStaticRole"
ENDPOINT = "vault:generic/endpoint:Endpoint"


def test_kv_by_default() -> None:
    assert graph(lambda: KvMount("app", KvMountArgs(path="secret"))) == {
        "app-mount": (
            MOUNT,
            {
                "path": "secret",
                "type": "kv",
                "options": {"version": "2"},
                "description": "Key/value secrets, versioned",
            },
        ),
        "app-settings": (
            "vault:kv/secretBackendV2:SecretBackendV2",
            {"mount": "secret", "maxVersions": 10, "deleteVersionAfter": 0, "casRequired": False},
        ),
    }


def test_kv_with_everything() -> None:
    args = KvMountArgs(
        path="team/kv", description="x", max_versions=3, delete_version_after_seconds=86400, cas_required=True
    )

    assert graph(lambda: KvMount("app", args)) == {
        "app-mount": (MOUNT, {"path": "team/kv", "type": "kv", "options": {"version": "2"}, "description": "x"}),
        "app-settings": (
            "vault:kv/secretBackendV2:SecretBackendV2",
            {"mount": "team/kv", "maxVersions": 3, "deleteVersionAfter": 86400, "casRequired": True},
        ),
    }


def connection(**changes: Any) -> PostgresConnection:
    return PostgresConnection(**{"connection_url": URL, "username": "vault", "password": CANARY, **changes})


def engine() -> None:
    args = PostgresEngineArgs(
        connections={"main": connection(), "other": connection(rotate_root=False)},
        roles={
            "app-readonly": DynamicRole(connection="main", access=Access.READONLY),
            "app-readwrite": DynamicRole(
                connection="main",
                access=Access.READWRITE,
                schema="app",
                default_ttl_seconds=61,
                max_ttl_seconds=62,
            ),
            "other-readonly": DynamicRole(connection="other", access=Access.READONLY),
        },
        static_roles={"legacy": StaticRole(connection="main", username="legacy_user", rotation_period_seconds=3600)},
    )
    PostgresEngine("db", args)


def connection_inputs(name: str, roles: list[str]) -> dict[str, Any]:
    return {
        "backend": "database",
        "name": name,
        "pluginName": "postgresql-database-plugin",
        "allowedRoles": roles,
        "verifyConnection": True,
        "postgresql": {
            "connectionUrl": URL,
            "username": "vault",
            "passwordWo": Secret(CANARY),
            "passwordWoVersion": 1,
            "maxOpenConnections": 4,
        },
    }


def role_inputs(
    name: str, connection: str, access: Access, schema: str, *, ttl: int = 3600, max_ttl: int = 14400
) -> dict[str, Any]:
    return {
        "backend": "database",
        "name": name,
        "dbName": connection,
        "creationStatements": list(creation_statements(access, schema)),
        "revocationStatements": list(revocation_statements()),
        "defaultTtl": ttl,
        "maxTtl": max_ttl,
    }


def test_postgres() -> None:
    assert graph(engine) == {
        "db-mount": (MOUNT, {"path": "database", "type": "database", "description": "Logins of PostgreSQL"}),
        "db-connection-main": (CONNECTION, connection_inputs("main", ["app-readonly", "app-readwrite", "legacy"])),
        "db-root-rotation-main": (
            ENDPOINT,
            {
                "path": "database/rotate-root/main",
                "dataJson": Secret('{"password_version": 1}'),
                "disableRead": True,
                "disableDelete": True,
                "ignoreAbsentFields": True,
            },
        ),
        "db-connection-other": (CONNECTION, connection_inputs("other", ["other-readonly"])),
        "db-role-app-readonly": (
            ROLE,
            role_inputs("app-readonly", "main", Access.READONLY, "public"),
        ),
        "db-role-app-readwrite": (
            ROLE,
            role_inputs("app-readwrite", "main", Access.READWRITE, "app", ttl=61, max_ttl=62),
        ),
        "db-role-other-readonly": (
            ROLE,
            role_inputs("other-readonly", "other", Access.READONLY, "public"),
        ),
        "db-static-role-legacy": (
            STATIC_ROLE,
            {
                "backend": "database",
                "name": "legacy",
                "dbName": "main",
                "username": "legacy_user",
                "rotationPeriod": 3600,
            },
        ),
    }


def test_a_connection_with_everything() -> None:
    given = connection(
        password_version=3, max_open_connections=9, verify=False, password_policy="postgres", rotate_root=True
    )

    declared = graph(lambda: PostgresEngine("db", PostgresEngineArgs(path="sql/main", connections={"main": given})))

    assert declared["db-connection-main"][1] == {
        **connection_inputs("main", []),
        "backend": "sql/main",
        "verifyConnection": False,
        "passwordPolicy": "postgres",
        "postgresql": {
            "connectionUrl": URL,
            "username": "vault",
            "passwordWo": Secret(CANARY),
            "passwordWoVersion": 3,
            "maxOpenConnections": 9,
        },
    }
    assert declared["db-root-rotation-main"][1]["path"] == "sql/main/rotate-root/main"
    # A password that is sent again is rotated again.
    assert declared["db-root-rotation-main"][1]["dataJson"] == Secret('{"password_version": 3}')


def test_a_rotated_root_password_is_not_undone() -> None:
    """Pitfall 19. The provider sends `password_wo` only with a new version, so a change of another field must not
    bring one.
    """

    def changed() -> None:
        PostgresEngine("db", PostgresEngineArgs(connections={"main": connection(max_open_connections=8)}))

    before, after = graph(engine), graph(changed)

    assert before["db-connection-main"][1]["postgresql"]["passwordWoVersion"] == 1
    assert after["db-connection-main"][1]["postgresql"]["passwordWoVersion"] == 1
    assert "password" not in after["db-connection-main"][1]["postgresql"]
    assert after["db-root-rotation-main"] == before["db-root-rotation-main"]


def test_the_password_is_wrapped_even_when_it_comes_bare() -> None:
    declared = declare(engine)

    assert secret_paths(declared.named("db-connection-main")) == {"postgresql.passwordWo"}
    assert CANARY not in repr(connection())


def test_roles_wait_for_the_rotation_that_would_cut_their_connection() -> None:
    declared = declare(engine)

    assert below(declared, "db-root-rotation-main") == {"db-connection-main"}
    for role in ("db-role-app-readonly", "db-role-app-readwrite", "db-static-role-legacy"):
        assert below(declared, role) == {"db-mount", "db-root-rotation-main"}
    assert below(declared, "db-role-other-readonly") == {"db-mount", "db-connection-other"}


def test_objects_that_end_a_lease_go_with_the_mount() -> None:
    """Found with the engine: connections were deleted first, and the server then refused to unmount open leases."""
    declared = declare(engine)
    mount = declared.named("db-mount")

    children = [record for record in declared.records if record.custom and record is not mount]
    assert {child.options.deleted_with for child in children} == {mount.urn}
    assert mount.options.deleted_with == ""


def test_a_url_that_is_known_only_later_is_taken() -> None:
    given = connection(connection_url=pulumi.Output.format("postgresql://{{{{username}}}}@{}", "host"))

    assert graph(lambda: PostgresEngine("db", PostgresEngineArgs(connections={"main": given})))["db-connection-main"][
        1
    ]["postgresql"]["connectionUrl"] == ("postgresql://{{username}}@host")


def test_each_engine_says_where_it_is_mounted() -> None:
    def program() -> None:
        pulumi.export("kv", KvMount("kv", KvMountArgs(path="secret")).mount_path)
        pulumi.export("database", PostgresEngine("db", PostgresEngineArgs(path="sql", connections={})).mount_path)
        pulumi.export("transit", TransitEngine("t", TransitEngineArgs(path="crypto", keys={})).mount_path)

    assert declare(program).exports == {"kv": "secret", "database": "sql", "transit": "crypto"}


def kv(**changes: Any) -> Callable[[], object]:
    return lambda: KvMountArgs(**{"path": "secret", **changes})


def postgres(**changes: Any) -> Callable[[], object]:
    return lambda: PostgresEngineArgs(**{"connections": {"main": connection()}, **changes})


def dynamic(**changes: Any) -> DynamicRole:
    return DynamicRole(**{"connection": "main", "access": Access.READONLY, **changes})


def static(**changes: Any) -> StaticRole:
    return StaticRole(**{"connection": "main", "username": "legacy", **changes})


BAD: list[tuple[Callable[[], object], str]] = [
    (kv(path=""), "path: '' isn't a mount path"),
    (kv(path="/secret"), "path: '/secret' isn't a mount path"),
    (kv(path="a b"), "path: 'a b' isn't a mount path"),
    (kv(path="secret/../sys"), "isn't a mount path"),
    (kv(path="identity"), "path: 'identity' begins with 'identity'"),
    (kv(path="cubbyhole/x"), "begins with 'cubbyhole'"),
    (kv(max_versions=0), "max_versions: 0 is out of range: expected between 1 and 100"),
    (kv(max_versions=101), "max_versions: 101"),
    (kv(delete_version_after_seconds=-1), "delete_version_after_seconds: -1"),
    (
        lambda: connection(connection_url="mysql://{{username}}:{{password}}@h"),
        "connection_url: expected postgresql://",
    ),
    (lambda: connection(connection_url="postgresql://h/d"), "connection_url: expected postgresql://"),
    (lambda: connection(max_open_connections=0), "max_open_connections: 0"),
    (lambda: connection(password_version=0), "password_version: 0"),
    (lambda: dynamic(default_ttl_seconds=0), "default_ttl_seconds: 0"),
    (lambda: dynamic(max_ttl_seconds=-1), "max_ttl_seconds: -1"),
    (
        lambda: dynamic(default_ttl_seconds=2, max_ttl_seconds=1),
        r"default_ttl_seconds: 2 is above max_ttl_seconds \(1\)",
    ),
    (lambda: dynamic(schema='a"b'), "schema: 'a\"b' isn't a plain identifier"),
    (lambda: static(rotation_period_seconds=59), "rotation_period_seconds: 59 is out of range: expected at least 60"),
    (lambda: static(username="a;b"), "username: 'a;b' isn't a name"),
    (postgres(path="sys"), "path: 'sys' begins with 'sys'"),
    (postgres(connections={"a/b": connection()}), "connections: 'a/b' isn't a name"),
    (
        postgres(roles={"app": dynamic(connection="mian")}),
        r"roles\[app\].connection: 'mian' isn't a connection: expected one of main",
    ),
    (postgres(connections={}, roles={"app": dynamic()}), "expected one of none$"),
    (
        postgres(connections={"b": connection(), "a": connection()}, roles={"app": dynamic()}),
        "expected one of a, b$",
    ),
    (
        postgres(static_roles={"app": static(connection="mian")}),
        r"static_roles\[app\].connection: 'mian' isn't a connection",
    ),
    (postgres(roles={"app": dynamic()}, static_roles={"app": static()}), r"static_roles\[app\]: is also in roles"),
    (
        postgres(static_roles={"a": static(), "b": static()}),
        r"static_roles\[b\].username: 'legacy' is also rotated by static_roles\[a\]",
    ),
    (postgres(roles={"": dynamic()}), "roles and static_roles: '' isn't a name"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make()

    assert "\n" not in str(raised.value)


def test_a_url_with_a_password_in_it_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="connection_url") as raised:
        connection(connection_url=f"postgresql://vault:{CANARY}@h/d")

    assert CANARY not in str(raised.value)


def test_the_ends_of_the_range_are_allowed() -> None:
    assert KvMountArgs(path="a", max_versions=100).max_versions == 100
    assert dynamic(default_ttl_seconds=60, max_ttl_seconds=60).max_ttl_seconds == 60
    assert static(rotation_period_seconds=60).rotation_period_seconds == 60
    assert connection(max_open_connections=1).max_open_connections == 1
    assert connection(connection_url=URL.replace("postgresql://", "postgres://")).verify


def test_a_static_password_is_replaced_daily_by_default() -> None:
    assert static().rotation_period_seconds == 86400


def test_kv_takes_no_value() -> None:
    """Pitfall 20: a value here would live in Pulumi's state."""
    with pytest.raises(TypeError, match="data"):
        KvMountArgs(path="secret", data={"a": "b"})  # type: ignore[call-arg]  # what is tested
