"""People of a built stack: let in, logged in each way, at work within what their groups give, and gone.

Every command is run as they run it; what a token may do is asked of the server. The issuer is another OpenBao's own
OIDC provider. Doesn't prove that Google, Keycloak or a broker gives the claims that settings name.
"""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests
from hvac.exceptions import Forbidden, VaultError

from ops.console import Console
from ops.errors import EstateError
from ops.people import browser, inviting, leaving, logging_in, session
from ops.people.logging_in import Way
from tests.support.checkouts import Checkout, local_checkout
from tests.support.issuers import Issuer, issuer
from tests.support.servers import VaultServer, call, free_ports, local_platform, postgres_template, vault_server

__all__ = ["local_checkout", "local_platform", "postgres_template", "vault_server"]

PASSWORD = "-".join(("canary", "own", "password"))
OWN, OTHERS = "agenticverz/data/external-apis", "secret/data/greenlang/database/redis"


@pytest.fixture(scope="module")
def its_issuer(vault_server: VaultServer) -> Issuer:
    """Lin is in the team there; bob is in no group that anybody here knows."""
    (port,) = free_ports(1)
    return issuer(vault_server, f"http://localhost:{port}/oidc/callback", {"aos-team": ["lin"], "cooks": ["bob"]})


@pytest.fixture(scope="module")
def built(local_checkout: Checkout, its_issuer: Issuer) -> Checkout:
    """Of the committed people, with an operator who logs in by certificate, and an issuer."""
    made, settings = local_checkout, local_checkout.settings()
    _own_pair(made.directory, "grace")
    people = settings["people"]
    people["members"]["grace"] = {"groups": ["operators"], "login": {"kind": "certificate", "file": "grace.crt"}}
    people["groups"]["aos-owners"]["claims"] = ["aos-team"]
    people["oidc"] = its_issuer.section(made.directory)
    made.write(settings)
    for command in ("preview", "up"):  # the first while nothing is there to ask
        done = made.run(command, "--json")
        assert done.returncode == 0, done.stderr[-3000:]
    return made


def _own_pair(folder: Path, name: str) -> None:
    """As docs/people.md has a person make one."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    command += ["-days", "365", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:FALSE"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
    subprocess.run([*command, *files], cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in session._TOKEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def invited(made: Checkout, name: str) -> str:
    """The wrapping token of an invitation, as the administrator passes it on."""
    done = made.run("invite", "local", name, "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["wrapping_token"])


def enter(made: Checkout, name: str) -> hvac.Client:
    """Let a person in by an invitation; a client with their token."""
    done = made.run("login", "local", name, "--first", given=f"{invited(made, name)}\n{PASSWORD}\n{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{name} is logged in to https://127.0.0.1:")
    assert PASSWORD not in done.stdout + done.stderr
    return client_of(made)


def client_of(made: Checkout, *, stays: bool = False) -> hvac.Client:
    """A client with the token that is kept, and unless it stays there outlives the next login."""
    login = session.kept(made.local)
    assert login is not None
    if not stays:
        session.forget(made.local)
    return hvac.Client(url=login.address, token=login.token, verify=str(made.local.authority_file))


def denied(client: hvac.Client, method: str, path: str, body: dict[str, object] | None = None) -> None:
    with pytest.raises(Forbidden):
        call(client, method, path, body)


@pytest.fixture(scope="module")
def ada(built: Checkout) -> hvac.Client:
    """Owner of aos' secrets."""
    return enter(built, "ada")


def test_an_owner_works_with_their_own_secrets(ada: hvac.Client) -> None:
    version = call(ada, "post", OWN, {"data": {"ANTHROPIC_API_KEY": "first"}})["data"]["version"]
    call(ada, "post", OWN, {"data": {"ANTHROPIC_API_KEY": "second"}})
    assert call(ada, "get", OWN)["data"]["data"] == {"ANTHROPIC_API_KEY": "second"}
    assert "external-apis" in call(ada, "list", "agenticverz/metadata")["data"]["keys"]
    call(ada, "delete", OWN)
    call(ada, "post", "agenticverz/undelete/external-apis", {"versions": [version + 1]})
    assert call(ada, "get", OWN)["data"]["data"] == {"ANTHROPIC_API_KEY": "second"}
    denied(ada, "post", "agenticverz/destroy/external-apis", {"versions": [version]})
    denied(ada, "delete", "agenticverz/metadata/external-apis")


