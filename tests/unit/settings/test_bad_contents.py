"""What the server or a component would refuse only half-way through an `up`: the line that refuses it before."""

import pytest

from tests.unit.settings.samples import changed, refusal

APPLICATION = {"login": {"kind": "approle"}, "transit_keys": ["app-key"]}
POLICY_NAME = (
    "expected up to 128 lower-case letters, digits, '.', '_' or '-', with a letter or digit at both ends, and none of "
    "default, response-wrapping, root: it is the name of an ACL policy, of which Vault folds the case"
)
EXACT = "expected an exact value, without '*' or ',', or a list of them; another would let strangers log in"
CIDR = "expected a network such as 10.0.0.0/8, with no bit set behind its length and smaller than the internet"
LAYOUT = (
    "expected a layout such as '{mount}/{application}/{environment}/{name}': it begins with {mount}/, ends with "
    "{name}, and has nothing but names, {application} and {environment} between slashes"
)
PATH = (
    "expected names joined by '/', each of letters, digits, '.', '_' or '-'; it may not begin or end with '/', "
    "hold '*' or '+', or climb out with '..'"
)

URL = "expected a URL that begins with https:// and holds no login, and nothing but letters, digits and ._~:/?&=+,%-"

BAD: list[tuple[str, object, str]] = [
    ("applications/a b", APPLICATION, f".applications.a b is 'a b'; {POLICY_NAME}"),
    ("applications/App", APPLICATION, f".applications.App is 'App'; {POLICY_NAME}"),
    ("applications/root", APPLICATION, f".applications.root is 'root'; {POLICY_NAME}"),
    ("applications/default", APPLICATION, f".applications.default is 'default'; {POLICY_NAME}"),
    ("applications/app-", APPLICATION, f".applications.app- is 'app-'; {POLICY_NAME}"),
    (
        "applications/idle",
        {"login": {"kind": "approle"}},
        (
            ".applications.idle.secrets is missing; expected it, or one of reads, database_roles, "
            "transit_keys and pki_roles"
        ),
    ),
    (
        "applications/app/database_roles",
        ["app-read", "app-read"],
        ".applications.app.database_roles[1] is 'app-read'; expected each entry once",
    ),
    (
        "applications/app/secrets/database/keys",
        ["url", "url"],
        ".applications.app.secrets.database.keys[1] is 'url'; expected each entry once",
    ),
    (
        "applications/app/secrets/database",
        {"keys": ["url"], "rotation": {"keys": ["uri"], "by": "hook:shop"}},
        ".applications.app.secrets.database.rotation.keys[0] is 'uri'; expected one of keys: url",
    ),
    (
        "applications/app/secrets/database",
        {"keys": ["url"], "rotation": {}},
        (
            ".applications.app.secrets.database.keys[0] is 'url'; expected one that has a seed, since rotation.by is "
            "random and nobody else has to know the value then"
        ),
    ),
    (
        "applications/app/secrets/database",
        {"keys": [f"k{one}" for one in range(63)], "seed": "random", "rotation": {}},
        ".applications.app.secrets.database.keys is a list of 63; expected at most 62 beside rotation",
    ),
    (
        "applications/app/secrets/database",
        {"keys": ["url"], "seed": "random", "rotation": {"password_policy": "weak"}},
        (
            ".applications.app.secrets.database.rotation.password_policy is 'weak'; expected one of "
            "password_policies: strong"
        ),
    ),
    (
        "applications/app/rotator",
        {"kind": "approle"},
        ".applications.app.rotator is given; expected none, as no secret has a rotation",
    ),
    (
        "applications/app/secrets/database",
        {"keys": ["url"], "rotation": {"by": "hook:Shop"}},
        (
            ".applications.app.secrets.database.rotation.by is 'hook:Shop'; expected random, or hook: and the name of "
            "an application's own program"
        ),
    ),
    ("applications/job/login/claims", {"ref": "*"}, f".applications.job.login.claims.ref is '*'; {EXACT}"),
    (
        "applications/job/login/claims",
        {"ref": "refs/heads/fix,refs/heads/main"},
        f".applications.job.login.claims.ref is 'refs/heads/fix,refs/heads/main'; {EXACT}",
    ),
    ("applications/job/login/claims", {"ref": 1}, f".applications.job.login.claims.ref is 1; {EXACT}"),
    ("applications/job/login/claims", {"ref": []}, f".applications.job.login.claims.ref is empty; {EXACT}"),
    ("applications/job/login/claims", {"ref": ""}, f".applications.job.login.claims.ref is empty; {EXACT}"),
    (
        "applications/app/login/bound_cidrs",
        ["10.0.0.1/8"],
        (f".applications.app.login.bound_cidrs[0] is '10.0.0.1/8'; {CIDR}"),
    ),
    (
        "applications/app/login/bound_cidrs",
        ["0.0.0.0/0"],
        (f".applications.app.login.bound_cidrs[0] is '0.0.0.0/0'; {CIDR}"),
    ),
    (
        "applications/app/login/bound_cidrs",
        ["999.0.0.0/8"],
        (f".applications.app.login.bound_cidrs[0] is '999.0.0.0/8'; {CIDR}"),
    ),
    ("layout", "{mount}/../{name}", f".layout is '{{mount}}/../{{name}}'; {LAYOUT}"),
    ("layout", "{mount}/./{name}", f".layout is '{{mount}}/./{{name}}'; {LAYOUT}"),
    ("userpass/lockout_threshold", 101, ".userpass.lockout_threshold is 101; expected at most 100"),
    ("rate_limits/everything/rate", True, ".rate_limits.everything.rate is true; expected a number"),
    ("rate_limits/everything/rate", "12", ".rate_limits.everything.rate is '12'; expected a number"),
    ("rate_limits/everything/rate", float("inf"), ".rate_limits.everything.rate is inf; expected a finite number"),
    ("rate_limits/everything/path", "/secret/", f".rate_limits.everything.path is '/secret/'; {PATH}"),
    (
        "rate_limits/everything/interval",
        "1h",
        (
            ".rate_limits.everything.interval is 1h; expected at most 1m, since it is of the whole server: the "
            "administrator would be locked out too"
        ),
    ),
    (
        "rate_limits/everything",
        {"path": "auth/cert", "rate": 5, "block_interval": "2m"},
        (
            ".rate_limits.everything.block_interval is 2m; expected at most 1m, since path is 'auth/cert': the "
            "administrator would be locked out too"
        ),
    ),
    (
        "database/static_roles/app-legacy/rotation_period",
        "59s",
        (".database.static_roles.app-legacy.rotation_period is '59s'; expected at least 1m"),
    ),
    (
        "transit/keys/app-key",
        {"type": "rsa-4096", "derived": True},
        (
            ".transit.keys.app-key.type is 'rsa-4096'; expected one of aes128-gcm96, aes256-gcm96, "
            "chacha20-poly1305, ed25519, since derived is true"
        ),
    ),
    (
        "transit/keys/app-key",
        {"type": "ed25519", "derived": True, "convergent": True},
        (
            ".transit.keys.app-key.type is 'ed25519'; expected one of aes128-gcm96, aes256-gcm96, "
            "chacha20-poly1305, since convergent is true"
        ),
    ),
    (
        "transit/keys/app-key",
        {"min_encryption_version": 1, "min_decryption_version": 2},
        (
            ".transit.keys.app-key.min_encryption_version is 1; expected 0 (the newest) or at least "
            "min_decryption_version, which is 2"
        ),
    ),
    (
        "pki/roles/app-cert/allowed_domains",
        ["*.internal"],
        (".pki.roles.app-cert.allowed_domains[0] is '*.internal'; expected a domain such as greenlang.internal"),
    ),
    (
        "pki/common_name",
        "x" * 64,
        f".pki.common_name is '{'x' * 59}…; expected at most 44 characters, since more are added to X.509's 64",
    ),
    (
        "pki/organization",
        "Example, Inc.",
        ".pki.organization is 'Example, Inc.'; expected printable text without ',', at which Vault would part it",
    ),
    (
        "pki/roles/app-cert/allowed_domains",
        [f"{'x' * 63}.internal"],
        (
            f".pki.roles.app-cert.allowed_domains[0] is '{'x' * 59}…; expected at most 62 characters, since X.509's "
            "name has 64"
        ),
    ),
    (
        "database/connections/main/host",
        "a:b",
        ".database.connections.main.host is 'a:b'; expected a host name or an IP address",
    ),
    (
        "database/connections/main/host",
        "1:2",
        ".database.connections.main.host is '1:2'; expected a host name or an IP address",
    ),
    (
        "kubernetes/host",
        "https://a.internal:99999",
        ".kubernetes.host is 'https://a.internal:99999'; expected a URL with a port from 1 to 65535, or none",
    ),
    *(
        ("kubernetes/host", f"https://a.internal/{odd}", f".kubernetes.host is {f'https://a.internal/{odd}'!r}; {URL}")
        for odd in ("$(id)", "a'b", 'a"b', "a;b", "a`b", "a\\b", "a#b", "a|b", "{b}")
    ),
    (
        "pki/roles/app-cert/server",
        False,
        (".pki.roles.app-cert.server is false; expected true, or client: true"),
    ),
]


@pytest.mark.parametrize(("path", "value", "line"), BAD, ids=[f"{path}={value!r:.30}" for path, value, _ in BAD])
def test_contents_that_vault_would_refuse_are_refused(path: str, value: object, line: str) -> None:
    assert refusal(changed(path, value)) == [f"vault-estate:estate{line}"]
