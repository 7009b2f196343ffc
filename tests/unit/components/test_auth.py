"""AppRole, Kubernetes, JWT and userpass: exact resources, and what each refuses."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.vault.approle import AppRole, AppRoleAuth, AppRoleAuthArgs
from components.vault.jwt import JwtAuth, JwtAuthArgs, JwtRole
from components.vault.kubernetes import KubernetesAuth, KubernetesAuthArgs, KubernetesRole
from components.vault.lockout import Lockout
from components.vault.userpass import UserpassAuth, UserpassAuthArgs
from tests.support.contents import CA
from tests.support.declare import Secret, declare
from tests.unit.components.graph import below, graph

MOUNT = "vault:index/authBackend:AuthBackend"
ENDPOINT = "vault:generic/endpoint:Endpoint"


def lockout(path: str, threshold: int, duration: int, reset: int) -> tuple[str, dict[str, Any]]:
    written = {
        "user_lockout_config": {
            "lockout_counter_reset_duration": f"{reset}s",
            "lockout_disable": False,
            "lockout_duration": f"{duration}s",
            "lockout_threshold": str(threshold),
        },
        "user_lockout_counter_reset_duration": reset,
        "user_lockout_disable": False,
        "user_lockout_duration": duration,
        "user_lockout_threshold": threshold,
    }
    # The SDK marks any generic endpoint's content as secret.
    text = Secret(json.dumps(written, separators=(",", ":")))
    return ENDPOINT, {
        "path": f"sys/auth/{path}/tune",
        "dataJson": text,
        "disableDelete": True,
        "ignoreAbsentFields": True,
    }


def test_approle_by_default() -> None:
    roles = {"app": AppRole(token_policies=("app",))}

    assert graph(lambda: AppRoleAuth("login", AppRoleAuthArgs(roles=roles))) == {
        "login-mount": (
            MOUNT,
            {"type": "approle", "path": "approle", "description": "Applications, by RoleID and SecretID"},
        ),
        "login-lockout": lockout("approle", 5, 900, 900),
        "login-role-app": (
            "vault:appRole/authBackendRole:AuthBackendRole",
            {
                "backend": "approle",
                "roleName": "app",
                "bindSecretId": True,
                "secretIdTtl": 86400,
                "secretIdNumUses": 0,
                "tokenPolicies": ["app"],
                "tokenTtl": 3600,
                "tokenMaxTtl": 14400,
                "tokenNumUses": 0,
                "tokenType": "default",
            },
        ),
    }


def test_approle_with_everything() -> None:
    role = AppRole(
        token_policies=("app", "shared"),
        token_ttl_seconds=61,
        token_max_ttl_seconds=62,
        secret_id_ttl_seconds=63,
        secret_id_num_uses=64,
        secret_id_bound_cidrs=("10.0.0.0/16", "192.0.2.7/32"),
        token_bound_cidrs=("10.0.0.0/16", "192.0.2.7/32", "2001:db8::1/128"),
        token_num_uses=65,
        token_type="service",
    )
    args = AppRoleAuthArgs(
        path="teams/approle",
        description="machines",
        lockout=Lockout(threshold=3, duration_seconds=60, counter_reset_seconds=30),
        roles={"app": role},
    )

    assert graph(lambda: AppRoleAuth("login", args)) == {
        "login-mount": (MOUNT, {"type": "approle", "path": "teams/approle", "description": "machines"}),
        "login-lockout": lockout("teams/approle", 3, 60, 30),
        "login-role-app": (
            "vault:appRole/authBackendRole:AuthBackendRole",
            {
                "backend": "teams/approle",
                "roleName": "app",
                "bindSecretId": True,
                "secretIdTtl": 63,
                "secretIdNumUses": 64,
                "secretIdBoundCidrs": ["10.0.0.0/16", "192.0.2.7/32"],
                "tokenPolicies": ["app", "shared"],
                "tokenTtl": 61,
                "tokenMaxTtl": 62,
                # The server answers single addresses of tokens (not of SecretIDs) without their mask.
                "tokenBoundCidrs": ["10.0.0.0/16", "192.0.2.7", "2001:db8::1"],
                "tokenNumUses": 65,
                "tokenType": "service",
            },
        ),
    }


def test_approle_gives_role_ids_and_its_path() -> None:
    def program() -> None:
        auth = AppRoleAuth("login", AppRoleAuthArgs(roles={"app": AppRole(token_policies=("app",))}))
        pulumi.export("path", auth.path)
        pulumi.export("role_id", auth.role_ids["app"])

    assert declare(program).exports == {"path": "approle", "role_id": "<login-role-app.roleId>"}


def test_the_lockout_waits_for_its_mount() -> None:
    declared = declare(lambda: UserpassAuth("people", UserpassAuthArgs()))

    assert below(declared, "people-lockout") == {"people-mount"}


def test_userpass_with_lockout_and_no_user() -> None:
    args = UserpassAuthArgs(
        path="people", description="x", lockout=Lockout(threshold=4, duration_seconds=5, counter_reset_seconds=6)
    )

    assert graph(lambda: UserpassAuth("login", args)) == {
        "login-mount": (MOUNT, {"type": "userpass", "path": "people", "description": "x"}),
        "login-lockout": lockout("people", 4, 5, 6),
    }


def test_userpass_by_default() -> None:
    assert graph(lambda: UserpassAuth("login", UserpassAuthArgs())) == {
        "login-mount": (
            MOUNT,
            {"type": "userpass", "path": "userpass", "description": "People, by user name and password"},
        ),
        "login-lockout": lockout("userpass", 5, 900, 900),
    }


def test_the_ends_of_the_lockouts_range_are_allowed() -> None:
    shortest = Lockout(threshold=1, duration_seconds=1, counter_reset_seconds=1)

    assert (shortest.duration_seconds, shortest.counter_reset_seconds) == (1, 1)
    assert Lockout(threshold=100).threshold == 100


def test_kubernetes() -> None:
    role = KubernetesRole(
        service_account_names=("api", "worker"),
        namespaces=("prod",),
        audience="vault",
        token_policies=("app",),
        token_ttl_seconds=1800,
        token_max_ttl_seconds=7200,
    )
    args = KubernetesAuthArgs(host="https://k8s.internal:6443", ca_certificate=CA, roles={"app": role})

    # No token_reviewer_jwt and no disable_local_ca_jwt (pitfall 17): exactly these inputs and no other.
    assert graph(lambda: KubernetesAuth("pods", args)) == {
        "pods-mount": (
            MOUNT,
            {"type": "kubernetes", "path": "kubernetes", "description": "Pods, by service account"},
        ),
        "pods-settings": (
            "vault:kubernetes/authBackendConfig:AuthBackendConfig",
            {
                "backend": "kubernetes",
                "kubernetesHost": "https://k8s.internal:6443",
                "kubernetesCaCert": CA,
                "disableIssValidation": True,
            },
        ),
        "pods-role-app": (
            "vault:kubernetes/authBackendRole:AuthBackendRole",
            {
                "backend": "kubernetes",
                "roleName": "app",
                "boundServiceAccountNames": ["api", "worker"],
                "boundServiceAccountNamespaces": ["prod"],
                "audience": "vault",
                "tokenPolicies": ["app"],
                "tokenTtl": 1800,
                "tokenMaxTtl": 7200,
            },
        ),
    }


def test_a_pods_token_lives_an_hour_and_four_at_most() -> None:
    role = KubernetesRole(service_account_names=("a",), namespaces=("n",), audience="vault", token_policies=("p",))

    assert (role.token_ttl_seconds, role.token_max_ttl_seconds) == (3600, 14400)


ISSUER = "https://token.actions.githubusercontent.com"
JWT_ROLE = {
    "backend": "jwt",
    "roleName": "deploy",
    "roleType": "jwt",
    "userClaim": "sub",
    "boundAudiences": ["https://vault.internal"],
    "boundClaims": {"repository": "org/app", "ref": "refs/heads/main"},
    "boundClaimsType": "string",
    "tokenPolicies": ["deploy"],
    "tokenTtl": 900,
    "tokenMaxTtl": 3600,
}
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    ("source", "inputs"),
    [
        ({"oidc_discovery_url": ISSUER}, {"oidcDiscoveryUrl": ISSUER}),
        (
            {"oidc_discovery_url": ISSUER, "ca_certificate": CA},
            {"oidcDiscoveryUrl": ISSUER, "oidcDiscoveryCaPem": CA},
        ),
        ({"jwks_url": f"{ISSUER}/jwks"}, {"jwksUrl": f"{ISSUER}/jwks"}),
        (
            {"jwks_url": f"{ISSUER}/jwks", "ca_certificate": CA},
            {"jwksUrl": f"{ISSUER}/jwks", "jwksCaPem": CA},
        ),
        ({"jwt_validation_pubkeys": (PUBLIC_KEY,)}, {"jwtValidationPubkeys": [PUBLIC_KEY.strip()]}),
    ],
)
def test_jwt(source: dict[str, Any], inputs: dict[str, Any]) -> None:
    role = JwtRole(
        bound_audiences=("https://vault.internal",),
        bound_claims={"repository": "org/app", "ref": "refs/heads/main"},
        token_policies=("deploy",),
    )

    assert graph(lambda: JwtAuth("ci", JwtAuthArgs(bound_issuer=ISSUER, roles={"deploy": role}, **source))) == {
        "ci-mount": (
            "vault:jwt/authBackend:AuthBackend",
            {
                "type": "jwt",
                "path": "jwt",
                "description": "CI jobs, by their forge's token",
                "boundIssuer": ISSUER,
                **inputs,
            },
        ),
        "ci-role-deploy": ("vault:jwt/authBackendRole:AuthBackendRole", JWT_ROLE),
    }


def test_a_jwt_role_with_everything() -> None:
    role = JwtRole(
        bound_audiences=("a", "b"),
        bound_claims={"repository": "org/app,org/lib"},
        token_policies=("deploy",),
        user_claim="repository",
        bound_subject="repo:org/app:ref:refs/heads/main",
        token_ttl_seconds=61,
        token_max_ttl_seconds=62,
    )
    args = JwtAuthArgs(path="ci", bound_issuer=ISSUER, oidc_discovery_url=ISSUER, roles={"deploy": role})

    assert graph(lambda: JwtAuth("ci", args))["ci-role-deploy"][1] == {
        **JWT_ROLE,
        "backend": "ci",
        "userClaim": "repository",
        "boundAudiences": ["a", "b"],
        "boundClaims": {"repository": "org/app,org/lib"},
        "boundSubject": "repo:org/app:ref:refs/heads/main",
        "tokenTtl": 61,
        "tokenMaxTtl": 62,
    }


def approle(**changes: Any) -> Callable[[], object]:
    return lambda: AppRole(**{"token_policies": ("app",), **changes})


def kubernetes(**changes: Any) -> Callable[[], object]:
    fields = {"service_account_names": ("a",), "namespaces": ("n",), "audience": "vault", "token_policies": ("p",)}
    return lambda: KubernetesRole(**{**fields, **changes})


def kubernetes_auth(**changes: Any) -> Callable[[], object]:
    return lambda: KubernetesAuthArgs(**{"host": "https://k", "ca_certificate": CA, "roles": {}, **changes})


def jwt(**changes: Any) -> Callable[[], object]:
    return lambda: JwtRole(
        **{"bound_audiences": ("a",), "bound_claims": {"repository": "o/r"}, "token_policies": ("p",), **changes}
    )


def jwt_auth(**changes: Any) -> Callable[[], object]:
    return lambda: JwtAuthArgs(**{"bound_issuer": ISSUER, "oidc_discovery_url": ISSUER, "roles": {}, **changes})


BAD: list[tuple[Callable[[], object], str]] = [
    (approle(token_policies=()), "token_policies: is empty"),
    (approle(token_policies="app"), "token_policies: 'app' is one string"),
    (approle(token_policies=("root",)), "token_policies: 'root' can't be given"),
    (approle(token_ttl_seconds=0), "token_ttl_seconds: 0 is out of range: expected at least 1"),
    (approle(token_max_ttl_seconds=0), "token_max_ttl_seconds: 0"),
    (
        approle(token_ttl_seconds=7200, token_max_ttl_seconds=3600),
        r"token_ttl_seconds: 7200 is above token_max_ttl_seconds \(3600\)",
    ),
    # Pitfall 19: a SecretID without an end.
    (approle(secret_id_ttl_seconds=0), "secret_id_ttl_seconds: 0 is out of range: expected at least 1"),
    (approle(secret_id_num_uses=-1), "secret_id_num_uses: -1"),
    (approle(token_num_uses=-1), "token_num_uses: -1"),
    (approle(secret_id_bound_cidrs="10.0.0.0/8"), "is one string"),
    (approle(secret_id_bound_cidrs=("10.0.0.1/8",)), "secret_id_bound_cidrs: '10.0.0.1/8' isn't a CIDR"),
    (approle(token_bound_cidrs=("here",)), "token_bound_cidrs: 'here' isn't a CIDR"),
    (approle(token_bound_cidrs=("0.0.0.0/0",)), "'0.0.0.0/0' binds nothing"),
    (approle(token_bound_cidrs=("::/0",)), "'::/0' binds nothing"),
    (approle(token_bound_cidrs=("10.0.0.1",)), "isn't canonical: expected '10.0.0.1/32'"),
    (approle(token_type="periodic"), "token_type: 'periodic' isn't known: expected one of batch, default, service"),
    (approle(token_type="batch", token_num_uses=1), "token_num_uses: 1 can't hold for batch"),
    (lambda: AppRoleAuthArgs(path="token", roles={}), "path: 'token' is Vault's own"),
    (lambda: AppRoleAuthArgs(path="token/of/mine", roles={}), "path: 'token/of/mine' is Vault's own"),
    (lambda: AppRoleAuthArgs(path="auth/approle", roles={}), "path: 'auth/approle' begins with 'auth'"),
    (lambda: AppRoleAuthArgs(path="approle/", roles={}), "path: 'approle/' isn't a mount path"),
    (lambda: AppRoleAuthArgs(roles={"a b": AppRole(token_policies=("p",))}), "roles: 'a b' isn't a name"),
    (
        lambda: AppRoleAuthArgs(roles={"App": AppRole(token_policies=("p",)), "app": AppRole(token_policies=("p",))}),
        "'app' and 'App' differ only by case",
    ),
    (lambda: Lockout(threshold=0), "lockout.threshold: 0 is out of range: expected between 1 and 100"),
    (lambda: Lockout(threshold=101), "lockout.threshold: 101"),
    (lambda: Lockout(duration_seconds=0), "lockout.duration_seconds: 0"),
    (lambda: Lockout(counter_reset_seconds=0), "lockout.counter_reset_seconds: 0"),
    (lambda: UserpassAuthArgs(path="sys/x"), "path: 'sys/x' begins with 'sys'"),
    # Pitfall 17: an audience is bound, and nobody is let in by a wildcard.
    (kubernetes(audience=" "), "audience: ' ' is empty"),
    (kubernetes(service_account_names=("*",)), "service_account_names: '\\*' isn't a name"),
    (kubernetes(namespaces=("*",)), "namespaces: '\\*' isn't a name"),
    (kubernetes(namespaces=()), "namespaces: is empty"),
    (kubernetes(service_account_names="app"), "service_account_names: 'app' is one string"),
    (kubernetes(token_policies=()), "token_policies: is empty"),
    (
        kubernetes(token_ttl_seconds=2, token_max_ttl_seconds=1),
        r"token_ttl_seconds: 2 is above token_max_ttl_seconds \(1\)",
    ),
    (kubernetes_auth(path="a//b"), "path: 'a//b' isn't a mount path"),
    (kubernetes_auth(host="http://k"), "host: 'http://k' isn't a URL"),
    (kubernetes_auth(ca_certificate="no"), "ca_certificate: isn't PEM"),
    (kubernetes_auth(roles={"-": None}), "roles: '-' isn't a name"),
    (jwt(bound_audiences=()), "bound_audiences: is empty"),
    (jwt(bound_claims={}), "bound_claims: is empty"),
    (jwt(bound_claims={"repository": "org/*"}), r"bound_claims\[repository\]: 'org/\*' binds too little"),
    (jwt(bound_claims={"repository": " "}), "binds too little"),
    (jwt(bound_claims={" ": "x"}), "binds too little"),
    (jwt(user_claim=""), "user_claim: '' is empty"),
    (jwt(token_policies=("root",)), "token_policies: 'root'"),
    (
        jwt(token_ttl_seconds=2, token_max_ttl_seconds=1),
        r"token_ttl_seconds: 2 is above token_max_ttl_seconds \(1\)",
    ),
    (jwt_auth(path="-"), "path: '-' isn't a mount path"),
    (jwt_auth(bound_issuer=""), "bound_issuer: '' is empty"),
    (jwt_auth(oidc_discovery_url=None), "expected exactly one source of keys, not 0"),
    (jwt_auth(jwks_url="https://x"), "oidc_discovery_url and jwks_url: expected exactly one source of keys, not 2"),
    (jwt_auth(oidc_discovery_url="http://x"), "oidc_discovery_url: 'http://x' isn't authenticated"),
    (jwt_auth(oidc_discovery_url=None, jwks_url="http://x"), "jwks_url: 'http://x' isn't authenticated"),
    (
        jwt_auth(oidc_discovery_url=None, jwt_validation_pubkeys=("secret",)),
        "jwt_validation_pubkeys: an entry isn't a PEM public key",
    ),
    (jwt_auth(roles={"": None}), "roles: '' isn't a name"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make()

    assert "\n" not in str(raised.value)


def test_an_unknown_argument_is_an_error() -> None:
    with pytest.raises(TypeError, match="secret_id"):
        AppRole(token_policies=("app",), secret_id="x")  # type: ignore[call-arg]  # what is tested