def test_an_owner_notes_beside_a_secret_and_sets_nothing_of_it(ada: hvac.Client) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    place = "/v1/agenticverz/metadata/external-apis"
    ada.adapter.request("patch", place, json={"custom_metadata": {"note": "rotated"}}, headers=headers)
    assert call(ada, "get", "agenticverz/metadata/external-apis")["data"]["custom_metadata"]["note"] == "rotated"
    with pytest.raises(Forbidden):
        ada.adapter.request("patch", place, json={"max_versions": 1}, headers=headers)


def test_an_owner_is_denied_anothers(ada: hvac.Client) -> None:
    for method in ("get", "post", "delete"):
        denied(ada, method, OTHERS, {"data": {"password": "x"}})
    denied(ada, "get", "secret/metadata/greenlang/database/redis")
    denied(ada, "list", "secret/metadata/greenlang")
    denied(ada, "post", "auth/userpass/users/alan/password", {"password": PASSWORD})
    denied(ada, "get", "database/creds/aos-readwrite")


def test_an_auditor_sees_how_it_is_set_and_no_value(built: Checkout) -> None:
    alan = enter(built, "alan")
    assert "aos" in call(alan, "get", "sys/policies/acl/aos")["data"]["policy"]
    assert call(alan, "get", "auth/approle/role/aos")["data"]["token_policies"] == ["aos"]
    assert "auth-service" in call(alan, "list", "secret/metadata/greenlang/services")["data"]["keys"]
    assert call(alan, "get", "secret/metadata/greenlang/services/auth-service")["data"]["current_version"] == 1
    denied(alan, "get", "secret/data/greenlang/services/auth-service")
    assert {"ada", "alan"} <= set(call(alan, "list", "identity/entity/name")["data"]["keys"])
    assert call(alan, "get", "sys/mounts")["data"]
    for path in (OWN, OTHERS):
        denied(alan, "get", path)
        denied(alan, "post", path, {"data": {"a": "b"}})
    denied(alan, "post", "transit/decrypt/data-encryption-key", {"ciphertext": "vault:v1:x"})


def test_an_operator_comes_by_certificate_and_sees_no_value(built: Checkout) -> None:
    pair = ("--certificate", str(built.directory / "grace.crt"), "--key", str(built.directory / "grace.key"))
    done = built.run("login", "local", "grace", *pair, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["ttl_seconds"]) == ("grace", 28_800)
    grace = client_of(built)
    assert call(grace, "list", "agenticverz/metadata")["data"]["keys"]
    assert call(grace, "get", "sys/quotas/rate-limit/whole-server")["data"]["rate"] == 2000
    assert call(grace, "get", "sys/storage/raft/configuration")["data"]
    denied(grace, "get", OWN)


def _answered(made: Checkout, *given: str, first: bool = False) -> Way:
    answers = iter(given)
    return Way(ask=lambda _: next(answers, ""), first=first)


WRONG: list[tuple[tuple[str, ...], bool, str]] = [
    (
        ("wrong",),
        False,
        r"^ada is not let in \(invalid username or password at \S+\); expected their .* 5 failures lock it for 15m$",
    ),
    ((), False, r"^the password is empty; expected it typed, or piped in$"),
    (("token", "short"), True, r"^the password is too short; expected at least 12 characters$"),
    (("token", PASSWORD, f"{PASSWORD}2"), True, r"^the two passwords differ; expected the same twice$"),
    (
        ("no-token", PASSWORD, PASSWORD),
        True,
        r"^the invitation has ended, was typed wrong, or somebody opened it; expected one that",
    ),
]


@pytest.mark.parametrize(("given", "first", "words"), WRONG)
@pytest.mark.usefixtures("ada")
def test_what_isnt_right_is_one_line_without_a_secret(
    built: Checkout, given: tuple[str, ...], first: bool, words: str
) -> None:
    with pytest.raises(EstateError, match=words) as refusal:
        logging_in.log_in(built.paths, "local", "ada", _answered(built, *given, first=first), Console())
    assert "\n" not in str(refusal.value)
    assert PASSWORD not in str(refusal.value)


def test_a_wrong_pair_is_told_as_such(built: Checkout) -> None:
    right = _by_certificate(built)
    with pytest.raises(EstateError, match=r"^--certificate: ada logs in by userpass; expected neither it nor --key$"):
        logging_in.log_in(built.paths, "local", "ada", right, Console())
    swapped = replace(right, certificate=right.private_key, private_key=right.certificate)
    with pytest.raises(
        EstateError, match=r"^--certificate \S+grace\.key and --key \S+grace\.crt are no pair; expected"
    ):
        logging_in.log_in(built.paths, "local", "grace", swapped, Console())


