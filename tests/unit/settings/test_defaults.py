"""What a setting is when nobody gave it, how durations are read, and where secrets live."""

import pytest
from pydantic import ValidationError

from components.model import duration_text
from settings import Settings, parse
from tests.unit.settings.samples import FULL, MINIMAL, MISSING, changed, full

DEFAULTS: dict[str, object] = {
    "protect": True,
    "layout": "{mount}/{application}/{environment}/{name}",
    "platform.api_port": 8200,
    "platform.cluster_port": 8201,
    "platform.postgres_port": 15_432,
    "bootstrap.administrator.token_ttl": 3_600,
    "kv.secret.description": "",
    "kv.secret.max_versions": 10,
    "kv.secret.delete_version_after": 0,
    "kv.secret.cas_required": False,
    "approle.path": "approle",
    "kubernetes.path": "kubernetes",
    "jwt.path": "jwt",
    "jwt.jwks_url": None,
    "userpass.path": "userpass",
    "userpass.lockout_threshold": 5,
    "userpass.lockout_duration": 900,
    "userpass.lockout_counter_reset": 900,
    "database.path": "database",
    "database.connections.main.port": 5432,
    "database.connections.main.password_file": None,
    "database.connections.main.ssl_mode": "verify-full",
    "database.connections.main.rotate_root": True,
    "database.roles.app-read.schema_name": "public",
    "database.roles.app-read.ttl": 3_600,
    "database.roles.app-read.max_ttl": 21_600,
    "database.static_roles.app-legacy.rotation_period": 43_200,
    "transit.path": "transit",
    "transit.keys.app-key.type": "aes256-gcm96",
    "transit.keys.app-key.rotation_period": 7_776_000,
    "transit.keys.app-key.min_decryption_version": 1,
    "transit.keys.app-key.min_encryption_version": 0,
    "transit.keys.app-key.derived": False,
    "transit.keys.app-key.convergent": False,
    "transit.keys.app-key.deletion_allowed": False,
    "pki.root_path": "pki",
    "pki.intermediate_path": "pki_int",
    "pki.root_ttl": 315_360_000,
    "pki.intermediate_ttl": 157_680_000,
    "pki.roles.app-cert.server": True,
    "pki.roles.app-cert.client": False,
    "pki.roles.app-cert.ttl": 86_400,
    "pki.roles.app-cert.max_ttl": 259_200,
    "rate_limits.everything.path": "",
    "rate_limits.everything.interval": 1,
    "password_policies.strong.length": 32,
    "audit_retention": 365 * 86_400,
    "client.refresh": 15,
    "rotation.every": 43_200,
    "rotation.api_keys_every": 7_776_000,
    "rotation.grace": 600,
    "applications.app.secrets.database.rotation": None,
    "applications.app.login.token_ttl": 3_600,
    "applications.app.login.token_max_ttl": 14_400,
    "applications.app.login.secret_id_ttl": 86_400,
    "applications.app.login.secret_id_uses": 0,
    "applications.app.login.bound_cidrs": (),
    "applications.app.login.renews_secret_id": False,
    "applications.app.login.token_type": "service",
    "applications.app.mount": "secret",
    "applications.app.rotator": None,
    "applications.app.layout": None,
    "applications.app.reads": (),
    "applications.app.secrets.database.access": "read",
    "applications.app.login_limit.rate": 50,
    "applications.app.environment_variables": True,
    "applications.app.login_limit.interval": 1,
    "applications.pod.secrets": {},
    "applications.pod.database_roles": (),
    "applications.pod.transit_keys": (),
    "applications.pod.pki_roles": (),
    "applications.pod.login.audience": "vault",
    "applications.pod.login.token_ttl": 3_600,
    "applications.job.login.token_ttl": 900,
    "applications.job.login.token_max_ttl": 900,
}


@pytest.mark.parametrize(("path", "value"), DEFAULTS.items())
def test_a_default_has_this_value(path: str, value: object) -> None:
    here: object = full()
    for part in path.split("."):
        here = here[part] if isinstance(here, dict) else getattr(here, part)

    assert here == value


