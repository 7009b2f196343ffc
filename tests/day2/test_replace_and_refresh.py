"""A built stack that is changed in other ways than by its settings: parts replaced, protected, deleted by hand.

Proves of each that the server has what it had, that every access check passes, and that the `up` after it changes
nothing. Not proven: audit devices, which OpenBao takes from its server file only.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from ops.commands import session
from ops.commands.session import Choices
from ops.console import Console
from ops.engine import replacing
from ops.errors import EstateError
from tests.support.checkouts import Checkout

_KINDS = (
    "sys/policies/acl",
    "sys/policies/password",
    "sys/quotas/rate-limit",
    "auth/approle/role",
    "auth/cert/certs",
    "database/roles",
    "pki_int/roles",
    "transit/keys",
)
_AUTH_METHODS = ("approle-mount", "userpass-mount")
"""What other objects are in, and go and come back with."""


def up(checkout: Checkout, *options: str) -> dict[str, Any]:
    """One successful `up`, as its JSON document."""
    answer = checkout.run("up", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def inventory(checkout: Checkout) -> Mapping[str, Any]:
    """What the server holds, by kind."""
    with checkout.administering() as client:
        lists = {kind: cast("dict[str, Any]", client.list(kind))["data"]["keys"] for kind in _KINDS}
        mounts = {kind: cast("dict[str, Any]", client.read(kind))["data"] for kind in ("sys/auth", "sys/mounts")}
    return {kind: sorted(names) for kind, names in {**lists, **mounts}.items()}


def deployment(checkout: Checkout) -> Mapping[str, Any]:
    """The stack's state."""
    with session.opened(checkout.local, Console(as_json=True), "preview", Choices()) as opened:
        return opened.run.deployment()


@pytest.fixture(scope="module")
def built(local_checkout: Checkout) -> Checkout:
    """A fresh stack with limits on mounts that are made beside them, in the same run."""
    settings = local_checkout.settings()
    settings["rate_limits"] |= {
        "kv": {"path": "secret", "rate": 500},
        "below-kv": {"path": "secret/data/greenlang", "rate": 500},
        "all-logins": {"path": "auth/approle", "rate": 500},
        "certificates": {"path": "pki_int/issue/internal-mtls", "rate": 500},
        "people": {"path": "auth/userpass", "rate": 500},
        "administrators": {"path": "auth/cert", "rate": 500},
        "leases": {"path": "database", "rate": 500},
        "crypto": {"path": "transit", "rate": 500},
        "root": {"path": "pki", "rate": 500},
    }
    local_checkout.write(settings)
    assert up(local_checkout)["passed"] is True
    return local_checkout


def test_every_object_in_vault_is_replaced_or_refused(built: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built.directory)
    state, before = deployment(built), inventory(built)
    there = [one["urn"].rsplit("::", 1)[-1] for one in state["resources"] if one["type"].startswith("vault:")]
    refused: dict[str, str] = {}
    for name in there:
        try:
            replacing.urns(lambda: state, "local", [name])
        except EstateError as error:
            refused[name] = str(error)
    allowed = [name for name in there if name not in refused]
    assert {name.split("-")[0] for name in refused} == {"estate", "kv", "transit", "database", "pki"}
    for name in ("kv-secret-mount", "transit-key-data-encryption-key", "pki-root-certificate"):
        assert "it holds data that a replacement would lose; expected" in refused[name]
    kinds = ("application-policies", "approle-role", "login-limits", "rate-limits", "database-role", "pki-role")
    for kind in kinds:
        assert [name for name in allowed if name.startswith(kind)], kind

    for group in (_AUTH_METHODS, [name for name in allowed if name not in _AUTH_METHODS]):
        made = up(built, *(f"--replace={name}" for name in group))
        assert made["changes"]["replace"] >= len(group)
        assert made["passed"] is True
        assert inventory(built) == before
        assert up(built)["changed"] == 0


def test_one_that_is_refused_is_told_in_one_line(built: Checkout) -> None:
    answer = built.run("preview", "--replace", "kv-secret-mount")

    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1] == (
        "estate: --replace kv-secret-mount: it holds data that a replacement would lose; expected it taken out of the "
        "settings by an `up` of its own, where what is in it may go"
    )


def test_roles_come_and_go_where_data_are_protected(built: Checkout) -> None:
    settings = built.settings()
    more = {**settings, "protect": True}
    more["pki"] = {**settings["pki"], "roles": {**settings["pki"]["roles"], "of-late": {"allowed_domains": ["a.b"]}}}
    role = {"connection": "postgresql", "access": "readonly"}
    more["database"] = {**settings["database"], "roles": {**settings["database"]["roles"], "of-late": role}}
    more["password_policies"] = {**settings["password_policies"], "of-late": {}}
    more["rate_limits"] = {**settings["rate_limits"], "limit-of-late": {"path": "pki_int", "rate": 100}}
    application = {"login": {"kind": "approle"}, "transit_keys": ["data-encryption-key"]}
    more["applications"] = {**settings["applications"], "of-late": application}
    fewer = {**settings, "protect": True}
    before = inventory(built)

    built.write(more)
    assert up(built)["changes"]["create"] >= 7
    built.write(fewer)
    removed = built.run("up", "--json")
    assert removed.returncode == 0, removed.stderr
    assert json.loads(removed.stdout)["changes"]["delete"] >= 7
    told = (
        "1 application isn't in Pulumi.local.yaml any more, and logins and access go with that, secrets stay: of-late"
    )
    assert told in removed.stderr.splitlines()

    assert inventory(built) == before
    built.write(settings)


