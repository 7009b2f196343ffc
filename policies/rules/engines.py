"""Rules about secrets engines: KV, database, transit, and what limits everybody. Owns how long their leases may be."""

import re
from collections.abc import Iterator
from typing import Any

from .constraints import inputs, named, off, on_unless_left, within
from .rule import Resource, Rule

_DAY_SECONDS = 86_400
_QUARTER_SECONDS = 92 * _DAY_SECONDS
_YEAR_SECONDS = 366 * _DAY_SECONDS
_FEWEST_CHARACTERS = 20
_KINDS = ("mongodb", "mysql", "postgresql", "redis")
_POWERS = re.compile(r"(?<!NO)\b(?:SUPERUSER|CREATEROLE|CREATEDB|BYPASSRLS|REPLICATION)\b", re.IGNORECASE)
_LOOPBACK = re.compile(r"@(?:127\.[0-9]+\.[0-9]+\.[0-9]+|localhost|\[::1\])[:/]")
_CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
_ROLE = "vault:database/secretBackendRole:SecretBackendRole"
_KEY = "vault:transit/secretBackendKey:SecretBackendKey"


def _kv_version(resource: Resource) -> Iterator[str]:
    if resource.known("type") and resource.known("options") and resource.get("type") in ("kv", "kv-v2"):
        with resource.remembering():
            version = str((resource.get("options") or {}).get("version") or "")
            if resource.get("type") == "kv" and version != "2":
                yield "its values have no versions, so an overwritten one is lost"


def _no_template(resource: Resource) -> Iterator[str]:
    for url in _urls(resource):
        if "{{password}}" not in url:
            yield "its connection URL has no {{password}}, so the password stands in it"


def _unverified(resource: Resource) -> Iterator[str]:
    for url in _urls(resource):
        if not _LOOPBACK.search(url) and "sslmode=verify-full" not in url:
            yield "its connection isn't sslmode=verify-full, so anybody on the way may answer"


def _urls(resource: Resource) -> Iterator[str]:
    for kind in _KINDS:
        if resource.known(kind):
            with resource.remembering():
                url = (resource.get(kind) or {}).get("connectionUrl")
                if url:
                    yield str(url)


def _statements(resource: Resource) -> Iterator[str]:
    if resource.known("creationStatements"):
        with resource.remembering():
            for statement in resource.get("creationStatements") or []:
                yield str(statement)


def _powerful(resource: Resource) -> Iterator[str]:
    if any(_POWERS.search(statement) for statement in _statements(resource)):
        yield "its logins may do what only a database's owner may"


def _endless(resource: Resource) -> Iterator[str]:
    for statement in _statements(resource):
        if re.search(r"CREATE (?:ROLE|USER)", statement, re.IGNORECASE) and "{{expiration}}" not in statement:
            yield "its logins have no VALID UNTIL '{{expiration}}', so they outlive a Vault that is gone"


def _rotation(resource: Resource) -> Iterator[str]:
    if not resource.has_inputs or not (resource.known("rotationPeriod") and resource.known("rotationSchedule")):
        return
    wrong = within(_QUARTER_SECONDS)(resource.get("rotationPeriod"))
    if wrong and not resource.get("rotationSchedule"):
        yield f"rotationPeriod {wrong}"


def _long_passwords(value: Any) -> str | None:
    length = re.search(r"^\s*length\s*=\s*([0-9]+)", str(value or ""), re.MULTILINE)
    if length is None or int(length[1]) < _FEWEST_CHARACTERS:
        return f"makes passwords of fewer than {_FEWEST_CHARACTERS} characters"
    return None


def _raw(resource: Resource) -> Iterator[str]:
    if resource.known("options"):
        with resource.remembering():
            options = resource.get("options") or {}
            if str(options.get("log_raw") or "false").lower() != "false":
                yield "log_raw is set, so secrets stand readable in the log"
            if str(options.get("hmac_accessor") or "true").lower() == "false":
                yield "hmac_accessor is off, so a reader of the log can revoke tokens"


