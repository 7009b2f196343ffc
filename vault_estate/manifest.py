"""What an application knows of its estate: the document that `./estate client-config` writes, and how it is read.

Owns the document's form and where it is looked for. Refuses what it doesn't know, names that are given twice, and
addresses that aren't encrypted; each bad document is one line, which quotes no text that could be a secret. There is no
place for a secret in it.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from vault_estate import tls
from vault_estate.errors import ConfigurationError
from vault_estate.paths import is_path

SCHEMA_VERSION = 1
"""Of the document; a release of the library reads one."""
VARIABLE = "VAULT_ESTATE_CONFIG"
"""Names the document's file."""
FILE = "vault-estate.json"
"""The document where the variable isn't set: in the folder that the process works in."""
LARGEST_BYTES = 1_048_576
"""More than any estate's document has; whatever is larger is another file."""

ROTATION_BY = r"^(?:random|hook:[a-z][a-z0-9_-]{0,62})$"
"""Pattern of what replaces values."""
_KINDS = "'approle', 'kubernetes', 'jwt'"
_CERTIFICATES = re.compile(r"(?:\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+")
_SHOWN = ("access", "flavor", "kind", "token_type", "type")
"""Whose values are a few known words; no other text is quoted."""
_EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "too_short": "at least one entry",
    "string_too_short": "some text",
    "string_pattern_mismatch": "random, or hook:NAME",
}
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
}


def _address(value: str) -> str:
    try:
        tls.address(value.replace("http:", "https:", 1))
    except ConfigurationError:
        raise ValueError(
            "expected a URL such as https://vault.example.com:8200, without a path, a login or a question"
        ) from None
    try:
        tls.address(value)
    except ConfigurationError:
        raise ValueError("expected https:// for an address that isn't this machine's own") from None
    return value.rstrip("/")


def _certificates(value: str) -> str:
    if not _CERTIFICATES.fullmatch(value):
        raise ValueError("expected certificates in PEM, and nothing else")
    return value


def _path(value: str) -> str:
    if not is_path(value):
        raise ValueError("expected names joined by '/', each of letters, digits, '.', '_' or '-'")
    return value


VaultPlace = Annotated[str, AfterValidator(_path)]
"""A mount, or a path or a name inside one."""
Text = Annotated[str, Field(min_length=1)]
LifeSeconds = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    # Pydantic would quote what was given, and that may be a secret in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class _ManifestLogin(_Part):
    mount: VaultPlace
    """Of the auth method, without `auth/`."""
    role: VaultPlace
    """Of the application there."""
    token_ttl_seconds: LifeSeconds
    """How long a token lives unless it is renewed."""
    token_max_ttl_seconds: LifeSeconds
    """How long a token lives at most."""
    token_type: Literal["service", "batch"]
    """A `batch` token can't be renewed."""


class ManifestAppRole(_ManifestLogin):
    """A login by RoleID, which is no secret, and SecretID, which is never in the document."""

    kind: Literal["approle"] = "approle"
    role_id: Text
    secret_id_ttl_seconds: LifeSeconds
    """How long a SecretID is good for."""
    secret_id_uses: Annotated[int, Field(ge=0)]
    """Logins that one SecretID is good for; 0: any number."""
    renews_secret_id: bool
    """Whether its tokens may ask for the next SecretID."""


class ManifestKubernetes(_ManifestLogin):
    """A login by a pod's service account."""

    kind: Literal["kubernetes"] = "kubernetes"
    service_account: Text
    namespace: Text
    audience: Text
    """Whom the service account's token must be made for."""


class ManifestJwt(_ManifestLogin):
    """A login by the token that a CI service signs for a job."""

    kind: Literal["jwt"] = "jwt"
    audience: Text
    """Whom the job's token must be made for."""


class ManifestRotation(_Part):
    """How and how often a secret's values are replaced."""

    by: Annotated[str, Field(pattern=ROTATION_BY)]
    """`random`: values that are hard to guess. `hook:NAME`: by a program of the application's own."""
    every_seconds: LifeSeconds
    """How old a value may become."""
    grace_seconds: Annotated[int, Field(ge=0)]
    """How long the value before is accepted beside the new one."""
    keys: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Names of the values that are replaced, together."""
    password_policy: VaultPlace | None = None
    """Of Vault's, by which random values are made. None: 32 characters of base64."""
    forms: Mapping[str, Text] = {}
    """By key, what a random value is part of: a text with `{random}` in it."""


class ManifestSecret(_Part):
    """A secret that the application may read; no value is here."""

    mount: VaultPlace
    """The KV version 2 mount."""
    path: VaultPlace
    """Inside the mount, without `data/`."""
    keys: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Names of the values inside."""
    access: Literal["read", "write"]
    """`write` includes `read`."""
    owner: Text
    """The application that owns it."""
    rotation: ManifestRotation | None = None
    """How its values are replaced; None: nobody does unasked."""


class _ManifestDatabaseServer(_Part):
    host: Text
    """As Vault reaches it."""
    port: Annotated[int, Field(gt=0)]
    database: Text
    ssl_mode: Literal["verify-full", "verify-ca", "require", "disable"]
    """PostgreSQL's `sslmode`."""