def test_every_optional_section_is_off_unless_given() -> None:
    settings = parse(MINIMAL)

    off = (settings.approle, settings.kubernetes, settings.jwt, settings.userpass, settings.database)
    assert off == (None,) * 5
    assert (settings.transit, settings.pki) == (None, None)
    assert (settings.audit, settings.rate_limits, settings.password_policies) == ({}, {}, {})


DURATIONS: list[tuple[object, int]] = [
    ("45s", 45),
    ("30m", 1_800),
    ("1h30m", 5_400),
    ("90d", 7_776_000),
    ("1d1h1m1s", 90_061),
    ("0h1s", 1),
    (7, 7),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations_are_read_into_seconds(text: object, seconds: int) -> None:
    settings = parse(changed("kv/secret/delete_version_after", text))

    assert settings.kv["secret"].delete_version_after == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (1, "1s"), (60, "1m"), (5_400, "1h30m"), (86_400, "1d"), (90_061, "1d1h1m1s")]
)
def test_durations_are_written_as_a_person_would(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("applications/app/login", {"kind": "approle", "token_ttl": "4h", "token_max_ttl": "4h"}),
        ("pki/intermediate_ttl", "3650d"),
        ("pki/roles/app-cert/max_ttl", "1825d"),
        ("database/roles/app-read/ttl", "4h"),
        ("transit/keys/app-key/rotation_period", "1h"),
        ("kv/secret/max_versions", 1_000),
        ("password_policies/strong/length", 20),
        ("platform/api_port", 1_024),
    ],
)
def test_limits_are_allowed_themselves(path: str, value: object) -> None:
    assert isinstance(parse(changed(path, value)), Settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_database_on_loopback_may_go_without_tls(host: str) -> None:
    plain = changed("database/connections/main/host", host)
    plain["database"]["connections"]["main"]["ssl_mode"] = "disable"

    assert parse(plain).database is not None


def test_a_first_password_may_come_from_a_file() -> None:
    plain = changed("database/connections/main/password_secret", MISSING)
    plain["database"]["connections"]["main"]["password_file"] = "first"

    database = parse(plain).database

    assert database is not None
    assert database.connections["main"].password_file == "first"


def test_jwt_keys_may_come_from_a_url() -> None:
    plain = changed("jwt/oidc_discovery_url", MISSING)
    plain["jwt"]["jwks_url"] = "https://issuer.internal/jwks"

    assert parse(plain).jwt is not None


LAYOUTS: list[tuple[str | None, str | None, tuple[str, str]]] = [
    (None, None, ("secret", "app/test/database")),
    ("{mount}/{name}", None, ("secret", "database")),
    ("{mount}/{environment}/{application}/{name}", None, ("secret", "test/app/database")),
    ("{mount}/{name}", "{mount}/team-a/{name}", ("secret", "team-a/database")),
]


@pytest.mark.parametrize(("whole", "own", "expected"), LAYOUTS)
def test_where_a_secret_lives(whole: str | None, own: str | None, expected: tuple[str, str]) -> None:
    plain = changed("applications/app/layout", own)
    if whole:
        plain["layout"] = whole

    assert parse(plain).secret_path("app", "database") == expected


def test_a_mount_of_several_segments_is_no_part_of_the_path() -> None:
    assert full().secret_path("job", "deploy") == ("team/kv", "job/test/deploy")


def test_a_mount_whose_name_comes_again_is_taken_off_once() -> None:
    plain = changed("applications/app/layout", "{mount}/secret/{name}")

    assert parse(plain).secret_path("app", "database") == ("secret", "secret/database")


def test_secrets_lists_every_secret_with_its_owner() -> None:
    listed = [(application, name, secret.access) for application, name, secret in full().secrets()]

    assert listed == [("app", "database", "read"), ("job", "deploy", "write")]


def test_settings_do_not_change_after_they_were_read() -> None:
    settings = full()

    with pytest.raises(ValidationError, match="frozen"):
        settings.protect = False  # type: ignore[misc]  # the mistake this test is about
    assert isinstance(settings, Settings)
    assert parse(FULL) == settings
