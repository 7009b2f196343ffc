"""The grants of an application: a table by hand for the local stack, and what each kind of grant tells."""

from collections.abc import Mapping
from typing import get_args

import pytest

from composition import contents
from ops import stack_file
from ops.paths import ROOT, Paths
from settings import Settings, parse
from settings.grants import (
    DatabaseGrant,
    Grant,
    KvGrant,
    PkiGrant,
    RenewalGrant,
    StaticDatabaseGrant,
    TransitGrant,
    grants,
)
from tests.unit.settings.samples import FULL, changed, full

BIKE_DATA_FLOW = "secret/bike-data-flow/development"
GREENLANG = "secret/greenlang"

LOCAL: Mapping[str, tuple[str, ...]] = {
    "bike-data-flow": (
        f"{BIKE_DATA_FLOW}/database-url (read)",
        f"{BIKE_DATA_FLOW}/api-keys/provider-a (read)",
        f"{BIKE_DATA_FLOW}/api-keys/provider-b (read)",
        f"{BIKE_DATA_FLOW}/aws-credentials (read)",
        "database/bike-data-flow-readwrite (readwrite)",
        "transit/data-encryption-key (aes256-gcm96)",
        "pki_int/internal-mtls (server, client)",
        "its next SecretID",
    ),
    "dagster": (
        "secret/dagster/vault-token (read)",
        f"{BIKE_DATA_FLOW}/database-url (read)",
        f"{BIKE_DATA_FLOW}/api-keys/provider-a (read)",
        f"{BIKE_DATA_FLOW}/api-keys/provider-b (read)",
        f"{BIKE_DATA_FLOW}/aws-credentials (read)",
        "database/bike-data-flow-readonly (readonly)",
        "transit/data-encryption-key (aes256-gcm96)",
        "pki_int/internal-mtls (server, client)",
        "its next SecretID",
    ),
    "greenlang-api": (
        f"{GREENLANG}/database/postgresql (read)",
        f"{GREENLANG}/database/redis (read)",
        f"{GREENLANG}/database/timescaledb (read)",
        f"{GREENLANG}/api-keys/internal (read)",
        f"{GREENLANG}/api-keys/external (read)",
        f"{GREENLANG}/services/auth-service (write)",
        "database/greenlang-readwrite (readwrite)",
        "transit/data-encryption-key (aes256-gcm96)",
        "transit/pii-encryption-key (aes256-gcm96)",
        "pki_int/greenlang-services (server)",
        "pki_int/internal-mtls (server, client)",
    ),
    "greenlang-agents": (
        f"{GREENLANG}/services/agent-factory (write)",
        f"{GREENLANG}/database/postgresql (read)",
        f"{GREENLANG}/api-keys/internal (read)",
        "database/greenlang-readonly (readonly)",
        "transit/data-encryption-key (aes256-gcm96)",
        "pki_int/internal-mtls (server, client)",
    ),
    "greenlang-jobs": (
        f"{GREENLANG}/services/audit-service (write)",
        f"{GREENLANG}/database/postgresql (read)",
        f"{GREENLANG}/database/redis (read)",
        "database/greenlang-readonly (readonly)",
        "transit/data-encryption-key (aes256-gcm96)",
        "pki_int/internal-mtls (server, client)",
    ),
    "pake-system": (
        "pake_system/development/database (read)",
        "pake_system/development/redis (read)",
        "pake_system/development/security (read)",
        "pake_system/development/api_keys (read)",
        "database/pake-system-readwrite (readwrite)",
        "transit/data-encryption-key (aes256-gcm96)",
        "pki_int/internal-mtls (server, client)",
        "its next SecretID",
    ),
    "aos": (
        "agenticverz/app-prod (read)",
        "agenticverz/database (read)",
        "agenticverz/external-apis (read)",
        "agenticverz/keycloak-admin (read)",
        "database/aos-readwrite (readwrite)",
        "transit/data-encryption-key (aes256-gcm96)",
        "pki_int/internal-mtls (server, client)",
        "its next SecretID",
    ),
}
"""By application, the labels of its grants in order. Written by hand from what the applications asked for."""


@pytest.fixture(scope="module")
def local() -> Settings:
    return stack_file.read(Paths(project=ROOT), "local").settings


def test_every_application_of_the_local_stack_is_in_the_table(local: Settings) -> None:
    assert list(local.applications) == list(LOCAL)


@pytest.mark.parametrize("application", LOCAL)
def test_each_application_is_granted_exactly_this(local: Settings, application: str) -> None:
    assert tuple(grant.label for grant in grants(local, application)) == LOCAL[application]


