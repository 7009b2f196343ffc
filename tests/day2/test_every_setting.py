"""Every setting of docs/settings.md, changed on a stack that is built: what the server then does, or who refuses.

A setting without a case fails. Changes that don't touch one another share an `up` of one local stack, and are read back
from the server's own API. What only a node has, or only another flavour, is declared or rendered.

Not proven: what Hetzner and AWS make of what is declared; HashiCorp's server.
"""

import copy
import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psycopg import sql

from docs import reference
from ops.commands import lifecycle
from ops.commands.session import Choices
from ops.console import Console
from ops.errors import EstateError
from ops.keys.certificates import new_administrator
from ops.vault.api import call
from settings import Settings, SettingsError, parse
from tests.day2.every_setting import BY_COMMAND, DECLARED, FOLLOWED, REFUSED, STAYS, Change, changed
from tests.support.checkouts import Checkout, checkout
from tests.support.servers import free_ports
from tests.unit.golden.local import stack_config

Plain = dict[str, Any]
LOGINS = ("legacy", "legacy_other", "legacy_added")
"""Users of the database that stand for existing ones."""


def public_key() -> str:
    """One that tokens could be signed for."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()


@pytest.fixture(scope="module")
def files(local_checkout: Checkout) -> dict[str, str]:
    """What settings of the stack name."""
    return make_files(local_checkout)


def make_files(made: Checkout) -> dict[str, str]:
    """What settings name, by its name: certificates, a key, the password of a second connection."""
    found = {"<key>": public_key()}
    for name in ("cluster.pem", "other.pem", "other-operator.crt"):
        certificate, key = new_administrator(datetime.datetime.now(datetime.UTC))
        (made.directory / name).write_bytes(certificate)
        (made.directory / Path(name).with_suffix(".key")).write_bytes(key)
        found[f"<{name}>"] = certificate.decode().strip()
    for word in ("second", "third"):
        (made.directory / f"{word}-password").write_text("-".join(("of", "the", word)))
    return found


def base(made: Checkout) -> Plain:
    """The committed local stack with every section it may have, and few applications."""
    settings = made.settings()
    del settings["people"]  # who owns the stack's own applications
    postgres = settings["platform"]["postgres_port"]
    shop = {
        "login": {"kind": "approle"},
        "login_limit": {"rate": 50},
        "secrets": {"a": {"keys": ["x"]}, "w": {"access": "write", "keys": ["x"]}},
        "database_roles": ["reader"],
        "transit_keys": ["key"],
        "pki_roles": ["web"],
    }
    reads = [{"application": "shop", "secrets": ["a"]}]
    pod = {"kind": "kubernetes", "service_account": "pod", "namespace": "prod"}
    ci = {"kind": "jwt", "audience": "vault", "claims": {"repository": "a/b"}}
    return {
        **settings,
        # Another environment has another profile's defaults, unless one is named.
        "profile": "development",
        "kv": {"secret": {}},
        "kubernetes": {"host": "https://10.0.0.1:6443", "ca_certificate_file": "cluster.pem"},
        "jwt": {"jwt_validation_pubkeys": [public_key()], "bound_issuer": "https://ci.example.com"},
        "database": {
            "connections": {"postgresql": {**settings["database"]["connections"]["postgresql"], "port": postgres}},
            "roles": {"reader": {"connection": "postgresql", "access": "readonly"}},
        },
        "transit": {"keys": {"key": {}}},
        "pki": {**settings["pki"], "roles": {"web": {"allowed_domains": ["web.internal"]}}},
        "rate_limits": {"whole": {"rate": 2000}},
        "applications": {
            "shop": shop,
            "third": {"login": {"kind": "approle"}, "secrets": {"t": {"keys": ["x"]}}},
            "fourth": {"login": {"kind": "approle"}, "reads": reads},
            "pod": {"login": pod, "reads": reads},
            "ci": {"login": ci, "reads": reads},
        },
    }


def filled(change: Change, files: dict[str, str]) -> Change:
    """A change with the contents of files for their names in brackets."""
    text = json.dumps(change)
    for name, content in files.items():
        text = text.replace(json.dumps(name)[1:-1], json.dumps(content)[1:-1])
    return [(way, value) for way, value in json.loads(text)]


def up(made: Checkout, settings: Plain) -> Plain:
    """One that must succeed: no check of an application has failed."""
    made.write(copy.deepcopy(settings))
    answer = made.run("up", "--json")
    assert answer.returncode == 0, answer.stderr + answer.stdout
    document: Plain = json.loads(answer.stdout)
    return document


@dataclass(frozen=True, kw_only=True)
class Story:
    """What became of the stack."""

    answers: dict[int, dict[str, Plain]]
    """What the server answered after each `up`, by path."""
    built: Plain
    """The settings that the first of them began with."""
    last: Plain
    """What the last `up` said."""


@pytest.fixture(scope="module")
def story(local_checkout: Checkout, files: dict[str, str]) -> Story:
    """The stack is built and changed three times; the last time also its servers' ports."""
    settings = base(local_checkout)
    built = copy.deepcopy(settings)
    up(local_checkout, settings)
    make_users(local_checkout)
    legacy = {"connection": "postgresql", "username": "legacy"}
    settings = changed(settings, [("database/static_roles/legacy", legacy)])
    answers: dict[int, dict[str, Plain]] = {}
    last: Plain = {}
    for turn in (1, 2, 3):
        cases = [one for one in FOLLOWED.values() if one.turn == turn]
        for case in cases:
            settings = changed(settings, filled(case.change, files))
        settings["database"]["connections"]["second"]["port"] = settings["platform"]["postgres_port"]
        if turn == 3:
            with local_checkout.local.servers.postgres.maintenance("estate") as session:
                session.execute("alter role second_root password 'of-the-third'")
            settings = changed(settings, last_change())
        last = up(local_checkout, settings)
        with local_checkout.administering() as client:
            answers[turn] = {one.read: read(client, one.read) for one in cases}
    return Story(answers=answers, built=built, last=last)


