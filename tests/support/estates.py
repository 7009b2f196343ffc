"""What an estate builds for one application, made by hand on a real server: a KV mount, a login, engines, a manifest.

Not what `up` builds (`tests/live/test_access_checks.py` has that): short lives are what tests of a client need.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac

from tests.support.servers import PostgresServer, VaultServer, call

MOUNT = "agenticverz"
APPLICATION = "aos"
KEY = "AOS_API_KEY"
DATABASE_ROLE, TRANSIT_KEY, PKI_ROLE = "aos-readwrite", "data-encryption-key", "internal-mtls"
PATIENT = {"VAULT_CLIENT_TIMEOUT": "60s"}
"""However busy the machine is that tests run on."""
POLICY = f"""
path "{MOUNT}/data/*" {{ capabilities = ["read"] }}
path "database/creds/{DATABASE_ROLE}" {{ capabilities = ["read"] }}
path "transit/encrypt/{TRANSIT_KEY}" {{ capabilities = ["update"] }}
path "transit/decrypt/{TRANSIT_KEY}" {{ capabilities = ["update"] }}
path "transit/rewrap/{TRANSIT_KEY}" {{ capabilities = ["update"] }}
path "pki/issue/{PKI_ROLE}" {{ capabilities = ["update"] }}
"""
DENIED = f'path "{MOUNT}/data/denied" {{ capabilities = ["deny"] }}\n'


@dataclass(frozen=True, kw_only=True)
class ApplicationEstate:
    """One application's part of a server, and the administrator who changes it."""

    server: VaultServer
    role_id: str

    @property
    def root(self) -> hvac.Client:
        """The administrator."""
        return self.server.client

    def write(self, name: str, values: Mapping[str, Any]) -> int:
        """A new version of a secret, and its number."""
        return int(call(self.root, "POST", f"{MOUNT}/data/{name}", {"data": dict(values)})["data"]["version"])

    def secret_id(self, **options: Any) -> str:
        """A new SecretID."""
        path = f"auth/approle/role/{APPLICATION}/secret-id"
        return str(call(self.root, "POST", path, options)["data"]["secret_id"])

    def secret_id_file(self, directory: Path, **options: Any) -> Path:
        """The same, in a file."""
        file = directory / "secret-id"
        file.touch(mode=0o600)
        file.write_text(self.secret_id(**options), encoding="ascii")
        return file

    def role(self, **changes: Any) -> None:
        """Change the login's role."""
        call(self.root, "POST", f"auth/approle/role/{APPLICATION}", changes)

    def environ(self, directory: Path, **options: Any) -> dict[str, str]:
        """What the application's environment has."""
        file = directory / "vault-estate.json"
        file.write_text(json.dumps(self.document()), encoding="utf-8")
        return {
            "VAULT_ESTATE_CONFIG": str(file),
            "VAULT_SECRET_ID_FILE": str(self.secret_id_file(directory, **options)),
            **PATIENT,
        }

    def document(self) -> dict[str, Any]:
        """The manifest."""
        secrets = {
            name: {"mount": MOUNT, "path": name, "keys": [KEY], "access": "read", "owner": APPLICATION}
            for name in ("app-prod", "database", "denied", "absent", "numbers", *(f"many-{one}" for one in range(3)))
        }
        return {
            "schema_version": 1,
            "application": APPLICATION,
            "environment": "development",
            "flavor": "openbao",
            "addresses": [self.server.address],
            "ca_certificate": self.server.ca_file.read_text(encoding="ascii"),
            "login": {
                "kind": "approle",
                "mount": "approle",
                "role": APPLICATION,
                "role_id": self.role_id,
                "secret_id_ttl_seconds": 3600,
                "secret_id_uses": 0,
                "renews_secret_id": False,
                "token_ttl_seconds": 3600,
                "token_max_ttl_seconds": 14400,
                "token_type": "service",
            },
            "mount": MOUNT,
            "layout": "{mount}/{name}",
            "secrets": secrets,
            "transit": {
                "mount": "transit",
                "keys": {TRANSIT_KEY: {"type": "aes256-gcm96", "derived": False, "convergent": False}},
            },
            "pki": {
                "mount": "pki",
                "root_mount": "pki",
                "roles": {
                    PKI_ROLE: {
                        "allowed_domains": ["aos.internal", "mtls.internal"],
                        "allow_subdomains": True,
                        "allow_bare_domains": False,
                        "server": True,
                        "client": False,
                        "ttl_seconds": 3600,
                        "max_ttl_seconds": 7200,
                    }
                },
            },
        }


def application_estate(server: VaultServer) -> ApplicationEstate:
    """Build it: a KV mount, AppRole, transit, a certificate authority."""
    root = server.client
    call(root, "POST", f"sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "2"}})
    call(root, "POST", "sys/mounts/transit", {"type": "transit"})
    call(root, "POST", f"transit/keys/{TRANSIT_KEY}", {})
    call(root, "POST", "sys/mounts/pki", {"type": "pki"})
    call(root, "POST", "pki/root/generate/internal", {"common_name": "root", "key_type": "ec", "ttl": "24h"})
    role = {
        "allowed_domains": ["aos.internal", "mtls.internal"],
        "allow_subdomains": True,
        "key_type": "ec",
        "key_bits": 256,
        "ttl": "1h",
    }
    call(root, "POST", f"pki/roles/{PKI_ROLE}", role)
    call(root, "POST", "sys/auth/approle", {"type": "approle"})
    call(root, "PUT", f"sys/policies/acl/{APPLICATION}", {"policy": POLICY + DENIED})
    call(root, "POST", f"auth/approle/role/{APPLICATION}", {"token_policies": [APPLICATION], "token_ttl": "1h"})
    role_id = call(root, "GET", f"auth/approle/role/{APPLICATION}/role-id")["data"]["role_id"]
    return ApplicationEstate(server=server, role_id=role_id)


def with_database(estate: ApplicationEstate, postgres: PostgresServer, *, ttl: str, max_ttl: str) -> dict[str, Any]:
    """Add a database role of short leases; the manifest that has it."""
    root = estate.root
    call(root, "POST", "sys/mounts/database", {"type": "database"})
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{postgres.host}:{postgres.port}/app"
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": DATABASE_ROLE,
        "connection_url": url,
        "username": postgres.root_username,
        "password": postgres.root_password,
    }
    call(root, "POST", "database/config/app", connection)
    database_role(estate, ttl=ttl, max_ttl=max_ttl)
    document = estate.document()
    document["database"] = {
        "mount": "database",
        "roles": {
            DATABASE_ROLE: {
                "host": postgres.host,
                "port": postgres.port,
                "database": "app",
                "ssl_mode": "disable",
                "access": "readonly",
                "ttl_seconds": 3600,
                "max_ttl_seconds": 7200,
            }
        },
        "static_roles": {},
    }
    return document


def database_role(estate: ApplicationEstate, *, ttl: str, max_ttl: str) -> None:
    """Have the role's leases live so long from now on."""
    made = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
    role = {"db_name": "app", "creation_statements": [made], "default_ttl": ttl, "max_ttl": max_ttl}
    call(estate.root, "POST", f"database/roles/{DATABASE_ROLE}", role)
