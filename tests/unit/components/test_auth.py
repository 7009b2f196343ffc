"""AppRole, Kubernetes, JWT and userpass: exact resources, and what each refuses."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.vault.approle import AppRole, AppRoleAuth, AppRoleAuthArgs, AppRoleLogin
from components.vault.jwt import Jwt, JwtAuth, JwtAuthArgs, JwtLogin
from components.vault.kubernetes import Kubernetes, KubernetesAuth, KubernetesAuthArgs, KubernetesLogin
from components.vault.lockout import Lockout
from components.vault.userpass import Userpass, UserpassAuth, UserpassAuthArgs
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


APPROLE = "Applications, by RoleID and SecretID"


def machines(**changes: Any) -> AppRoleAuthArgs:
    """One machine by default."""
    return AppRoleAuthArgs(**{"logins": {"app": AppRoleLogin()}, "token_policies": {"app": ("app",)}, **changes})


def test_approle_by_default() -> None:
    assert graph(lambda: AppRoleAuth("login", machines())) == {
        "login-mount": (
            MOUNT,
            {"type": "approle", "path": "approle", "description": APPROLE},
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
    login = AppRoleLogin(
        token_ttl=61,
        token_max_ttl=62,
        secret_id_ttl=63,
        secret_id_uses=64,
        bound_cidrs=("10.0.0.0/16", "192.0.2.7/32", "2001:db8::1/128"),
        token_type="batch",
    )
    mount = AppRole(path="teams/approle", lockout_threshold=3, lockout_duration=60, lockout_counter_reset=30)
    args = AppRoleAuthArgs(approle=mount, logins={"app": login}, token_policies={"app": ("app", "shared")})

    assert graph(lambda: AppRoleAuth("login", args)) == {
        "login-mount": (MOUNT, {"type": "approle", "path": "teams/approle", "description": APPROLE}),
        "login-lockout": lockout("teams/approle", 3, 60, 30),
        "login-role-app": (
            "vault:appRole/authBackendRole:AuthBackendRole",
            {
                "backend": "teams/approle",
                "roleName": "app",
                "bindSecretId": True,
                "secretIdTtl": 63,
                "secretIdNumUses": 64,
                "secretIdBoundCidrs": ["10.0.0.0/16", "192.0.2.7/32", "2001:db8::1/128"],
                "tokenPolicies": ["app", "shared"],
                "tokenTtl": 61,
                "tokenMaxTtl": 62,
                # The server answers single addresses of tokens (not of SecretIDs) without their mask.
                "tokenBoundCidrs": ["10.0.0.0/16", "192.0.2.7", "2001:db8::1"],
                "tokenNumUses": 0,
                "tokenType": "batch",
            },
        ),
    }


def test_approle_gives_role_ids_and_its_path() -> None:
    def program() -> None:
        auth = AppRoleAuth("login", machines())
        pulumi.export("path", auth.path)
        pulumi.export("role_id", auth.role_ids["app"])

    assert declare(program).exports == {"path": "approle", "role_id": "<login-role-app.roleId>"}


def test_the_lockout_waits_for_its_mount() -> None:
    declared = declare(lambda: UserpassAuth("people", UserpassAuthArgs()))

    assert below(declared, "people-lockout") == {"people-mount"}


def test_userpass_with_lockout_and_no_user() -> None:
    people = Userpass(path="people", lockout_threshold=4, lockout_duration=5, lockout_counter_reset=6)

    assert graph(lambda: UserpassAuth("login", UserpassAuthArgs(userpass=people))) == {
        "login-mount": (
            MOUNT,
            {"type": "userpass", "path": "people", "description": "People, by user name and password"},
        ),
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
    shortest = Lockout(lockout_threshold=1, lockout_duration=1, lockout_counter_reset=1)

    assert (shortest.lockout_duration, shortest.lockout_counter_reset) == (1, 1)
    assert Lockout(lockout_threshold=100).lockout_threshold == 100


POD: dict[str, Any] = {"service_account": "api", "namespace": "prod"}


def pods(**changes: Any) -> KubernetesAuthArgs:
    """One pod by default."""
    given = {
        "kubernetes": Kubernetes(host="https://k8s.internal:6443"),
        "ca_certificate": CA,
        "logins": {"app": KubernetesLogin(**POD, token_ttl=1800, token_max_ttl=7200)},
        "token_policies": {"app": ("app",)},
    }
    return KubernetesAuthArgs(**{**given, **changes})


def test_kubernetes() -> None:
    # No token_reviewer_jwt and no disable_local_ca_jwt (see the module): exactly these inputs and no other.
    assert graph(lambda: KubernetesAuth("pods", pods())) == {
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
                "boundServiceAccountNames": ["api"],
                "boundServiceAccountNamespaces": ["prod"],
                "audience": "vault",
                "tokenPolicies": ["app"],
                "tokenTtl": 1800,
                "tokenMaxTtl": 7200,
            },
        ),
    }


def test_vault_in_the_cluster_itself_takes_the_authority_of_its_pod() -> None:
    made = graph(lambda: KubernetesAuth("pods", pods(kubernetes=Kubernetes(), ca_certificate=None)))
    _, settings = made["pods-settings"]
    assert settings == {
        "backend": "kubernetes",
        "kubernetesHost": "https://kubernetes.default.svc",
        "disableIssValidation": True,
    }


def test_a_pods_token_lives_an_hour_and_four_at_most() -> None:
    login = KubernetesLogin(**POD)

    assert (login.token_ttl, login.token_max_ttl, login.audience) == (3600, 14400, "vault")


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
    "tokenMaxTtl": 900,
}
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"
CLAIMS = {"repository": ("org/app",), "ref": ("refs/heads/main",)}


def jobs(jwt: Jwt, **changes: Any) -> JwtAuthArgs:
    """One job by default."""
    login = JwtLogin(audience="https://vault.internal", claims=CLAIMS)
    return JwtAuthArgs(
        **{"jwt": jwt, "logins": {"deploy": login}, "token_policies": {"deploy": ("deploy",)}, **changes}
    )


@pytest.mark.parametrize(
    ("source", "authority", "inputs"),
    [
        ({"oidc_discovery_url": ISSUER}, None, {"oidcDiscoveryUrl": ISSUER}),
        ({"oidc_discovery_url": ISSUER}, CA, {"oidcDiscoveryUrl": ISSUER, "oidcDiscoveryCaPem": CA}),
        ({"jwks_url": f"{ISSUER}/jwks"}, None, {"jwksUrl": f"{ISSUER}/jwks"}),
        ({"jwks_url": f"{ISSUER}/jwks"}, CA, {"jwksUrl": f"{ISSUER}/jwks", "jwksCaPem": CA}),
        ({"jwt_validation_pubkeys": (PUBLIC_KEY,)}, None, {"jwtValidationPubkeys": [PUBLIC_KEY.strip()]}),
    ],
)
def test_jwt(source: dict[str, Any], authority: str | None, inputs: dict[str, Any]) -> None:
    args = jobs(Jwt(bound_issuer=ISSUER, **source), ca_certificate=authority)

    assert graph(lambda: JwtAuth("ci", args)) == {
        "ci-mount": (
            "vault:jwt/authBackend:AuthBackend",
            {
                "type": "jwt",
                "path": "jwt",
                "description": "CI jobs, by OIDC token (JWT)",
                "boundIssuer": ISSUER,
                **inputs,
            },
        ),
        "ci-role-deploy": ("vault:jwt/authBackendRole:AuthBackendRole", JWT_ROLE),
    }


def test_a_jwt_role_with_everything() -> None:
    login = JwtLogin(audience="a", claims={"repository": ("org/app", "org/lib")}, token_ttl=61, token_max_ttl=62)
    args = jobs(Jwt(path="ci", bound_issuer=ISSUER, oidc_discovery_url=ISSUER), logins={"deploy": login})

    assert graph(lambda: JwtAuth("ci", args))["ci-role-deploy"][1] == {
        **JWT_ROLE,
        "backend": "ci",
        "boundAudiences": ["a"],
        "boundClaims": {"repository": "org/app,org/lib"},
        "tokenTtl": 61,
        "tokenMaxTtl": 62,
    }


def approle(**changes: Any) -> Callable[[], object]:
    return lambda: AppRoleLogin(**changes)


def granted(*policies: Any) -> Callable[[], object]:
    return lambda: machines(token_policies={"app": policies})


def kubernetes(**changes: Any) -> Callable[[], object]:
    return lambda: KubernetesLogin(**{**POD, **changes})


def jwt(**changes: Any) -> Callable[[], object]:
    return lambda: JwtLogin(**{"audience": "a", "claims": {"repository": "o/r"}, **changes})


def source(**changes: Any) -> Callable[[], object]:
    return lambda: Jwt(**{"bound_issuer": ISSUER, "oidc_discovery_url": ISSUER, **changes})


NAME = "expected 1 to 128 letters"
SOURCES = "expected exactly one of oidc_discovery_url, jwks_url, jwt_validation_pubkeys"
BAD: list[tuple[Callable[[], object], str]] = [
    (granted(), "token_policies.app is missing; expected at least one ACL policy"),
    (granted("app", "root"), "token_policies.app is 'root'; expected ACL policies of this estate"),
    (lambda: machines(token_policies={"app": "app"}), "token_policies.app is 'app'; expected a list of ACL policies"),
    (lambda: machines(token_policies={}), "token_policies.app is missing; expected at least one ACL policy"),
    (
        lambda: machines(token_policies={"app": ("a",), "gone": ("a",)}),
        "token_policies.gone is given; expected a login 'gone' beside it",
    ),
    (lambda: machines(logins={"a b": AppRoleLogin()}), f"logins.a b is 'a b'; {NAME}"),
    (
        lambda: machines(logins={"App": AppRoleLogin(), "app": AppRoleLogin()}),
        "logins.app is 'app'; expected a name that differs from 'App' by more than its case",
    ),
    (approle(token_ttl=0), "token_ttl\n.*greater than 0"),
    (approle(token_max_ttl=0), "token_max_ttl\n.*greater than 0"),
    (approle(token_ttl=7200, token_max_ttl=3600), "token_ttl is 2h; expected at most token_max_ttl, which is 1h"),
    # A SecretID without an end.
    (approle(secret_id_ttl=0), "secret_id_ttl\n.*greater than 0"),
    (approle(secret_id_uses=-1), "secret_id_uses\n.*greater than or equal to 0"),
    (approle(bound_cidrs="10.0.0.0/8"), "bound_cidrs\n.*valid tuple"),
    *(
        (approle(bound_cidrs=(cidr,)), "bound_cidrs.0\n.*expected a network such as 10.0.0.0/8")
        for cidr in ("10.0.0.1/8", "here", "0.0.0.0/0", "::/0", "10.0.0.1")
    ),
    (approle(secret_id="x"), "secret_id\n.*not permitted"),
    (lambda: AppRole(path="token"), "path\n.*doesn't begin with token, Vault's own store"),
    (lambda: AppRole(path="token/of/mine"), "path\n.*doesn't begin with token, Vault's own store"),
    (lambda: AppRole(path="auth/approle"), "path\n.*doesn't begin with any of auth"),
    (lambda: AppRole(path="approle/"), "path\n.*expected names joined by '/'"),
    (lambda: AppRole(lockout_threshold=0), "lockout_threshold\n.*greater than or equal to 1"),
    (lambda: AppRole(lockout_threshold=101), "lockout_threshold\n.*less than or equal to 100"),
    (lambda: Userpass(lockout_duration=0), "lockout_duration\n.*greater than 0"),
    (lambda: Userpass(lockout_counter_reset=0), "lockout_counter_reset\n.*greater than 0"),
    (lambda: Userpass(path="sys/x"), "path\n.*doesn't begin with any of auth"),
    # An audience is bound, and nobody is let in by a wildcard.
    (kubernetes(audience=""), "audience\n.*at least 1 character"),
    (kubernetes(service_account="*"), f"service_account\n.*{NAME}"),
    (kubernetes(namespace="*"), f"namespace\n.*{NAME}"),
    (kubernetes(token_ttl=2, token_max_ttl=1), "token_ttl is 2s; expected at most token_max_ttl, which is 1s"),
    (lambda: Kubernetes(path="a//b", host="https://k"), "path\n.*expected names joined by '/'"),
    (lambda: Kubernetes(host="http://k"), "host\n.*expected a URL that begins with https://"),
    (lambda: pods(ca_certificate="no"), "ca_certificate is something else; expected PEM text"),
    (lambda: pods(ca_certificate=None), "ca_certificate is missing; expected it beside kubernetes.host"),
    (lambda: pods(kubernetes=Kubernetes()), "ca_certificate is given; expected none without kubernetes.host"),
    (lambda: pods(logins={"-": KubernetesLogin(**POD)}), f"logins.- is '-'; {NAME}"),
    (lambda: pods(token_policies={}), "token_policies.app is missing; expected at least one ACL policy"),
    (jwt(audience=""), "audience\n.*at least 1 character"),
    (jwt(claims={}), "claims\n.*at least 1 item"),
    (jwt(claims={"repository": "org/*"}), "claims.repository\n.*expected an exact value, without '\\*'"),
    (jwt(claims={"repository": " "}), "claims.repository\n.*expected an exact value"),
    (
        jwt(claims={"ref": "refs/heads/fix,refs/heads/main"}),
        "claims.ref\n.*expected an exact value, without '\\*' or ','",
    ),
    (jwt(claims={"ref": []}), "claims.ref\n.*expected an exact value"),
    (jwt(claims={" ": "x"}), "claims. .\\[key\\]\n.*expected the name of a claim"),
    (jwt(token_ttl=2, token_max_ttl=1), "token_ttl is 2s; expected at most token_max_ttl, which is 1s"),
    (lambda: jobs(Jwt(bound_issuer=ISSUER, jwks_url=ISSUER), token_policies={}), "token_policies.deploy is missing"),
    (source(path="-"), "path\n.*expected names joined by '/'"),
    (source(bound_issuer=""), "bound_issuer\n.*expected a URL"),
    (source(oidc_discovery_url=None), f"oidc_discovery_url is missing; {SOURCES}"),
    (source(jwks_url="https://x"), f"jwks_url is given beside oidc_discovery_url; {SOURCES}"),
    (
        source(jwt_validation_pubkeys=(PUBLIC_KEY,)),
        f"jwt_validation_pubkeys is given beside oidc_discovery_url; {SOURCES}",
    ),
    (source(oidc_discovery_url="http://x"), "oidc_discovery_url\n.*expected a URL that begins with https://"),
    (source(oidc_discovery_url=None, jwks_url="http://x"), "jwks_url\n.*expected a URL that begins with https://"),
    (
        source(oidc_discovery_url=None, jwt_validation_pubkeys=("secret",)),
        "jwt_validation_pubkeys.0\n.*expected one PEM public key",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
