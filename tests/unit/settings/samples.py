"""Settings to begin a test from: the smallest that are right, and the smallest that use every section."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from settings import Settings, SettingsError, parse

MINIMAL: Mapping[str, Any] = {
    "environment": "test",
    "server": {"flavor": "openbao", "version": "2.7.2"},
    "platform": {"kind": "local"},
    "bootstrap": {
        "operators": [{"name": "ada", "pgp_key": "keys/ada.asc"}],
        "threshold": 1,
        "administrator": {"certificate": "admin.crt", "private_key": "admin.key"},
    },
    "kv": {"secret": {}},
    "applications": {},
}
"""Nothing that has a default."""

FULL: Mapping[str, Any] = {
    **MINIMAL,
    "kv": {"secret": {}, "team/kv": {}},
    "approle": {},
    "kubernetes": {"host": "https://cluster.internal:6443", "ca_certificate_file": "cluster.pem"},
    "jwt": {
        "oidc_discovery_url": "https://token.actions.githubusercontent.com",
        "bound_issuer": "https://token.actions.githubusercontent.com",
    },
    "userpass": {},
    "tenants": {
        "issuer": {"jwks_url": "https://issuer.internal/jwks", "bound_issuer": "https://issuer.internal"},
        "audience": "secrets",
        "ids": ["blue"],
        "claims": {"tier": "gold"},
    },
    "database": {
        "connections": {
            "main": {
                "host": "db.internal",
                "database": "app",
                "username": "vault",
                "password_secret": "database-password",
            }
        },
        "roles": {"app-read": {"connection": "main", "access": "readonly"}},
        "static_roles": {"app-legacy": {"connection": "main", "username": "legacy"}},
    },
    "transit": {"keys": {"app-key": {}}},
    "pki": {
        "common_name": "Example",
        "organization": "Example Org",
        "roles": {"app-cert": {"allowed_domains": ["app.internal"]}},
    },
    "rate_limits": {"everything": {"rate": 100}},
    "password_policies": {"strong": {}},
    "applications": {
        "app": {
            "login": {"kind": "approle"},
            "secrets": {"database": {"keys": ["url"]}},
            "database_roles": ["app-read", "app-legacy"],
            "transit_keys": ["app-key"],
            "pki_roles": ["app-cert"],
        },
        "pod": {
            "login": {"kind": "kubernetes", "service_account": "pod", "namespace": "prod"},
            "reads": [{"application": "app", "secrets": ["database"]}],
        },
        "job": {
            "login": {"kind": "jwt", "audience": "https://vault.internal", "claims": {"repository": "org/app"}},
            "mount": "team/kv",
            "secrets": {"deploy": {"access": "write", "keys": ["key"]}},
        },
    },
}
"""Every section that OpenBao on the local platform allows, with all three logins."""

PEOPLE: Mapping[str, Any] = {
    "groups": {
        "app-owners": {"kind": "owners", "applications": ["app"], "claims": ["org:app"]},
        "operators": {"kind": "operators", "claims": ["org:ops"]},
        "auditors": {"kind": "auditors", "claims": ["org:audit"]},
    },
    "members": {
        "ada": {"groups": ["app-owners"], "login": {"kind": "userpass"}},
        "grace": {"groups": ["operators", "auditors"], "login": {"kind": "certificate", "file": "grace.crt"}},
        "lin": {"groups": ["auditors"], "login": {"kind": "oidc", "claim": "lin@example.com"}},
    },
    "oidc": {
        "discovery_url": "https://issuer.example",
        "client_id": "vault",
        "client_secret_setting": "oidc-client-secret",
        "bound_claims": {"hd": "example.com"},
    },
}
"""Groups and members of each kind."""

MISSING = object()
"""Stands for a setting that is taken out."""


def changed(path: str | tuple[str, ...], value: object, base: Mapping[str, Any] = FULL) -> dict[str, Any]:
    """A copy with one setting, named by slashes or part by part, changed or (`MISSING`) taken out."""
    whole: dict[str, Any] = copy.deepcopy(dict(base))
    *way, last = path.split("/") if isinstance(path, str) else path
    here: Any = whole
    for part in way:
        here = here[int(part)] if isinstance(here, list) else here[part]
    if value is MISSING:
        del here[last]
    elif isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value
    return whole


def refusal(plain: object) -> list[str]:
    """The lines that refuse these settings."""
    with pytest.raises(SettingsError) as caught:
        parse(plain)
    return str(caught.value).splitlines()


def full(**sections: Any) -> Settings:
    """`FULL` with whole sections replaced."""
    return parse({**FULL, **sections})
