"""Checks that need more than one section: references, overlaps, one owner per secret, flavour."""

import pytest

from settings import parse
from tests.unit.settings.samples import FULL, MINIMAL, MISSING, PEOPLE, changed, refusal

LOGIN = {"kind": "approle"}

UNKNOWN: list[tuple[str, object, str]] = [
    ("applications/app/mount", "other", "applications.app.mount is 'other'; expected one of kv: secret, team/kv"),
    (
        "applications/app/database_roles",
        ["nobody"],
        ("applications.app.database_roles[0] is 'nobody'; expected one of database.roles: app-legacy, app-read"),
    ),
    (
        "database/connections/main/password_policy",
        "weak",
        "database.connections.main.password_policy is 'weak'; expected one of password_policies: strong",
    ),
    (
        "applications/app/transit_keys",
        ["none"],
        "applications.app.transit_keys[0] is 'none'; expected one of transit.keys: app-key",
    ),
    (
        "applications/app/pki_roles",
        ["none"],
        "applications.app.pki_roles[0] is 'none'; expected one of pki.roles: app-cert",
    ),
    (
        "applications/pod/reads",
        [{"application": "ghost", "secrets": ["x"]}],
        ("applications.pod.reads[0].application is 'ghost'; expected one of applications: app, job, pod"),
    ),
    (
        "applications/pod/reads",
        [{"application": "app", "secrets": ["redis"]}],
        ("applications.pod.reads[0].secrets[0] is 'redis'; expected one of applications.app.secrets: database"),
    ),
    (
        "approle",
        MISSING,
        "applications.app.login.kind is 'approle'; expected a section approle in the settings",
    ),
    (
        "kubernetes",
        MISSING,
        ("applications.pod.login.kind is 'kubernetes'; expected a section kubernetes in the settings"),
    ),
    ("jwt", None, "applications.job.login.kind is 'jwt'; expected a section jwt in the settings"),
    (
        "database",
        MISSING,
        ("applications.app.database_roles[0] is 'app-read'; expected one of database.roles: none is configured"),
    ),
    (
        "transit",
        MISSING,
        ("applications.app.transit_keys[0] is 'app-key'; expected one of transit.keys: none is configured"),
    ),
    ("pki", MISSING, ("applications.app.pki_roles[0] is 'app-cert'; expected one of pki.roles: none is configured")),
]

OF_PEOPLE: list[tuple[str, object, str]] = [
    (
        "people/groups/app-owners/applications",
        ["app", "ghost"],
        "people.groups.app-owners.applications[1] is 'ghost'; expected one of applications: app, job, pod",
    ),
    (
        "people/groups/app-owners/applications",
        ["pod"],
        "people.groups.app-owners.applications[0] is 'pod'; expected an application that has secrets of its own",
    ),
    (
        "people/groups/operators/destroys",
        True,
        "people.groups.operators.destroys is not a setting; expected one of kind, claims",
    ),
    (
        "people/groups/operators/claims",
        ["org:app"],
        "people.groups.operators.claims[0] is 'org:app'; expected a claim that puts nobody into app-owners, too",
    ),
    (
        "people/groups/operators/claims",
        ["ops", "Org:App"],
        "people.groups.operators.claims[1] is 'Org:App'; expected a claim that puts nobody into app-owners, too",
    ),
    ("people/groups/Ops", {"kind": "operators"}, "people.groups.Ops is 'Ops'; expected up to 64 lower-case letters"),
    ("people/members/ada/groups", [], "people.members.ada.groups is empty; expected at least 1 entry"),
    (
        "people/members/ada/groups",
        ["nobody"],
        "people.members.ada.groups[0] is 'nobody'; expected one of people.groups: app-owners, auditors, operators",
    ),
    (
        "people/members/Ada",
        {"groups": ["auditors"], "login": {"kind": "userpass"}},
        "people.members.Ada is 'Ada'; expected up to 64 lower-case letters",
    ),
    (
        "people/members/bob",
        {"groups": ["auditors"], "login": {"kind": "oidc", "claim": "lin@example.com"}},
        "people.members.bob.login is given; expected a login of their own, where lin has this one",
    ),
    (
        "people/members/bob",
        {"groups": ["auditors"], "login": {"kind": "oidc", "claim": "Lin@Example.com"}},
        "people.members.bob.login is given; expected a login of their own, where lin has this one",
    ),
    (
        "people/members/bob",
        {"groups": ["auditors"], "login": {"kind": "certificate", "file": "grace.crt"}},
        "people.members.bob.login is given; expected a login of their own, where grace has this one",
    ),
    (
        "people/members/ada/login/kind",
        "ldap",
        "people.members.ada.login.kind is 'ldap'; expected one of 'userpass', 'certificate', 'oidc'",
    ),
    ("userpass", MISSING, "people.members.ada.login.kind is 'userpass'; expected a section userpass in the settings"),
    (
        "people/oidc",
        MISSING,
        "people.groups.app-owners.claims[0] is given; expected a section people.oidc, whose claim it is",
    ),
    ("people/oidc/path", "jwt", "people.oidc.path is 'jwt'; expected a path apart from jwt.path, which is 'jwt'"),
    (
        "people/oidc/client_secret_setting",
        MISSING,
        "people.oidc.client_secret_file is missing; expected exactly one of",
    ),
    (
        "people/oidc/redirect_uris",
        ["http://evil.example/oidc/callback"],
        "people.oidc.redirect_uris[0] is 'http://evil",
    ),
    (
        "people/oidc/redirect_uris",
        ["http://localhost:82500/oidc/callback"],
        "people.oidc.redirect_uris[0] is 'http://localhost:82500/oidc/callback'; expected a URL with a port from 1 to",
    ),
    ("people/token_ttl", "13h", "people.token_ttl is '13h'; expected at most 12h"),
]

