"""What a restore turns back and what a person lost, by the operator's own commands: the pair, and passwords.

Not proven: a database that only its own administrator can give a password; what is said then is in
`tests/unit/ops/test_turned_back.py`.
"""

import datetime
import json
from typing import Any

from ops.errors import EstateError
from ops.keys.certificates import new_administrator
from ops.local.postgres import ROOT_ROLE
from tests.support.checkouts import Checkout


def done(checkout: Checkout, *arguments: str) -> dict[str, Any]:
    """One command that must succeed; its document."""
    answer = checkout.run(*arguments, "--json", timeout=300)
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def test_a_restore_finds_what_it_turned_back_and_renews_it(local_checkout: Checkout) -> None:
    assert done(local_checkout, "up")["passed"]
    done(local_checkout, "snapshot")
    with local_checkout.administering() as client:
        client.write_data("database/rotate-root/postgresql", data={})
    assert done(local_checkout, "regain", "local", "--new-pair")["new_pair"]
    pair = (local_checkout.paths.local / "administrator.crt").read_text()

    restored = done(local_checkout, "restore")

    assert restored["turned_back"] == {
        "pair": "put in again",
        "passwords": {"postgresql": "renewed"},
        "shares": "as they were",
    }
    assert (local_checkout.paths.local / "administrator.crt").read_text() == pair
    again = done(local_checkout, "up")
    assert (again["changed"], again["passed"]) == (0, True)


def test_a_restore_tells_of_key_shares_that_were_renewed_since(local_checkout: Checkout) -> None:
    assert done(local_checkout, "up")["passed"]
    done(local_checkout, "snapshot")
    custody = local_checkout.paths.local / "custody.json"
    old = custody.read_bytes()
    assert done(local_checkout, "renew-shares", "local")["done"]

    answer = local_checkout.run("restore")

    told = [line for line in answer.stdout.splitlines() if line.startswith("key shares: ")]
    assert len(told) == 1, answer.stderr
    assert told[0].endswith("void; renew them by the old ones: ./estate renew-shares local")
    assert local_checkout.run("regain", "local").returncode == EstateError.exit_code
    # Who opens the file itself, as on this machine, has that of then in its place.
    custody.write_bytes(old)
    assert done(local_checkout, "renew-shares", "local")["done"]
    assert custody.read_bytes() != old
    assert done(local_checkout, "regain", "local")["done"]


def test_a_databases_root_password_that_was_lost_is_set_anew(local_checkout: Checkout) -> None:
    assert done(local_checkout, "up")["passed"]
    with local_checkout.local.servers.postgres.maintenance() as session:
        session.execute(f"alter role {ROOT_ROLE} password 'another-one'")
        session.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [ROOT_ROLE])
    assert local_checkout.run("up").returncode == EstateError.exit_code

    assert done(local_checkout, "database-password", "local", "postgresql")["password"] == "set anew"

    assert done(local_checkout, "up")["passed"]
    refused = local_checkout.run("database-password", "local", "other")
    assert refused.returncode == EstateError.exit_code
    assert refused.stderr.strip() == "estate: connection 'other' is unknown; expected one of: postgresql"


def test_a_pair_whose_certificate_has_ended_is_replaced_by_key_shares(local_checkout: Checkout) -> None:
    assert done(local_checkout, "up")["passed"]
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=5_000)
    certificate, key = new_administrator(long_ago)
    servers = local_checkout.local.servers
    with local_checkout.administering() as client:
        client.write_data("auth/cert/certs/administrator", data={"certificate": certificate.decode()})
    servers.administrator_certificate.write_bytes(certificate)
    servers.administrator_key.write_bytes(key)
    refused = local_checkout.run("regain", "local")
    assert refused.returncode == EstateError.exit_code
    assert "refuses the administrator's certificate" in refused.stderr
    assert "the root token is revoked and dead" in refused.stderr

    assert done(local_checkout, "regain", "local", "--new-pair")["new_pair"]

    assert done(local_checkout, "up")["passed"]
