"""What counts as a change, by resources written by hand. Real programs are compared in test_diff.py."""

from dataclasses import replace
from typing import Literal

import pytest

from components.render import acl
from composition.contents import application_policy
from ops.review.comparing import compare
from ops.review.declaring import Resource
from settings import parse
from tests.unit.ops.review.samples import approle, firewall, policy, resource
from tests.unit.settings.samples import changed

CAPABILITIES = [
    (("a", "read"), ("a", "read update"), "a", ["update"], []),
    (("a", "read update"), ("a", "read"), "a", [], ["update"]),
    (("a/b", "read"), ("a/*", "read"), "a/*", ["read"], []),
    (("a/*", "read"), ("a/b", "read"), "a/*", [], ["read"]),
    (("a/+/c", "read"), ("a/b/c", "read"), "a/+/c", [], ["read"]),
    (("a", "read"), ("a", "deny"), "a", [], ["read"]),
]


@pytest.mark.parametrize(("was", "became", "path", "gained", "lost"), CAPABILITIES)
def test_who_gains_and_loses(
    was: tuple[str, str], became: tuple[str, str], path: str, gained: list[str], lost: list[str]
) -> None:
    login = approle("shop", "shop")
    found = compare("dev", [policy("shop", was), login], [policy("shop", became), login]).capabilities
    assert [(one.who, one.path, one.gained, one.lost) for one in found] == [("approle shop", path, gained, lost)]


def test_where_two_patterns_meet_the_narrower_rule_is_seen() -> None:
    login, every = approle("shop", "shop"), ("a/+/c", "read")
    was = [policy("shop", every, ("a/b/*", "read update")), login]
    found = compare("dev", was, [policy("shop", every, ("a/b/*", "read")), login]).capabilities
    assert {(one.path, *one.lost) for one in found} == {("a/b/*", "update"), ("a/b/c", "update")}


def test_an_answer_that_must_be_wrapped_is_less() -> None:
    login = approle("shop", "shop")
    was, became = policy("shop", ("a", "update"), wrapping=60), policy("shop", ("a", "update"))
    (found,) = compare("dev", [was, login], [became, login]).capabilities
    assert (found.gained, found.lost) == (["update"], ["update, wrapped for 60 s"])


def test_an_application_that_may_renew_its_login_is_a_widening() -> None:
    def may(*, renew: bool) -> list[Resource]:
        plain = changed("applications/app/login/renews_secret_id", renew)
        text = acl.render(application_policy(parse(plain), "app"))
        own = resource("vault:index/policy:Policy", "policies-app", name="app", policy=text)
        return [own, approle("app", "app")]

    found = compare("dev", may(renew=False), may(renew=True))

    assert [(one.path, one.gained) for one in found.capabilities] == [
        ("auth/approle/role/app/secret-id", ["update, wrapped for 1 s"]),
        ("auth/approle/role/app/secret-id/destroy", ["update"]),
    ]
    assert "approle app may update, wrapped for 1 s auth/approle/role/app/secret-id" in found.widenings


def test_a_write_of_some_parameters_is_less() -> None:
    login = approle("shop", "shop")
    was, became = policy("shop", ("a", "update read"), parameters=["b"]), policy("shop", ("a", "update read"))
    (found,) = compare("dev", [was, login], [became, login]).capabilities
    assert (found.gained, found.lost) == (["update"], ["update, only b"])


def test_a_policy_that_moves_to_another_login_is_told_of_both() -> None:
    rules = policy("shop", ("a", "read"))
    was, became = [rules, approle("old", "shop"), approle("new")], [rules, approle("old"), approle("new", "shop")]
    found = compare("dev", was, became)
    assert [(one.who, one.gained, one.lost) for one in found.capabilities] == [
        ("approle new", ["read"], []),
        ("approle old", [], ["read"]),
    ]
    assert found.widenings == ("approle new may read a",)