TWINS: list[tuple[str, object, str]] = [
    (
        "applications/app/reads",
        [{"application": "app", "secrets": ["database"]}],
        "applications.app.reads[0].application is 'app'; expected another application",
    ),
    (
        "applications/pod/reads",
        [{"application": "app", "secrets": ["database"]}, {"application": "app", "secrets": ["database"]}],
        "applications.pod.reads[1].secrets[0] is 'database'; expected each secret of app once",
    ),
    (
        "kv",
        {"secret": {}, "team/kv": {}, "team-kv": {}},
        ("kv.team-kv is 'team-kv'; expected a path that differs from 'team/kv' by more than '/' and '-'"),
    ),
    (
        "rate_limits",
        {"a": {"rate": 1, "path": "secret"}, "b": {"rate": 2, "path": "secret"}},
        "rate_limits.b.path is 'secret'; expected another path than 'a' has",
    ),
    (
        "rate_limits",
        {"app": {"rate": 1}},
        ("rate_limits.app is 'app'; expected another name, since this application's login limit has this one"),
    ),
]

OVERLAPS: list[tuple[str, str, str]] = [
    ("database/path", "secret", "database.path is 'secret'; expected a path apart from kv.secret, which is 'secret'"),
    (
        "transit/path",
        "secret/transit",
        "transit.path is 'secret/transit'; expected a path apart from kv.secret, which is 'secret'",
    ),
    ("transit/path", "team", "transit.path is 'team'; expected a path apart from kv.team/kv, which is 'team/kv'"),
    (
        "pki/root_path",
        "database",
        ("pki.root_path is 'database'; expected a path apart from database.path, which is 'database'"),
    ),
    (
        "pki/intermediate_path",
        "pki",
        "pki.intermediate_path is 'pki'; expected a path apart from root_path, which is 'pki'",
    ),
    (
        "transit/path",
        "sys",
        (
            "transit.path is 'sys'; expected a path that doesn't begin with any of auth, cubbyhole, "
            "identity, sys, which Vault keeps for itself"
        ),
    ),
    (
        "transit/path",
        "auth/x",
        (
            "transit.path is 'auth/x'; expected a path that doesn't begin with any of auth, cubbyhole, "
            "identity, sys, which Vault keeps for itself"
        ),
    ),
    (
        "transit/path",
        "identity",
        (
            "transit.path is 'identity'; expected a path that doesn't begin with any of auth, cubbyhole, "
            "identity, sys, which Vault keeps for itself"
        ),
    ),
    (
        "transit/path",
        "cubbyhole",
        (
            "transit.path is 'cubbyhole'; expected a path that doesn't begin with any of auth, cubbyhole, "
            "identity, sys, which Vault keeps for itself"
        ),
    ),
    (
        "userpass/path",
        "approle",
        "userpass.path is 'approle'; expected a path apart from approle.path, which is 'approle'",
    ),
    (
        "jwt/path",
        "kubernetes/ci",
        ("jwt.path is 'kubernetes/ci'; expected a path apart from kubernetes.path, which is 'kubernetes'"),
    ),
    (
        "approle/path",
        "cert",
        ("approle.path is 'cert'; expected a path apart from the administrator's login, which is 'cert'"),
    ),
    (
        "userpass/path",
        "token",
        ("userpass.path is 'token'; expected a path that doesn't begin with token, Vault's own store of tokens"),
    ),
]


