"""People's work with values, by the command, on a real server: an owner of one application, and one of another.

Doesn't prove how they log in (tests/live/test_people_session.py), nor the policies of the settings' groups: what the
two may do is written here.
"""

import io
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import hvac
import pytest

from ops.cli import main, rotation, secrets
from ops.commands import secrets as secret_commands
from ops.console import Console
from ops.errors import EstateError
from ops.local.bootstrap import bootstrap
from ops.people.session import KeptLogin, keep
from ops.vault.kv_secret import KvSecret
from ops.vault.seeding import seed_secrets
from tests.support.checkouts import Checkout, local_checkout
from tests.support.servers import ADMINISTRATOR_POLICY, administrator_client, call, seal

__all__ = ["local_checkout"]

CANARY = "-".join(("canary", "of", "a", "value"))
OWNER = """
path "agenticverz/data/*" { capabilities = ["create", "read", "update", "delete"] }
path "agenticverz/metadata/*" {
  capabilities = ["read", "list", "patch"]
  allowed_parameters = { custom_metadata = [] }
}
path "agenticverz/subkeys/*" { capabilities = ["read"] }
path "agenticverz/delete/*" { capabilities = ["update"] }
path "agenticverz/undelete/*" { capabilities = ["update"] }
path "sys/policies/password/strong/generate" { capabilities = ["read"] }
path "vault-estate/data/rotation/agenticverz/*" { capabilities = ["create", "read", "update"] }
path "vault-estate/destroy/rotation/agenticverz/*" { capabilities = ["update"] }
"""
AOS = ("aos", "external-apis")
KEY = "ANTHROPIC_API_KEY"
GIVEN = {"POSTGRES_USER", "POSTGRES_PASSWORD"}


