"""Checks that need more than one section: references, overlaps, one owner per secret, flavour."""

import pytest

from settings import parse
from tests.unit.settings.samples import FULL, MINIMAL, MISSING, changed, refusal

LOGIN = {"kind": "approle"}

UNKNOWN: list[tuple[str, object, str]] = [
    ("applications/app/mount", "other", "applications.app.mount names 'other'; expected one of kv: secret, team/kv"),
    (
        "applications/app/database_roles",
        ["nobody"],
        "applications.app.database_roles names 'nobody'; expected one of database.roles: app-legacy, app-read",
    ),
    (
        "applications/app/transit_keys",
        ["none"],
        "applications.app.transit_keys names 'none'; expected one of transit.keys: app-key",
    ),
    (
        "applications/app/pki_roles",
        ["none"],
        "applications.app.pki_roles names 'none'; expected one of pki.roles: app-cert",
    ),
    (
        "applications/pod/reads",
        [{"application": "ghost", "secrets": ["x"]}],
        "applications.pod.reads names 'ghost'; expected one of applications: app, job, pod",
    ),
    (
        "applications/pod/reads",
        [{"application": "app", "secrets": ["redis"]}],
        "applications.pod.reads names 'redis'; expected one of applications.app.secrets: database",
    ),
    (
        "approle",
        MISSING,
        "applications.app.login.kind is 'approle'; expected a section of that name in the settings",
    ),
    (
        "kubernetes",
        MISSING,
        "applications.pod.login.kind is 'kubernetes'; expected a section of that name in the settings",
    ),
    ("jwt", None, "applications.job.login.kind is 'jwt'; expected a section of that name in the settings"),
    (
        "database",
        MISSING,
        "applications.app.database_roles names 'app-read'; expected one of database.roles: none is configured",
    ),
    (
        "transit",
        MISSING,
        "applications.app.transit_keys names 'app-key'; expected one of transit.keys: none is configured",
    ),
    ("pki", MISSING, "applications.app.pki_roles names 'app-cert'; expected one of pki.roles: none is configured"),
]

TWINS: list[tuple[str, object, str]] = [
    (
        "applications/app/reads",
        [{"application": "app", "secrets": ["database"]}],
        "applications.app.reads names the application itself; expected others only",
    ),
    (
        "applications/pod/reads",
        [{"application": "app", "secrets": ["database"]}, {"application": "app", "secrets": ["database"]}],
        "applications.pod.reads lists 'database' of app twice; expected it once",
    ),
    (
        "kv",
        {"secret": {}, "team/kv": {}, "team-kv": {}},
        "kv.team/kv and kv.team-kv have the same name in Pulumi; expected different ones",
    ),
    (
        "rate_limits",
        {"a": {"rate": 1, "path": "secret"}, "b": {"rate": 2, "path": "secret"}},
        "rate_limits.a and rate_limits.b have one path; expected different ones",
    ),
    (
        "rate_limits",
        {"app": {"rate": 1}},
        "rate_limits.app has an application's name, which its own login limit has; expected another",
    ),
]

OVERLAPS: list[tuple[str, str, str]] = [
    ("database/path", "secret", "mount 'secret' and mount 'secret' overlap; expected separate paths"),
    ("transit/path", "secret/transit", "mount 'secret' and mount 'secret/transit' overlap; expected separate paths"),
    ("transit/path", "team", "mount 'team/kv' and mount 'team' overlap; expected separate paths"),
    ("pki/root_path", "database", "mount 'database' and mount 'database' overlap; expected separate paths"),
    ("pki/intermediate_path", "pki", "mount 'pki' and mount 'pki' overlap; expected separate paths"),
    ("transit/path", "sys", "mount 'sys' is reserved by the server; expected another path"),
    ("transit/path", "auth/x", "mount 'auth/x' is reserved by the server; expected another path"),
    ("transit/path", "identity", "mount 'identity' is reserved by the server; expected another path"),
    ("transit/path", "cubbyhole", "mount 'cubbyhole' is reserved by the server; expected another path"),
    (
        "userpass/path",
        "approle",
        "auth method 'approle' and auth method 'approle' overlap; expected separate paths",
    ),
    (
        "jwt/path",
        "kubernetes/ci",
        "auth method 'kubernetes' and auth method 'kubernetes/ci' overlap; expected separate paths",
    ),
    ("approle/path", "cert", "auth method 'cert' and auth method 'cert' overlap; expected separate paths"),
    ("userpass/path", "token", "auth method 'token' and auth method 'token' overlap; expected separate paths"),
]


