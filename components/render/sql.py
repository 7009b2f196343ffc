"""SQL that Vault's database engine runs in PostgreSQL, as text.

Owns the statements of leased logins. Refuses identifiers it would have to trust: they are checked and quoted here,
never by the caller. Vault fills in `{{name}}`, `{{password}}` and `{{expiration}}` itself, so no secret is ever part of
this text.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from ..model import Form, hold

_IDENTIFIER = Form(
    r"[A-Za-z_][A-Za-z0-9_]{0,62}",
    "a schema's name: up to 63 letters, digits or '_', not beginning with a digit",
)
"""PostgreSQL cuts identifiers at 63 bytes; the plain alphabet needs no thought about quoting and none about Vault's
braces."""
SchemaName = Annotated[str, _IDENTIFIER]
"""Name of a schema in PostgreSQL."""

Access = Literal["readonly", "readwrite"]
"""What a leased login may do with the tables of its schema."""

_TABLE_PRIVILEGES: Mapping[Access, str] = {"readonly": "SELECT", "readwrite": "SELECT, INSERT, UPDATE, DELETE"}
_SEQUENCE_PRIVILEGES: Mapping[Access, str] = {"readonly": "SELECT", "readwrite": "USAGE, SELECT"}


def creation_statements(access: Access, schema: str) -> tuple[str, ...]:
    """Statements that make a leased login. Raises ValueError for a schema whose name isn't plain.

    Tables made after the login aren't covered: default privileges would have to be granted by each table's owner. A
    lease is short, and the next one sees them.
    """
    hold("schema", schema, _IDENTIFIER.check)
    return (
        (
            "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
            " NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;"
        ),
        # Membership lets Vault's own login end the role's sessions and take over what it owns without being a
        # superuser.
        'GRANT "{{name}}" TO CURRENT_USER;',
        f'GRANT USAGE ON SCHEMA "{schema}" TO "{{{{name}}}}";',
        f'GRANT {_TABLE_PRIVILEGES[access]} ON ALL TABLES IN SCHEMA "{schema}" TO "{{{{name}}}}";',
        f'GRANT {_SEQUENCE_PRIVILEGES[access]} ON ALL SEQUENCES IN SCHEMA "{schema}" TO "{{{{name}}}}";',
    )


def revocation_statements() -> tuple[str, ...]:
    """Statements that end a leased login: its sessions, what it owns, what it was granted, itself.

    Vault's built-in statements leave open sessions alone and fail on a login that owns something.
    """
    return (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
        'REASSIGN OWNED BY "{{name}}" TO CURRENT_USER;',
        'DROP OWNED BY "{{name}}";',
        'DROP ROLE IF EXISTS "{{name}}";',
    )
