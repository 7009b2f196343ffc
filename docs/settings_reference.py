"""Writes `docs/settings.md` from the settings' own types: `python -m docs.settings_reference > docs/settings.md`.

Owns the page's form, and the words for settings that have none of their own. Refuses a setting without a meaning.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, StringConstraints
from pydantic.fields import FieldInfo

from components.model import Form, Name, VaultPath, duration_text
from settings import Settings

INTRODUCTION = """\
# Settings

Everything one environment is made from stands in one structured setting, `vault-estate:estate`, of the stack's file
`Pulumi.<stack>.yaml`. `Pulumi.local.yaml` is a complete example. This page is written by
`python -m docs.settings_reference > docs/settings.md`; a test fails when it is not current.

- A **duration** is text such as `45s`, `30m`, `1h30m` or `90d`; a bare number means seconds.
- A **name** is 1 to 128 letters, digits, `.`, `_` or `-`, beginning with a letter or digit. A **path** is names joined
  by `/`.
- A **file** is named relative to the project's root.
- `<name>` and `<path>` stand for keys that you choose; `[]` stands for an entry of a list.
- An unknown setting, a wrong type or a reference to something that isn't there stops the command before it does
  anything, with one line for each mistake.
- Secrets don't stand in this structure. Where one is needed, a setting such as `password_secret` gives the *name* of a
  flat, encrypted setting beside it (`pulumi config set --secret vault-estate:NAME`).
"""

MEANINGS: Mapping[str, str] = {
    "Operator.name": "Whose share it is; stands in custody.",
    "LocalPlatform.kind": "This machine.",
    "HetznerPlatform.kind": "A server on Hetzner Cloud.",
    "HetznerPlatform.location": "Hetzner's name of the place: three in Germany and Finland, the others overseas.",
    "HetznerPlatform.image": "The system the node starts from.",
    "HetznerPlatform.network_cidr": "The private network.",
    "HetznerPlatform.subnet_cidr": "The part of it that the node is in.",
    "HetznerPlatform.labels": "Labels of every resource, beside `estate` and `role`.",
    "HetznerPlatform.tls": "Where the listener's certificate comes from.",
    "HetznerPlatform.seal": "What opens the seal.",
    "Acme.kind": "Fetched by the node.",
    "Acme.directory": "The authority's ACME directory.",
    "Provided.kind": "Brought by an operator.",
    "Internal.kind": "Made by the node.",
    "AwsKms.kind": "By AWS KMS.",
    "AwsKms.region": "The key's region.",
    "TransitSeal.kind": "By another Vault.",
    "TransitSeal.address": "The other Vault's URL.",
    "TransitSeal.key": "Name of its transit key.",
    "TransitSeal.mount": "Where its transit engine is mounted.",
    "Static.kind": "By a key of the node's own.",
    "Shamir.kind": "By people.",
    "Ssh.cidrs": "Networks that may reach port 22.",
    "Dns.zone": "The zone, which is there already.",
    "Snapshots.store": "Where they go.",
    "Snapshots.keep": "How many are kept.",
    "Bucket.kind": "An S3 service.",
    "Bucket.endpoint": "The service's URL; Hetzner: `https://fsn1.your-objectstorage.com`.",
    "Folder.kind": "This machine.",
    "Retention.hourly": "Of so many hours.",
    "Retention.daily": "Of so many days.",
    "Retention.weekly": "Of so many weeks.",
    "LocalPlatform.api_port": "Port of OpenBao's API on 127.0.0.1.",
    "LocalPlatform.cluster_port": "Port of Raft on 127.0.0.1.",
    "LocalPlatform.postgres_port": "Port of PostgreSQL on 127.0.0.1.",
    "Bootstrap.operators": "Who gets a share; one each.",
    "KvMount.description": "What operators read in the list of mounts.",
    "KvMount.max_versions": "Versions kept of each secret.",
    "Jwt.oidc_discovery_url": "Issuer whose discovery document names the signing keys. Either this or `jwks_url`.",
    "Jwt.jwks_url": "Where the signing keys are. Either this or `oidc_discovery_url`.",
    "Jwt.bound_issuer": "The `iss` claim that tokens must carry.",
    "DatabaseConnection.host": "Where PostgreSQL is, as Vault reaches it.",
    "DatabaseConnection.port": "Its TCP port.",
    "DatabaseConnection.database": "The database in which roles are made and granted.",
    "DatabaseConnection.username": "The user Vault logs in as.",
    "DatabaseConnection.ssl_mode": "How the server is verified. `disable` is accepted on loopback only.",
    "DatabaseRole.connection": "Name of an entry of `connections`.",
    "DatabaseRole.access": "Select only; or select, insert, update and delete. Neither may make a table.",
    "DatabaseRole.schema_name": "The schema the grants are for.",
    "DatabaseRole.ttl": "How long a lease lasts unless it is renewed.",
    "DatabaseRole.max_ttl": "How long a lease lasts at most.",
    "DatabaseStaticRole.connection": "Name of an entry of `connections`.",
    "DatabaseStaticRole.username": "The existing user.",
    "DatabaseStaticRole.rotation_period": "How often Vault replaces the password. 90 days, as the Hetzner plan asks.",
    "Database.connections": "The servers.",
    "Database.roles": "Roles that make a user for each lease.",
    "Database.static_roles": "Roles that stand for an existing user.",
    "TransitKey.type": "What the key can do: encrypt, or sign.",
    "TransitKey.min_decryption_version": "Oldest version that still decrypts.",
    "TransitKey.min_encryption_version": "Oldest version that still encrypts; 0 is the newest only.",
    "TransitKey.derived": "Every request must bring a context, from which its own key is derived.",
    "TransitKey.deletion_allowed": "Whether the key may be deleted, and all it encrypted with it.",
    "PkiRole.allowed_domains": "Domains under which certificates are issued, for hosts in them.",
    "PkiRole.server": "For servers (extended key usage).",
    "PkiRole.client": "For clients (extended key usage).",
    "PkiRole.ttl": "Lifetime when the request names none.",
    "PkiRole.max_ttl": "Longest lifetime. Leaves of 72 hours are so short that revocation hardly matters.",
    "Pki.root_path": "Mount of the root.",
    "Pki.intermediate_path": "Mount of the intermediate, from which certificates are issued.",
    "Pki.common_name": "Name of the authority; ` Root CA` and ` Intermediate CA` are added.",
    "Pki.organization": "Organisation in every certificate.",
    "Pki.root_ttl": "Lifetime of the root's certificate.",
    "Pki.intermediate_ttl": "Lifetime of the intermediate's certificate.",
    "FileAudit.file_path": "Absolute path of the file on the server.",
    "SocketAudit.address": "host:port of the listener.",
    "RateLimit.path": "The mount it holds for; empty is the whole server.",
    "RateLimit.interval": "Length of the interval.",
    "LoginLimit.interval": "Length of the interval.",
    "KubernetesLogin.service_account": "Name of the pod's service account.",
    "KubernetesLogin.namespace": "Its namespace.",
    "KubernetesLogin.audience": "The audience its token must be made for.",
    "JwtLogin.audience": "The audience the job's token must be made for.",
    "Secret.access": "Read only; or also write, without destroying versions.",
    "Shared.application": "The owner.",
    "Shared.secrets": "Names of its secrets.",
    "Application.secrets": "The secrets it owns.",
    "Application.reads": "Secrets of others that it may read.",
    "Application.database_roles": "Entries of `database.roles` or `database.static_roles` it may have credentials of.",
    "Application.transit_keys": "Entries of `transit.keys` it may encrypt and decrypt with.",
    "Application.pki_roles": "Entries of `pki.roles` it may have certificates of.",
    "Settings.kv": "The KV mounts. At least one.",
    "Settings.applications": "The applications, and what each may touch.",
    "Application.login": "How it logs in: one of three kinds.",
    "Settings.audit": "Audit devices declared through the API. HashiCorp's flavour only; there must be two or more.",
    "Section.path": "Where it is mounted.",
    "Section.kind": "How it logs in.",
    "Section.type": "Kind of the device.",
    "_Login.token_ttl": "How long a token lasts unless it is renewed.",
    "_Login.token_max_ttl": "How long a token lasts at most.",
}
"""Words for settings by section and name. A section's base stands for all that derive from it."""