def test_a_later_login_ends_the_one_that_was_kept(built: Checkout) -> None:
    enter(built, "alan")
    logging_in.log_in(built.paths, "local", "alan", _answered(built, PASSWORD), Console())
    first = client_of(built, stays=True)
    assert call(first, "get", "auth/token/lookup-self")
    logging_in.log_in(built.paths, "local", "alan", _answered(built, PASSWORD), Console())
    denied(first, "get", "auth/token/lookup-self")


def test_who_lost_the_administrators_key_is_told_the_way_on(built: Checkout) -> None:
    key = Path(built.local.find_endpoint(Console()).login.private_key_file)
    aside = key.rename(key.with_name("aside"))
    words = rf"^{key} is missing; expected it back, or a new pair: \./estate regain local --new-pair$"
    try:
        with pytest.raises(EstateError, match=words):
            inviting.invite(built.paths, "local", "ada", "1h", Console())
        with pytest.raises(EstateError, match=words):
            leaving.off_board(built.paths, "local", "ada", Console())
    finally:
        aside.rename(key)


NOBODY: list[tuple[str, str]] = [
    ("eve", r"^'eve' is no member of stack 'local'; expected one of people\.members: ada, grace, alan$"),
    ("grace", r"^grace logs in by certificate, and needs no invitation; expected login\.kind 'userpass'$"),
]


@pytest.mark.parametrize(("name", "words"), NOBODY)
def test_who_isnt_let_in_by_password_gets_no_invitation(built: Checkout, name: str, words: str) -> None:
    with pytest.raises(EstateError, match=words):
        inviting.invite(built.paths, "local", name, "1h", Console())


def test_an_invitation_that_somebody_opened_is_noticed(built: Checkout, ada: hvac.Client) -> None:
    token = inviting.invite(built.paths, "local", "ada", "5m", Console()).wrapping_token
    opened = call(hvac.Client(url=ada.url, token=token, verify=ada.session.verify), "post", "sys/wrapping/unwrap")
    assert opened["data"]["user"] == "ada"
    way = _answered(built, token, PASSWORD, PASSWORD, first=True)
    with pytest.raises(EstateError, match=r"somebody opened it; .* who runs \./estate invite local ada$"):
        logging_in.log_in(built.paths, "local", "ada", way, Console())
    # The next one voids what was stolen, and is for nobody else.
    token = inviting.invite(built.paths, "local", "ada", "5m", Console()).wrapping_token
    with pytest.raises(VaultError):
        call(ada, "post", "auth/userpass/login/ada", {"password": opened["data"]["password"]})
    way = _answered(built, token, PASSWORD, PASSWORD, first=True)
    with pytest.raises(EstateError, match=r"^the invitation is ada's, and is used up now; expected one for alan: tell"):
        logging_in.log_in(built.paths, "local", "alan", way, Console())


def test_who_left_is_denied_at_once_with_a_token_that_hasnt_ended(built: Checkout) -> None:
    ada = enter(built, "ada")
    assert call(ada, "get", OWN)
    done = built.run("off-board", "local", "ada")
    assert done.returncode == 0, done.stderr
    assert "ada is disabled: every token of theirs is denied" in done.stdout
    assert "left to do: Pulumi.local.yaml: vault-estate:estate.people.members.ada is still there" in done.stdout
    denied(ada, "get", OWN)
    with pytest.raises(EstateError, match=r"^ada is not let in"):
        logging_in.log_in(built.paths, "local", "ada", _answered(built, PASSWORD), Console())

    again = leaving.off_board(built.paths, "local", "ada", Console())
    assert again.done == ("ada is disabled: every token of theirs is denied",)
    for nobody in ("eve", "vault-estate administrator"):  # as the administrator's certificate is called
        with pytest.raises(EstateError, match=rf"^'{nobody}' is nobody on the server or in the settings"):
            leaving.off_board(built.paths, "local", nobody, Console())

    back = built.run("invite", "local", "ada")
    assert "ada, who had left, may log in again" in back.stderr
    assert call(enter(built, "ada"), "get", OWN)["data"], "whoever comes back is invited again"


