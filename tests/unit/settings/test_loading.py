"""Reading settings through `pulumi.Config`, as the program does, and from odd documents."""

import json
from collections.abc import Iterator

import pulumi
import pytest
from pulumi.runtime import config as runtime_config

from settings import SettingsError, load, parse
from tests.unit.settings.samples import FULL

MISSING = "vault-estate:estate is missing; expected the stack's settings, as Pulumi.local.yaml shows them"


@pytest.fixture
def configured() -> Iterator[dict[str, str]]:
    """The running program's config; given back as it was."""
    content: dict[str, str] = {}
    token = runtime_config.CONFIG.set(content)
    yield content
    runtime_config.CONFIG.reset(token)


def test_the_program_reads_what_parse_reads(configured: dict[str, str]) -> None:
    configured["vault-estate:estate"] = json.dumps(FULL)

    assert load(pulumi.Config("vault-estate")) == parse(FULL)


def test_a_stack_without_settings_is_told_so(configured: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(pulumi.Config("vault-estate"))

    assert str(caught.value) == MISSING


def test_settings_that_are_no_structure_are_told_so(configured: dict[str, str]) -> None:
    configured["vault-estate:estate"] = "just words"

    with pytest.raises(SettingsError) as caught:
        load(pulumi.Config("vault-estate"))

    assert str(caught.value) == "vault-estate:estate is text; expected a mapping of sections"


@pytest.mark.parametrize(
    ("plain", "line"),
    [
        (None, MISSING),
        (3, "vault-estate:estate is a number; expected a mapping of sections"),
        (True, "vault-estate:estate is true or false; expected a mapping of sections"),
        ("x", "vault-estate:estate is text; expected a mapping of sections"),
        (["x"], "vault-estate:estate is a list; expected a mapping of sections"),
    ],
)
def test_odd_documents(plain: object, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(plain)

    assert str(caught.value) == line


def test_nothing_given_lists_everything_that_is_needed() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({})

    needed = ("environment", "server", "platform", "bootstrap", "kv", "applications")
    assert str(caught.value).splitlines() == [
        f"vault-estate:estate.{name} is missing; expected a value" for name in needed
    ]


def test_the_error_carries_no_chain_of_pydantics() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({})

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
