"""What groups and persons may do, by the model of ACL policies that is held against a real server.

Not proven here: that the server thinks so, too (`tests/engine/test_people.py`).
"""

from collections.abc import Sequence

import pytest

from components.render.acl import Capability, render
from ops import stack_file
from ops.paths import Paths
from ops.review.semantics import Rules, at, read
from policies.rules.acl_no_broad_wildcard import RULE
from settings import Settings, parse
from settings.group_policies import people_policies
from tests.support.policy_rules import findings, resource
from tests.unit.settings.samples import FULL, PEOPLE, changed

EVERY = tuple(capability for capability in Capability if capability is not Capability.DENY)


def local() -> Settings:
    return stack_file.read(Paths(), "local").settings


def rules(settings: Settings, name: str) -> Rules:
    return read(render(people_policies(settings)[name]))


def allowed(given: Rules, path: str) -> Sequence[str]:
    """In words; nothing is allowed where nothing is said."""
    return sorted(str(one) for one in at(given, path).capabilities - {Capability.DENY})


def test_an_owner_does_everything_with_their_own_but_end_it() -> None:
    owner = rules(local(), "group-aos-owners")
    assert allowed(owner, "agenticverz/data/external-apis") == ["create", "delete", "patch", "read", "update"]
    assert allowed(owner, "agenticverz/metadata/external-apis") == ["list", "patch", "read"]
    assert at(owner, "agenticverz/metadata/external-apis").parameters == {"custom_metadata"}
    assert allowed(owner, "agenticverz/delete/external-apis") == ["update"]
    assert allowed(owner, "agenticverz/undelete/external-apis") == ["update"]
    assert allowed(owner, "agenticverz/destroy/external-apis") == []
    assert allowed(owner, "agenticverz/metadata/") == ["list"]
    assert allowed(owner, "sys/policies/password/strong/generate") == ["list", "read"]
    assert allowed(owner, "vault-estate/data/rotation/agenticverz/external-apis") == ["create", "read", "update"]
    assert allowed(owner, "vault-estate/data/canary") == []


def test_an_auditor_sees_how_each_auth_method_is_set() -> None:
    settings = parse({**FULL, "people": PEOPLE})
    (name,) = (name for name, one in PEOPLE["groups"].items() if one["kind"] == "auditors")
    auditor = rules(settings, f"group-{name}")
    assert len(settings.auth_paths) == 6
    for section, path in settings.auth_paths.items():
        place = "users/ada" if section == "userpass" else "role/app"
        assert allowed(auditor, f"auth/{path}/{place}") == ["list", "read"], section


def test_destroying_is_apart() -> None:
    settings = parse(changed("people/groups/app-owners/destroys", True, {**FULL, "people": PEOPLE}))
    owner = rules(settings, "group-app-owners")
    assert allowed(owner, "secret/destroy/app/test/database") == ["update"]
    assert "delete" in allowed(owner, "secret/metadata/app/test/database")


def test_an_owner_gets_nothing_of_another_in_the_same_folder() -> None:
    """The three applications of greenlang share one."""
    whole = local()
    groups = {"one": {"kind": "owners", "applications": ["greenlang-agents"]}}
    plain = dict(stack_file.read(Paths(), "local").written) | {"people": {"groups": groups}}
    owner = rules(parse(plain), "group-one")
    own = {whole.secret_path("greenlang-agents", name) for name in whole.applications["greenlang-agents"].secrets}
    for application, name, _ in whole.secrets():
        mount, path = whole.secret_path(application, name)
        for api in ("data", "metadata", "subkeys", "delete", "undelete", "destroy"):
            if (mount, path) not in own:
                assert allowed(owner, f"{mount}/{api}/{path}") == [], (api, path)
    assert allowed(owner, "secret/metadata/greenlang/services") == ["list"]
    assert allowed(owner, "secret/metadata/pake") == []


@pytest.mark.parametrize("group", ["operators", "auditors"])
def test_who_looks_after_the_estate_sees_every_secret_and_no_value(group: str) -> None:
    settings = local()
    given = rules(settings, f"group-{group}")
    for application, name, _ in settings.secrets():
        mount, path = settings.secret_path(application, name)
        assert allowed(given, f"{mount}/metadata/{path}") == ["list", "read"]
        assert allowed(given, f"{mount}/subkeys/{path}") == ["read"]
        for api in ("data", "delete", "undelete", "destroy"):
            assert allowed(given, f"{mount}/{api}/{path}") == []
    for mount in settings.kv:
        assert "list" in allowed(given, f"{mount}/metadata/")
    writing = {path for path, rule in given.items() if rule.capabilities - {Capability.LIST, Capability.READ}}
    assert writing == ({"sys/leases/lookup"} if group == "operators" else set())


def test_an_operator_of_several_servers_has_their_leader_step_down() -> None:
    several = stack_file.read(Paths(), "staging").settings
    assert several.servers == 3
    assert allowed(rules(several, "group-operators"), "sys/step-down") == ["sudo", "update"]
    assert allowed(rules(several, "group-operators"), "sys/storage/raft/autopilot/state") == ["list", "read"]
    assert allowed(rules(several, "group-operators"), "sys/storage/raft/remove-peer") == ["update"]
    for path in ("sys/step-down", "sys/storage/raft/remove-peer"):
        assert allowed(rules(several, "group-auditors"), path) == []
        assert allowed(rules(local(), "group-operators"), path) == []


def test_an_auditor_is_given_no_credential_and_no_secret_id() -> None:
    auditor = rules(local(), "group-auditors")
    for path in ("database/roles/aos-readwrite", "transit/keys/data-encryption-key", "auth/approle/role/aos"):
        assert "read" in allowed(auditor, path)
    for path in (
        "database/creds/aos-readwrite",
        "transit/export/encryption-key/data-encryption-key",
        "auth/approle/role/aos/secret-id",
        "auth/approle/role/aos/role-id",
        "pki_int/issue/internal-mtls",
        "sys/raw/core",
        "sys/storage/raft/snapshot",
    ):
        assert allowed(auditor, path) == [], path


def test_a_person_sees_themselves_and_sets_their_own_password() -> None:
    ada = rules(local(), "person-ada")
    assert allowed(ada, "auth/userpass/users/ada/password") == ["update"]
    assert allowed(ada, "auth/userpass/users/ada") == []
    assert allowed(ada, "auth/userpass/users/grace/password") == []
    assert set(rules(parse({**FULL, "people": PEOPLE}), "person-grace")) == {"identity/entity/name/grace"}


def test_the_pack_finds_none_of_them_broad() -> None:
    staging = stack_file.read(Paths(), "staging").settings
    for settings in (local(), staging, parse({**FULL, "people": PEOPLE})):
        for policy in people_policies(settings).values():
            assert findings(RULE, resource(RULE, {"name": policy.name, "policy": render(policy)})) == [], policy.name


def test_without_people_there_are_none() -> None:
    assert people_policies(parse(FULL)) == {}


@pytest.mark.parametrize("name", ["group-a", "person-b"])
def test_no_application_takes_such_a_name(name: str) -> None:
    applications = {name: {**FULL["applications"]["app"], "database_roles": []}}
    with pytest.raises(ValueError, match="none that begins with group-, person- or rotator-"):
        parse({**FULL, "applications": applications})