def _by_certificate(made: Checkout) -> Way:
    certificate, key = made.directory / "grace.crt", made.directory / "grace.key"
    return Way(ask=lambda _: "", certificate=certificate, private_key=key)


def test_who_left_is_denied_with_a_token_by_certificate(built: Checkout) -> None:
    way = _by_certificate(built)
    logging_in.log_in(built.paths, "local", "grace", way, Console())
    grace = client_of(built)
    assert call(grace, "list", "agenticverz/metadata")
    done = leaving.off_board(built.paths, "local", "grace", Console())
    told = ("grace is disabled: every token of theirs is denied", "login by certificate is removed")
    assert done.done == told
    denied(grace, "list", "agenticverz/metadata")
    with pytest.raises(EstateError, match=r"^grace is not let in"):
        logging_in.log_in(built.paths, "local", "grace", way, Console())


@pytest.fixture
def at_issuer(its_issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins a login has a browser; the issuer's `person` sits there."""

    def browse(url: str) -> bool:
        return its_issuer.browse(url).ok

    monkeypatch.setattr("webbrowser.open", browse)


def _applied(made: Checkout, **members: dict[str, Any] | None) -> str:
    """What `up` says after these members were changed; None takes one out."""
    settings = made.settings()
    changed = {**settings["people"]["members"], **members}
    settings["people"]["members"] = {name: one for name, one in changed.items() if one}
    made.write(settings)
    done = made.run("up")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.usefixtures("at_issuer")
def test_what_an_up_changes_of_a_person_acts_on_the_token_they_have(built: Checkout, its_issuer: Issuer) -> None:
    """Of one by certificate, who had left, comes back, changes groups and leaves again. Bob comes too, who had logged
    in before he was a member."""
    its_issuer.person = "bob"
    logging_in.log_in(built.paths, "local", None, Way(ask=lambda _: ""), Console())
    stranger = client_of(built)
    leaving.off_board(built.paths, "local", "grace", Console())
    _applied(built, grace=None)

    by_certificate = {"kind": "certificate", "file": "grace.crt"}
    bob = {"groups": ["aos-owners"], "login": {"kind": "oidc", "claim": "bob"}}
    said = _applied(built, grace={"groups": ["aos-owners"], "login": by_certificate}, bob=bob)
    assert "bob had logged in before being a member, and logs in again" in said
    denied(stranger, "get", "auth/token/lookup-self")
    logging_in.log_in(built.paths, "local", None, Way(ask=lambda _: ""), Console())
    assert call(client_of(built), "list", "agenticverz/metadata")
    assert logging_in.log_in(built.paths, "local", "grace", _by_certificate(built), Console()).name == "grace"
    grace = client_of(built)
    assert call(grace, "list", "agenticverz/metadata")
    denied(grace, "get", "sys/storage/raft/configuration")

    _applied(built, grace={"groups": ["operators"], "login": by_certificate}, bob=None)
    denied(grace, "get", OWN)
    assert call(grace, "get", "sys/storage/raft/configuration")["data"]
    _applied(built, grace=None)
    denied(grace, "get", "auth/token/lookup-self")


@pytest.mark.usefixtures("at_issuer")
def test_whom_the_issuer_puts_into_a_group_may_what_it_may(built: Checkout, its_issuer: Issuer) -> None:
    its_issuer.person = "lin"
    done = logging_in.log_in(built.paths, "local", None, Way(ask=lambda _: ""), Console())
    assert done.ttl_seconds == 28_800
    lin = client_of(built)
    assert call(lin, "get", OWN)["data"]
    denied(lin, "get", OTHERS)

    assert leaving.off_board(built.paths, "local", "lin", Console()).done
    denied(lin, "get", OWN)
    with pytest.raises(EstateError, match=r"^Vault refuses what the issuer says"):
        logging_in.log_in(built.paths, "local", None, Way(ask=lambda _: ""), Console())


@pytest.mark.usefixtures("at_issuer")
def test_whom_the_issuer_puts_into_no_group_may_nothing(built: Checkout, its_issuer: Issuer) -> None:
    its_issuer.person = "bob"
    logging_in.log_in(built.paths, "local", None, Way(ask=lambda _: ""), Console())
    bob = client_of(built, stays=True)
    denied(bob, "get", OWN)
    denied(bob, "list", "agenticverz/metadata")
    built.local.login_file.chmod(0o644)
    with pytest.raises(EstateError, match=r"is open to others .*: \./estate logout local ends the login"):
        session.kept(built.local)
    assert built.run("logout", "local").returncode == 0
    denied(bob, "get", "auth/token/lookup-self")
    with pytest.raises(EstateError, match=r"^nobody is logged in"):
        logging_in.log_out(built.paths, "local", Console())


def test_the_command_shows_where_to_log_in(built: Checkout, its_issuer: Issuer) -> None:
    """Without a browser on this machine."""
    its_issuer.person = "bob"
    running = built.begin("login", "local", "--no-browser")
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("log in at: "):
            break
    stray = requests.get(f"{its_issuer.callback}?state=forged&code=forged", timeout=30)
    assert stray.status_code == 404
    assert its_issuer.browse(line.removeprefix("log in at: ").strip()).status_code == 200
    rest = running.stdout.read()
    assert running.wait(timeout=600) == 0, rest
    assert "is logged in to https://127.0.0.1:" in rest


def test_a_login_at_the_issuer_has_an_end(built: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "SECONDS", 0.2)
    way = Way(ask=lambda _: "", opens_browser=False)
    with pytest.raises(EstateError, match=r"^nobody came back from the issuer within 0 s; expected a login in"):
        logging_in.log_in(built.paths, "local", None, way, Console())


def test_who_was_made_by_another_hand_is_found_and_removed_where_it_is_named(built: Checkout) -> None:
    """Not those whom the server made when applications, the administrator and Bob logged in."""
    clean = json.loads(built.run("drift", "--json").stdout)
    assert [one for one in clean["unknown"] if one["called"] not in {"lin"}] == []
    with built.administering() as client:
        mount = call(client, "get", "sys/auth")["data"]["userpass/"]["accessor"]
        entity = call(client, "post", "identity/entity", {"name": "mallory"})["data"]["id"]
        alias = {"name": "mallory", "mount_accessor": mount, "canonical_id": entity}
        call(client, "post", "identity/entity-alias", alias)
        group = {"name": "friends", "member_entity_ids": [entity], "policies": ["administrator"]}
        call(client, "post", "identity/group", group)
        call(client, "post", "auth/userpass/users/mallory", {"password": PASSWORD})
    found = {(one["type"], one["called"]): one for one in json.loads(built.run("drift", "--json").stdout)["unknown"]}
    assert set(found) == {
        ("vault:identity/entity:Entity", "mallory"),
        ("vault:identity/entityAlias:EntityAlias", "mallory"),
        ("vault:identity/group:Group", "friends"),
        ("userpass", ""),
    }
    assert found["vault:identity/entity:Entity", "mallory"]["id"] == entity
    named = [one["path"] for one in found.values() if one["type"] != "vault:identity/entityAlias:EntityAlias"]
    deleting = [word for path in named for word in ("--delete", path)]
    assert "auth/userpass/users/mallory" in named
    left = json.loads(built.run("drift", "--json", *deleting).stdout)
    assert left["unknown"] == [found["vault:identity/entityAlias:EntityAlias", "mallory"]]
    assert json.loads(built.run("drift", "--json").stdout)["unknown"] == []


def test_no_password_and_no_token_is_in_a_state_or_a_log(built: Checkout, its_issuer: Issuer) -> None:
    secret = (PASSWORD, its_issuer.client_secret)
    kept = built.local.login_file
    for file in built.paths.own.rglob("*"):
        if file.is_file() and file != kept and "raft" not in file.parts:
            content = file.read_bytes()
            assert not [one for one in secret if one.encode() in content], file


def test_nothing_of_it_is_a_change_for_the_stack(built: Checkout) -> None:
    done = built.run("up", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["changed"] == 0


def test_an_issuer_that_doesnt_answer_is_told_by_its_address(built: Checkout) -> None:
    settings, (port,) = built.settings(), free_ports(1)
    there = settings["people"]["oidc"]["discovery_url"]
    settings["people"]["oidc"]["discovery_url"] = f"https://127.0.0.1:{port}"
    built.write(settings)
    done = built.run("up")
    settings["people"]["oidc"]["discovery_url"] = there
    built.write(settings)
    assert done.returncode == 2
    *_, title, told = done.stderr.splitlines()
    assert title == "estate: up failed:"
    assert told.startswith(
        f"  vault-estate:estate.people.oidc.discovery_url is 'https://127.0.0.1:{port}'; expected one "
    )
    assert told.endswith("connection refused")
    assert "Traceback" not in done.stderr
