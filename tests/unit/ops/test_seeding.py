"""What seeding waits for and what it leaves alone. `tests/live/test_access_checks.py` seeds a real server."""

from collections.abc import Callable
from typing import Any

import hvac
import pytest
from hvac.exceptions import InvalidRequest

from ops.errors import EstateError
from ops.vault import api
from ops.vault.seeding import seed_secrets

UPGRADING = "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period"


Answering = Callable[[list[Any]], hvac.Client]


@pytest.fixture
def client_that_answers(monkeypatch: pytest.MonkeyPatch) -> Answering:
    def client_of(answers: list[Any]) -> hvac.Client:
        def request(*arguments: object, **options: object) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        client = hvac.Client(url="https://127.0.0.1:1")
        monkeypatch.setattr(client.adapter, "request", request)
        return client

    return client_of


def test_a_mount_that_was_just_made_is_waited_for(client_that_answers: Answering) -> None:
    answers = [InvalidRequest(UPGRADING), InvalidRequest(UPGRADING), {"data": {"version": 1}}, {}]
    secret = ("kv", "a")
    assert seed_secrets(client_that_answers(answers), {secret: {"key": "{random}"}}) == [secret]
    assert answers == []


def test_it_is_not_waited_for_forever(client_that_answers: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "NEW_MOUNT_SECONDS", 0.1)
    with pytest.raises(EstateError, match=r"^secret kv/a: Upgrading from non-versioned"):
        seed_secrets(client_that_answers([InvalidRequest(UPGRADING)] * 100), {("kv", "a"): {"key": "{random}"}})


def test_other_refusals_are_told_at_once(client_that_answers: Answering) -> None:
    answers = [InvalidRequest("no such thing"), {}]
    with pytest.raises(EstateError, match=r"^secret kv/a: no such thing"):
        seed_secrets(client_that_answers(answers), {("kv", "a"): {"key": "{random}"}})
    assert answers == [{}]


def test_a_secret_that_is_there_is_left_alone(client_that_answers: Answering) -> None:
    answers: list[Any] = [InvalidRequest("check-and-set parameter did not match the current version")]
    assert seed_secrets(client_that_answers(answers), {("kv", "a"): {"key": "{random}"}}) == []


def test_what_a_person_gives_is_left_to_them(client_that_answers: Answering) -> None:
    assert seed_secrets(client_that_answers([]), {("kv", "a"): {}}) == []