def test_what_holds_data_is_refused_in_our_own_words(built: Checkout) -> None:
    settings = built.settings()
    transit = {**settings["transit"], "keys": {**settings["transit"]["keys"], "extra-key": {}}}
    built.write({**settings, "protect": True, "transit": transit})
    assert up(built)["passed"] is True

    built.write({**settings, "protect": True})
    answer = built.run("preview")

    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].strip() == (
        "vault:transit/secretBackendKey:SecretBackendKey transit-key-extra-key: it is protected, since it holds data; "
        "expected it in Pulumi.local.yaml as before, or protect: false there, brought about by an `up` of its own, "
        "before it goes"
    )
    built.write({**settings, "transit": transit})


DELETED = {
    "sys/policies/acl/aos": "application-policies-aos",
    "sys/policies/password/strong": "password-policies-strong",
    "sys/quotas/rate-limit/dagster": "login-limits-dagster",
    "auth/approle/role/dagster": "approle-role-dagster",
    "database/roles/aos-readwrite": "database-role-aos-readwrite",
    "pki_int/roles/internal-mtls": "pki-role-internal-mtls",
}
"""What is deleted by hand, and the resource that it is of."""


def test_what_was_changed_by_hand_is_told_and_comes_back(built: Checkout) -> None:
    before = inventory(built)
    with built.administering() as client:
        for path in DELETED:
            client.delete(path)
        client.write_data("auth/approle/role/aos", data={"token_ttl": 60})
    blind = built.run("up")
    assert (blind.returncode, "0 changes" in blind.stdout) == (2, True), "it was mended without a look at the server"

    for _ in range(2):  # looking changes nothing
        looked = built.run("drift", "--json")
        assert looked.returncode == 1, looked.stderr
        found = json.loads(looked.stdout)
        told = {one["urn"].rsplit("::", 1)[-1]: (one["on_server"], one["properties"]) for one in found["resources"]}
        assert told == {name: ("missing", []) for name in DELETED.values()} | {
            "approle-role-aos": ("changed", ["tokenTtl"])
        }
        assert found["drifted"] == len(DELETED) + 1
    table = built.run("drift").stdout
    assert "tokenTtl" in table
    assert "./estate up local --refresh brings them back" in table
    previewed = json.loads(built.run("preview", "--refresh", "--json").stdout)
    assert {kind: number for kind, number in previewed["changes"].items() if kind != "same"} == {
        "create": len(DELETED),
        "update": 1,
    }

    mended = up(built, "--refresh")

    assert mended["passed"] is True
    assert mended["changes"] == previewed["changes"]
    assert inventory(built) == before
    looked = built.run("drift")
    assert looked.returncode == 0, looked.stderr
    assert looked.stdout.strip().splitlines()[-1].startswith("0 differ (")


ADDED = {
    "auth/approle/role/by-hand": ({"token_policies": ["by-hand"]}, "auth/approle/role/by-hand"),
    "database/roles/by-hand": (
        {"db_name": "postgresql", "creation_statements": ["SELECT 1"]},
        "database/roles/by-hand",
    ),
    "pki_int/roles/by-hand": ({"allowed_domains": ["a.internal"]}, "pki_int/roles/by-hand"),
    "sys/auth/by-hand": ({"type": "userpass"}, "by-hand"),
    "sys/mounts/by-hand": ({"type": "kv"}, "by-hand"),
    "sys/policies/acl/by-hand": ({"policy": 'path "a" {\n  capabilities = ["read"]\n}\n'}, "by-hand"),
    "transit/keys/by-hand": ({}, "transit/keys/by-hand"),
}
"""What somebody makes by hand, by its path; and the id by which the official provider knows it."""


