"""The document of an application: what is found, how each bad one is told, and that no text of it is quoted."""

import json
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.model import VAULT_PATH
from tests.support.manifests import GOOD
from vault_estate import manifest
from vault_estate.errors import ConfigurationError
from vault_estate.paths import PATH, is_path, secret_path

CANARY = "canary-7f3a9b2c4d5e6f70"
URL = "a URL such as https://vault.example.com:8200, without a path, a login or a question"


def changed(path: str, value: object) -> dict[str, Any]:
    """`GOOD` with one place, named by slashes, changed; `...` takes it out."""
    whole: dict[str, Any] = json.loads(json.dumps(GOOD))
    *way, last = path.split("/")
    here: Any = whole
    for part in way:
        here = here[part]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return whole


def refusal(content: object) -> str:
    """The one line that a bad document is told by."""
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    with pytest.raises(ConfigurationError) as caught:
        manifest.parse(text, "app.json")
    (line,) = str(caught.value).splitlines()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return line


BAD: list[tuple[str, object, str]] = [
    ("application", ..., "application is missing; expected a value"),
    ("schema_version", ..., "schema_version is missing; expected 1, which this release of vault-estate reads"),
    ("schema_version", 2, "schema_version is 2; expected 1, which this release of vault-estate reads"),
    ("schema_version", True, "schema_version is true; expected 1, which this release of vault-estate reads"),
    ("schema_version", CANARY, "schema_version is other text; expected 1, which this release of vault-estate reads"),
    ("flavor", "etcd", "flavor is 'etcd'; expected 'openbao' or 'vault'"),
    ("flavor", CANARY, "flavor is other text; expected 'openbao' or 'vault'"),
    ("environment", "", "environment is empty; expected some text"),
    ("environment", 7, "environment is 7; expected text"),
    ("addresses", [], "addresses is empty; expected at least one entry"),
    ("addresses", CANARY, "addresses is other text; expected a list"),
    (
        "addresses",
        ["http://vault.example.com:8200"],
        "addresses.0 is other text; expected https:// for an address that isn't this machine's own",
    ),
    (
        "addresses",
        [f"https://ada:{CANARY}@vault.example.com"],
        f"addresses.0 is other text; expected {URL}",
    ),
    (
        "addresses",
        ["https://vault.example.com:8200/path"],
        f"addresses.0 is other text; expected {URL}",
    ),
    (
        "addresses",
        ["https://[::1"],
        f"addresses.0 is other text; expected {URL}",
    ),
    ("ca_certificate", CANARY, "ca_certificate is other text; expected certificates in PEM, and nothing else"),
    (
        "ca_certificate",
        "-----BEGIN PRIVATE" + " KEY-----\nAAAA\n-----END PRIVATE" + " KEY-----\n",
        "ca_certificate is other text; expected certificates in PEM, and nothing else",
    ),
    ("login/kind", "ldap", "login.kind is 'ldap'; expected one of 'approle', 'kubernetes', 'jwt'"),
    ("login/kind", ..., "login.kind is missing; expected one of 'approle', 'kubernetes', 'jwt'"),
    ("login", "approle", "login is other text; expected a mapping"),
    ("login/secret_id", CANARY, "login.secret_id is nothing that the document has; expected no such name"),
    ("login/role_id", ..., "login.role_id is missing; expected a value"),
    ("login/token_ttl_seconds", 0, "login.token_ttl_seconds is 0; expected more than 0"),
    ("login/token_ttl_seconds", "1h", "login.token_ttl_seconds is other text; expected a whole number"),
    ("login/secret_id_uses", -1, "login.secret_id_uses is -1; expected at least 0"),
    (
        "secrets/app-prod/path",
        "../database",
        "secrets.app-prod.path is other text; expected names joined by '/', each of letters, digits, '.', '_' or '-'",
    ),
    ("secrets/app-prod/keys", [], "secrets.app-prod.keys is empty; expected at least one entry"),
    (
        "secrets/app-prod/value",
        CANARY,
        "secrets.app-prod.value is nothing that the document has; expected no such name",
    ),
    ("secrets/app-prod/access", "all", "secrets.app-prod.access is 'all'; expected 'read' or 'write'"),
    ("secrets/app-prod", None, "secrets.app-prod is empty; expected a mapping"),
    ("secrets", [1], "secrets is a list; expected a mapping"),
    (
        "transit/mount",
        "a*",
        "transit.mount is other text; expected names joined by '/', each of letters, digits, '.', '_' or '-'",
    ),
    ("fresh_seconds", 1.5, "fresh_seconds is a fraction; expected a whole number"),
    ("fresh_seconds", 0, "fresh_seconds is 0; expected more than 0"),
]