@pytest.mark.parametrize(("path", "value", "line"), UNKNOWN)
def test_a_reference_must_name_what_there_is(path: str, value: object, line: str) -> None:
    assert refusal(changed(path, MISSING if value is None else value)) == [f"vault-estate:estate.{line}"]


@pytest.mark.parametrize(("path", "value", "line"), OF_PEOPLE)
def test_people_and_groups_belong_together(path: str, value: object, line: str) -> None:
    (told,) = refusal(changed(path, value, {**FULL, "people": PEOPLE}))
    assert told.startswith(f"vault-estate:estate.{line}")


@pytest.mark.parametrize(("path", "value", "line"), TWINS)
def test_two_names_that_would_make_one_object_are_refused(path: str, value: object, line: str) -> None:
    assert refusal(changed(path, value)) == [f"vault-estate:estate.{line}"]


@pytest.mark.parametrize(("path", "value", "line"), OVERLAPS)
def test_mounts_and_auth_methods_keep_apart(path: str, value: str, line: str) -> None:
    assert refusal(changed(path, value)) == [f"vault-estate:estate.{line}"]


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
            "vault-estate:estate.applications.green.secrets.database is at secret/shared/database; expected a path of "
            "its own, where blue has a secret too (let one of the two list it under reads)"
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


def test_a_limit_is_on_a_mount_that_is_there() -> None:
    plain = changed("rate_limits", {"kv": {"path": "secrte", "rate": 1}}, MINIMAL)

    assert refusal(plain) == [
        (
            "vault-estate:estate.rate_limits.kv.path is 'secrte'; expected one of the mounts, or a path below one: "
            "auth/cert, auth/token, cubbyhole, identity, secret, sys, vault-estate"
        )
    ]
    for path in ("secret", "secret/data/a", "auth/cert/login", "sys"):
        assert parse(changed("rate_limits/kv", {"path": path, "rate": 1}, plain)).rate_limits["kv"].path == path


def test_openbao_takes_no_audit_device_from_settings() -> None:
    assert refusal(changed("audit", {"file": {"type": "syslog"}}, MINIMAL)) == [
        (
            "vault-estate:estate.audit is given (file); expected no entry, since server.flavor is 'openbao', which "
            "takes audit devices from its server file only"
        )
    ]


def test_the_local_platform_runs_openbao_only() -> None:
    assert refusal(changed("server/flavor", "vault", MINIMAL)) == [
        (
            "vault-estate:estate.server.flavor is 'vault'; expected 'openbao', which comes as a package: platform.kind "
            "is 'local'"
        )
    ]


def test_operators_have_different_names() -> None:
    operators = [{"name": "ada", "pgp_key": "a"}, {"name": "ada", "pgp_key": "b"}]
    plain = changed("bootstrap/operators", operators)
    plain["bootstrap"]["threshold"] = 2

    assert refusal(plain) == ["vault-estate:estate.bootstrap.operators[1].name is 'ada'; expected each name once"]


def test_three_of_five_is_what_production_asks_for() -> None:
    plain = changed("bootstrap/operators", [{"name": f"op-{number}", "pgp_key": "k"} for number in range(5)])
    plain["bootstrap"]["threshold"] = 3

    bootstrap = parse(plain).bootstrap

    assert (len(bootstrap.operators), bootstrap.threshold) == (5, 3)