def last_change() -> Change:
    """Other ports, protection, and one more value in a secret that is there."""
    api, cluster, postgres = free_ports(3)
    return [
        ("platform", {"kind": "local", "api_port": api, "cluster_port": cluster, "postgres_port": postgres}),
        *((f"database/connections/{name}/port", postgres) for name in ("postgresql", "second")),
        ("protect", True),
        ("applications/shop/secrets/a/keys", ["x", "y"]),
        ("snapshots/store/path", ".estate/local/elsewhere"),
    ]


def make_users(made: Checkout) -> None:
    """What a database has before Vault is told of it; and two more versions of a key."""
    for database in ("estate", "postgres"):
        with made.local.servers.postgres.maintenance(database) as session:
            session.execute("create schema other")
    with made.local.servers.postgres.maintenance("estate") as session:
        for name in LOGINS:
            session.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        session.execute("create role second_root login superuser password 'of-the-second'")
    with made.administering() as client:
        for _ in range(2):
            call(client, "post", "transit/keys/key/rotate", {})


def read(client: hvac.Client, path: str) -> Plain:
    """What the server says of one thing."""
    found: Plain = call(client, "get", path)["data"]
    return found


TAKEN_OUT: Change = [
    ("database/connections/postgresql/password_policy", "strong"),
    ("applications/third/login/bound_cidrs", ["127.0.0.0/8"]),
]
"""Settings that are out by default, beside those of the cases."""
GROWS = {"keys", "latest_version", "last_vault_rotation", "modified", "version"}
"""What a server answers and no setting decides."""


@pytest.fixture(scope="module")
def returned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Plain], ...]]:
    """What the server of another stack answers: as it was built, with the first turn's changes, and without them."""
    cases = [one for one in FOLLOWED.values() if one.turn == 1]
    paths = sorted({one.read for one in cases} | {"database/config/postgresql", "auth/approle/role/third"})
    with checkout(tmp_path_factory.mktemp("returned")) as made:
        files, settings = make_files(made), base(made)
        up(made, settings)
        make_users(made)
        legacy = {"connection": "postgresql", "username": "legacy"}
        settings = changed(settings, [("database/static_roles/legacy", legacy)])
        plain = copy.deepcopy(settings)
        for change in (*(filled(case.change, files) for case in cases), TAKEN_OUT):
            plain = changed(plain, change)
        plain["database"]["connections"]["second"]["port"] = plain["platform"]["postgres_port"]
        found = []
        for wanted in (settings, plain, settings):
            assert up(made, wanted)["passed"]
            with made.administering() as client:
                found.append({path: there(client, path) for path in paths})
        assert up(made, settings)["changed"] == 0
        yield tuple(found)