def test_a_grant_of_each_kind_tells_all_of_it() -> None:
    settings = full()
    database, transit, pki = settings.database, settings.transit, settings.pki
    assert database
    assert transit
    assert pki

    assert grants(settings, "app") == (
        KvGrant(mount="secret", path="app/test/database", name="database", keys=("url",), access="read", owner="app"),
        DatabaseGrant(
            mount="database",
            name="app-read",
            role=database.roles["app-read"],
            connection=database.connections["main"],
        ),
        StaticDatabaseGrant(
            mount="database",
            name="app-legacy",
            role=database.static_roles["app-legacy"],
            connection=database.connections["main"],
        ),
        TransitGrant(mount="transit", name="app-key", key=transit.keys["app-key"]),
        PkiGrant(
            mount="pki_int",
            root_mount="pki",
            name="app-cert",
            role=pki.roles["app-cert"],
            common_name="app.app.internal",
        ),
    )
    assert [grant.label for grant in grants(settings, "app")] == [
        "secret/app/test/database (read)",
        "database/app-read (readonly)",
        "database/app-legacy (static, user legacy)",
        "transit/app-key (aes256-gcm96)",
        "pki_int/app-cert (server)",
    ]


def test_every_kind_of_grant_is_among_the_samples() -> None:
    settings = parse(changed("applications/app/login/renews_secret_id", True))
    own = grants(settings, "app")[-1]
    assert own == RenewalGrant(mount="auth/approle", name="app")
    assert [rule.minimum_wrapping_ttl_seconds for rule in own.rules] == [1, 0]

    kinds = {type(grant) for application in settings.applications for grant in grants(settings, application)}

    assert kinds == set(get_args(Grant))


def test_a_shared_secret_is_its_owners_and_only_read() -> None:
    settings = parse(changed("applications/app/secrets/database/access", "write"))

    (owned, *_), (shared,) = grants(settings, "app"), grants(settings, "pod")

    assert isinstance(owned, KvGrant)
    assert isinstance(shared, KvGrant)
    assert (owned.access, shared.access) == ("write", "read")
    assert (shared.owner, shared.mount, shared.path, shared.keys) == (
        "app",
        "secret",
        "app/test/database",
        ("url",),
    )


def test_an_application_with_a_secret_only_is_granted_nothing_else() -> None:
    assert [grant.label for grant in grants(full(), "job")] == ["team/kv/job/test/deploy (write)"]


def test_mounts_are_the_settings_own() -> None:
    plain = changed("transit/path", "keys")
    plain["database"]["path"] = "db"
    plain["pki"] |= {"intermediate_path": "issuing", "root_path": "trust"}

    granted = grants(parse(plain), "app")

    assert [grant.mount for grant in granted] == ["secret", "db", "db", "keys", "issuing"]
    assert [grant.root_mount for grant in granted if isinstance(grant, PkiGrant)] == ["trust"]


@pytest.mark.parametrize(
    ("kind", "can_encrypt"),
    [
        ("aes256-gcm96", True),
        ("chacha20-poly1305", True),
        ("rsa-4096", True),
        ("ecdsa-p256", False),
        ("ed25519", False),
    ],
)
def test_some_types_of_key_only_sign(kind: str, can_encrypt: bool) -> None:
    (key,) = (
        grant
        for grant in grants(parse(changed("transit/keys/app-key", {"type": kind})), "app")
        if isinstance(grant, TransitGrant)
    )

    assert key.can_encrypt is can_encrypt


@pytest.mark.parametrize(
    ("application", "domain", "common_name"),
    [
        ("shop", "internal", "shop.internal"),
        ("my_shop.v2", "internal", "my-shop-v2.internal"),
        ("a._b", "internal", "a-b.internal"),
        ("s" * 100, "internal", f"{'s' * 55}.internal"),
        (f"{'s' * 54}-{'t' * 40}", "internal", f"{'s' * 54}.internal"),
        ("shop", "d" * 62, f"s.{'d' * 62}"),
    ],
)
def test_a_common_name_is_a_host_name_below_the_first_domain(application: str, domain: str, common_name: str) -> None:
    asking = {"login": {"kind": "approle"}, "pki_roles": ["cert"]}
    role = {"allowed_domains": [domain, "example"]}
    settings = parse(
        {**FULL, "pki": {**FULL["pki"], "roles": {"cert": role}}, "applications": {application: asking}},
    )

    (grant,) = grants(settings, application)

    assert isinstance(grant, PkiGrant)
    assert grant.common_name == common_name


def test_a_role_for_its_domains_alone_is_asked_for_the_first() -> None:
    role = {"allowed_domains": ["app.internal"], "allow_subdomains": False, "allow_bare_domains": True}

    (grant,) = (one for one in grants(parse(changed("pki/roles/app-cert", role)), "app") if isinstance(one, PkiGrant))

    assert grant.common_name == "app.internal"


@pytest.mark.parametrize("application", FULL["applications"])
def test_a_policy_holds_the_rules_of_the_grants_and_no_other(application: str) -> None:
    settings = full()

    rules = contents.application_policy(settings, application).rules

    assert rules == tuple(rule for grant in grants(settings, application) for rule in grant.rules)


def test_a_grant_does_not_change_and_can_be_compared() -> None:
    assert len({*grants(full(), "app"), *grants(full(), "app")}) == 5