RULES = (
    Rule(
        name="kv-keeps-versions",
        sentence="A KV mount keeps versions.",
        remediation="Set options version to '2'.",
        source="Vault, KV secrets engine version 2",
        types=("vault:index/mount:Mount",),
        check=_kv_version,
    ),
    Rule(
        name="database-password-is-no-text",
        sentence="A database's root password stands in no URL.",
        remediation="Write {{username}} and {{password}} in connection_url, and give the password apart.",
        source="Vault, Database secrets engine: root credential rotation",
        types=(_CONNECTION,),
        check=_no_template,
    ),
    Rule(
        name="database-is-verified",
        sentence="A database on another machine is verified by name and authority.",
        remediation="Set ssl_mode to verify-full.",
        source="PostgreSQL, SSL support: protection provided in different modes",
        types=(_CONNECTION,),
        check=_unverified,
    ),
    Rule(
        name="database-names-its-roles",
        sentence="A database connection serves roles that are named.",
        remediation="List the roles in allowed_roles.",
        source="Vault, Database secrets engine API: allowed_roles",
        types=(_CONNECTION,),
        check=inputs(allowedRoles=named),
    ),
    Rule(
        name="database-logins-are-short",
        sentence="Leased database logins live at most a day.",
        remediation="Set default_ttl and max_ttl to at most 86400 seconds.",
        source="HashiCorp, Production hardening: short TTLs; greenlang-eks-secrets.md asks for 24 h",
        types=(_ROLE,),
        check=inputs(defaultTtl=within(_DAY_SECONDS), maxTtl=within(_DAY_SECONDS)),
    ),
    Rule(
        name="database-logins-have-no-powers",
        sentence="Leased database logins are no owners: no SUPERUSER, CREATEROLE, CREATEDB, BYPASSRLS or REPLICATION.",
        remediation="Take it out of creation_statements; what needs it gets a static role that a person knows of.",
        source="PostgreSQL, Role attributes; CIS PostgreSQL Benchmark, section 4",
        types=(_ROLE,),
        check=_powerful,
    ),
    Rule(
        name="database-logins-end-by-themselves",
        sentence="A leased database login ends in the database, too, where nobody revokes it.",
        remediation="Write VALID UNTIL '{{expiration}}' in creation_statements.",
        source="Vault, PostgreSQL database plugin: creation_statements",
        types=(_ROLE,),
        check=_endless,
    ),
    Rule(
        name="static-passwords-are-rotated",
        sentence="The password of a static database role is replaced at least each quarter.",
        remediation="Set rotation_period to at most 92 days, or a rotation_schedule.",
        source="PCI DSS 4.0, requirement 8.6.3: passwords of system accounts are changed periodically",
        types=("vault:database/secretBackendStaticRole:SecretBackendStaticRole",),
        check=_rotation,
    ),
    Rule(
        name="transit-keys-are-rotated",
        sentence="A key gets a new version at least once a year.",
        remediation="Set auto_rotate_period to at most 366 days.",
        source="NIST SP 800-57 part 1 revision 5, table 1, which allows 2 years; a year here, since it costs nothing",
        types=(_KEY,),
        check=inputs(autoRotatePeriod=within(_YEAR_SECONDS)),
    ),
    Rule(
        name="transit-keys-stay-inside",
        sentence="A key can't be taken out of Vault: it is neither exportable nor backed up in plain.",
        remediation="Leave exportable and allow_plaintext_backup off.",
        source="Vault, Transit secrets engine API: exportable, allow_plaintext_backup",
        types=(_KEY,),
        check=inputs(exportable=off, allowPlaintextBackup=off),
    ),
    Rule(
        name="passwords-are-long",
        sentence=f"Vault makes passwords of at least {_FEWEST_CHARACTERS} characters.",
        remediation="Raise length in the password policy.",
        source="NIST SP 800-63B, section 5.1.1; Vault's own default is 20",
        types=("vault:index/passwordPolicy:PasswordPolicy",),
        check=inputs(policy=_long_passwords),
    ),
    Rule(
        name="audit-log-holds-no-secret",
        sentence="An audit device writes hashes where secrets are.",
        remediation="Leave log_raw and hmac_accessor alone.",
        source="Vault, Audit devices: sensitive information; Production hardening, item 10",
        types=("vault:index/audit:Audit",),
        check=_raw,
    ),
    Rule(
        name="endpoint-keeps-its-secrets",
        sentence="What is written to a path of no type of its own isn't read back into the state.",
        remediation="Leave ignore_absent_fields on.",
        source="terraform-provider-vault, vault_generic_endpoint: ignore_absent_fields",
        types=("vault:generic/endpoint:Endpoint",),
        check=inputs(ignoreAbsentFields=on_unless_left),
    ),
)
