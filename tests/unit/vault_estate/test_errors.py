"""What the library raises: what it shows, and that it can be sent elsewhere. Not proven: who raises it when."""

import inspect
import pickle
from datetime import UTC, datetime

import pytest

import vault_estate
from vault_estate import errors
from vault_estate.errors import redacted

CLASSES = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, BaseException)]
TOKEN = "s." + "aB3" * 8


def test_every_error_is_public_and_of_the_one_hierarchy() -> None:
    names = {one.__name__ for one in CLASSES}
    assert names <= set(vault_estate.__all__)
    assert all(issubclass(one, vault_estate.VaultEstateError) for one in CLASSES)
    assert {getattr(vault_estate, name) for name in names} == set(CLASSES)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Valut'"):
        vault_estate.Valut  # noqa: B018 - asking for it is what is tried


@pytest.mark.parametrize("kind", CLASSES)
def test_a_pickled_error_comes_back_whole(kind: type[errors.VaultEstateError]) -> None:
    error = kind("secret/data/x is gone", path="secret/data/x")
    error.status, error.request_id, error.texts = 404, "one", ("said",)

    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - of this test
    assert (type(back), str(back), vars(back)) == (kind, "secret/data/x is gone", vars(error))


def test_what_errors_add_is_kept() -> None:
    when = datetime(2026, 11, 1, tzinfo=UTC)
    deleted = errors.SecretDeleted("gone", version=3, deleted_at=when, destroyed=True)
    limited = errors.RateLimited("slow", retry_after=1.5)

    back = pickle.loads(pickle.dumps([deleted, limited]))  # noqa: S301 - of this test
    assert (back[0].version, back[0].deleted_at, back[0].destroyed) == (3, when, True)
    assert back[1].retry_after == 1.5


def test_they_are_what_python_expects_of_their_kind() -> None:
    assert issubclass(errors.SecretKeyMissing, KeyError)
    assert issubclass(errors.ConfigurationError, ValueError)
    assert str(errors.SecretNotFound("no secret 'x'")) == "no secret 'x'"


@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        "hvs." + "CAESIJ" * 6,
        "7fc49f1f-1d19-4b64-bff4-3117b9f1b417",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
        "vault:v1:" + "q83v" * 6,
        "0123456789abcdef" * 2,
    ],
)
def test_what_looks_like_a_secret_is_hidden(secret: str) -> None:
    assert redacted(f"bad token {secret} here") == "bad token [hidden] here"


def test_what_was_sent_is_hidden_and_words_are_not() -> None:
    assert redacted("no such key\nhunter2", ["hunter2", "no"]) == "no such key [hidden]"
    assert redacted("permission denied on secret/data/pake_system/development/security") == (
        "permission denied on secret/data/pake_system/development/security"
    )
    assert len(redacted("word " * 200)) == 300
    assert redacted("a\x1b[31m") == "a?[31m"
