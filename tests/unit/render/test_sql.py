"""The SQL of leased logins, letter by letter. Doesn't prove that PostgreSQL takes it; `tests/live` does."""

import pytest

from components.render.sql import creation_statements, revocation_statements

CREATE = (
    "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
    " NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;"
)
MEMBER = 'GRANT "{{name}}" TO CURRENT_USER;'


def test_a_reader_may_only_select() -> None:
    assert creation_statements("readonly", "public") == (
        CREATE,
        MEMBER,
        'GRANT USAGE ON SCHEMA "public" TO "{{name}}";',
        'GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "{{name}}";',
        'GRANT SELECT ON ALL SEQUENCES IN SCHEMA "public" TO "{{name}}";',
    )


def test_a_writer_may_change_rows_but_no_table() -> None:
    assert creation_statements("readwrite", "sales_2026") == (
        CREATE,
        MEMBER,
        'GRANT USAGE ON SCHEMA "sales_2026" TO "{{name}}";',
        'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "sales_2026" TO "{{name}}";',
        'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA "sales_2026" TO "{{name}}";',
    )


def test_a_lease_ends_with_its_sessions_and_belongings() -> None:
    assert revocation_statements() == (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
        'REASSIGN OWNED BY "{{name}}" TO CURRENT_USER;',
        'DROP OWNED BY "{{name}}";',
        'DROP ROLE IF EXISTS "{{name}}";',
    )


@pytest.mark.parametrize("schema", ["", 'a"b', "a b", "a;b", "1a", "{{name}}", "a" * 64, "schéma", "a\n"])
def test_a_schema_that_needs_quoting_is_refused(schema: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)^schema is .*; expected a schema's name: up to 63 letters"):
        creation_statements("readonly", schema)
