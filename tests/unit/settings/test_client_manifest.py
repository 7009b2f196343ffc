"""The document of each application, against what its ACL policy allows: for every application of every stack.

Not proven: that a built stack's address, authority and RoleID are in it; `tests/engine/test_local_stack.py` does.
"""

import json
from collections.abc import Iterator

import pytest

from composition.contents import application_policy
from ops import stack_file
from ops.paths import ROOT, Paths
from settings import Settings, SettingsError, parse
from settings.client_manifest import client_manifest
from tests.unit.settings.samples import FULL, full
from vault_estate import manifest as document
from vault_estate.manifest import ClientManifest
from vault_estate.paths import secret_path

STACKS = sorted(file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml"))
EVERY: dict[str, Settings] = {
    **{name: stack_file.read(Paths(), name).settings for name in STACKS},
    "sample": full(),
}
PAIRS = [(stack, application) for stack, settings in EVERY.items() for application in settings.applications]
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def made(settings: Settings, application: str) -> ClientManifest:
    return client_manifest(
        settings, application, address="https://vault.example.com:8200", ca_certificate=CA, role_id="role-1"
    )


def used(manifest: ClientManifest) -> Iterator[str]:
    """The API's paths that a client asks, by the document alone."""
    yield from (f"{one.mount}/data/{one.path}" for one in manifest.secrets.values())
    if manifest.database:
        yield from (f"{manifest.database.mount}/creds/{name}" for name in manifest.database.roles)
        yield from (f"{manifest.database.mount}/static-creds/{name}" for name in manifest.database.static_roles)
    if manifest.transit:
        for verb in ("encrypt", "decrypt", "rewrap"):
            yield from (f"{manifest.transit.mount}/{verb}/{name}" for name in manifest.transit.keys)
    if manifest.pki:
        yield from (f"{manifest.pki.mount}/issue/{name}" for name in manifest.pki.roles)


def allowed(settings: Settings, application: str) -> Iterator[str]:
    """The same, as the ACL policy has it."""
    words = ("/data/", "/creds/", "/static-creds/", "/encrypt/", "/decrypt/", "/rewrap/", "/issue/")
    for rule in application_policy(settings, application).rules:
        if any(word in rule.path for word in words):
            yield rule.path


@pytest.mark.parametrize(("stack", "application"), PAIRS)
def test_it_names_what_the_policy_allows_and_nothing_else(stack: str, application: str) -> None:
    settings = EVERY[stack]
    assert sorted(used(made(settings, application))) == sorted(allowed(settings, application))


@pytest.mark.parametrize(("stack", "application"), PAIRS)
def test_it_is_read_as_it_was_written(stack: str, application: str) -> None:
    manifest = made(EVERY[stack], application)
    assert document.parse(manifest.render()) == manifest


@pytest.mark.parametrize(("stack", "application"), PAIRS)
def test_its_secrets_are_where_settings_have_them(stack: str, application: str) -> None:
    settings = EVERY[stack]
    manifest = made(settings, application)
    own = settings.applications[application]
    for name, secret in own.secrets.items():
        found = manifest.secret(name)
        assert (found.mount, found.path) == settings.secret_path(application, name)
        assert (found.keys, found.access, found.owner) == (secret.keys, secret.access, application)
        place = {"mount": own.mount, "application": application, "environment": settings.environment}
        assert found.path == secret_path(manifest.layout, name=name, **place)
    for shared in own.reads:
        for name in shared.secrets:
            found = manifest.secret(f"{shared.application}/{name}")
            assert (found.mount, found.path) == settings.secret_path(shared.application, name)
            assert (found.access, found.owner) == ("read", shared.application)
    assert len(manifest.secrets) == len(own.secrets) + sum(len(shared.secrets) for shared in own.reads)


def test_an_application_with_everything_by_hand() -> None:
    server = {"host": "db.internal", "port": 5432, "database": "app", "ssl_mode": "verify-full"}
    assert json.loads(made(full(), "app").render()) == {
        "schema_version": 1,
        "application": "app",
        "environment": "test",
        "flavor": "openbao",
        "addresses": ["https://vault.example.com:8200"],
        "ca_certificate": CA,
        "login": {
            "kind": "approle",
            "mount": "approle",
            "role": "app",
            "role_id": "role-1",
            "secret_id_ttl_seconds": 86_400,
            "secret_id_uses": 0,
            "renews_secret_id": False,
            "token_ttl_seconds": 3_600,
            "token_max_ttl_seconds": 14_400,
            "token_type": "service",
        },
        "mount": "secret",
        "layout": "{mount}/{application}/{environment}/{name}",
        "fresh_seconds": 15,
        "environment_variables": True,
        "secrets": {
            "database": {
                "mount": "secret",
                "path": "app/test/database",
                "keys": ["url"],
                "access": "read",
                "owner": "app",
            }
        },
        "database": {
            "mount": "database",
            "roles": {"app-read": {**server, "access": "readonly", "ttl_seconds": 3_600, "max_ttl_seconds": 21_600}},
            "static_roles": {"app-legacy": {**server, "username": "legacy", "rotation_period_seconds": 43_200}},
        },
        "transit": {
            "mount": "transit",
            "keys": {"app-key": {"type": "aes256-gcm96", "derived": False, "convergent": False}},
        },
        "pki": {
            "mount": "pki_int",
            "root_mount": "pki",
            "roles": {
                "app-cert": {
                    "allowed_domains": ["app.internal"],
                    "allow_subdomains": True,
                    "allow_bare_domains": False,
                    "server": True,
                    "client": False,
                    "ttl_seconds": 86_400,
                    "max_ttl_seconds": 259_200,
                }
            },
        },
    }


def test_the_other_logins_by_hand() -> None:
    pod, job = (json.loads(made(full(), name).render())["login"] for name in ("pod", "job"))
    assert pod == {
        "kind": "kubernetes",
        "mount": "kubernetes",
        "role": "pod",
        "service_account": "pod",
        "namespace": "prod",
        "audience": "vault",
        "token_ttl_seconds": 3_600,
        "token_max_ttl_seconds": 14_400,
        "token_type": "service",
    }
    assert job == {
        "kind": "jwt",
        "mount": "jwt",
        "role": "job",
        "audience": "https://vault.internal",
        "token_ttl_seconds": 900,
        "token_max_ttl_seconds": 900,
        "token_type": "service",
    }


def test_a_refresh_of_its_own_is_the_documents() -> None:
    settings = parse({**FULL, "client": {"refresh": "2m"}})
    assert made(settings, "app").fresh_seconds == 120


def test_a_rotation_is_told_with_what_holds_where_nothing_is_said() -> None:
    secrets = {
        "database": {"keys": ["url"]},
        "signing": {"keys": ["key", "other"], "seeds": {"key": "sk-{random}"}, "rotation": {"keys": ["key"]}},
        "api-keys/shop": {"keys": ["api_key"], "rotation": {"by": "hook:shop", "grace": "1d"}},
        "token": {"keys": ["t"], "seed": "random", "rotation": {"every": "2h", "password_policy": "strong"}},
    }
    application = {**FULL["applications"]["app"], "secrets": secrets}
    settings = parse({**FULL, "applications": {**FULL["applications"], "app": application}})
    found = {name: one.rotation for name, one in made(settings, "app").secrets.items()}
    assert found["database"] is None
    told = {name: one.model_dump(exclude_defaults=True) for name, one in found.items() if one}
    assert told == {
        "signing": {
            "by": "random",
            "every_seconds": 43_200,
            "grace_seconds": 600,
            "keys": ("key",),
            "forms": {"key": "sk-{random}"},
        },
        "api-keys/shop": {
            "by": "hook:shop",
            "every_seconds": 7_776_000,
            "grace_seconds": 86_400,
            "keys": ("api_key",),
        },
        "token": {
            "by": "random",
            "every_seconds": 7_200,
            "grace_seconds": 600,
            "keys": ("t",),
            "password_policy": "strong",
        },
    }


def test_greenlang_wants_no_secret_in_variables() -> None:
    told = {name: made(EVERY["local"], name).environment_variables for name in EVERY["local"].applications}
    assert sorted(name for name, allowed_ in told.items() if not allowed_) == [
        "greenlang-agents",
        "greenlang-api",
        "greenlang-jobs",
    ]


def test_a_name_that_anothers_secret_has_here_is_refused() -> None:
    applications = {name: dict(one) for name, one in FULL["applications"].items()}
    applications["pod"]["secrets"] = {"app/database": {"keys": ["url"]}}
    with pytest.raises(SettingsError) as caught:
        parse({**FULL, "applications": applications})
    assert str(caught.value) == (
        "vault-estate:estate.applications.pod.secrets.app/database is given; expected another name, since app's "
        "database is called so here"
    )