@dataclass(frozen=True)
class Ended:
    """What a command ended with, and what it showed."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def administrator(local_checkout: Checkout) -> hvac.Client:
    servers = local_checkout.local.servers
    servers.start()
    bootstrap(servers, policy=ADMINISTRATOR_POLICY)
    client = administrator_client(servers)
    for mount in ("secret", "agenticverz", "pake_system", "vault-estate"):
        call(client, "post", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    call(client, "post", "sys/policies/acl/owner", {"policy": OWNER})
    call(client, "post", "sys/policies/acl/other", {"policy": OWNER.replace("agenticverz", "pake_system")})
    rule = 'length = 32\nrule "charset" { charset = "abcdefghijklmnopqrstuvwxyz0123456789" }'
    call(client, "post", "sys/policies/password/strong", {"policy": rule})
    call(client, "post", "sys/auth/userpass", {"type": "userpass"})
    for name, policy in (("ada", "owner"), ("bob", "other")):
        call(client, "post", f"auth/userpass/users/{name}", {"password": f"of-{name}", "token_policies": [policy]})
    return client


@pytest.fixture
def run(
    local_checkout: Checkout,
    administrator: hvac.Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Runs `./estate secret …` as somebody, or another command, with what they give on standard input."""
    for name in ("VAULT_TOKEN", "BAO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(secrets, "Paths", lambda: local_checkout.paths)
    monkeypatch.setattr(rotation, "Paths", lambda: local_checkout.paths)
    shown = []

    def run(*arguments: str, given: str | bytes = "", by: str = "ada", command: str = "secret") -> Ended:
        token = call(administrator, "post", f"auth/userpass/login/{by}", {"password": f"of-{by}"})["auth"][
            "client_token"
        ]
        keep(local_checkout.local, KeptLogin(address=local_checkout.local.servers.address, token=token))
        raw = given.encode() if isinstance(given, str) else given
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        code = main.main([command, *arguments])
        said = capsys.readouterr()
        shown.append(said.err + ("" if arguments[0] == "get" else said.out))
        return Ended(code, said.out, said.err)

    yield run
    assert CANARY not in "".join(shown)


@pytest.fixture(autouse=True)
def _fresh(administrator: hvac.Client) -> None:
    call(administrator, "delete", "agenticverz/metadata/external-apis")
    call(administrator, "delete", "agenticverz/metadata/database")


def listed(run: Run, *arguments: str, by: str = "ada") -> Mapping[str, str]:
    found = json.loads(run("list", *arguments, "--json", by=by).out)["values"]
    return {f"{one['secret']} {one['key']}": one["origin"] for one in found}


def test_a_value_is_put_read_and_rolled_back(run: Run) -> None:
    assert listed(run, "aos")[f"external-apis {KEY}"] == "missing"

    first = run("put", *AOS, KEY, given=f"{CANARY}-1\n")
    assert (first.code, first.out) == (0, f"agenticverz/external-apis is at version 1: {KEY} by ada\n")
    assert run("get", *AOS, KEY).out == f"{CANARY}-1"
    assert listed(run, "aos")[f"external-apis {KEY}"] == "given"

    assert run("put", *AOS, KEY, "--exact", given=f"{CANARY}-2\n").code == 0
    assert run("get", *AOS, KEY).out == f"{CANARY}-2\n"
    assert json.loads(run("diff", *AOS, "--json").out) == {"old": 1, "new": 2, "changes": {KEY: "changed"}}

    assert run("rollback", *AOS, "1").code == 0
    assert json.loads(run("get", *AOS, "--json").out) == {"version": 3, "values": {KEY: f"{CANARY}-1"}}
    history = json.loads(run("history", *AOS, "--json").out)["versions"]
    assert [(one["number"], one["state"], one["by"]) for one in history] == [
        (3, "there", "ada"),
        (2, "there", "ada"),
        (1, "there", "ada"),
    ]


def test_a_deleted_value_is_missing_and_comes_back(run: Run) -> None:
    run("put", *AOS, KEY, given=CANARY)
    deleted = run("delete", *AOS)
    assert deleted.out == "version 1 is deleted; back with: ./estate secret undelete aos external-apis 1\n"
    assert listed(run, "aos")[f"external-apis {KEY}"] == "missing"
    gone = run("get", *AOS, KEY)
    assert gone.err == "estate: agenticverz/external-apis: version 1 is deleted; expected one that can be read\n"
    assert run("undelete", *AOS, "1").code == 0
    assert run("get", *AOS, KEY).out == CANARY
    again = run("undelete", *AOS, "1")
    assert (again.code, again.out) == (2, "")
    assert "version 1 of agenticverz/external-apis isn't deleted; expected" in again.err


def test_several_values_are_put_together_and_the_others_stay(run: Run, administrator: hvac.Client) -> None:
    where = ("aos", "database")
    run("put", *where, given=json.dumps({"POSTGRES_USER": "aos", "POSTGRES_PASSWORD": CANARY}))
    run("put", *where, "DATABASE_URL", given="postgresql://db/aos")
    origins = {key: origin for key, origin in listed(run, "aos").items() if key.startswith("database ")}
    assert origins == {
        "database POSTGRES_USER": "given",
        "database POSTGRES_PASSWORD": "given",
        "database DATABASE_URL": "given",
        "database KEYCLOAK_DB_USER": "missing",
        "database KEYCLOAK_DB_PASSWORD": "missing",
    }
    # Another client writes, and notes nothing: what is there counts as given by somebody, and nothing else does.
    call(administrator, "post", "agenticverz/data/database", {"data": {"POSTGRES_USER": "x", "DATABASE_URL": "y"}})
    written = {f"database {key}" for key in ("POSTGRES_USER", "DATABASE_URL")}
    assert {key for key in origins if listed(run, "aos")[key] == "given"} == written
    run("put", *where, "KEYCLOAK_DB_USER", given="keycloak")
    history = json.loads(run("history", *where, "--json").out)["versions"]
    assert [(one["number"], one["by"]) for one in history] == [(4, "ada"), (3, ""), (2, "ada"), (1, "ada")]
    assert listed(run, "aos")["database POSTGRES_PASSWORD"] == "missing"
    assert listed(run, "aos")["database POSTGRES_USER"] == "given"


def test_one_that_is_killed_before_it_noted_gave_only_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_secret: KvSecret, _notes: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(KvSecret, "note", killed)
        assert run("put", "aos", "database", "POSTGRES_USER", given="aos").code != 0
    found = {key for key, origin in listed(run, "aos").items() if origin == "given"}
    assert found == {"database POSTGRES_USER"}


def test_one_value_never_takes_the_place_of_deleted_ones(run: Run) -> None:
    where = ("aos", "database")
    run("put", *where, given=json.dumps({"POSTGRES_USER": "aos", "POSTGRES_PASSWORD": CANARY}))
    run("delete", *where)
    refused = run("put", *where, "DATABASE_URL", given="postgresql://db/aos")
    assert (refused.code, refused.out) == (2, "")
    assert "version 1 is deleted, and what isn't given now would go with it; expected it undeleted" in refused.err
    every = {key.removeprefix("database ") for key in listed(run, "aos") if key.startswith("database ")}
    assert run("put", *where, given=json.dumps(dict.fromkeys(every, "x"))).code == 0
    assert run("undelete", *where, "1").code == 0
    back = run("rollback", *where, "1")
    assert back.out.splitlines()[1:] == [f"without {', '.join(sorted(every - GIVEN))}, which the version before had"]


def test_the_server_generates_by_a_policy(run: Run, administrator: hvac.Client) -> None:
    run("put", *AOS, KEY, "--generate")
    assert re.fullmatch("[a-z0-9]{32}", run("get", *AOS, KEY).out)
    assert listed(run, "aos")[f"external-apis {KEY}"] == "generated"
    assert (
        "--policy is 'weak'; expected one of password_policies: strong"
        in run("put", *AOS, KEY, "--generate", "--policy", "weak").err
    )


def test_what_up_chose_is_told_apart(run: Run, administrator: hvac.Client) -> None:
    made = seed_secrets(administrator, {("agenticverz", "external-apis"): {KEY: "sk-{random}"}})
    assert made == [("agenticverz", "external-apis")]
    assert re.fullmatch("sk-.{32}", run("get", *AOS, KEY).out)
    (history,) = json.loads(run("history", *AOS, "--json").out)["versions"]
    assert (history["by"], history["brought"]) == ("up", [KEY])
    assert listed(run, "aos")[f"external-apis {KEY}"] == "generated"
    run("rollback", *AOS, "1")
    assert listed(run, "aos")[f"external-apis {KEY}"] == "generated"
    run("put", *AOS, KEY, given=CANARY)
    run("rollback", *AOS, "1")
    assert listed(run, "aos")[f"external-apis {KEY}"] == "given", "what was noted of the first has given way"


def test_another_owner_is_denied_all_of_it(run: Run) -> None:
    run("put", *AOS, KEY, given=CANARY)
    for arguments in (
        ("put", *AOS, KEY),
        ("get", *AOS, KEY),
        ("history", *AOS),
        ("diff", *AOS),
        ("rollback", *AOS, "1"),
        ("delete", *AOS),
        ("undelete", *AOS, "1"),
        ("list", "aos"),
    ):
        ended = run(*arguments, given="of-bob", by="bob")
        assert (ended.code, ended.out) == (2, ""), arguments
        assert re.fullmatch(r"estate: bob may not .*; expected a person of a group that owns aos\n", ended.err)
    assert run("get", *AOS, KEY).out == CANARY
    assert {key.split()[0] for key in listed(run, by="bob")} == {"database", "redis", "security", "api_keys"}


def test_an_owner_rotates_what_is_due_and_what_they_name(run: Run) -> None:
    token, key = "MACHINE_SECRET_TOKEN", "AOS_API_KEY"
    assert run("put", "aos", "app-prod", given=json.dumps({token: CANARY, key: f"{CANARY}-key"})).code == 0
    told = json.loads(run("aos", "--json", command="rotate").out)["secrets"]
    assert [(one["secret"], one["keys"], one["state"]) for one in told] == [("app-prod", [token], "waiting")]
    assert json.loads(run("aos", "--due", "--json", command="rotate").out)["rotated"] == []

    done = run("aos", "app-prod", "--json", command="rotate")
    assert (done.code, done.err) == (0, "")
    (row,) = json.loads(done.out)["rotated"]
    assert (row["secret"], row["keys"], row["version"], row["phase"]) == ("app-prod", [token], 2, "idle")
    rotated = run("get", "aos", "app-prod", token).out
    assert len(rotated) == 32
    assert rotated not in done.out
    assert run("get", "aos", "app-prod", key).out == f"{CANARY}-key"
    assert run("aos", "app-prod", key, command="rotate").code == 0
    history = json.loads(run("history", "aos", "app-prod", "--json").out)["versions"]
    assert [one["by"] for one in history] == ["ada", "ada", "ada"]

    for arguments in ((), ("app-prod",), ("app-prod", "--abandon")):
        denied = run("aos", *arguments, command="rotate", by="bob")
        assert (denied.code, denied.out) == (2, "")
        assert re.fullmatch(r"estate: bob may not .*; expected a person of a group that owns aos\n", denied.err)


def test_of_two_at_once_one_wins_and_the_other_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("put", *AOS, KEY, given="before")
    both, write = threading.Barrier(2, timeout=20), KvSecret.write

    def together(secret: KvSecret, values: Mapping[str, str], *, seen: int) -> int:
        both.wait()
        return write(secret, values, seen=seen)

    monkeypatch.setattr(KvSecret, "write", together)
    ends: list[str] = []

    def one(value: bytes) -> None:
        place = secrets._place("local", *AOS, sandbox=False)
        try:
            done = secret_commands.put(place, KEY, lambda: value, Console(as_json=True))
            ends.append(f"version {done.version}")
        except EstateError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=one, args=(value,)) for value in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(ends) == [
        "agenticverz/external-apis is at version 2; expected version 1, which was seen: nothing was written",
        "version 2",
    ]


