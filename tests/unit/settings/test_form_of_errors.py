"""Every error about settings has one form: the setting by its full name, what it is, what was expected.

Feeds wrong values to every setting there is, and to every check of several settings. What each line says is held by
the other tests of settings.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from traceback import extract_tb
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel, ValidationError

from components.model import Section, told_by_profile
from docs import reference
from settings import Settings, SettingsError, parse
from tests.support import eks_samples
from tests.support.hetzner_samples import BUCKET, FOLDER, KMS, OF_VAULT, PLATFORM, SSH, TRANSIT
from tests.unit.settings.samples import FULL, MINIMAL, MISSING, PEOPLE, changed, refusal

LINE = re.compile(
    r"vault-estate:estate(?:\.[^;]+)? is (?:missing|empty|not a setting|not shown, as it may be a secret|given|"
    r"a |at |true|false|-?\d|inf|nan|True|False|'|\")[^;]*; expected \S.*"
)
NODE: Mapping[str, Any] = {
    **MINIMAL,
    "platform": {
        **PLATFORM,
        "ssh": SSH,
        "domain": None,
        "dns": {"zone": "example.com", "record": "vault"},
        "destinations": {"db.internal": ["10.0.0.0/8"]},
        "labels": {"team": "a"},
        "logs": {"host": "logs.internal"},
    },
    "snapshots": BUCKET,
}


def node(**platform: Any) -> dict[str, Any]:
    """Settings of a node, with parts of its platform replaced."""
    return {**NODE, "platform": {**NODE["platform"], **platform}}


WITH_PEOPLE = {**FULL, "people": PEOPLE}
ROTATED = {"keys": ["key"], "seed": "random", "rotation": {"password_policy": "strong"}}
SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "local": changed("applications/app/secrets/signing", ROTATED, {**WITH_PEOPLE, "snapshots": FOLDER}),
    "node": NODE,
    "kms": {**node(seal=KMS, tls={"kind": "provided"}), **OF_VAULT},
    "transit": node(seal=TRANSIT, tls={"kind": "internal", "certificate_file": "node.crt"}),
    "vault": {
        **node(seal={"kind": "shamir"}),
        **OF_VAULT,
        "audit": {
            "disk": {"type": "file", "file_path": "/var/log/audit.log"},
            "host": {"type": "syslog"},
            "far": {"type": "socket", "address": "127.0.0.1:9090"},
        },
    },
    "eks": eks_samples.openbao(
        **eks_samples.OF_OPENBAO,
        destinations={"db.internal": ["10.0.0.0/8"]},
        load_balancer=eks_samples.LOAD_BALANCER,
    ),
    "eks in a network that is there": eks_samples.openbao(
        chart=eks_samples.OF_OPENBAO["chart"],
        kms_plugin=eks_samples.KMS_PLUGIN,
        existing_network=eks_samples.EXISTING_NETWORK,
        postgres=eks_samples.POSTGRES,
    ),
}
"""Together they hold every section there is."""
WRONG: tuple[object, ...] = (None, "", "x y\x00", -1, {"a b": 1}, [{}], ["a b"])


def plain(value: Any) -> Any:
    """What was read, as a stack file holds it, with each default written out."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        # Beside some settings others may not be given.
        beside = {name: told_by_profile(one, "unless") for name, one in fields.items()}
        return {
            name: plain(getattr(value, name))
            for name in fields
            if name in value.model_fields_set or not beside[name] or getattr(value, beside[name]) is None
        }
    if isinstance(value, Mapping):
        return {name: plain(below) for name, below in value.items()}
    return [plain(below) for below in value] if isinstance(value, tuple) else value


