"""What an application really gets: logging in, reading, being denied, a database session, encryption, a certificate.

Owns the proof and its cleaning up: each token is revoked at the end, and with it the leases it took. Refuses to show a
secret: a row says `passed`, `failed: REASON` or `not asked for`, and reasons are redacted.
"""

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import hvac
import psycopg
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from hvac.exceptions import Forbidden, InvalidRequest, VaultError

from ops.errors import EstateError
from ops.processes.logs import redact

PASSED = "passed"
NOT_ASKED_FOR = "not asked for"
CERTIFICATE_TTL_SECONDS = 300
"""Certificates of a proof aren't used; they end soon instead of filling the revocation list."""
NEW_MOUNT_SECONDS = 15.0
"""How long a KV version 2 mount answers 400 after it was made; measured here: under 1 s, on busy cores only."""
REVOCATION_SECONDS = 10.0
"""How long a revoked database login may still work; measured here: under 0.1 s."""


class SecretPath(NamedTuple):
    """A secret in a KV version 2 mount."""

    mount: str
    path: str


class DatabaseRole(NamedTuple):
    """A dynamic role and where its logins are good for."""

    mount: str
    role: str
    access: str
    """`readonly` or `readwrite`."""
    host: str
    port: int
    database: str
    schema: str = "public"


class TransitKey(NamedTuple):
    """A key to encrypt with."""

    mount: str
    key: str
    derived: bool = False
    """Whether the key wants a context."""


class PkiRole(NamedTuple):
    """A role that issues certificates."""

    mount: str
    """The intermediate's mount."""
    role: str
    common_name: str
    root_mount: str
    """Where the root certificate is published."""


@dataclass(frozen=True, kw_only=True)
class ApplicationProof:
    """What one application is to have."""

    name: str
    role_name: str
    """Its AppRole."""
    approle_mount: str = "approle"
    secrets: Sequence[SecretPath] = ()
    foreign: SecretPath | None = None
    """Another application's secret."""
    database_roles: Sequence[DatabaseRole] = ()
    transit_keys: Sequence[TransitKey] = ()
    pki: PkiRole | None = None


@dataclass(kw_only=True)
class ProofRow:
    """What was found for one application, each `passed`, `failed: REASON` or `not asked for`."""

    application: str
    login: str = NOT_ASKED_FOR
    secret: str = NOT_ASKED_FOR
    denied: str = NOT_ASKED_FOR
    """Whether another application's secret was refused."""
    database: str = NOT_ASKED_FOR
    encryption: str = NOT_ASKED_FOR
    certificate: str = NOT_ASKED_FOR
    revoked: str = NOT_ASKED_FOR
    """Whether the token and the leased database logins were dead afterwards."""

    @property
    def columns(self) -> dict[str, str]:
        """Each column by its name, without the application."""
        return {name: value for name, value in vars(self).items() if name != "application"}

    @property
    def passed(self) -> bool:
        """Whether nothing failed. A row in which nothing was asked for has not passed."""
        return PASSED in self.columns.values() and not any(v.startswith("failed") for v in self.columns.values())


@dataclass(frozen=True, kw_only=True)
class WrappedSecretId:
    """A SecretID that only its one receiver can unwrap, once."""

    token: str = field(repr=False)
    """Single-use wrapping token: a secret until it is used."""
    accessor: str
    """Names the wrapping token without giving it away."""
    ttl_seconds: int
    role_id: str
    """What the application logs in with beside it. Not secret."""
    creation_path: str
    """Where the receiver must find that it was made, or it was made by someone else."""


class ProofError(Exception):
    """Something an application is to have isn't so."""


def prove(
    address: str, ca_file: Path | None, administrator: hvac.Client, applications: Sequence[ApplicationProof]
) -> list[ProofRow]:
    """Log in as each application and use what it is to have; one row each. Never raises for what it finds."""
    return [_Proof(address, ca_file, administrator, application).run() for application in applications]


def issue_secret_id(client: hvac.Client, mount: str, role: str, wrap_ttl_seconds: int) -> WrappedSecretId:
    """Make a response-wrapped SecretID. Raises EstateError if the role isn't there or the server refuses."""
    path = f"auth/{mount}/role/{role}/secret-id"
    try:
        role_id = _call(client, "get", f"auth/{mount}/role/{role}/role-id")["data"]["role_id"]
        wrapped = _call(client, "post", path, {}, wrap_ttl=f"{wrap_ttl_seconds}s")["wrap_info"]
    except (VaultError, requests.RequestException) as error:
        raise EstateError(f"secret-id: role {role!r} of auth/{mount}: {_reason(error)}") from error
    return WrappedSecretId(
        token=wrapped["token"],
        role_id=str(role_id),
        accessor=wrapped["accessor"],
        ttl_seconds=int(wrapped["ttl"]),
        creation_path=wrapped["creation_path"],
    )