REFUSED = [
    (KEY, b"", "the value of ANTHROPIC_API_KEY is empty; expected a value"),
    (KEY, b" \n", "the value of ANTHROPIC_API_KEY is empty; expected a value"),
    (KEY, b"\xff\xfe", "the value is binary; expected text, such as base64 of it"),
    (KEY, b"a\0b", "the value of ANTHROPIC_API_KEY is binary; expected text, such as base64 of it"),
    (KEY, b"x" * 1_048_576, "the value is longer than 524288 bytes; expected at most so many"),
    (KEY.lower(), b"x", f"KEY is not shown, as it may be a value; expected one of: {KEY}"),
    (f"a/{CANARY}", b"x", f"KEY is not shown, as it may be a value; expected one of: {KEY}"),
    (None, b"{", 'what was given is no JSON object; expected one such as {"KEY": "value"}, or a KEY'),
    (
        None,
        b'{"ANTHROPIC_API_KEY": "a", "ANTHROPIC_API_KEY": "b"}',
        "a name stands twice in the JSON object; expected each once",
    ),
    (None, b'{"ANTHROPIC_API_KEY": 5}', "the value of ANTHROPIC_API_KEY is not text; expected text"),
    (None, b"[" * 100_000, 'what was given is no JSON object; expected one such as {"KEY": "value"}, or a KEY'),
    (
        None,
        b'{"ANTHROPIC_API_KEY": "\\ud800"}',
        "the value of ANTHROPIC_API_KEY is binary; expected text, such as base64 of it",
    ),
]