class ManifestDynamicRole(_ManifestDatabaseServer):
    """Database logins that are made on request and end with their lease."""

    access: Literal["readonly", "readwrite"]
    ttl_seconds: LifeSeconds
    """How long a lease lasts unless it is renewed."""
    max_ttl_seconds: LifeSeconds
    """How long a lease lasts at most."""


class ManifestStaticRole(_ManifestDatabaseServer):
    """The login of an existing database user, whose password Vault replaces."""

    username: Text
    rotation_period_seconds: LifeSeconds
    """How often Vault replaces the password."""


class ManifestDatabase(_Part):
    """The database engine, and the roles that are granted."""

    mount: VaultPlace
    roles: Mapping[VaultPlace, ManifestDynamicRole]
    static_roles: Mapping[VaultPlace, ManifestStaticRole]


class ManifestTransitKey(_Part):
    """A key to encrypt and decrypt with, or to sign with, which stays in Vault."""

    type: Text
    """Vault's name of its kind."""
    derived: bool
    """Every request must bring a context."""
    convergent: bool
    """Same plaintext and context give the same ciphertext."""


class ManifestTransit(_Part):
    """The transit engine, and the keys that are granted."""

    mount: VaultPlace
    keys: Mapping[VaultPlace, ManifestTransitKey]


class ManifestPkiRole(_Part):
    """Certificates by one role."""

    allowed_domains: Annotated[tuple[Text, ...], Field(min_length=1)]
    allow_subdomains: bool
    """For names below those domains."""
    allow_bare_domains: bool
    """For those domains themselves."""
    server: bool
    """For servers (extended key usage)."""
    client: bool
    """For clients (extended key usage)."""
    ttl_seconds: LifeSeconds
    """Lifetime where the request names none."""
    max_ttl_seconds: LifeSeconds
    """Longest lifetime."""


class ManifestPki(_Part):
    """The certificate authority, and the roles that are granted."""

    mount: VaultPlace
    """Of the intermediate, which issues."""
    root_mount: VaultPlace
    """Where the root certificate is published."""
    roles: Mapping[VaultPlace, ManifestPkiRole]


class ClientManifest(_Part):
    """All that one application has to know of its estate. Nothing in it is secret."""

    schema_version: Literal[1] = 1
    application: VaultPlace
    environment: Text
    """Name of the environment, the `{environment}` of the layout."""
    flavor: Literal["openbao", "vault"]
    """Which server answers."""
    addresses: Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], Field(min_length=1)]
    """URLs of Vault's API, of the same cluster."""
    ca_certificate: Annotated[str, AfterValidator(_certificates)] | None = None
    """PEM of who vouches for the server's certificate. None: the system's store."""
    login: Annotated[ManifestAppRole | ManifestKubernetes | ManifestJwt, Field(discriminator="kind")]
    """How the application logs in."""
    mount: VaultPlace
    """The KV mount that its own secrets live in."""
    layout: Text
    """Where its own secrets live, as `vault_estate.paths.secret_path` takes it."""
    fresh_seconds: LifeSeconds | None = None
    """How long a read secret counts as fresh. None: the library's own default."""
    environment_variables: bool = True
    """Whether secrets may be set as variables of a process."""
    secrets: Mapping[VaultPlace, ManifestSecret]
    """By name; another application's secret, which is only read, is called OWNER/NAME."""
    database: ManifestDatabase | None = None
    transit: ManifestTransit | None = None
    pki: ManifestPki | None = None

    def secret(self, name: str) -> ManifestSecret:
        """A secret by its name. Raises ConfigurationError, which lists the known names."""
        return self.secrets[self._known("secret", name, self.secrets)]

    def database_role(self, name: str) -> ManifestDynamicRole | ManifestStaticRole:
        """A database role of either kind by its name. Raises ConfigurationError, which lists the known names."""
        roles: dict[str, ManifestDynamicRole | ManifestStaticRole] = {}
        if self.database:
            roles = {**self.database.roles, **self.database.static_roles}
        return roles[self._known("database role", name, roles)]

    def transit_key(self, name: str) -> ManifestTransitKey:
        """A transit key by its name. Raises ConfigurationError, which lists the known names."""
        keys = self.transit.keys if self.transit else {}
        return keys[self._known("transit key", name, keys)]

    def pki_role(self, name: str) -> ManifestPkiRole:
        """A PKI role by its name. Raises ConfigurationError, which lists the known names."""
        roles = self.pki.roles if self.pki else {}
        return roles[self._known("PKI role", name, roles)]

    def render(self) -> str:
        """The document, as it is written to a file."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False) + "\n"

    def _known(self, what: str, name: str, choices: Iterable[str]) -> str:
        there = sorted(choices)
        if name in there:
            return name
        shown = repr(name) if is_path(name) and len(name) <= 100 else "not shown, as it is no name"
        granted = f"one that {self.application} is granted: {', '.join(there) or 'none is'}"
        raise ConfigurationError(f"{what} is {shown}; expected {granted}")


def find(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The document's file: what the variable names, else the one in this folder. None: there is neither."""
    if named := environ.get(VARIABLE):
        return Path(named)
    here = Path(FILE)
    return here if here.exists() else None