@pytest.mark.parametrize(("path", "value", "words"), BAD)
def test_a_bad_place_is_told_in_one_line(path: str, value: object, words: str) -> None:
    line = refusal(changed(path, value))
    assert line == f"app.json: {words}"
    assert CANARY not in line


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "app.json is no JSON document; expected one of ./estate client-config"),
        (f'{{"token": "{CANARY}', "app.json is no JSON document; expected one of ./estate client-config"),
        (b"\xff\xfe", "app.json is no JSON document; expected one of ./estate client-config"),
        ("[" * 100_000, "app.json is no JSON document; expected one of ./estate client-config"),
        ("[" * 900 + "]" * 900, "app.json is a list; expected a mapping"),
        (
            f'{{"schema_version": 1, "layout": {"[" * 500 + "]" * 500}}}',
            "app.json is no JSON document; expected one of ./estate client-config",
        ),
        (
            r'{"schema_version": 1, "layout": "\ud800"}',
            "app.json is no JSON document; expected one of ./estate client-config",
        ),
        ('{"schema_version": NaN}', "app.json is no JSON document; expected one of ./estate client-config"),
        ("[]", "app.json is empty; expected a mapping"),
        (f'"{CANARY}"', "app.json is other text; expected a mapping"),
        ('{"mount": "a", "mount": "b"}', "app.json: a mapping has 'mount' twice; expected each name once"),
        ('{"a b": 1, "a b": 2}', "app.json: a mapping has a name twice; expected each name once"),
    ],
)
def test_what_is_no_document_is_told_in_one_line(content: str | bytes, line: str) -> None:
    assert refusal(content) == line


def test_a_name_that_is_none_is_not_quoted() -> None:
    line = refusal(changed("secrets", {f"{CANARY} x": GOOD["secrets"]["app-prod"]}))
    assert line.startswith("app.json: secrets.[name] is ")
    assert CANARY not in line


def test_this_machines_own_address_may_be_plain() -> None:
    found = manifest.parse(json.dumps(changed("addresses", ["http://127.0.0.1:8200/", "https://[::1]:8200"])))
    assert found.addresses == ("http://127.0.0.1:8200", "https://[::1]:8200")


def test_names_that_are_known_are_found_and_others_list_them() -> None:
    found = manifest.parse(json.dumps(GOOD))
    assert found.secret("app-prod").keys == ("AOS_API_KEY",)
    assert found.secret("other/shared").mount == "secret"
    assert found.transit_key("main").type == "aes256-gcm96"
    asked: list[tuple[Any, str, str]] = [
        (found.secret, "app-dev", "secret is 'app-dev'; expected one that aos is granted: app-prod, other/shared"),
        (
            found.secret,
            f"{CANARY}?",
            "secret is not shown, as it is no name; expected one that aos is granted: app-prod, other/shared",
        ),
        (found.database_role, "x", "database role is 'x'; expected one that aos is granted: none is"),
        (found.transit_key, "x", "transit key is 'x'; expected one that aos is granted: main"),
        (found.pki_role, "x", "PKI role is 'x'; expected one that aos is granted: none is"),
    ]
    for ask, name, words in asked:
        with pytest.raises(ConfigurationError) as caught:
            ask(name)
        assert str(caught.value) == words


def test_nothing_of_it_changes_and_it_can_be_sent_to_another_process() -> None:
    found = manifest.parse(json.dumps(GOOD))
    with pytest.raises(ValidationError):
        found.mount = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own


def test_the_variable_comes_before_the_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, application in (("named.json", "named"), (manifest.FILE, "here"), ("given.json", "given")):
        (tmp_path / name).write_text(json.dumps({**GOOD, "application": application}))
    named = {manifest.VARIABLE: "named.json"}
    assert manifest.load(environ=named).application == "named"
    assert manifest.load(environ={manifest.VARIABLE: ""}).application == "here"
    assert manifest.load("given.json", named).application == "given"


def test_a_document_that_isnt_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "large.json").write_bytes(b" " * (manifest.LARGEST_BYTES + 1))
    assert manifest.find({}) is None
    for environ, words in (
        ({}, "vault-estate.json is missing; expected it here, or its name in VAULT_ESTATE_CONFIG"),
        (
            {manifest.VARIABLE: "gone.json"},
            "gone.json can't be read (No such file or directory); expected a file of ./estate client-config",
        ),
        (
            {manifest.VARIABLE: "."},
            ". can't be read (Is a directory); expected a file of ./estate client-config",
        ),
        (
            {manifest.VARIABLE: "a\0b"},
            "a\0b can't be read (no such name); expected a file of ./estate client-config",
        ),
        (
            {manifest.VARIABLE: "large.json"},
            "large.json is larger than 1 MiB; expected a file of ./estate client-config",
        ),
    ):
        with pytest.raises(ConfigurationError) as caught:
            manifest.load(environ=environ)
        assert str(caught.value) == words


def test_a_path_is_what_the_estates_settings_take() -> None:
    assert VAULT_PATH.pattern == PATH
    assert is_path("api-keys/internal")
    assert not any(map(is_path, ("", "a/", "/a", "a//b", "../a", "a/+", "a*", "a b", "a\n")))


def test_a_secret_is_where_the_layout_says() -> None:
    place = {"mount": "team/kv", "application": "app", "environment": "test", "name": "api-keys/a"}
    assert secret_path("{mount}/{application}/{environment}/{name}", **place) == "app/test/api-keys/a"
    assert secret_path("{mount}/{name}", **place) == "api-keys/a"