def seed_secrets(client: hvac.Client, wanted: Mapping[SecretPath, Sequence[str]]) -> list[SecretPath]:
    """Write random values under the given keys where no secret is yet; the secrets written. Never replaces one.

    Raises EstateError if the server refuses.
    """
    written = []
    for secret, keys in wanted.items():
        body = {"options": {"cas": 0}, "data": {key: secrets.token_urlsafe(24) for key in keys}}
        try:
            _call(client, "post", f"{secret.mount}/data/{secret.path}", body)
        except Forbidden:
            # The administrator may create, not overwrite: a secret that is there already is answered with a refusal.
            # Had the right to create been missing too, the proof that reads the secret would say so.
            continue
        except InvalidRequest as error:
            if "check-and-set" not in str(error):
                raise EstateError(f"secret {secret.mount}/{secret.path}: {_reason(error)}") from error
        except (VaultError, requests.RequestException) as error:
            raise EstateError(f"secret {secret.mount}/{secret.path}: {_reason(error)}") from error
        else:
            written.append(secret)
    return written


class _Proof:
    """One application's proof."""

    def __init__(
        self, address: str, ca_file: Path | None, administrator: hvac.Client, application: ApplicationProof
    ) -> None:
        self.administrator = administrator
        self.application = application
        # Without a token of its own the client would take the operator's from VAULT_TOKEN.
        self.client = hvac.Client(url=address, verify=str(ca_file) if ca_file else True, token="")
        self.logins: list[tuple[DatabaseRole, str]] = []
        """Connection strings of leased logins, to be found dead at the end."""

    def run(self) -> ProofRow:
        asked = self.application
        row = ProofRow(application=asked.name)
        row.login = _column(self._login)
        if row.login == PASSED:
            row.secret = _column(self._read) if asked.secrets else NOT_ASKED_FOR
            row.denied = _column(self._is_denied) if asked.foreign else NOT_ASKED_FOR
            row.database = _column(self._open_sessions) if asked.database_roles else NOT_ASKED_FOR
            row.encryption = _column(self._encrypt) if asked.transit_keys else NOT_ASKED_FOR
            row.certificate = _column(self._get_certificate) if asked.pki else NOT_ASKED_FOR
            row.revoked = _column(self._revoke)
        return row

    def _login(self) -> None:
        role = f"auth/{self.application.approle_mount}/role/{self.application.role_name}"
        role_id = _call(self.administrator, "get", f"{role}/role-id")["data"]["role_id"]
        wrapped = issue_secret_id(
            self.administrator, self.application.approle_mount, self.application.role_name, wrap_ttl_seconds=60
        )
        if wrapped.creation_path != f"{role}/secret-id":
            raise ProofError(f"the SecretID was made at {wrapped.creation_path}")
        self.client.token = wrapped.token
        secret_id = _call(self.client, "post", "sys/wrapping/unwrap", {})["data"]["secret_id"]
        self.client.token = ""
        body = {"role_id": role_id, "secret_id": secret_id}
        answer = _call(self.client, "post", f"auth/{self.application.approle_mount}/login", body)
        self.client.token = answer["auth"]["client_token"]

    def _read(self) -> None:
        for secret in self.application.secrets:
            answer = _call(self.client, "get", f"{secret.mount}/data/{secret.path}")
            if not answer["data"]["data"]:
                raise ProofError(f"{secret.mount}/{secret.path} is empty")

    def _is_denied(self) -> None:
        foreign = self.application.foreign
        if foreign is not None:
            try:
                _call(self.client, "get", f"{foreign.mount}/data/{foreign.path}")
            except Forbidden:
                return
            raise ProofError(f"could read {foreign.mount}/{foreign.path} of another application")

    def _open_sessions(self) -> None:
        for role in self.application.database_roles:
            leased = _call(self.client, "get", f"{role.mount}/creds/{role.role}")["data"]
            login = psycopg.conninfo.make_conninfo(
                host=role.host,
                port=role.port,
                dbname=role.database,
                user=leased["username"],
                password=leased["password"],
                connect_timeout=5,
            )
            self.logins.append((role, login))
            with psycopg.connect(login) as session:
                _check_session(session, role, leased["username"])

    def _encrypt(self) -> None:
        for mount, key, derived in self.application.transit_keys:
            context = {"context": _text64(b"vault-estate proof")} if derived else {}
            plain = _text64(secrets.token_bytes(32))
            sealed = _call(self.client, "post", f"{mount}/encrypt/{key}", {"plaintext": plain, **context})["data"]
            if plain in sealed["ciphertext"]:
                raise ProofError(f"{mount}/{key} did not encrypt")
            body = {"ciphertext": sealed["ciphertext"], **context}
            if _call(self.client, "post", f"{mount}/decrypt/{key}", body)["data"]["plaintext"] != plain:
                raise ProofError(f"{mount}/{key} decrypts to something else")

    def _get_certificate(self) -> None:
        role = self.application.pki
        if role is not None:
            body = {"common_name": role.common_name, "ttl": f"{CERTIFICATE_TTL_SECONDS}s"}
            issued = _call(self.client, "post", f"{role.mount}/issue/{role.role}", body)["data"]
            published = self.client.adapter.get(f"/v1/{role.root_mount}/ca/pem")
            root = x509.load_pem_x509_certificate(published.content)
            verify_certificate(issued, root, role.common_name)

    def _revoke(self) -> None:
        _call(self.client, "post", "auth/token/revoke-self", {})
        try:
            _call(self.client, "get", "auth/token/lookup-self")
        except Forbidden:
            pass
        else:
            raise ProofError("the revoked token still works")
        for role, login in self.logins:
            deadline = time.monotonic() + REVOCATION_SECONDS
            while _opens(login):
                if time.monotonic() > deadline:
                    raise ProofError(f"a revoked login of {role.mount}/{role.role} still works")
                time.sleep(0.1)


