"""The certificate authority: exact resources, their order, and what it refuses."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.vault.pki import Pki, PkiEngine, PkiEngineArgs, PkiRole
from tests.support.declare import Secret, Unknown, declare
from tests.unit.components.graph import below, graph

MOUNT = "vault:index/mount:Mount"
CRL = "vault:pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig"
TIDY = "vault:pkiSecret/backendConfigAutoTidy:BackendConfigAutoTidy"
URLS = "vault:pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls"


def authority(**changes: Any) -> Pki:
    fields = {
        "common_name": "Example",
        "organization": "Example Org",
        "roles": {"services": PkiRole(allowed_domains=("svc.internal",))},
    }
    return Pki(**{**fields, **changes})


def arguments(address: pulumi.Input[str] = "https://vault.internal:8200", **changes: Any) -> PkiEngineArgs:
    return PkiEngineArgs(pki=authority(**changes), address=address)


def upkeep(name: str, path: str) -> dict[str, tuple[str, dict[str, Any]]]:
    url = f"https://vault.internal:8200/v1/{path}"
    return {
        f"{name}-crl": (
            CRL,
            {"backend": path, "expiry": "259200s", "autoRebuild": True, "autoRebuildGracePeriod": "43200s"},
        ),
        f"{name}-tidy": (
            TIDY,
            {
                "backend": path,
                "enabled": True,
                "intervalDuration": "43200s",
                "safetyBuffer": "259200s",
                "tidyCertStore": True,
                "tidyRevokedCerts": True,
                "tidyRevokedCertIssuerAssociations": True,
            },
        ),
        f"{name}-urls": (
            URLS,
            {
                "backend": path,
                "enableTemplating": True,
                "issuingCertificates": [f"{url}/issuer/{{{{issuer_id}}}}/der"],
                "crlDistributionPoints": [f"{url}/issuer/{{{{issuer_id}}}}/crl/der"],
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
        **upkeep("pki-root", "pki"),
        **upkeep("pki-intermediate", "pki_int"),
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
    "maxTtl": "259200",
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
        ttl=61,
        max_ttl=62,
        server=False,
        client=True,
        key_type="rsa",
        key_bits=3072,
    )
    args = arguments(
        root_path="ca/root",
        intermediate_path="ca/issuing",
        root_ttl=200_000,
        intermediate_ttl=100_000,
        key_type="rsa",
        key_bits=4096,
        roles={"mtls": role},
    )

    declared = graph(lambda: PkiEngine("pki", args))

    upkeep_of_both = upkeep("pki-root", "ca/root") | upkeep("pki-intermediate", "ca/issuing")
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
    """The order must be declared: nothing in the inputs of one names the other."""
    declared = declare(lambda: PkiEngine("pki", arguments()))

    assert below(declared, "pki-intermediate-signature") == {
        "pki-root-mount",
        "pki-root-certificate",
        "pki-intermediate-request",
    }


def test_a_fresh_authority_is_told_one_thing_at_a_time() -> None:
    declared = declare(lambda: PkiEngine("pki", arguments()))

    for name in ("pki-root", "pki-intermediate"):
        assert below(declared, f"{name}-crl") == {f"{name}-mount"}
        assert below(declared, f"{name}-tidy") == {f"{name}-mount", f"{name}-crl"}
        assert f"{name}-tidy" in below(declared, f"{name}-urls")
    assert below(declared, "pki-root-certificate") == {"pki-root-mount", "pki-root-urls"}
    assert below(declared, "pki-intermediate-request") == {"pki-intermediate-mount", "pki-intermediate-urls"}
    assert below(declared, "pki-intermediate-certificate") == {"pki-intermediate-mount", "pki-intermediate-signature"}
    assert below(declared, "pki-role-services") == {"pki-intermediate-mount", "pki-intermediate-certificate"}


def test_a_new_generation_is_made_beside_the_old_and_takes_over() -> None:
    declared = declare(lambda: PkiEngine("pki", arguments(root_generation=3, intermediate_generation=2)))
    names = {record.name for record in declared.records if "-mount" not in record.name}
    authorities = {name for name in names if name.startswith(("pki-root-c", "pki-intermediate-"))}

    assert {name for name in authorities if not name.endswith(("-crl", "-tidy", "-urls"))} == {
        "pki-root-certificate",
        "pki-root-certificate-2",
        "pki-root-certificate-3",
        "pki-intermediate-request-2",
        "pki-intermediate-signature-2",
        "pki-intermediate-certificate-2",
        "pki-intermediate-issuing",
    }
    # The settings are the newest one's; those before it are as they were made.
    kept = {name: declared.named(name).options.ignore_changes for name in authorities}
    made_once = ("commonName", "keyBits", "keyType", "organization", "ttl")
    assert {name: fields for name, fields in kept.items() if fields} == {
        "pki-root-certificate": made_once,
        "pki-root-certificate-2": made_once,
    }
    assert below(declared, "pki-root-certificate-3") == {"pki-root-mount", "pki-root-certificate-2"}
    assert "pki-root-certificate-3" in below(declared, "pki-root-issuing")
    assert "pki-root-issuing" in below(declared, "pki-intermediate-signature-2")
    assert "pki-intermediate-issuing" in below(declared, "pki-role-services")
    issuing = declared.named("pki-root-issuing").inputs
    assert issuing["path"] == "pki/config/issuers"
    assert issuing["dataJson"] == Secret(json.dumps({"default": "<pki-root-certificate-3.issuerId>"}))
    assert declared.named("pki-intermediate-issuing").inputs["path"] == "pki_int/config/issuers"


def test_every_root_is_given_out_the_newest_first() -> None:
    def program() -> None:
        pulumi.export("certificate", PkiEngine("pki", arguments(root_generation=2)).root_certificate)

    assert declare(program).exports == {
        "certificate": "<pki-root-certificate-2.certificate>\n<pki-root-certificate.certificate>"
    }


def test_no_part_of_an_authority_goes_with_another() -> None:
    """Nothing but a mount, and a request for its certificate, is an argument: replacing one replaces nothing else."""
    declared = declare(lambda: PkiEngine("pki", arguments()))

    for record in declared.records:
        given = {urn.rsplit("::", 1)[-1] for urns in record.input_dependencies.values() for urn in urns}
        assert given <= {
            "pki-root-mount",
            "pki-intermediate-mount",
            "pki-intermediate-request",
            "pki-intermediate-signature",
        }


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


def pki(**changes: Any) -> Callable[[], object]:
    return lambda: authority(**changes)


def role(**changes: Any) -> Callable[[], object]:
    return lambda: PkiRole(**{"allowed_domains": ("svc.internal",), **changes})


BAD: list[tuple[Callable[[], object], str]] = [
    (role(allowed_domains=()), "allowed_domains\n.*at least 1 item"),
    (role(allowed_domains="svc.internal"), "allowed_domains\n.*valid tuple"),
    *(
        (role(allowed_domains=(domain,)), "allowed_domains.0\n.*expected a domain such as greenlang.internal")
        for domain in ("*.internal", "", "a..b", "Internal", "-a", "a" * 64)
    ),
    (role(allow_subdomains=False), "allow_subdomains is false; expected true, or allow_bare_domains: true"),
    (role(server=False), "server is false; expected true, or client: true"),
    (role(ttl=2, max_ttl=1), "ttl is 2s; expected at most max_ttl, which is 1s"),
    (role(ttl=0), "ttl\n.*greater than 0"),
    (role(key_type="dsa"), "key_type\n"),
    (role(key_bits=224), "key_bits is 224; expected 256 or 384 or 521, since key_type is 'ec'"),
    (role(key_type="ed25519"), "key_bits is 256; expected 0, since key_type is 'ed25519'"),
    (pki(root_path="sys"), "root_path\n.*doesn't begin with any of auth, cubbyhole, identity, sys"),
    (pki(intermediate_path="a//b"), "intermediate_path\n.*expected names joined by '/'"),
    (pki(intermediate_path="pki"), "intermediate_path is 'pki'; expected a path apart from root_path, which is 'pki'"),
    (pki(intermediate_path="pki/int"), "intermediate_path is 'pki/int'; expected a path apart from root_path"),
    (pki(common_name=" "), "common_name\n.*expected printable text"),
    (pki(common_name="a" * 65), "common_name\n.*at most 64 characters"),
    (pki(organization="a\nb"), "organization\n.*expected printable text"),
    (pki(root_ttl=1000, intermediate_ttl=1001), "intermediate_ttl is 16m41s; expected at most root_ttl, which is"),
    (
        pki(intermediate_ttl=259_199),
        "roles.services.max_ttl is 3d; expected at most intermediate_ttl, which is 2d23h59m59s",
    ),
    (pki(key_type="rsa", key_bits=1024), "key_bits is 1024; expected 2048 or 3072 or 4096, since key_type is 'rsa'"),
    (pki(roles={"a b": PkiRole(allowed_domains=("a",))}), "expected 1 to 128 letters"),
    (lambda: arguments(address="http://v:8200"), "address is 'http://v:8200'; expected https://host:port"),
    (lambda: arguments(address="https://v:8200/"), "address is 'https://v:8200/'; expected https://host:port"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("kind", "sizes"), [("rsa", (2048, 3072, 4096)), ("ec", (256, 384, 521)), ("ed25519", (0,))])
def test_the_sizes_of_keys(kind: Any, sizes: tuple[int, ...]) -> None:
    expected = " or ".join(str(size) for size in sizes)

    assert [PkiRole(allowed_domains=("a",), key_type=kind, key_bits=size).key_bits for size in sizes] == list(sizes)
    with pytest.raises(ValueError, match=f"key_bits is 1024; expected {expected}, since key_type is '{kind}'"):
        PkiRole(allowed_domains=("a",), key_type=kind, key_bits=1024)


def test_the_ends_of_the_range_are_allowed() -> None:
    assert authority(root_ttl=259_200, intermediate_ttl=259_200).intermediate_ttl == 259_200
