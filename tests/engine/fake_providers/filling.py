"""All cases of the Vault fake provider, what their placeholders stand for on a real server, and a way to ask it."""

from dataclasses import replace
from typing import Any

import hvac
import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hvac import exceptions

from tests.engine.fake_providers.cases import (
    ACCESSOR_PLACEHOLDER,
    CASES,
    CERTIFICATE_PLACEHOLDER,
    CONNECTION_URL_PLACEHOLDER,
    ENTITY_PLACEHOLDER,
    GROUP_PLACEHOLDER,
    ID_PLACEHOLDER,
    PUBLIC_KEY_PLACEHOLDER,
    Case,
)
from tests.engine.fake_providers.more_cases import CERTIFICATES, DATABASE
from tests.support.servers import PostgresServer, VaultServer

ALL = [*CASES, *DATABASE, *CERTIFICATES]


def asked(client: hvac.Client, path: str) -> dict[str, Any] | None:
    """What the server itself says is at a path."""
    try:
        answer = client.adapter.get(f"/v1/{path}")
    except (exceptions.InvalidPath, exceptions.InvalidRequest):
        return None
    return dict(answer["data"]) if isinstance(answer, dict) else None


def write(client: hvac.Client, path: str, body: dict[str, Any]) -> None:
    """A write behind the fake provider's back."""
    client.adapter.post(f"/v1/{path}", json=body)


def prepare(vault_server: VaultServer, postgres_server: PostgresServer) -> dict[str, str]:
    """Mounts that the cases use and don't declare; returns what the placeholders stand for."""
    client = vault_server.client
    for kind in ("transit", "pki", "database"):
        write(client, f"sys/mounts/case-{kind}", {"type": kind})
    write(client, "sys/mounts/case-kv", {"type": "kv", "options": {"version": "2"}})
    for kind in ("approle", "cert", "kubernetes", "jwt", "userpass"):
        write(client, f"sys/auth/case-{kind}", {"type": kind})
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    write(client, "auth/case-jwt/config", {"jwt_validation_pubkeys": [public]})
    manager = "-".join(("manager", "password"))
    root = postgres_server.dsn(postgres_server.root_username, postgres_server.root_password, "app")
    with psycopg.connect(root, autocommit=True) as session:
        session.execute("CREATE ROLE manager LOGIN SUPERUSER PASSWORD 'manager-password'")
        session.execute("CREATE ROLE reports LOGIN")
    address = f"postgresql://{{{{username}}}}:{{{{password}}}}@{postgres_server.host}:{postgres_server.port}/app"
    url = f"{address}?sslmode=disable"
    connection = {"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": url}
    write(client, "case-database/config/app", connection | {"username": "manager", "password": manager})
    mounts = client.adapter.get("/v1/sys/auth")["data"]
    entity = client.adapter.post("/v1/identity/entity", json={"name": "case-entity"})["data"]
    group = client.adapter.post("/v1/identity/group", json={"name": "case-group", "type": "external"})["data"]
    return {
        ACCESSOR_PLACEHOLDER: mounts["case-userpass/"]["accessor"],
        ENTITY_PLACEHOLDER: entity["id"],
        GROUP_PLACEHOLDER: group["id"],
        PUBLIC_KEY_PLACEHOLDER: public.strip(),
        CERTIFICATE_PLACEHOLDER: vault_server.ca_file.read_text(),
        CONNECTION_URL_PLACEHOLDER: url,
    }


def filled(value: Any, real: dict[str, str]) -> Any:
    """A case with its placeholders replaced."""
    if isinstance(value, dict):
        return {key: filled(inner, real) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(filled(inner, real) for inner in value)
    return real.get(value, value) if isinstance(value, str) else value


def placed(case: Case, identity: str) -> Case:
    """A case whose object the server gave an id of its own."""

    def said(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(said(one) for one in value)
        return value.replace(ID_PLACEHOLDER, identity) if isinstance(value, str) else value

    return replace(case, **{name: said(getattr(case, name)) for name in ("identity", "at", "drift")})