def verify_certificate(issued: Mapping[str, Any], root: x509.Certificate, common_name: str) -> None:
    """Check an answer of PKI's `issue`: the chain up to the root, the name, and that the key is the certificate's.

    Raises ProofError.
    """
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in issued.get("ca_chain") or [issued["issuing_ca"]]]
    between = [certificate for certificate in chain if certificate != root]
    builder = verification.PolicyBuilder().store(verification.Store([root]))
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.SERVER_AUTH in purposes:
            builder.build_server_verifier(x509.DNSName(common_name)).verify(leaf, between)
        else:
            builder.build_client_verifier().verify(leaf, between)
    except (verification.VerificationError, x509.ExtensionNotFound) as error:
        raise ProofError(f"the certificate does not verify: {error}") from error
    key = load_pem_private_key(issued["private_key"].encode(), password=None)
    if _public(key.public_key()) != _public(leaf.public_key()):
        raise ProofError("the private key is not the certificate's")


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _check_session(session: psycopg.Connection, role: DatabaseRole, username: str) -> None:
    found = session.execute("select current_user").fetchone()
    if found is None or found[0] != username:
        raise ProofError(f"the session of {role.mount}/{role.role} is not the leased user's")
    wanted = "select" if role.access == "readonly" else "select, insert, update, delete"
    tables = session.execute(
        "select c.oid::regclass::text, has_table_privilege(c.oid, 'select'),"
        " has_table_privilege(c.oid, 'insert'), has_table_privilege(c.oid, 'update'),"
        " has_table_privilege(c.oid, 'delete')"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relkind = 'r'",
        [role.schema],
    ).fetchall()
    for table, *rights in tables:
        if rights != [True, *[role.access != "readonly"] * 3]:
            raise ProofError(f"{role.mount}/{role.role} should have {wanted} on {table}, and nothing else")
    if role.access == "readonly" and _can_create(session, role.schema):
        raise ProofError(f"{role.mount}/{role.role} is readonly, but could create a table")


def _can_create(session: psycopg.Connection, schema: str) -> bool:
    name = psycopg.sql.Identifier(schema, f"estate_proof_{secrets.token_hex(4)}")
    try:
        session.execute(psycopg.sql.SQL("create table {} (n int)").format(name))
    except psycopg.errors.InsufficientPrivilege:
        return False
    else:
        return True
    finally:
        session.rollback()


def _opens(login: str) -> bool:
    try:
        psycopg.connect(login).close()
    except psycopg.OperationalError:
        return False
    return True


def _column(check: Callable[[], None]) -> str:
    try:
        check()
    except (
        ProofError,
        EstateError,
        VaultError,
        requests.RequestException,
        psycopg.Error,
        KeyError,
        ValueError,
    ) as error:
        return f"failed: {_reason(error)}"
    return PASSED


def _reason(error: BaseException) -> str:
    return redact(" ".join(str(error).split()))[:300] or type(error).__name__


def _text64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _call(
    client: hvac.Client, method: str, path: str, body: Mapping[str, Any] | None = None, *, wrap_ttl: str | None = None
) -> dict[str, Any]:
    """One request; its document, empty if the server had nothing to say. Waits for a KV mount that was just made."""
    deadline = time.monotonic() + NEW_MOUNT_SECONDS
    while True:
        try:
            answer = client.adapter.request(method, f"/v1/{path}", json=body, wrap_ttl=wrap_ttl)
        except InvalidRequest as error:
            if "Upgrading from non-versioned to versioned" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return answer if isinstance(answer, dict) else {}
