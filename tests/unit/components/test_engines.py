"""KV and PostgreSQL: exact resources, and what each refuses. Transit and PKI have files of their own."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.render.sql import Access, creation_statements, revocation_statements
from components.vault.database import (
    Database,
    DatabaseConnection,
    DatabaseRole,
    DatabaseStaticRole,
    PostgresEngine,
    PostgresEngineArgs,
)
from components.vault.kv import KvMount, KvMountArgs, KvOptions
from components.vault.transit import Transit, TransitEngine, TransitEngineArgs
from tests.support.contents import CANARY
from tests.support.declare import Secret, declare, secret_paths
from tests.unit.components.graph import below, graph

URL = "postgresql://{{username}}:{{password}}@db.internal:5432/app?sslmode=verify-full"
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
                "description": "",
            },
        ),
        "app-settings": (
            "vault:kv/secretBackendV2:SecretBackendV2",
            {"mount": "secret", "maxVersions": 10, "deleteVersionAfter": 0, "casRequired": False},
        ),
    }


def test_kv_with_everything() -> None:
    options = KvOptions(description="x", max_versions=3, delete_version_after=86400, cas_required=True)
    args = KvMountArgs(path="team/kv", options=options)

    assert graph(lambda: KvMount("app", args)) == {
        "app-mount": (MOUNT, {"path": "team/kv", "type": "kv", "options": {"version": "2"}, "description": "x"}),
        "app-settings": (
            "vault:kv/secretBackendV2:SecretBackendV2",
            {"mount": "team/kv", "maxVersions": 3, "deleteVersionAfter": 86400, "casRequired": True},
        ),
    }


def connection(**changes: Any) -> DatabaseConnection:
    return DatabaseConnection(**{"host": "db.internal", "database": "app", "username": "vault", **changes})


def args(**changes: Any) -> PostgresEngineArgs:
    """One connection by default, and the same first password for each there is."""
    database = Database(**{"connections": {"main": connection()}, **changes})
    return PostgresEngineArgs(database=database, passwords=dict.fromkeys(database.connections, CANARY))


def engine() -> None:
    given = args(
        connections={"main": connection(), "other": connection(username="other", rotate_root=False)},
        roles={
            "app-readonly": DatabaseRole(connection="main", access="readonly"),
            "app-readwrite": DatabaseRole(connection="main", access="readwrite", schema_name="app", ttl=61, max_ttl=62),
            "other-readonly": DatabaseRole(connection="other", access="readonly"),
        },
        static_roles={"legacy": DatabaseStaticRole(connection="main", username="legacy_user", rotation_period=3600)},
    )
    PostgresEngine("db", given)


def connection_inputs(name: str, roles: list[str], username: str = "vault") -> dict[str, Any]:
    return {
        "backend": "database",
        "name": name,
        "pluginName": "postgresql-database-plugin",
        "allowedRoles": roles,
        "verifyConnection": True,
        "postgresql": {
            "connectionUrl": URL,
            "username": username,
            "passwordWo": Secret(CANARY),
            "passwordWoVersion": 1,
            "maxOpenConnections": 4,
        },
    }


def role_inputs(
    name: str, connection: str, access: Access, schema: str, *, ttl: int = 3600, max_ttl: int = 21600
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
        "db-connection-other": (CONNECTION, connection_inputs("other", ["other-readonly"], "other")),
        "db-role-app-readonly": (
            ROLE,
            role_inputs("app-readonly", "main", "readonly", "public"),
        ),
        "db-role-app-readwrite": (
            ROLE,
            role_inputs("app-readwrite", "main", "readwrite", "app", ttl=61, max_ttl=62),
        ),
        "db-role-other-readonly": (
            ROLE,
            role_inputs("other-readonly", "other", "readonly", "public"),
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
        host="10.0.0.7",
        port=6432,
        database="sales",
        ssl_mode="require",
        password_version=3,
        max_open_connections=9,
        password_policy="postgres",
    )

    declared = graph(lambda: PostgresEngine("db", args(path="sql/main", connections={"main": given})))

    assert declared["db-connection-main"][1] == {
        **connection_inputs("main", []),
        "backend": "sql/main",
        "passwordPolicy": "postgres",
        "postgresql": {
            "connectionUrl": "postgresql://{{username}}:{{password}}@10.0.0.7:6432/sales?sslmode=require",
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
    """The provider sends `password_wo` only with a new version, so a change of another field must not
    bring one.
    """

    def changed() -> None:
        PostgresEngine("db", args(connections={"main": connection(max_open_connections=8)}))

    before, after = graph(engine), graph(changed)

    assert before["db-connection-main"][1]["postgresql"]["passwordWoVersion"] == 1
    assert after["db-connection-main"][1]["postgresql"]["passwordWoVersion"] == 1
    assert "password" not in after["db-connection-main"][1]["postgresql"]
    assert after["db-root-rotation-main"] == before["db-root-rotation-main"]


def test_the_password_is_wrapped_even_when_it_comes_bare() -> None:
    declared = declare(engine)

    assert secret_paths(declared.named("db-connection-main")) == {"postgresql.passwordWo"}
    assert CANARY not in repr(args())


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


def test_a_password_that_is_known_only_later_is_taken() -> None:
    def later() -> PostgresEngine:
        passwords = {"main": pulumi.Output.from_input(CANARY)}
        return PostgresEngine("db", PostgresEngineArgs(database=args().database, passwords=passwords))

    assert graph(later) == graph(lambda: PostgresEngine("db", args()))


def test_each_engine_says_where_it_is_mounted() -> None:
    def program() -> None:
        crypto = Transit(path="crypto", keys={})
        pulumi.export("kv", KvMount("kv", KvMountArgs(path="secret")).mount_path)
        pulumi.export("database", PostgresEngine("db", args(path="sql")).mount_path)
        pulumi.export("transit", TransitEngine("t", TransitEngineArgs(transit=crypto)).mount_path)

    assert declare(program).exports == {"kv": "secret", "database": "sql", "transit": "crypto"}


def kv(path: str = "secret", **changes: Any) -> Callable[[], object]:
    return lambda: KvMountArgs(path=path, options=KvOptions(**changes))


def postgres(**changes: Any) -> Callable[[], object]:
    return lambda: args(**changes)


def dynamic(**changes: Any) -> DatabaseRole:
    return DatabaseRole(**{"connection": "main", "access": "readonly", **changes})


def static(**changes: Any) -> DatabaseStaticRole:
    return DatabaseStaticRole(**{"connection": "main", "username": "legacy", **changes})


PATH = "expected names joined by '/'"
RESERVED = "expected a path that doesn't begin with any of auth, cubbyhole, identity, sys"
BAD: list[tuple[Callable[[], object], str]] = [
    (kv(path=""), f"path is empty; {PATH}"),
    (kv(path="/secret"), f"path is '/secret'; {PATH}"),
    (kv(path="a b"), f"path is 'a b'; {PATH}"),
    (kv(path="secret/../sys"), f"path is 'secret/../sys'; {PATH}"),
    (kv(path="identity"), f"path is 'identity'; {RESERVED}"),
    (kv(path="cubbyhole/x"), f"path is 'cubbyhole/x'; {RESERVED}"),
    (kv(max_versions=0), "max_versions\n.*greater than or equal to 1"),
    (kv(max_versions=1001), "max_versions\n.*less than or equal to 1000"),
    (kv(delete_version_after=-1), "delete_version_after\n.*greater than or equal to 0"),
    (lambda: connection(max_open_connections=0), "max_open_connections\n.*greater than or equal to 1"),
    (lambda: connection(password_version=0), "password_version\n.*greater than or equal to 1"),
    (lambda: connection(ssl_mode="disable"), "ssl_mode is 'disable'; expected 'verify-full', since host is"),
    (lambda: dynamic(ttl=0), "ttl\n.*greater than 0"),
    (lambda: dynamic(max_ttl=-1), "max_ttl\n.*greater than 0"),
    (lambda: dynamic(ttl=2, max_ttl=1), "ttl is 2s; expected at most max_ttl, which is 1s"),
    (lambda: dynamic(schema_name='a"b'), "schema_name\n.*expected a schema's name: up to 63 letters"),
    (lambda: dynamic(schema_name="a" * 64), "schema_name\n.*expected a schema's name: up to 63 letters"),
    (lambda: static(rotation_period=59), "rotation_period\n.*greater than or equal to 60"),
    (lambda: static(username="a;b"), "username\n.*expected 1 to 128 letters"),
    (postgres(path="sys"), f"path\n.*{RESERVED}"),
    (postgres(connections={"a/b": connection()}), "connections.a/b.*\n.*expected 1 to 128 letters"),
    (
        postgres(connections={"A": connection(), "a": connection()}),
        "connections\n.*a is 'a'; expected a name that differs from 'A' by more than its case",
    ),
    (
        postgres(roles={"app": dynamic(connection="mian")}),
        "roles.app.connection is 'mian'; expected one of connections",
    ),
    (postgres(connections={}, roles={"app": dynamic()}), "expected one of connections: none is configured"),
    (
        postgres(connections={"b": connection(), "a": connection()}, roles={"app": dynamic()}),
        "expected one of connections: a, b",
    ),
    (
        postgres(static_roles={"app": static(connection="mian")}),
        "static_roles.app.connection is 'mian'; expected one of connections: main",
    ),
    (
        postgres(roles={"app": dynamic()}, static_roles={"App": static()}),
        "static_roles.App is 'App'; expected another name than roles.app has",
    ),
    (
        postgres(static_roles={"a": static(), "b": static()}),
        "static_roles.b.username is 'legacy'; expected another user than static_roles.a rotates",
    ),
    (
        postgres(connections={"a": connection(rotate_root=False), "b": connection(database="sales")}),
        "connections.b.username is 'vault'; expected another user than connections.a logs in as, since Vault replaces",
    ),
    (
        lambda: PostgresEngineArgs(database=args().database, passwords={}),
        "passwords.main is missing; expected the first password of database.connections.main",
    ),
    (
        lambda: PostgresEngineArgs(database=args().database, passwords={"main": CANARY, "mian": CANARY}),
        "passwords.mian is given; expected passwords of connections only",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make()

    assert CANARY not in str(raised.value)


def test_a_password_in_a_models_place_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"password\n.*not permitted") as raised:
        connection(password=CANARY)

    assert CANARY not in str(raised.value)


def test_the_ends_of_the_range_are_allowed() -> None:
    assert KvOptions(max_versions=1000).max_versions == 1000
    assert dynamic(ttl=60, max_ttl=60).max_ttl == 60
    assert static(rotation_period=60).rotation_period == 60
    assert connection(max_open_connections=1).max_open_connections == 1


def test_kv_takes_no_value() -> None:
    """A value here would live in Pulumi's state."""
    with pytest.raises(TypeError, match="data"):
        KvMountArgs(path="secret", data={"a": "b"})  # type: ignore[call-arg]  # what is tested


def test_an_ipv6_address_is_in_brackets() -> None:
    declared = graph(lambda: PostgresEngine("db", args(connections={"main": connection(host="fd00::7")})))
    inputs: Any = declared["db-connection-main"][1]
    assert "@[fd00::7]:5432/" in inputs["postgresql"]["connectionUrl"]
