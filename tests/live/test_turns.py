"""Where a rate limit of the whole server lets one request a second through, an administrator and a snapshot get theirs.

Doesn't prove: the official provider plugin, whose client tries as often as `max_retries` says.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fake_providers.servicer import RefusedError
from fake_providers.vault.session import VaultSession
from ops.errors import EstateError
from ops.snapshots import taking
from ops.vault import turns
from ops.vault.login import log_in
from tests.support.servers import call
from tests.support.snapshotting import Estate, estate

LIMIT = "sys/quotas/rate-limit/test"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        yield one


@contextmanager
def limited(made: Estate, **limit: Any) -> Iterator[None]:
    """A rate limit, for as long as the block runs; then it is made wide and taken away."""
    with log_in(made.where) as client:
        call(client, "post", LIMIT, {"path": "", "interval": "1s", **limit})
        try:
            yield
        finally:
            call(client, "post", LIMIT, {"path": limit.get("path", ""), "rate": 10_000, "interval": "1s"})
            call(client, "delete", LIMIT)


def provider(made: Estate, **more: Any) -> dict[str, Any]:
    """Settings of a provider instance that logs in as administrator."""
    login = made.where.login
    pair = {"certFile": login.certificate_file, "keyFile": login.private_key_file, "name": "administrator"}
    return {"address": made.where.address, "caCertFile": str(made.where.ca_file), "authLoginCert": pair, **more}


def ask_often(session: VaultSession) -> None:
    """More often than is let through at once."""
    for _ in range(3):
        session.read("sys/policies/acl/default")


def test_the_administrator_waits_for_their_turn(made: Estate) -> None:
    with limited(made, rate=1):
        started = time.monotonic()
        with log_in(made.where) as client:
            for number in range(3):
                call(client, "post", f"secret/data/turn-{number}", {"data": {"value": "x"}})
        assert time.monotonic() - started > 2, "nothing was limited"
        with log_in(made.where) as client:
            assert call(client, "get", "secret/data/turn-2")["data"]["data"] == {"value": "x"}


def test_a_snapshot_waits_for_its_turn(made: Estate) -> None:
    with limited(made, rate=1):
        assert taking.take(made.paths, made.file, made.where, made.console).key


def test_a_provider_waits_for_its_turn_as_long_as_it_is_told(made: Estate) -> None:
    patient, hasty = (VaultSession(provider(made, maxRetries=tries)) for tries in ("12", "0"))
    with limited(made, rate=1):
        for number in range(3):
            patient.write(f"secret/data/provider-{number}", {"data": {"value": "x"}})
        with pytest.raises(RefusedError, match="rate limit quota exceeded"):
            ask_often(hasty)
        patient.close()
    hasty.close()


def test_nobody_waits_for_ever(made: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_TURNS", turns._TURNS.new(status=2))
    with (
        limited(made, path="auth/cert/", rate=1, interval="1h"),
        log_in(made.where),
        pytest.raises(EstateError, match=r"rate limit quota exceeded"),
        log_in(made.where),
    ):
        pytest.fail("the second login of an hour was let in")
