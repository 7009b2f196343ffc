"""The certificate authority: exact resources, their order, and what it refuses."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.vault.pki import PkiEngine, PkiEngineArgs, PkiRole
from tests.support.declare import Unknown, declare
from tests.unit.components.graph import below, graph

MOUNT = "vault:index/mount:Mount"
CRL = "vault:pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig"
TIDY = "vault:pkiSecret/backendConfigAutoTidy:BackendConfigAutoTidy"
URLS = "vault:pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls"


def arguments(**changes: Any) -> PkiEngineArgs:
    fields = {
        "common_name": "Example",
        "organization": "Example Org",
        "address": "https://vault.internal:8200",
        "roles": {"services": PkiRole(allowed_domains=("svc.internal",))},
    }
    return PkiEngineArgs(**{**fields, **changes})


def upkeep(name: str, path: str, crl: str, interval: str, buffer: str) -> dict[str, tuple[str, dict[str, Any]]]:
    url = f"https://vault.internal:8200/v1/{path}"
    return {
        f"{name}-crl": (
            CRL,
            {"backend": path, "expiry": crl, "autoRebuild": True, "autoRebuildGracePeriod": "43200s"},
        ),
        f"{name}-tidy": (
            TIDY,
            {
                "backend": path,
                "enabled": True,
                "intervalDuration": interval,
                "safetyBuffer": buffer,
                "tidyCertStore": True,
                "tidyRevokedCerts": True,
                "tidyRevokedCertIssuerAssociations": True,
            },
        ),
        f"{name}-urls": (
            URLS,
            {
                "backend": path,
                "issuingCertificates": [f"{url}/ca"],
                "crlDistributionPoints": [f"{url}/crl"],
                "ocspServers": [f"{url}/ocsp"],
            },
        ),
    }


def test_by_default() -> None:
    assert graph(lambda: PkiEngine("pki", arguments())) == {
        "pki-root-mount": (
            MOUNT,
            {"path": "pki", "type": "pki", "description": "Root authority", "maxLeaseTtlSeconds": 315360000},
        ),
        "pki-intermediate-mount": (
            MOUNT,
            {"path": "pki_int", "type": "pki", "description": "Issuing authority", "maxLeaseTtlSeconds": 157680000},
        ),
        **upkeep("pki-root", "pki", "259200s", "43200s", "259200s"),
        **upkeep("pki-intermediate", "pki_int", "259200s", "43200s", "259200s"),
        "pki-root-certificate": (
            "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
            {
                "backend": "pki",
                "type": "internal",
                "commonName": "Example Root CA",
                "organization": "Example Org",
                "ttl": "315360000s",
                "keyType": "ec",
                "keyBits": 384,
                "maxPathLength": 1,
                "excludeCnFromSans": True,
            },
        ),
        "pki-intermediate-request": (
            "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
            {
                "backend": "pki_int",
                "type": "internal",
                "commonName": "Example Intermediate CA",
                "organization": "Example Org",
                "keyType": "ec",
                "keyBits": 384,
                "excludeCnFromSans": True,
            },
        ),
        "pki-intermediate-signature": (
            "vault:pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate",
            {
                "backend": "pki",
                "csr": "<pki-intermediate-request.csr>",
                "commonName": "Example Intermediate CA",
                "organization": "Example Org",
                "ttl": "157680000s",
                "maxPathLength": 0,
                "excludeCnFromSans": True,
            },
        ),
        "pki-intermediate-certificate": (
            "vault:pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned",
            {"backend": "pki_int", "certificate": "<pki-intermediate-signature.certificate>"},
        ),
        "pki-role-services": ("vault:pkiSecret/secretBackendRole:SecretBackendRole", ROLE),
    }


ROLE = {
    "backend": "pki_int",
    "name": "services",
    "allowedDomains": ["svc.internal"],
    "allowSubdomains": True,
    "allowBareDomains": False,
    "allowAnyName": False,
    "allowGlobDomains": False,
    "allowIpSans": False,
    "allowLocalhost": False,
    "allowWildcardCertificates": False,
    "enforceHostnames": True,
    "ttl": "86400",
    "maxTtl": "604800",
    "serverFlag": True,
    "clientFlag": False,
    "codeSigningFlag": False,
    "emailProtectionFlag": False,
    "keyType": "ec",
    "keyBits": 256,
    "organizations": ["Example Org"],
}


def test_with_everything() -> None:
    role = PkiRole(
        allowed_domains=("a.internal", "b.internal"),
        allow_subdomains=False,
        allow_bare_domains=True,
        ttl_seconds=61,
        max_ttl_seconds=62,
        server_flag=False,
        client_flag=True,
        key_type="rsa",
        key_bits=3072,
    )
    args = arguments(
        root_path="ca/root",
        intermediate_path="ca/issuing",
        root_ttl_seconds=200_000,
        intermediate_ttl_seconds=100_000,
        key_type="rsa",
        key_bits=4096,
        roles={"mtls": role},
        crl_expiry_seconds=90_000,
        tidy_interval_seconds=7_200,
        tidy_safety_buffer_seconds=3_600,
    )

    declared = graph(lambda: PkiEngine("pki", args))

    upkeep_of_both = upkeep("pki-root", "ca/root", "90000s", "7200s", "3600s") | upkeep(
        "pki-intermediate", "ca/issuing", "90000s", "7200s", "3600s"
    )
    assert {name: declared[name] for name in upkeep_of_both} == upkeep_of_both
    assert declared["pki-root-mount"][1]["maxLeaseTtlSeconds"] == 200_000
    assert declared["pki-intermediate-mount"][1]["maxLeaseTtlSeconds"] == 100_000
    root, signature = declared["pki-root-certificate"][1], declared["pki-intermediate-signature"][1]
    assert (root["backend"], root["ttl"], root["keyType"], root["keyBits"]) == ("ca/root", "200000s", "rsa", 4096)
    assert (signature["backend"], signature["ttl"]) == ("ca/root", "100000s")
    assert declared["pki-intermediate-request"][1]["keyBits"] == 4096
    assert declared["pki-role-mtls"][1] == {
        **ROLE,
        "backend": "ca/issuing",
        "name": "mtls",
        "allowedDomains": ["a.internal", "b.internal"],
        "allowSubdomains": False,
        "allowBareDomains": True,
        "ttl": "61",
        "maxTtl": "62",
        "serverFlag": False,
        "clientFlag": True,
        "keyType": "rsa",
        "keyBits": 3072,
    }


def test_nothing_is_signed_before_the_root_is_there() -> None:
    """Pitfall 10: the order must be declared; that it worked was luck."""
    declared = declare(lambda: PkiEngine("pki", arguments()))

    assert below(declared, "pki-intermediate-signature") == {"pki-root-certificate", "pki-intermediate-request"}


def test_a_fresh_authority_is_told_one_thing_at_a_time() -> None:
    declared = declare(lambda: PkiEngine("pki", arguments()))

    for name in ("pki-root", "pki-intermediate"):
        assert below(declared, f"{name}-crl") == {f"{name}-mount"}
        assert below(declared, f"{name}-tidy") == {f"{name}-crl"}
        assert f"{name}-tidy" in below(declared, f"{name}-urls")
    assert below(declared, "pki-root-certificate") == {"pki-root-urls"}
    assert below(declared, "pki-intermediate-request") == {"pki-intermediate-urls"}
    assert below(declared, "pki-intermediate-certificate") == {"pki-intermediate-request", "pki-intermediate-signature"}
    assert below(declared, "pki-role-services") == {"pki-intermediate-certificate"}


def test_no_key_can_leave() -> None:
    declared = graph(lambda: PkiEngine("pki", arguments()))

    assert {inputs["type"] for _, inputs in declared.values() if "type" in inputs and "commonName" in inputs} == {
        "internal"
    }
    assert not [name for name, (_, inputs) in declared.items() if "privateKeyFormat" in inputs]


def test_outputs() -> None:
    def program() -> None:
        engine = PkiEngine("pki", arguments())
        pulumi.export("certificate", engine.root_certificate)
        pulumi.export("paths", pulumi.Output.all(engine.root_path, engine.intermediate_path))

    assert declare(program).exports == {
        "certificate": "<pki-root-certificate.certificate>",
        "paths": ["pki", "pki_int"],
    }
    assert declare(program, preview=True).exports == {"certificate": Unknown(), "paths": ["pki", "pki_int"]}


def test_an_address_that_is_known_only_later_is_taken() -> None:
    declared = graph(lambda: PkiEngine("pki", arguments(address=pulumi.Output.from_input("https://later:8200"))))

    assert declared["pki-root-urls"][1]["ocspServers"] == ["https://later:8200/v1/pki/ocsp"]


def engine(**changes: Any) -> Callable[[], object]:
    return lambda: arguments(**changes)


def role(**changes: Any) -> Callable[[], object]:
    return lambda: PkiRole(**{"allowed_domains": ("svc.internal",), **changes})


BAD: list[tuple[Callable[[], object], str]] = [
    (role(allowed_domains=()), "allowed_domains: is empty"),
    (role(allowed_domains="svc.internal"), "allowed_domains: 'svc.internal' is one string"),
    (role(allowed_domains=("*.internal",)), r"allowed_domains: '\*.internal' isn't a domain"),
    (role(allowed_domains=("",)), "allowed_domains: '' isn't a domain"),
    (role(allowed_domains=("a..b",)), "isn't a domain"),
    (role(allowed_domains=("Internal",)), "isn't a domain"),
    (role(allow_subdomains=False), "allow_subdomains and allow_bare_domains: both False"),
    (role(server_flag=False), "server_flag and client_flag: both False"),
    (role(ttl_seconds=2, max_ttl_seconds=1), r"ttl_seconds: 2 is above max_ttl_seconds \(1\)"),
    (role(ttl_seconds=0), "ttl_seconds: 0"),
    (role(key_type="dsa"), "key_type: 'dsa' isn't known: expected one of ec, ed25519, rsa"),
    (role(key_bits=224), "key_bits: 224 isn't a size of ec keys: expected 256 or 384 or 521"),
    (role(key_type="ed25519"), "key_bits: 256 isn't a size of ed25519 keys: expected 0"),
    (engine(root_path="sys"), "root_path: 'sys' begins"),
    (engine(intermediate_path="a//b"), "intermediate_path: 'a//b' isn't a mount path"),
    (engine(intermediate_path="pki"), "intermediate_path: 'pki' is also root_path"),
    (engine(common_name=" "), "common_name: ' ': expected printable"),
    (engine(organization="a\nb"), "organization: 'a"),
    (engine(address="http://v:8200"), "address: 'http://v:8200': expected https"),
    (engine(address="https://v:8200/"), "address: 'https://v:8200/': expected https"),
    (
        engine(root_ttl_seconds=1000, intermediate_ttl_seconds=1001),
        r"intermediate_ttl_seconds: 1001 is above root_ttl_seconds \(1000\)",
    ),
    (
        engine(intermediate_ttl_seconds=604799),
        r"roles\[services\].max_ttl_seconds: 604800 outlives the intermediate: expected at most",
    ),
    (engine(crl_expiry_seconds=86399), "crl_expiry_seconds: 86399 is out of range: expected at least 86400"),
    (engine(tidy_interval_seconds=3599), "tidy_interval_seconds: 3599"),
    (engine(tidy_safety_buffer_seconds=3599), "tidy_safety_buffer_seconds: 3599"),
    (engine(key_type="rsa", key_bits=1024), "key_bits: 1024 isn't a size of rsa keys"),
    (engine(roles={"a b": None}), "roles: 'a b' isn't a name"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make()

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("kind", "sizes"), [("rsa", (2048, 3072, 4096)), ("ec", (256, 384, 521)), ("ed25519", (0,))])
def test_the_sizes_of_keys(kind: Any, sizes: tuple[int, ...]) -> None:
    expected = " or ".join(str(size) for size in sizes)

    assert [PkiRole(allowed_domains=("a",), key_type=kind, key_bits=size).key_bits for size in sizes] == list(sizes)
    with pytest.raises(ValueError, match=f"key_bits: 1024 isn't a size of {kind} keys: expected {expected}$"):
        PkiRole(allowed_domains=("a",), key_type=kind, key_bits=1024)


def test_the_ends_of_the_range_are_allowed() -> None:
    assert arguments(root_ttl_seconds=604800, intermediate_ttl_seconds=604800).crl_expiry_seconds == 259200
    shortest = arguments(tidy_interval_seconds=3600, tidy_safety_buffer_seconds=3600, crl_expiry_seconds=86400)
    assert (shortest.tidy_interval_seconds, shortest.tidy_safety_buffer_seconds) == (3600, 3600)