def test_the_same_rights_in_another_text_are_no_change_of_rights() -> None:
    login = approle("shop", "one", "two")
    was = [policy("one", ("a", "read")), policy("two", ("b", "read")), login]
    became = [policy("one", ("b", "read")), policy("two", ("a", "read")), login]
    found = compare("dev", was, became)
    assert found.capabilities == ()
    assert {one.name for one in found.resources} == {"policies-one", "policies-two"}


def group(name: str, *members: str, policies: tuple[str, ...] = (), claim: str = "") -> list[Resource]:
    """A group of persons; with a claim also what that puts into it."""
    type_ = "vault:identity/group:Group"
    ids = [f"people-person-{member}-id" for member in members]
    made = [resource(type_, f"people-group-{name}", name=name, policies=list(policies), memberEntityIds=ids)]
    if claim:
        outside = f"people-group-{name}-{claim}"
        made.append(resource(type_, outside, name=f"{name}:{claim}", type="external", policies=list(policies)))
        alias = {"name": claim, "canonicalId": f"{outside}-id"}
        made.append(resource("vault:identity/groupAlias:GroupAlias", f"claim-{claim}", **alias))
    return made


def person(name: str, *policies: str) -> Resource:
    return resource("vault:identity/entity:Entity", f"people-person-{name}", name=name, policies=list(policies))


def test_who_joins_and_leaves_a_group_and_what_the_group_may_are_told_once() -> None:
    was = [policy("p", ("a", "read")), person("ada"), person("lin"), *group("owners", "ada", policies=("p",))]
    became = [
        policy("p", ("a", "read update")),
        person("ada"),
        person("lin"),
        *group("owners", "lin", policies=("p",), claim="org:team"),
    ]
    found = compare("dev", was, became)
    assert [(one.who, one.path, one.gained, one.lost) for one in found.capabilities] == [
        ("group owners", "a", ["update"], []),
        ("claim org:team", "of group owners", ["be a member"], []),
        ("person ada", "of group owners", [], ["be a member"]),
        ("person lin", "of group owners", ["be a member"], []),
    ]
    assert "person lin may be a member of group owners" in found.widenings
    assert compare("dev", became, became).capabilities == ()


def test_what_one_person_may_alone_is_told() -> None:
    was, became = policy("own", ("a", "read")), policy("own", ("b", "read"))
    found = compare("dev", [was, person("ada", "own")], [became, person("ada", "own")]).capabilities
    assert [(one.who, one.path) for one in found] == [("person ada", "a"), ("person ada", "b")]


EXPOSURE = [
    (["203.0.113.0/24"], ["203.0.0.0/8"], ["203.0.0.0/8"], []),
    (["203.0.0.0/8"], ["203.0.113.0/24"], [], ["203.0.0.0/8"]),
    (["10.0.0.0/9", "10.128.0.0/9"], ["10.0.0.0/8"], [], []),
    (["10.0.0.0/8"], ["2001:db8::/32"], ["2001:db8::/32"], ["10.0.0.0/8"]),
]


@pytest.mark.parametrize(("was", "became", "opened", "closed"), EXPOSURE)
def test_networks_are_compared_as_networks(
    was: list[str], became: list[str], opened: list[str], closed: list[str]
) -> None:
    found = compare("dev", [firewall(("in", "8200", was))], [firewall(("in", "8200", became))]).exposure
    assert [(list(one.opened), list(one.closed)) for one in found] == ([(opened, closed)] if opened or closed else [])


def test_a_port_that_opens_and_one_that_closes_are_told() -> None:
    was, became = firewall(("in", "22", ["10.0.0.0/8"])), firewall(("out", "443", ["0.0.0.0/0"]))
    found = compare("dev", [was], [became])
    assert [one.what for one in found.exposure] == [
        "tcp port 22 from outside (network-firewall)",
        "tcp port 443 from the node (network-firewall)",
    ]
    assert found.widenings == ("tcp port 443 from the node (network-firewall) is open to 0.0.0.0/0",)