def leaves(value: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[BaseModel], str]]:
    """Every setting that holds no other: where it is, its section's model, its name there."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            below = getattr(value, name)
            inner = [*leaves(below, (*way, name))]
            yield from inner or [((*way, name), type(value), name)]
    elif isinstance(value, (Mapping, tuple)):
        for key, below in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from leaves(below, (*way, str(key)))


def without_empty_sections(whole: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_setting_is_named_when_it_is_wrong(sample: str) -> None:
    settings = parse(SAMPLES[sample])
    whole = without_empty_sections(plain(settings))
    assert parse(whole) == settings

    for way, _, name in leaves(settings):
        refused = False
        for value in WRONG:
            try:
                parse(changed(way, copy.deepcopy(value), whole))
            except SettingsError as error:
                refused = True
                lines = str(error).splitlines()
                assert [line for line in lines if not LINE.fullmatch(line)] == []
                assert any(name in line for line in lines), lines
        assert refused, way


def test_the_samples_hold_every_setting() -> None:
    covered = {(model, name) for sample in SAMPLES.values() for _, model, name in leaves(parse(sample))}
    wanted = {
        (part.model, name)
        for part in reference.parts(Settings)
        for name in part.model.model_fields
        if "section [" not in reference.expected(_hint(part.model, name), name)
    }

    assert {f"{model.__name__}.{name}" for model, name in wanted - covered} == set()


def _hint(model: type[BaseModel], name: str) -> Any:
    return get_type_hints(model, include_extras=True)[name]


LOGIN = {"kind": "approle"}
SECRET = {"database": {"keys": ["url"]}}
SHARED_PATH = {"login": LOGIN, "layout": "{mount}/all/{name}", "secrets": SECRET}
TWO = [{"name": name, "pgp_key": "k"} for name in ("ada", "bob")]
CROSS: Mapping[str, Mapping[str, Any]] = {
    "Administrator._check": changed("bootstrap/administrator/certificate_pem", None)
    | changed("bootstrap/administrator/certificate", MISSING),
    "AppRoleLogin._uses": changed(
        "applications/app/login", {"kind": "approle", "secret_id_uses": 5, "renews_secret_id": True}
    ),
    "AppRoleLogin._ttl": changed("applications/app/login/token_ttl", "5h"),
    "Application._asks_for_something": changed("applications/app", {"login": LOGIN}),
    "Application._rotates_something": changed("applications/app/rotator", LOGIN),
    "AwsKmsSeal._region_of_the_key": node(seal={**KMS, "region": "us-east-1"}),
    "Bootstrap._check": changed("bootstrap/operators", TWO),
    "ConnectionWithPassword._encrypted": changed("database/connections/main/ssl_mode", "disable"),
    "ConnectionWithPassword._one_source": changed("database/connections/main/password_file", "first"),
    "DatabaseRole._ttl": changed("database/roles/app-read/ttl", "7h"),
    "DatabaseWithPasswords._each_once": changed(
        "database/static_roles/app-read", {"connection": "main", "username": "x"}
    ),
    "DatabaseWithPasswords._references": changed("database/roles/app-read/connection", "other"),
    "EksPlatform._a_subnet_in_each_zone": eks_samples.cluster(
        existing_network={**eks_samples.EXISTING_NETWORK, "subnet_ids": {"euc1-az1": "subnet-01234567"}}
    ),
    "EksPlatform._an_agent_where_it_is_asked": eks_samples.cluster(pod_roles="irsa"),
    "EksPlatform._clients_are_outside": eks_samples.cluster(
        load_balancer={**eks_samples.LOAD_BALANCER, "client_cidrs": ["10.0.7.0/24"]}
    ),
    "EksPlatform._divisible": eks_samples.cluster(network_cidr="10.0.0.0/20"),
    "EksPlatform._nothing_of_a_network_that_is_made": eks_samples.cluster(
        existing_network=eks_samples.EXISTING_NETWORK, nat_gateways="one"
    ),
    "EksPlatform._roles_of_the_account": eks_samples.cluster(account_id="210987654321"),
    "EksPlatform._zones_of_the_region": eks_samples.cluster(region="eu-west-1"),
    "HetznerPlatform._certified_name": node(dns=None),
    "HetznerPlatform._checksum_of_its_architecture": node(server_type="cax11"),
    "HetznerPlatform._one_name": node(domain="vault.example.com"),
    "HetznerPlatform._operators_can_reach_it": {**node(ssh=None, tls={"kind": "provided"}), "snapshots": MISSING},
    "HetznerPlatform._networks": node(subnet_cidr="10.81.0.0/24"),
    "HetznerPlatform._sold": node(location="ash"),
    "Jwt._one_source": changed("jwt/jwks_url", "https://issuer.internal/jwks"),
    "JwtLogin._ttl": changed("applications/job/login/token_ttl", "5h"),
    "KubernetesLogin._ttl": changed("applications/pod/login/token_ttl", "5h"),
    "KubernetesWithAuthority._both_of_another_cluster": changed("kubernetes/host", MISSING),
    "KmsPlugin._from_one_place": eks_samples.cluster(kms_plugin={**eks_samples.KMS_PLUGIN, "command": "kms-aws"}),
    "LocalPlatform._ports_differ": changed("platform/cluster_port", 8200),
    "OidcWithSecret._one_secret": changed("people/oidc/client_secret_file", "secret.txt", WITH_PEOPLE),
    "People._belong_together": changed("people/groups/operators/claims", ["org:app"], WITH_PEOPLE),
    "Settings._people": changed("people/groups/app-owners/applications", ["other"], WITH_PEOPLE),
    "PasswordPolicy._not_guessable": changed("password_policies/strong/rules", [{"charset": "ab"}]),
    "Pki._nested": changed("pki/intermediate_ttl", "3651d"),
    "Pki._size_of_the_kind": changed("pki/key_bits", 1),
    "PkiRole._issues_something": changed("pki/roles/app-cert/server", False),
    "PkiRole._size_of_the_kind": changed("pki/roles/app-cert/key_bits", 1),
    "RateLimit._administrator": changed("rate_limits/everything/interval", "1h"),
    "Retention._some": {**MINIMAL, "snapshots": {**FOLDER, "keep": {"hourly": 0, "daily": 0, "weekly": 0}}},
    "Snapshots._stale": {**MINIMAL, "snapshots": {**FOLDER, "schedule": "weekly"}},
    "SocketAudit._address_of_its_kind": changed("audit", {"a": {"type": "socket", "address": "/run/audit.sock"}}),
    "Secret._seeds_its_own_keys": changed("applications/app/secrets/database", {"keys": ["a"], "seeds": {"b": "none"}}),
    "Secret._rotates_its_own_keys": changed("applications/app/secrets/database", {"keys": ["a"], "rotation": {}}),
    "SecretRotation._policy_of_random_values": changed(
        "applications/app/secrets/database/rotation", {"by": "hook:shop", "password_policy": "strong"}
    ),
    "Settings._rotations": changed(
        "applications/app/secrets/database/rotation", {"by": "hook:shop", "every": "5m", "grace": "1h"}
    ),
    "Settings._cluster": eks_samples.openbao(),
    "Settings._empty_sections": changed("pki", None),
    "Settings._flavour": changed("server/flavor", "vault"),
    "Settings._local_database": changed(
        "database/connections/main",
        {"host": "::1", "database": "a", "username": "a", "password_file": ".estate/local/postgres/initial-password"},
    ),
    "Settings._mounts_differ": changed("transit/path", "secret"),
    "Settings._names_differ": changed("kv/team-kv", {}),
    "Settings._one_owner_per_secret": changed("applications", {"blue": SHARED_PATH, "green": SHARED_PATH}),
    "Settings._reads_of_others": changed("applications/pod/reads/0/application", "pod"),
    "Settings._references": changed("applications/app/pki_roles", ["none"]),
    "Settings._seal_beside_snapshots": {**node(seal={"kind": "static", "escrow": True}), "snapshots": MISSING},
    "Settings._snapshots": {**NODE, "snapshots": {**BUCKET, "node_certificate": None}},
    "ClusterPostgresWithPassword._grows": eks_samples.cluster(
        postgres={**eks_samples.POSTGRES, "storage_at_most": 22, "storage_gibibytes": 21}
    ),
    "Section._entries_differ": changed("applications/app/pki_roles", ["app-cert", "app-cert"]),
    "Settings._apart_from_tenants": changed("tenants/folder", "app"),
    "TenantIssuer._one_source": changed("tenants/issuer/jwks_url", MISSING),
    "Tenants._tenants_are_told_by_ids": changed("tenants/claims", {"tenant_id": "blue"}),
    "TransitKey._options_go_together": changed("transit/keys/app-key/convergent", True),
}
"""One mistake for each check of several settings, by the section that checks."""


@pytest.mark.parametrize("check", CROSS)
def test_each_check_of_several_settings_names_one(check: str) -> None:
    whole = {name: value for name, value in CROSS[check].items() if value is not MISSING}

    (line,) = refusal(whole)
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(whole)
    (mistake,) = caught.value.errors()
    raised_by = {frame.name for frame in extract_tb(mistake["ctx"]["error"].__traceback__)}

    assert LINE.fullmatch(line), line
    assert check.split(".")[1] in raised_by


def test_the_checks_of_several_settings_are_all_there() -> None:
    checks = {
        f"{part.model.__name__}.{name}"
        for part in reference.parts(Settings)
        for name in part.model.__pydantic_decorators__.model_validators
        if name not in Section.__pydantic_decorators__.model_validators
    }
    checks |= {f"Section.{name}" for name in Section.__pydantic_decorators__.model_validators}

    assert checks == set(CROSS)


def test_a_secret_in_a_reference_is_not_shown() -> None:
    token = ".".join(("hvs", "CAESI" + "Jx" * 8))

    (line,) = refusal(changed("database/roles/app-read/connection", token))

    assert token not in line
    assert line.startswith(
        "vault-estate:estate.database.roles.app-read.connection is not shown, as it may be a secret;"
    )