def load(file: str | os.PathLike[str] | None = None, environ: Mapping[str, str] = os.environ) -> ClientManifest:
    """Read the document: of `file`, else of what `find` finds.

    Raises:
        ConfigurationError: there is none, it can't be read, or it is a bad document.
    """
    path = Path(file) if file is not None else find(environ)
    if path is None:
        raise ConfigurationError(f"{FILE} is missing; expected it here, or its name in {VARIABLE}")
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # a ValueError: no name of a file
        words = getattr(error, "strerror", None) or "no such name"
        raise ConfigurationError(f"{path} can't be read ({words}); expected a file of ./estate client-config") from None
    if len(content) > LARGEST_BYTES:
        raise ConfigurationError(f"{path} is larger than 1 MiB; expected a file of ./estate client-config")
    return parse(content, str(path))


def parse(content: bytes | str, source: str = FILE) -> ClientManifest:
    """Read the document's content; `source` is how messages call it. Raises ConfigurationError: it is a bad one."""
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        document = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except _NotOnceError as error:
        raise ConfigurationError(f"{source}: a mapping has {error} twice; expected each name once") from None
    except (ValueError, RecursionError):
        # A decoder's own words could quote what stands there.
        raise ConfigurationError(f"{source} is no JSON document; expected one of ./estate client-config") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{source} is {_described(document, '')}; expected a mapping")
    version = document.get("schema_version", None)
    if version is None or isinstance(version, bool) or version != SCHEMA_VERSION:
        said = "is missing" if version is None else f"is {_described(version, '')}"
        raise ConfigurationError(
            f"{source}: schema_version {said}; expected {SCHEMA_VERSION}, which this release of vault-estate reads"
        )
    try:
        return ClientManifest.model_validate_json(text)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
    if not mistake["loc"]:
        # Pydantic's JSON is narrower than Python's: no half of a surrogate pair, and less depth.
        raise ConfigurationError(f"{source} is no JSON document; expected one of ./estate client-config")
    raise ConfigurationError(f"{source}: {_line(mistake)}")


class _NotOnceError(ValueError):
    """A mapping that has one name twice, of which a reader would take the last."""


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotOnceError(repr(twice) if is_path(twice) and len(twice) <= 100 else "a name")
    return found


def _no_number(_: str) -> None:
    """NaN and the infinities, which JSON hasn't."""
    raise ValueError


def _line(mistake: Any) -> str:
    """What pydantic found first, in one line."""
    kind, value, context = mistake["type"], mistake["input"], mistake.get("ctx", {})
    way = [str(part) for part in mistake["loc"] if part != "[key]"]
    if way[:1] == ["login"]:
        del way[1:2]  # the kind, which pydantic puts between
    where = ".".join(part if is_path(part) or part == "login" else "[name]" for part in way)
    if kind == "missing":
        return f"{where} is missing; expected a value"
    if kind == "extra_forbidden":
        return f"{where} is nothing that the document has; expected no such name"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        said = f"is {_described(value.get('kind'), 'kind')}" if kind == "union_tag_invalid" else "is missing"
        return f"{where}.kind {said}; expected one of {_KINDS}"
    if kind == "value_error":
        expected = str(context.get("error", "")).removeprefix("expected ")
    elif kind == "literal_error":
        expected = str(context["expected"])
    elif kind in _BOUNDS:
        words, limit = _BOUNDS[kind]
        expected = f"{words} {int(context[limit])}"
    else:
        expected = _EXPECTED.get(kind, "something else")
    return f"{where} is {_described(value, way[-1])}; expected {expected}"


def _described(value: object, setting: str) -> str:
    """A value as a message may show it: numbers, truth and the few words of some settings; no other text."""
    if value is None or value in ("", [], {}, ()):
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**9 else "a large number"
    if isinstance(value, str):
        known = setting in _SHOWN and re.fullmatch(r"[a-z][a-z-]{0,19}", value)
        return repr(value) if known else "other text"
    kinds: Mapping[type, str] = {dict: "a mapping", list: "a list", tuple: "a list", float: "a fraction"}
    return kinds.get(type(value), "something else")
