"""A database connection is renamed, or logs in as another user, after Vault replaced its password: it works, or the
preview says what it takes.

Not proven: a database that isn't the local one's own is played by the same PostgreSQL and a user of another name.
"""

import json
from typing import Any

from psycopg import sql

from ops.errors import EstateError
from tests.support.checkouts import Checkout

Connection = dict[str, Any]


def connected(made: Checkout, **connections: Connection) -> None:
    """Have these connections, and one application that has logins of the first."""
    settings = made.settings()
    first = next(iter(connections))
    settings["database"]["connections"] = connections
    settings["database"]["roles"] = {"reader": {"connection": first, "access": "readonly"}}
    settings.pop("people", None)
    settings["applications"] = {"aos": {"login": {"kind": "approle"}, "database_roles": ["reader"]}}
    made.write(settings)


def up(made: Checkout) -> None:
    """One that must end with every check passed."""
    answer = made.run("up", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["passed"]


def refused(made: Checkout) -> str:
    """What the preview and the `up` refuse alike, in one line."""
    answers = [made.run(command) for command in ("preview", "up")]
    assert {answer.returncode for answer in answers} == {EstateError.exit_code}
    first, second = (answer.stderr.strip().splitlines() for answer in answers)
    assert first[-1] == second[-1]
    return first[-1].removeprefix("estate: Pulumi.local.yaml: vault-estate:estate.database.connections.")


def login(made: Checkout, name: str, word: str) -> None:
    """Give a user of the database a password, as its administrator does, and put it where settings name it."""
    password = "-".join(("of", "the", word))
    with made.local.servers.postgres.maintenance("estate") as session:
        known = session.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
        act = "alter role {} password {}" if known else "create role {} superuser login password {}"
        session.execute(sql.SQL(act).format(sql.Identifier(name), sql.Literal(password)))
    (made.directory / f"{name}-password").write_text(password)


def test_connections_after_a_root_rotation(local_checkout: Checkout) -> None:
    own: Connection = local_checkout.settings()["database"]["connections"]["postgresql"]
    connected(local_checkout, postgresql=own)
    up(local_checkout)

    # Of the local database's own user: it is given the password that is sent.
    connected(local_checkout, renamed=own)
    up(local_checkout)
    connected(local_checkout, renamed=own | {"password_version": 2})
    up(local_checkout)

    # Another user needs a password of their own, and says so by the version.
    login(local_checkout, "other", "other")
    other = own | {"username": "other", "password_file": "other-password"}
    connected(local_checkout, renamed=other | {"password_version": 2})
    assert refused(local_checkout) == (
        "renamed.username is 'other'; expected 'vault_root', whose password Vault has, or password_version: 3 beside "
        "it and the first password of the other"
    )
    connected(local_checkout, renamed=other | {"password_version": 3})
    up(local_checkout)

    # Renamed, that user's first password is worthless.
    connected(local_checkout, moved=other | {"password_version": 3})
    assert refused(local_checkout) == (
        "moved is new and logs in as 'other', whose password Vault replaced; expected its name as before, 'renamed', "
        "or password_version: 4 and a password that the database was given since"
    )
    login(local_checkout, "other", "later")
    connected(local_checkout, moved=other | {"password_version": 4})
    up(local_checkout)

    answer = local_checkout.run("up", "--json")
    assert json.loads(answer.stdout)["changed"] == 0, answer.stderr

    connected(local_checkout, moved=other | {"password_version": 4}, again=other)
    assert refused(local_checkout) == (
        "again.username is 'other'; expected another user than connections.moved logs in as, since Vault replaces its "
        "password"
    )
