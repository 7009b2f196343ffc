"""An application's document, as `./estate client-config` writes it, for tests that read or change one."""

from collections.abc import Mapping
from typing import Any

GOOD: Mapping[str, Any] = {
    "schema_version": 1,
    "application": "aos",
    "environment": "production",
    "flavor": "openbao",
    "addresses": ["https://vault.example.com:8200"],
    "login": {
        "kind": "approle",
        "mount": "approle",
        "role": "aos",
        "role_id": "role-1",
        "secret_id_ttl_seconds": 86_400,
        "secret_id_uses": 0,
        "renews_secret_id": True,
        "token_ttl_seconds": 3_600,
        "token_max_ttl_seconds": 14_400,
        "token_type": "service",
    },
    "mount": "agenticverz",
    "layout": "{mount}/{name}",
    "secrets": {
        "app-prod": {
            "mount": "agenticverz",
            "path": "app-prod",
            "keys": ["AOS_API_KEY"],
            "access": "read",
            "owner": "aos",
        },
        "other/shared": {
            "mount": "secret",
            "path": "other/shared",
            "keys": ["token"],
            "access": "read",
            "owner": "other",
        },
    },
    "transit": {"mount": "transit", "keys": {"main": {"type": "aes256-gcm96", "derived": False, "convergent": False}}},
}