@pytest.mark.parametrize(("key", "given", "words"), REFUSED)
def test_what_is_no_value_is_refused_and_nothing_is_written(
    run: Run, key: str | None, given: bytes, words: str
) -> None:
    ended = run("put", *AOS, *([key] if key else []), given=given)
    assert (ended.code, ended.out, ended.err) == (2, "", f"estate: {words}\n")
    assert listed(run, "aos")[f"external-apis {KEY}"] == "missing"


def test_a_line_break_is_no_part_of_the_longest_value(run: Run) -> None:
    longest = "x" * secret_commands.LONGEST_VALUE
    assert run("put", *AOS, KEY, given=f"{longest}\r\n").code == 0
    assert run("get", *AOS, KEY).out == longest


def test_what_is_too_large_together_is_one_line(run: Run) -> None:
    half = "x" * secret_commands.LONGEST_VALUE
    assert run("put", "aos", "database", "POSTGRES_PASSWORD", given=half).code == 0
    ended = run("put", "aos", "database", "DATABASE_URL", given=half)
    words = "the values of agenticverz/database together are larger than the server takes; expected at most 1048576 "
    assert (ended.code, ended.err) == (2, f"estate: {words}bytes as the server keeps them\n")


def test_who_noted_late_is_known_all_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose version was followed by another's before the notes of either were there."""
    run("put", *AOS, KEY, given="first")
    write = KvSecret.write

    def followed(secret: KvSecret, values: Mapping[str, str], *, seen: int) -> int:
        version = write(secret, values, seen=seen)
        if version == 2:
            place = secrets._place("local", *AOS, sandbox=False)
            secret_commands.put(place, KEY, lambda: b"third", Console(as_json=True))
        return version

    monkeypatch.setattr(KvSecret, "write", followed)
    assert run("put", *AOS, KEY, given="second").code == 0
    history = json.loads(run("history", *AOS, "--json").out)["versions"]
    assert [(one["number"], bool(one["by"])) for one in history] == [(3, True), (2, True), (1, True)]


@pytest.mark.parametrize("more", [[KEY, CANARY], [f"{KEY}={CANARY}"]])
def test_a_value_on_the_command_line_is_refused_and_not_shown(run: Run, more: list[str]) -> None:
    ended = run("put", *AOS, *more)
    assert ended.code == 2
    assert ended.err.startswith("estate: a value on the command line is seen by every process; expected it ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get", "AOS", "external-apis", KEY), "APP is 'AOS'; expected one of: bike-data-flow, "),
        (("get", "aos", "External-APIs", KEY), "NAME is 'External-APIs'; expected a secret of aos: app-prod, "),
        (("get", *AOS, KEY), "agenticverz/external-apis: has no value yet; expected one that can be read"),
        (("get", *AOS), "KEY is missing; expected one, or --json for all values"),
        (("get", *AOS, KEY, "--version", "7"), "agenticverz/external-apis has no version 7 that can be read; "),
        (("put", *AOS, KEY, "--seen", "3"), "agenticverz/external-apis is at version 0; expected version 3, as --seen"),
        (("put", *AOS, "--generate"), "--generate is given with a file, or without KEY; expected KEY and no file"),
        (("put", *AOS, KEY, "--policy", "x"), "--policy is given without --generate; expected both"),
        (
            ("put", *AOS, KEY, "--file", "/nowhere"),
            "--file is '/nowhere', No such file or directory; expected one that",
        ),
        (("put", *AOS, KEY, "--file", "/proc/self/mem"), "--file is '/proc/self/mem', Input/output error; expected"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    ended = run(*arguments, given="x")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"estate: {words}")
    assert ended.err.count("\n") == 1