def there(client: hvac.Client, path: str) -> Plain:
    """What the server says of one thing that need not be there; none is as good as an empty list."""
    try:
        return {name: value or None for name, value in read(client, path).items() if name not in GROWS}
    except hvac.exceptions.VaultError:
        return {}


def test_a_setting_that_is_taken_out_leaves_nothing_on_the_server(returned: tuple[dict[str, Plain], ...]) -> None:
    built, full, again = returned
    assert {path for path in built if built[path] == full[path]} == set()
    assert full["database/config/postgresql"]["password_policy"] == "strong"
    assert full["auth/approle/role/third"]["token_bound_cidrs"] == ["127.0.0.0/8"]
    assert again == built


def test_every_setting_has_a_case() -> None:
    cases = [*FOLLOWED, *DECLARED, *REFUSED, *STAYS, *BY_COMMAND]
    assert len(cases) == len(set(cases))
    assert set(cases) == {
        f"{part.model.__name__}.{name}" for part in reference.parts(Settings) for name in part.model.model_fields
    }


@pytest.mark.parametrize("setting", FOLLOWED)
def test_the_server_follows(setting: str, story: Story, files: dict[str, str]) -> None:
    case = FOLLOWED[setting]
    for (field, wanted), _ in zip(filled(list(case.answer.items()), files), case.answer, strict=True):
        found: Any = story.answers[case.turn][case.read]
        for part in field.split("."):
            found = found[part]
        if isinstance(wanted, str):
            found = found if isinstance(found, str) else " ".join(found)
            assert wanted in found
        else:
            assert found == wanted


@pytest.mark.parametrize("setting", REFUSED)
def test_settings_refuse(setting: str) -> None:
    case = REFUSED[setting]
    plain = changed(stack_config(case.stack)["vault-estate:estate"], case.change)
    with pytest.raises(SettingsError, match=re.escape(f"vault-estate:estate.{case.words}")):
        parse(plain)


@pytest.mark.parametrize("setting", STAYS)
def test_the_preview_of_a_built_stack_refuses(
    setting: str, story: Story, local_checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(local_checkout.directory)
    before = local_checkout.settings()
    local_checkout.write(changed(local_checkout.settings(), STAYS[setting].change))
    try:
        with pytest.raises(EstateError, match=re.escape(f"vault-estate:estate.{STAYS[setting].words}, ")):
            lifecycle.preview(local_checkout.paths, "local", Console(as_json=True), Choices())
    finally:
        local_checkout.write(before)
    assert story.answers


def test_the_servers_are_on_their_new_ports(story: Story, local_checkout: Checkout) -> None:
    platform = local_checkout.settings()["platform"]
    assert platform["api_port"] != story.built["platform"]["api_port"]
    assert story.last["exports"]["address"] == f"https://127.0.0.1:{platform['api_port']}"
    found = local_checkout.local.servers.status()
    assert (found.openbao.port, found.postgres.port) == (platform["api_port"], platform["postgres_port"])
    assert f"127.0.0.1:{platform['cluster_port']}" in (local_checkout.paths.local / "openbao/server.hcl").read_text()


def test_a_value_that_was_never_written_is_missed(story: Story) -> None:
    assert story.last["values"]["shop"]["a"] == {"x": "generated", "y": "missing"}
    assert story.last["access_checks"]["shop"]["secret"] == (
        "missing: added/other/shop/a (write): y; added/other/shop/added (read): x"
    )


def test_what_is_protected_is_not_destroyed(story: Story, local_checkout: Checkout) -> None:
    assert story.last["stack"] == "local"
    answer = local_checkout.run("down")
    assert answer.returncode == 2
    assert "are protected; expected protect: false" in answer.stderr


def test_a_snapshot_goes_where_the_setting_says(story: Story, local_checkout: Checkout) -> None:
    assert story.last["stack"] == "local"
    assert local_checkout.run("snapshot").returncode == 0
    assert list((local_checkout.paths.local / "elsewhere").rglob("*.age"))