@pytest.mark.parametrize(("path", "value", "line"), UNKNOWN)
def test_a_reference_must_name_what_there_is(path: str, value: object, line: str) -> None:
    assert refusal(changed(path, MISSING if value is None else value)) == [f"vault-estate:estate: {line}"]


@pytest.mark.parametrize(("path", "value", "line"), TWINS)
def test_two_names_that_would_make_one_object_are_refused(path: str, value: object, line: str) -> None:
    assert refusal(changed(path, value)) == [f"vault-estate:estate: {line}"]


@pytest.mark.parametrize(("path", "value", "line"), OVERLAPS)
def test_mounts_and_auth_methods_keep_apart(path: str, value: str, line: str) -> None:
    assert refusal(changed(path, value)) == [f"vault-estate:estate: {line}"]


def test_names_that_only_begin_alike_do_not_overlap() -> None:
    transit = parse(changed("transit/path", "secrets")).transit
    userpass = parse(changed("userpass/path", "approle2")).userpass
    assert transit is not None
    assert userpass is not None
    assert (transit.path, userpass.path) == ("secrets", "approle2")


def test_an_auth_method_may_have_a_mounts_path() -> None:
    """They are different parts of Vault's API: `secret/…` and `auth/secret/…`."""
    assert parse(changed("userpass/path", "secret")).userpass is not None


def test_a_secret_has_one_owner() -> None:
    applications = {
        name: {"login": LOGIN, "layout": "{mount}/shared/{name}", "secrets": {"database": {"keys": ["url"]}}}
        for name in ("blue", "green")
    }

    assert refusal({**FULL, "applications": applications}) == [
        (
            "vault-estate:estate: applications blue and green both own secret/shared/database; expected one owner "
            "(let the other list it under reads)"
        )
    ]


def test_equal_paths_in_two_mounts_are_two_secrets() -> None:
    applications = {
        "blue": {"login": LOGIN, "layout": "{mount}/{name}", "secrets": {"database": {"keys": ["url"]}}},
        "green": {
            "login": LOGIN,
            "mount": "team/kv",
            "layout": "{mount}/{name}",
            "secrets": {"database": {"keys": ["url"]}},
        },
    }

    settings = parse({**FULL, "applications": applications})

    assert settings.secret_path("blue", "database") == ("secret", "database")
    assert settings.secret_path("green", "database") == ("team/kv", "database")


def test_openbao_takes_no_audit_device_from_settings() -> None:
    assert refusal(changed("audit", {"file": {"type": "syslog"}}, MINIMAL)) == [
        (
            "vault-estate:estate: audit has file but server.flavor is 'openbao'; expected no entry: "
            "OpenBao takes audit "
            "devices from its server file only and refuses them through the API"
        )
    ]


def test_the_local_platform_runs_openbao_only() -> None:
    assert refusal(changed("server/flavor", "vault", MINIMAL)) == [
        (
            "vault-estate:estate: server.flavor is 'vault' but platform.kind is 'local'; expected "
            "'openbao', which comes "
            "as a package"
        )
    ]


def test_operators_have_different_names() -> None:
    operators = [{"name": "ada", "pgp_key": "a"}, {"name": "ada", "pgp_key": "b"}]
    plain = changed("bootstrap/operators", operators)
    plain["bootstrap"]["threshold"] = 2

    assert refusal(plain) == ["vault-estate:estate.bootstrap: operators are ada, ada; expected each name once"]


def test_three_of_five_is_what_production_asks_for() -> None:
    plain = changed("bootstrap/operators", [{"name": f"op-{number}", "pgp_key": "k"} for number in range(5)])
    plain["bootstrap"]["threshold"] = 3

    bootstrap = parse(plain).bootstrap

    assert (len(bootstrap.operators), bootstrap.threshold) == (5, 3)