def test_what_is_in_no_stack_is_listed_and_only_deleted_by_name(built: Checkout, tmp_path: Path) -> None:
    with built.administering() as client:
        for path, (body, _) in ADDED.items():
            client.adapter.post(f"/v1/{path}", json=body)
    file = tmp_path / "import.json"
    looked = built.run("drift", "--json", "--adopt", str(file))
    assert looked.returncode == 1, looked.stderr
    found = json.loads(looked.stdout)
    assert found["drifted"] == 0
    assert {one["path"]: one["id"] for one in found["unknown"]} == {path: name for path, (_, name) in ADDED.items()}
    written = json.loads(file.read_text())["resources"]
    assert {one["id"] for one in written} == {name for _, name in ADDED.values()}

    refused = built.run("drift", "--delete", "sys/policies/acl/aos")
    assert refused.returncode == 2
    assert "--delete is 'sys/policies/acl/aos'; expected what no stack has: auth/approle/role/by-hand" in refused.stderr
    gone = [word for path in ADDED if path != "transit/keys/by-hand" for word in ("--delete", path)]
    left = json.loads(built.run("drift", "--json", *gone).stdout)
    assert [one["path"] for one in left["unknown"]] == ["transit/keys/by-hand"]
    assert sorted(left["deleted"]) == sorted(set(ADDED) - {"transit/keys/by-hand"})
    kept = built.run("drift", "--delete", "transit/keys/by-hand")
    assert (kept.returncode, "deletion is not allowed" in kept.stderr) == (2, True), kept.stderr
    with built.administering() as client:
        client.adapter.post("/v1/transit/keys/by-hand/config", json={"deletion_allowed": True})
    assert built.run("drift", "--delete", "transit/keys/by-hand").returncode == 0


TUNED = {
    "sys/mounts/secret/tune": {"audit_non_hmac_request_keys": "data"},
    "sys/auth/approle/tune": {"audit_non_hmac_request_keys": "secret_id", "listing_visibility": "unauth"},
    "sys/auth/userpass/tune": {"max_lease_ttl": "999h"},
}
"""How somebody sets mounts by hand. By the first two secrets stand readable in the audit log."""


def test_mounts_that_are_set_as_no_stack_says_are_told(built: Checkout) -> None:
    with built.administering() as client:
        for path, body in TUNED.items():
            client.adapter.post(f"/v1/{path}", json=body)
    looked = built.run("drift", "--json")
    assert looked.returncode == 1, looked.stderr
    told = {one["path"]: sorted(one["set"]) for one in json.loads(looked.stdout)["tunes"]}
    assert told == {path: sorted(body) for path, body in TUNED.items()}
    with built.administering() as client:
        for path, body in TUNED.items():
            undone = {name: "0" if name == "max_lease_ttl" else "" for name in body}
            client.adapter.post(f"/v1/{path}", json=undone)
    assert json.loads(built.run("drift", "--json").stdout)["tunes"] == []


def test_up_after_a_restore_brings_the_server_up_to_date(built: Checkout) -> None:
    settings = built.settings()
    assert built.run("snapshot").returncode == 0
    applications = {**settings["applications"], "of-late": {"login": {"kind": "approle"}, "transit_keys": ["late"]}}
    applications["aos"] = {**applications["aos"], "login": {**applications["aos"]["login"], "token_ttl": "30m"}}
    transit = {**settings["transit"], "keys": {**settings["transit"]["keys"], "late": {"rotation_period": "1h"}}}
    database = {**settings["database"], "roles": {**settings["database"]["roles"]}}
    assert database["roles"].pop("greenlang-readwrite")
    assert applications.pop("dagster")
    applications["greenlang-api"] = {**applications["greenlang-api"], "database_roles": ["greenlang-readonly"]}
    owners = {"bike-data-flow-owners": {"kind": "owners", "applications": ["bike-data-flow"]}}
    people = {**settings["people"], "groups": {**settings["people"]["groups"], **owners}}
    more = {"applications": applications, "people": people, "transit": transit, "database": database}
    built.write({**settings, **more})
    assert up(built)["passed"] is True
    after = inventory(built)
    restored = built.run("restore")
    assert restored.returncode == 0, restored.stderr
    with built.administering() as client:
        assert client.read("auth/approle/role/of-late") is None, "the restore did nothing"

    told = "the server isn't as the state describes it, as after a restore: preview --refresh shows what up will do"
    assert told in built.run("preview").stderr.splitlines()
    assert told not in built.run("preview", "--refresh").stderr.splitlines()
    again = built.run("up", "--json")

    assert again.returncode == 0, again.stderr
    assert "the server isn't as the state describes it, as after a restore" in again.stderr
    document = json.loads(again.stdout)
    assert document["changed"] > 0
    assert document["passed"] is True
    # What was removed since is back, and isn't the estate's to remove; of who can log in it is told.
    came_back = dict.fromkeys(("auth/approle/role", "sys/policies/acl", "sys/quotas/rate-limit"), "dagster")
    came_back["database/roles"] = "greenlang-readwrite"
    back = {kind: sorted({*after[kind], name}) for kind, name in came_back.items()}
    assert inventory(built) == {**after, **back}
    assert (
        "auth/approle/role/dagster lets in whom no setting names, as it did once; expected it deleted: "
        "bao delete auth/approle/role/dagster"
    ) in again.stderr.splitlines()
    with built.administering() as client:
        assert cast("dict[str, Any]", client.read("auth/approle/role/aos"))["data"]["token_ttl"] == 1_800
    last = built.run("up", "--json")
    assert json.loads(last.stdout)["changed"] == 0
    assert "restore" not in last.stderr + built.run("preview").stderr
    built.write(settings)
