"""What a login that rotates secrets may do, and how it comes into Vault.

Not proven here: that a server thinks so, too (`tests/live/vault_estate/test_rotation.py` has its rules).
"""

from typing import Any

from components.render.acl import Capability, render
from components.vault.kubernetes import KubernetesLogin
from composition import contents
from ops.review.semantics import at, read
from policies.rules.acl_no_broad_wildcard import RULE
from settings import Settings, parse
from settings.client_manifest import client_manifest
from settings.group_policies import people_policies
from settings.rotator_policies import rotator_policies
from tests.support.policy_rules import findings, resource
from tests.unit.settings.samples import FULL, PEOPLE, refusal

ADDRESS = "https://vault.example.com:8200"
SECRETS: dict[str, Any] = {
    "database": {"keys": ["url"]},
    "signing": {"keys": ["key"], "seed": "random", "rotation": {"password_policy": "strong"}},
    "api-keys/shop": {"keys": ["api_key"], "rotation": {"by": "hook:shop"}},
}


def rotated(rotator: object, **sections: Any) -> dict[str, Any]:
    """`FULL` with an application of which two secrets are rotated."""
    application = {**FULL["applications"]["app"], "secrets": SECRETS, "rotator": rotator}
    return {**FULL, **sections, "applications": {**FULL["applications"], "app": application}}


def allowed(settings: Settings, path: str) -> list[str]:
    """In words; nothing is allowed where nothing is said."""
    given = read(render(rotator_policies(settings)["rotator-app"]))
    return sorted(str(one) for one in at(given, path).capabilities - {Capability.DENY})


def test_it_has_the_secrets_that_are_rotated_and_no_pattern() -> None:
    settings = parse(rotated({"kind": "approle", "renews_secret_id": True}))
    (policy,) = rotator_policies(settings).values()
    assert "*" not in render(policy)
    assert "+" not in render(policy)
    for name in ("signing", "api-keys/shop"):
        assert allowed(settings, f"secret/data/app/test/{name}") == ["read", "update"]
        assert allowed(settings, f"secret/metadata/app/test/{name}") == ["patch", "read"]
        assert allowed(settings, f"vault-estate/data/rotation/secret/app/test/{name}") == ["create", "read", "update"]
        assert allowed(settings, f"vault-estate/destroy/rotation/secret/app/test/{name}") == ["update"]
        assert allowed(settings, f"secret/destroy/app/test/{name}") == []
    assert allowed(settings, "secret/data/app/test/database") == []
    assert allowed(settings, "sys/policies/password/strong/generate") == ["list", "read"]
    assert allowed(settings, "auth/approle/role/rotator-app/secret-id") == ["update"]
    assert allowed(settings, "auth/approle/role/app/secret-id") == []
    assert findings(RULE, resource(RULE, {"name": policy.name, "policy": render(policy)})) == []


def test_it_is_a_login_beside_the_applications() -> None:
    settings = parse(rotated({"kind": "kubernetes", "service_account": "rotator", "namespace": "prod"}))
    assert sorted(settings.logins) == ["app", "job", "pod", "rotator-app"]
    logins, policies = contents._of_kind(settings, KubernetesLogin)
    assert (sorted(logins), policies["rotator-app"]) == (["pod", "rotator-app"], ("rotator-app",))


def test_its_document_is_the_applications_with_its_own_login() -> None:
    settings = parse(rotated({"kind": "approle", "secret_id_ttl": "1h"}))
    own, rotators = (
        client_manifest(settings, "app", address=ADDRESS, ca_certificate=None, role_id="role-1", rotator=rotator)
        for rotator in (False, True)
    )
    assert (own.login.role, rotators.login.role) == ("app", "rotator-app")
    assert own.model_copy(update={"login": rotators.login}) == rotators


def test_an_auditor_sees_it_and_no_application_is_called_so() -> None:
    settings = parse(rotated({"kind": "approle"}, people=PEOPLE))
    auditor = read(render(people_policies(settings)["group-auditors"]))
    assert Capability.READ in at(auditor, "sys/policies/acl/rotator-app").capabilities
    assert Capability.READ in at(auditor, "sys/quotas/rate-limit/rotator-app").capabilities
    whole = rotated({"kind": "approle"})
    whole["applications"]["rotator-app"] = FULL["applications"]["app"]
    assert any("none that begins with group-, person- or rotator-" in line for line in refusal(whole))


def test_a_login_that_is_nowhere_is_refused() -> None:
    whole = rotated({"kind": "kubernetes", "service_account": "rotator", "namespace": "prod"})
    whole["applications"] = {"app": whole["applications"]["app"]}
    del whole["kubernetes"]
    (line,) = refusal(whole)
    assert line.endswith(".app.rotator.kind is 'kubernetes'; expected a section kubernetes in the settings")