def test_a_value_is_not_shown_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("put", *AOS, KEY, given=CANARY)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    ended = run("get", *AOS, KEY)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "estate: standard output is a terminal; expected a pipe, or --reveal to show the value\n"
    assert run("get", *AOS, KEY, "--reveal").out == f"{CANARY}\n"


def test_a_value_of_another_client_that_is_no_text_is_printed_as_json(run: Run, administrator: hvac.Client) -> None:
    call(administrator, "post", "agenticverz/data/external-apis", {"data": {KEY: {"on": True}}})
    assert run("get", *AOS, KEY).out == '{"on": true}'


def test_the_others_stay_where_versions_end_by_themselves(run: Run, administrator: hvac.Client) -> None:
    """The server tells of such a version when it will have ended."""
    where = ("aos", "database")
    call(administrator, "post", "agenticverz/metadata/database", {"delete_version_after": "1h"})
    for key in ("POSTGRES_USER", "DATABASE_URL"):
        run("put", *where, key, given=f"of {key}")
    assert json.loads(run("get", *where, "--json").out)["values"] == {
        "POSTGRES_USER": "of POSTGRES_USER",
        "DATABASE_URL": "of DATABASE_URL",
    }


def test_a_value_comes_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(f"-----BEGIN\n{CANARY}\n-----END\n")
    run("put", *AOS, KEY, "--exact", "--file", str(tmp_path / "key.pem"))
    assert run("get", *AOS, KEY).out == f"-----BEGIN\n{CANARY}\n-----END\n"


def test_a_value_is_nowhere_in_the_audit_log(run: Run, local_checkout: Checkout) -> None:
    run("put", *AOS, KEY, given=CANARY)
    run("get", *AOS, KEY)
    logs = [path for path in local_checkout.paths.own.rglob("*") if path.is_file() and not path.name.endswith(".db")]
    assert [path for path in logs if CANARY.encode() in path.read_bytes()] == []
    audit = [path for path in logs if "audit" in path.name]
    assert any(b"agenticverz/data/external-apis" in path.read_bytes() for path in audit)


def test_a_server_that_is_sealed_meanwhile_is_one_line(
    run: Run, administrator: hvac.Client, local_checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("put", *AOS, KEY, given="before")
    write = KvSecret.write
    servers = local_checkout.local.servers

    def sealed_first(secret: KvSecret, values: Mapping[str, str], *, seen: int) -> int:
        seal(administrator, servers)
        return write(secret, values, seen=seen)

    monkeypatch.setattr(KvSecret, "write", sealed_first)
    try:
        ended = run("put", *AOS, KEY, given=CANARY)
    finally:
        servers.stop()
        servers.start()
    assert (ended.code, ended.err) == (2, f"estate: Vault at {servers.address} is sealed; expected it unsealed\n")
    assert run("get", *AOS, KEY).out == "before"


def test_a_value_that_was_written_is_never_told_as_an_error(
    run: Run, administrator: hvac.Client, local_checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is sealed, or gone, before it takes the note."""
    servers = local_checkout.local.servers
    note = KvSecret.note
    ends: tuple[tuple[str, Callable[[], object], str], ...] = (
        ("one", lambda: seal(administrator, servers), "sealed"),
        ("another", servers.stop, "refused"),
    )
    for value, end, why in ends:

        def ended_first(secret: KvSecret, notes: Mapping[str, str | None], end: Callable[[], object] = end) -> None:
            end()
            note(secret, notes)

        with monkeypatch.context() as patched:
            patched.setattr(KvSecret, "note", ended_first)
            try:
                ended = run("put", *AOS, KEY, given=value)
            finally:
                servers.stop()
                servers.start()
        assert ended.code == 0, ended.err
        assert "warning: the value is written; who gave it could not be noted: " in ended.out
        assert why in ended.out.lower()
        assert run("get", *AOS, KEY).out == value