_TAGS = ("kind", "type")
"""Settings that tell which section of several it is; they are shown first."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One section of settings, and where it stands in the stack file."""

    location: str
    model: type[BaseModel]

    @property
    def anchor(self) -> str:
        """GitHub's anchor of its heading."""
        kept = (letter for letter in self.location.lower() if letter.isalnum() or letter in "-_ ")
        return "".join(kept).replace(" ", "-")


def parts(model: type[BaseModel], location: str = "estate") -> Iterator[Part]:
    """A section and all sections inside it, outer ones first."""
    yield Part(location=location, model=model)
    for name, hint in _hints(model).items():
        for inner in _inner(hint, name if location == "estate" else f"{location}.{name}"):
            yield from parts(inner.model, inner.location)


def _hints(model: type[BaseModel]) -> dict[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in sorted(model.model_fields, key=lambda name: name not in _TAGS)}


def _inner(hint: Any, location: str) -> list[Part]:
    """The sections a setting holds: one, an entry of a list or a mapping, or the choices of a union."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [Part(location=location, model=hint)]
    arguments = get_args(hint)
    if get_origin(hint) is dict:
        return _inner(arguments[1], f"{location}.{'<path>' if arguments[0] == VaultPath else '<name>'}")
    if get_origin(hint) is tuple:
        return _inner(arguments[0], f"{location}[]")
    if get_origin(hint) is Annotated:
        return _inner(arguments[0], location)
    models = [one for one in arguments if isinstance(one, type) and issubclass(one, BaseModel)]
    if len(models) < 2:
        return [part for one in models for part in _inner(one, location)]
    return [Part(location=f"{location} ({_tag(one)})", model=one) for one in models]


def _tag(model: type[BaseModel]) -> str:
    (field,) = (model.model_fields[name] for name in _TAGS if name in model.model_fields)
    return str(get_args(field.annotation)[0])


def meaning(model: type[BaseModel], name: str) -> str:
    """What a setting means: the words here, else those below it in its section, else what the section it holds says.

    Raises:
        ValueError: nothing says so.
    """
    for base in model.__mro__:
        words = MEANINGS.get(f"{base.__name__}.{name}") or _docstrings(base).get(name)
        if words:
            break
    else:
        inner = _inner(_hints(model)[name], "")
        words = inspect.cleandoc(inner[0].model.__doc__ or "").split("\n\n")[0] if len(inner) == 1 else ""
    if not words:
        msg = f"{model.__name__}.{name} has no meaning; expected a docstring below it, or an entry in MEANINGS"
        raise ValueError(msg)
    return " ".join(words.replace("``", "`").split())


def _docstrings(model: type) -> dict[str, str]:
    """The text below each attribute in a class's source."""
    if not issubclass(model, BaseModel) or model is BaseModel:
        return {}
    (parsed,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    found: dict[str, str] = {}
    body = parsed.body if isinstance(parsed, ast.ClassDef) else []
    for attribute, below in pairwise(body):
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[attribute.target.id] = inspect.cleandoc(text)
    return found


def expected(hint: Any, location: str) -> str:
    """What a setting takes: its type, unit and bounds, in words."""
    inner = _inner(hint, location)
    if inner:
        return _section_words(hint, inner)
    if get_origin(hint) is Annotated:
        base, *constraints = get_args(hint)
        return _constrained(base, constraints)
    arguments = [argument for argument in get_args(hint) if argument is not NoneType]
    if get_origin(hint) is Literal:
        return " or ".join(f"`{argument}`" for argument in arguments)
    if get_origin(hint) is dict:
        return "mapping of text to text"
    if arguments:
        return ("list, each " if get_origin(hint) is tuple else "") + expected(arguments[0], location)
    return {bool: "`true` or `false`", int: "whole number", float: "number"}.get(hint, "text")


def _section_words(hint: Any, inner: list[Part]) -> str:
    links = " or ".join(f"[{part.model.__name__}](#{part.anchor})" for part in inner)
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kind = {dict: "mapping, each ", tuple: "list, each "}.get(get_origin(plain) or plain, "")
    return f"{kind}section {links}"


def _constrained(base: Any, constraints: list[Any]) -> str:
    if constraints == list(get_args(Name)[1:]):
        return "name"
    if constraints == list(get_args(VaultPath)[1:]):
        return "path"
    form = next((one for one in constraints if isinstance(one, Form)), None)
    if form:
        words = form.words.split(": ")[0].split(", relative")[0]
        return words.removeprefix("the name of ").removeprefix("a ").removeprefix("an ")
    text = next((one for one in constraints if isinstance(one, StringConstraints)), None)
    if text:
        return f"text of 1 to {text.max_length} characters" if text.max_length else "text"
    duration = any(isinstance(one, BeforeValidator) for one in constraints)
    words = "duration" if duration else expected(base, "")
    bounds: dict[str, Any] = {}
    for one in constraints:
        for bound in one.metadata if isinstance(one, FieldInfo) else ():
            bounds |= {key: getattr(bound, key) for key in _BOUNDS if hasattr(bound, key)}
    limits = [
        f"{word} {duration_text(bounds[key]) if duration else bounds[key]}"
        for key, word in _BOUNDS.items()
        if key in bounds
    ]
    if duration and not bounds.get("ge"):
        return words
    return ", ".join([words, *limits])


_BOUNDS: Mapping[str, str] = {"gt": "more than", "ge": "at least", "le": "at most"}


def default(field: FieldInfo, takes: str) -> str:
    """What a setting is when it isn't given."""
    value = field.default
    if field.is_required():
        return "**required**"
    if isinstance(value, BaseModel):
        return "its defaults"
    if value is None:
        return "off" if "section" in takes else "none"
    if value in ((), {}, ""):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{duration_text(value)}`" if takes.startswith("duration") else f"`{value}`"


def table(part: Part) -> list[str]:
    """One section as Markdown."""
    said = inspect.cleandoc(part.model.__doc__ or "")
    lines = [f"## `{part.location}`", "", said, ""]
    if part.model.model_fields:
        lines += ["| setting | meaning | takes | default |", "|---|---|---|---|"]
    for name, hint in _hints(part.model).items():
        takes = expected(hint, name if part.location == "estate" else f"{part.location}.{name}")
        field = part.model.model_fields[name]
        lines.append(f"| `{name}` | {meaning(part.model, name)} | {takes} | {default(field, takes)} |")
    return [*lines, ""]


def page() -> str:
    """The whole page."""
    lines = [line for part in parts(Settings) for line in table(part)]
    return INTRODUCTION + "\n" + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
