"""No misplaced secret is shown, and no word of pydantic's reaches an operator."""

import copy
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from settings import Settings, SettingsError, parse, wording
from tests.unit.settings.samples import FULL, changed, refusal

CANARY = "-".join(("hunter", "two", "canary"))
TOKENS = {
    "a Vault token": ".".join(("hvs", "CAESI" + "Jx" * 8)),
    "an old Vault token": ".".join(("s", "Jx4" * 6)),
    "an AWS key": "AKIA" + "Q" * 16,
    "a GitHub token": "_".join(("ghp", "x1" * 18)),
    "a JWT": "eyJ" + "hbGciOi" + ".e30.x",
    "a private key": "-----BEGIN " + "PRIVATE KEY-----",
    "a URL with a password": "postgresql://app:" + "pw" + "@db/app",
    "a base64 key": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
}

PLACES = [
    "applications/app/secrets/database",
    "applications/app/secrets/database/keys",
    "database/connections/main/password_secret",
    "bootstrap/administrator/private_key",
    "bootstrap/operators/0/pgp_key",
    "applications/app/transit_keys",
    "password_policies/strong/password",
    "userpass/token",
    "kv/secret/password",
    "database/connections/main/password",
    "applications/app/secrets/database/value",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_in_a_likely_place_is_not_shown(place: str) -> None:
    bad = f"{CANARY} not\x00valid"

    text = "\n".join(refusal(changed(place, bad)))

    assert CANARY not in text
    assert "expected" in text


@pytest.mark.parametrize("place", ["environment", "database/connections/main/host", "platform/api_port", "protect"])
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_what_looks_like_a_secret_is_shown_nowhere(place: str, token: str) -> None:
    lines = refusal(changed(place, token + " "))

    assert [line for line in lines if token in line] == []
    assert lines[0].startswith(f"vault-estate:estate.{place.replace('/', '.')} is not shown, as it may be a secret; ")


def test_a_long_value_is_cut() -> None:
    (line,) = refusal(changed("environment", "no " * 50))

    assert line.startswith("vault-estate:estate.environment is 'no no no")
    assert len(line) < 200


ODD: tuple[object, ...] = (
    None,
    "",
    "x y",
    "1.5",
    -1,
    0,
    1.5,
    10**12,
    True,
    [],
    ["a b"],
    {},
    {"a b": 1},
    [{}],
    {1: 2},
    date(2026, 1, 1),
)
PYDANTIC = re.compile(
    r"input should|\bvalid\b|should (?:be|have|match)|tuple|dictionary|instance|regex|pattern|discriminator|\btag\b|"
    r"(?<!jwt_)validation|none is not|attribute|url\b.*parsing|something else",
    re.IGNORECASE,
)


def _places(value: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*way, str(key))
        yield from _places(below, (*way, str(key)))


@pytest.mark.parametrize("place", [*_places(dict(FULL))], ids="/".join)
def test_odd_values_anywhere_get_plain_words(place: tuple[str, ...]) -> None:
    """Every setting there is, with every odd value: each refusal is a line of ours, with what was expected."""
    for value in ODD:
        plain = changed(place, copy.deepcopy(value))
        try:
            parse(plain)
        except SettingsError as error:
            for line in str(error).splitlines():
                assert line.startswith("vault-estate:estate"), line
                assert "expected" in line, line
                assert not PYDANTIC.search(line), line
                assert not re.search(r"login\.(approle|kubernetes|jwt)\b", line), line


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for below in schema.values():
            yield from _patterns(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _patterns(below)


def test_no_pattern_is_without_words() -> None:
    """A bare pattern would show a person a regular expression; `components.model.Form` has words beside it."""
    assert list(_patterns(Settings.model_json_schema())) == []


class _Odd(BaseModel):
    when: int


def test_a_mistake_nobody_worded_is_still_told() -> None:
    mistakes = [
        {"type": "new_kind", "loc": ("when",), "msg": "Value is odd", "input": 3},
    ]

    assert wording.lines(mistakes, "all", _Odd) == [
        "all.when is 3; expected something else (Value is odd)",
    ]
