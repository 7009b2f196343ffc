"""Secrets as variables: all or nothing, who wins, and which names and values are refused. No value is in any error."""

import json
import os
import traceback

import pytest

import vault_estate
from tests.support.manifests import GOOD
from tests.unit.vault_estate.readers import DoubleReader
from vault_estate import manifest
from vault_estate.cli import main
from vault_estate.environment import load_secrets_to_env
from vault_estate.errors import ConfigurationError, PermissionDenied

CANARY = "canary-4d7c2e9b1f8a3650"
AOS = {
    "app-prod": {"AOS_API_KEY": "k1", "MACHINE_SECRET_TOKEN": "k2"},
    "database": {"POSTGRES_USER": "aos", "DATABASE_URL": "postgresql://aos:x=y@h/d"},
}


def test_everything_is_set_and_named() -> None:
    reader, environ = DoubleReader(AOS), {"HOME": "/root"}
    said = load_secrets_to_env(["app-prod", "database", "app-prod"], client=reader, environ=environ)
    assert said == ["AOS_API_KEY", "MACHINE_SECRET_TOKEN", "POSTGRES_USER", "DATABASE_URL"]
    assert environ == {"HOME": "/root", **AOS["app-prod"], **AOS["database"]}
    assert reader.asked == ["app-prod", "database"]
    assert not reader.closed, "it isn't ours to close"


def test_it_is_this_process_own_environment_and_an_own_client_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = DoubleReader({"app-prod": {"VAULT_ESTATE_TEST_VALUE": "k"}})
    monkeypatch.setattr(vault_estate, "VaultClient", lambda: reader)
    monkeypatch.setenv("VAULT_ESTATE_TEST_VALUE", "")
    assert load_secrets_to_env(["app-prod"]) == ["VAULT_ESTATE_TEST_VALUE"]
    assert reader.closed
    assert os.environ["VAULT_ESTATE_TEST_VALUE"] == "k"


@pytest.mark.parametrize(
    ("there", "override", "wins"), [(None, False, "k1"), ("", False, "k1"), ("own", False, "own"), ("own", True, "k1")]
)
def test_who_wins(there: str | None, override: bool, wins: str) -> None:
    environ = {} if there is None else {"AOS_API_KEY": there}
    said = load_secrets_to_env(["app-prod"], override, client=DoubleReader(AOS), environ=environ)
    assert environ["AOS_API_KEY"] == wins
    assert ("AOS_API_KEY" in said) is (wins == "k1")


def test_a_prefix_begins_each_name() -> None:
    environ: dict[str, str] = {}
    load_secrets_to_env(["app-prod"], prefix="AOS_1_", client=DoubleReader(AOS), environ=environ)
    assert environ == {"AOS_1_AOS_API_KEY": "k1", "AOS_1_MACHINE_SECRET_TOKEN": "k2"}


def test_one_value_in_two_secrets_is_no_mistake() -> None:
    environ: dict[str, str] = {}
    load_secrets_to_env(["a", "b"], client=DoubleReader({"a": {"X": "1"}, "b": {"X": "1"}}), environ=environ)
    assert environ == {"X": "1"}


LOADS_CODE = [
    *("PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "BASH_ENV", "IFS"),
    *("ENV", "DYLD_INSERT_LIBRARIES", "NODE_OPTIONS", "PERL5OPT", "RUBYOPT", "PROMPT_COMMAND", "JAVA_TOOL_OPTIONS"),
    *(
        "JDK_JAVA_OPTIONS",
        "_JAVA_OPTIONS",
        "PERLLIB",
        "LUA_INIT",
        "DOTNET_STARTUP_HOOKS",
        "OPENSSL_CONF",
        "GIT_SSH_COMMAND",
    ),
]


def refusal(secrets: dict[str, dict[str, str]], prefix: str = "") -> str:
    """What is said, in one line, where nothing is set: a good secret is read with the bad one."""
    environ: dict[str, str] = {}
    everything = {**AOS, **secrets}
    with pytest.raises(ConfigurationError) as caught:
        load_secrets_to_env(list(everything), prefix=prefix, client=DoubleReader(everything), environ=environ)
    assert environ == {}
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("name", LOADS_CODE)
def test_a_name_that_decides_what_code_runs_is_refused(name: str) -> None:
    words = f"makes a variable {name}, which decides what code runs; expected another name"
    assert refusal({"bad": {name: CANARY}}) == f"key '{name}' of bad {words}"
    assert refusal({"bad": {name[2:]: CANARY}}, name[:2]).endswith(words)


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (
            {"bad": {"a-b": CANARY}},
            "a key of bad makes a variable 'a-b'; expected letters, digits and '_', no digit first",
        ),
        (
            {"bad": {"1A": CANARY}},
            "a key of bad makes a variable '1A'; expected letters, digits and '_', no digit first",
        ),
        (
            {"bad": {f"{CANARY}=x\n": CANARY}},
            "a key of bad makes a variable not shown; expected letters, digits and '_', no digit first",
        ),
        (
            {"bad": {"": CANARY}},
            "a key of bad makes a variable not shown; expected letters, digits and '_', no digit first",
        ),
        ({"bad": {"X": f"{CANARY}\0"}}, "key 'X' of bad holds what no variable can; expected Unicode without NUL"),
        ({"bad": {"X": f"{CANARY}\ud800"}}, "key 'X' of bad holds what no variable can; expected Unicode without NUL"),
        ({"bad": {"X": 7}}, "key 'X' of bad is no text; expected text, as a variable is"),
        (
            {"bad": {"AOS_API_KEY": CANARY}},
            "variable AOS_API_KEY is different in app-prod and bad; expected one of them, or a prefix",
        ),
    ],
)
def test_what_cant_be_a_variable_is_refused(secrets: dict[str, dict[str, str]], words: str) -> None:
    assert refusal(secrets) == words


def test_an_estate_may_want_no_secret_in_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = manifest.parse(json.dumps({**GOOD, "environment_variables": False}))
    reader, environ = DoubleReader(AOS, document), dict[str, str]()
    words = (
        "applications.aos.environment_variables is false in its estate; expected its secrets to be read by settings or "
        "a client"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_secrets_to_env(["app-prod"], client=reader, environ=environ)
    assert (str(caught.value), environ, reader.asked) == (words, {}, [])

    monkeypatch.setattr(vault_estate, "VaultClient", lambda: reader)
    for arguments in (["env", "app-prod"], ["run", "app-prod", "--", "true"]):
        assert main.main(arguments) == 2
        assert capsys.readouterr() == ("", f"vault-estate: {words}\n")
    assert reader.asked == []
    assert main.main(["get", "app-prod", "AOS_API_KEY"]) == 0
    assert capsys.readouterr().out == "k1"


def test_nothing_is_set_where_one_secret_cant_be_read() -> None:
    environ: dict[str, str] = {}
    reader = DoubleReader({**AOS, "other": PermissionDenied("denied")})
    with pytest.raises(PermissionDenied):
        load_secrets_to_env(["app-prod", "other"], client=reader, environ=environ)
    assert environ == {}


@pytest.mark.parametrize(("names", "said"), [("app-prod", "text"), ([], "empty"), ("", "text")])
def test_names_are_a_list(names: str | list[str], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_secrets_to_env(names, client=DoubleReader(AOS), environ={})
    assert str(caught.value) == f"names is {said}; expected a list of secrets' names, such as ['app-prod']"