@pytest.mark.parametrize("gone", [[], None])
def test_a_login_that_is_bound_no_more_is_open_to_anywhere(gone: list[str] | None) -> None:
    was = approle("shop", tokenBoundCidrs=["10.0.0.0/8"])
    became = approle("shop", **({"tokenBoundCidrs": gone} if gone is not None else {}))
    assert compare("dev", [was], [became]).widenings == ("use of tokens of role-shop is open to 0.0.0.0/0, ::/0",)
    (narrowed,) = compare("dev", [became], [was]).exposure
    assert (narrowed.opened, narrowed.closed) == ([], ["0.0.0.0/0", "::/0"])


def test_the_order_of_names_is_no_change_and_that_of_statements_is() -> None:
    type_ = "vault:database/secretBackendRole:SecretBackendRole"
    one = resource(type_, "role", allowed=["a", "b"], creationStatements=["a", "b"])
    other = resource(type_, "role", allowed=["b", "a"], creationStatements=["b", "a"])
    (found,) = compare("dev", [one], [other]).resources
    assert [changed.name for changed in found.properties] == ["creationStatements"]


def test_a_secret_is_told_without_its_value_or_hash() -> None:
    one, other = (resource("vault:index/x:X", "x", password={"secret": text}) for text in ("first", "second"))
    (found,) = compare("dev", [one], [other]).resources
    assert (found.properties[0].before, found.properties[0].after) == ("(secret)", "(secret)")


def test_a_resource_with_a_new_name_and_an_alias_is_no_change() -> None:
    was = resource("vault:index/mount:Mount", "old", path="kv")
    became = resource("vault:index/mount:Mount", "new", path="kv")
    assert len(compare("dev", [was], [became]).resources) == 2
    for alias in ("old", was.urn):
        assert compare("dev", [was], [replace(became, aliases=[alias])]).resources == ()


def test_what_the_provider_can_only_make_anew_is_replaced() -> None:
    def kind(type_: str, name: str) -> str:
        was, became = (resource(type_, "x", **{name: value}) for value in ("1", "2"))
        return compare("dev", [was], [became]).resources[0].kind

    assert kind("vault:index/mount:Mount", "type") == "replaced"
    assert kind("vault:index/mount:Mount", "description") == "changed"
    assert kind("hcloud:index/server:Server", "image") == "replaced"
    assert kind("hcloud:index/server:Server", "serverType") == "changed"
    assert kind("aws:s3/bucketVersioning:BucketVersioning", "bucket") == "replaced"
    assert kind("random:index/x:X", "image") == "changed"


def test_what_the_program_ignores_or_replaces_is_as_it_says() -> None:
    was, became = (resource("vault:index/x:X", "x", one=value, two="2") for value in ("1", "2"))
    assert compare("dev", [was], [replace(became, ignore_changes=["one"])]).resources == ()
    (found,) = compare("dev", [was], [replace(became, replace_on_changes=["one"])]).resources
    assert found.kind == "replaced"


def test_protection_that_goes_is_told() -> None:
    was, became = (replace(resource("vault:index/mount:Mount", "kv"), protect=protect) for protect in (True, False))
    (found,) = compare("dev", [was], [became]).resources
    assert [(one.name, one.before, one.after) for one in found.properties] == [("protect", "true", "")]


def test_a_tenants_folder_is_told_by_the_tenants_place_in_it() -> None:
    def declared(access: Literal["read", "write"], accessor: str) -> list[Resource]:
        text = acl.render(acl.tenants_policy("secret", "tenants", access), accessor)
        type_ = "vault:jwt/authBackendRole:AuthBackendRole"
        role = resource(type_, "tenants-role", roleName=acl.TENANTS, tokenPolicies=[acl.TENANTS])
        return [resource("vault:index/policy:Policy", "tenants-policy", name=acl.TENANTS, policy=text), role]

    assert list(compare("dev", declared("read", "one"), declared("read", "other")).capabilities) == []
    (found,) = compare("dev", declared("read", "one"), declared("write", "one")).capabilities
    assert (found.who, found.path) == ("jwt vault-estate-tenants", "secret/data/tenants/{tenant}/*")
    assert (found.gained, found.lost) == (["create", "patch", "update"], [])
