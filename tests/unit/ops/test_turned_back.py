"""What is said where only a person can renew what a restore turned back. Vault and the platform are fakes.

Real ones are in `tests/day2/test_turned_back.py`.
"""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hvac import exceptions

from ops.commands import rotation, turned_back
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.vault import renewed
from settings import parse
from tests.unit.settings.samples import FULL


class FakeClient:
    """A server whose databases refuse its root password."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write_data(self, path: str, *, data: dict[str, Any]) -> None:
        assert data == {}
        self.written.append(path)
        if "/rotate-root/" in path:
            raise exceptions.InternalServerError("failed SASL auth")


def test_a_password_that_only_a_person_can_give_is_named_with_what_does_it() -> None:
    settings = parse(FULL)
    assert settings.database is not None
    (name,) = settings.database.connections
    file = SimpleNamespace(settings=settings, stack="dev")
    platform: Any = SimpleNamespace(file=file, first_database_password=lambda _: None)
    client: Any = FakeClient()

    told = turned_back._mend_passwords(platform, client)

    assert told == {
        name: (
            f"the database has another password than Vault: give its user "
            f"{settings.database.connections[name].username!r} one, then ./estate database-password dev {name}"
        )
    }
    assert client.written == [f"{settings.database.path}/rotate-root/{name}"]


def test_without_a_pair_that_it_takes_regain_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def refused(*_: object) -> Any:
        raise EstateError("refused")

    (tmp_path / "a.crt").write_text("a certificate")
    monkeypatch.setattr(turned_back, "log_in", refused)
    monkeypatch.setattr(rotation, "earlier_pairs", lambda *_: iter(()))
    platform: Any = SimpleNamespace(
        file=SimpleNamespace(stack="dev"), makes_administrator=False, paths=Paths(project=tmp_path)
    )
    endpoint: Any = SimpleNamespace(login=SimpleNamespace(certificate_file="a.crt"))

    then = datetime.now(UTC)

    told = turned_back.mend(platform, endpoint, Console(), then)

    assert told.pair == (
        "the restored server refuses it, and no earlier one is here that it takes; let it in by key shares: "
        "./estate regain dev"
    )
    assert (told.passwords, told.shares) == ({}, "as they were")
    renewed.note(platform.paths, "dev")
    again = turned_back.mend(platform, endpoint, Console(), then)
    assert again.shares.startswith(f"those of before {then:%Y-%m-%d} ")
    assert again.shares.endswith("void; renew them by the old ones: ./estate renew-shares dev")
