"""A private certificate authority: a root that signs one intermediate, and the intermediate that signs everything else.

Owns both mounts, their URLs, CRLs and tidying, and the intermediate's roles. Refuses to let a key out: both are made
inside Vault.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pulumi
import pulumi_vault as vault

from components.vault.checks import (
    check_between,
    check_choice,
    check_mount_path,
    check_names,
    check_not_empty,
    check_ttls,
)

KeyType = Literal["rsa", "ec", "ed25519"]
"""Kinds of key that certificates are made for."""

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CRL_GRACE_SECONDS = 43200
"""How long before a CRL's end Vault makes the next one (its default, 12 h)."""
_KEY_BITS: Mapping[str, tuple[int, ...]] = {"rsa": (2048, 3072, 4096), "ec": (256, 384, 521), "ed25519": (0,)}


@dataclass(frozen=True, kw_only=True)
class PkiRole:
    """Which certificates may be issued."""

    allowed_domains: Sequence[str]
    """Domains that names may be in."""

    allow_subdomains: bool = True
    """Names below those domains."""

    allow_bare_domains: bool = False
    """Those domains themselves."""

    ttl_seconds: int = 86400
    """Life of a certificate that doesn't ask for one (24 h)."""

    max_ttl_seconds: int = 604800
    """Life of a certificate at most (7 d)."""

    server_flag: bool = True
    """For TLS servers."""

    client_flag: bool = False
    """For TLS clients."""

    key_type: KeyType = "ec"
    """Kind of key."""

    key_bits: int = 256
    """Its size; 0 for ed25519."""

    def __post_init__(self) -> None:
        """Raise ValueError for a wildcard domain, nothing allowed, bad lives or a bad key."""
        check_not_empty("allowed_domains", self.allowed_domains)
        for domain in self.allowed_domains:
            if not _DOMAIN.fullmatch(domain):
                raise ValueError(
                    f"allowed_domains: {domain!r} isn't a domain: expected for example 'greenlang.internal'"
                )
        if not (self.allow_subdomains or self.allow_bare_domains):
            raise ValueError("allow_subdomains and allow_bare_domains: both False allow no name: expected one of them")
        if not (self.server_flag or self.client_flag):
            raise ValueError("server_flag and client_flag: both False make a useless certificate: expected one of them")
        check_ttls("ttl_seconds", self.ttl_seconds, "max_ttl_seconds", self.max_ttl_seconds)
        _check_key(self.key_type, self.key_bits)


@dataclass(frozen=True, kw_only=True)
class PkiEngineArgs:
    """What `PkiEngine` needs."""

    root_path: str = "pki"
    """Mount path of the root."""

    intermediate_path: str = "pki_int"
    """Mount path of the intermediate."""

    common_name: str
    """What both are called; ` Root CA` and ` Intermediate CA` are added."""

    organization: str
    """Who they belong to."""

    root_ttl_seconds: int = 315360000
    """Life of the root (10 y)."""

    intermediate_ttl_seconds: int = 157680000
    """Life of the intermediate (5 y)."""

    address: pulumi.Input[str]
    """Vault's URL as relying parties reach it: the base of the CRL, OCSP and issuer URLs inside certificates."""

    key_type: KeyType = "ec"
    """Kind of both keys."""

    key_bits: int = 384
    """Their size; 0 for ed25519."""

    roles: Mapping[str, PkiRole]
    """Roles of the intermediate by name in Vault."""

    crl_expiry_seconds: int = 259200
    """Life of a CRL (72 h); Vault makes a new one before."""

    tidy_interval_seconds: int = 43200
    """How often expired certificates are cleared away (12 h)."""

    tidy_safety_buffer_seconds: int = 259200
    """How long after expiry they are kept (72 h)."""

    def __post_init__(self) -> None:
        """Raise ValueError for lives that don't nest (leaf, intermediate, root), equal paths, or a bad key."""
        check_mount_path("root_path", self.root_path)
        check_mount_path("intermediate_path", self.intermediate_path)
        if self.root_path == self.intermediate_path:
            raise ValueError(f"intermediate_path: {self.intermediate_path!r} is also root_path: expected two mounts")
        for field, text in (("common_name", self.common_name), ("organization", self.organization)):
            if not text.strip() or not text.isprintable():
                raise ValueError(f"{field}: {text!r}: expected printable text")
        if isinstance(self.address, str) and (not self.address.startswith("https://") or self.address.endswith("/")):
            raise ValueError(f"address: {self.address!r}: expected https://host:port, without a slash at the end")
        check_ttls("intermediate_ttl_seconds", self.intermediate_ttl_seconds, "root_ttl_seconds", self.root_ttl_seconds)
        check_between("crl_expiry_seconds", self.crl_expiry_seconds, 2 * _CRL_GRACE_SECONDS)
        check_between("tidy_interval_seconds", self.tidy_interval_seconds, 3600)
        check_between("tidy_safety_buffer_seconds", self.tidy_safety_buffer_seconds, 3600)
        _check_key(self.key_type, self.key_bits)
        check_names("roles", self.roles)
        for key, role in self.roles.items():
            if role.max_ttl_seconds > self.intermediate_ttl_seconds:
                raise ValueError(
                    f"roles[{key}].max_ttl_seconds: {role.max_ttl_seconds} outlives the intermediate: expected at most "
                    f"intermediate_ttl_seconds ({self.intermediate_ttl_seconds})"
                )


class PkiEngine(pulumi.ComponentResource):
    """A root, an intermediate and its roles. Issues no certificate."""

    root_certificate: pulumi.Output[str]
    """PEM of the root: what clients trust."""

    root_path: pulumi.Output[str]
    """Mount path of the root."""

    intermediate_path: pulumi.Output[str]
    """Mount path of the intermediate, where certificates are issued."""

    def __init__(self, name: str, args: PkiEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PkiEngine", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        root_mount = _mount(f"{name}-root", args.root_path, "Root authority", args.root_ttl_seconds, child)
        intermediate_mount = _mount(
            f"{name}-intermediate", args.intermediate_path, "Issuing authority", args.intermediate_ttl_seconds, child
        )
        root = _root(f"{name}-root", _upkeep(f"{name}-root", root_mount.path, args, child), args, child)
        intermediate = _intermediate(
            f"{name}-intermediate",
            _upkeep(f"{name}-intermediate", intermediate_mount.path, args, child),
            root=root,
            args=args,
            parent=self,
        )
        for key in args.roles:
            _role(name, key, intermediate.backend, args, child)
        self.root_certificate = root.certificate
        self.root_path = root_mount.path
        self.intermediate_path = intermediate_mount.path
        self.register_outputs(
            {
                "root_certificate": self.root_certificate,
                "root_path": self.root_path,
                "intermediate_path": self.intermediate_path,
            }
        )


def _check_key(key_type: str, key_bits: int) -> None:
    check_choice("key_type", key_type, get_args(KeyType))
    if key_bits not in _KEY_BITS[key_type]:
        expected = " or ".join(str(bits) for bits in _KEY_BITS[key_type])
        raise ValueError(f"key_bits: {key_bits} isn't a size of {key_type} keys: expected {expected}")


def _mount(name: str, path: str, description: str, ttl_seconds: int, opts: pulumi.ResourceOptions) -> vault.Mount:
    # Vault cuts every certificate at the mount's longest lease (32 days by default), the authority's own too.
    return vault.Mount(
        f"{name}-mount",
        path=path,
        type="pki",
        description=description,
        max_lease_ttl_seconds=ttl_seconds,
        opts=opts,
    )


def _upkeep(
    name: str, mount_path: pulumi.Input[str], args: PkiEngineArgs, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """What each authority needs whatever it signs: a CRL that renews itself, tidying, its URLs.

    Returns the mount's path, known once all of it is there. One at a time, each with the mount's path from the one
    before: OpenBao 2.7 answers writes that meet in a fresh authority with "transaction commit failed" (one of some
    twenty builds). And all before the first certificate: without the URLs it would never say where its CRL is.
    """
    crl = vault.pkisecret.SecretBackendCrlConfig(
        f"{name}-crl",
        backend=mount_path,
        expiry=f"{args.crl_expiry_seconds}s",
        auto_rebuild=True,
        auto_rebuild_grace_period=f"{_CRL_GRACE_SECONDS}s",
        opts=opts,
    )
    tidy = vault.pkisecret.BackendConfigAutoTidy(
        f"{name}-tidy",
        backend=crl.backend,
        enabled=True,
        interval_duration=f"{args.tidy_interval_seconds}s",
        safety_buffer=f"{args.tidy_safety_buffer_seconds}s",
        tidy_cert_store=True,
        tidy_revoked_certs=True,
        tidy_revoked_cert_issuer_associations=True,
        opts=opts,
    )
    urls = vault.pkisecret.SecretBackendConfigUrls(
        f"{name}-urls",
        backend=tidy.backend,
        issuing_certificates=[pulumi.Output.format("{}/v1/{}/ca", args.address, mount_path)],
        crl_distribution_points=[pulumi.Output.format("{}/v1/{}/crl", args.address, mount_path)],
        ocsp_servers=[pulumi.Output.format("{}/v1/{}/ocsp", args.address, mount_path)],
        opts=opts,
    )
    return urls.backend


def _root(
    name: str, mount_path: pulumi.Input[str], args: PkiEngineArgs, opts: pulumi.ResourceOptions
) -> vault.pkisecret.SecretBackendRootCert:
    return vault.pkisecret.SecretBackendRootCert(
        f"{name}-certificate",
        backend=mount_path,
        type="internal",  # the key is made in Vault and never shown
        common_name=f"{args.common_name} Root CA",
        organization=args.organization,
        ttl=f"{args.root_ttl_seconds}s",
        key_type=args.key_type,
        key_bits=args.key_bits,
        max_path_length=1,
        exclude_cn_from_sans=True,
        opts=opts,
    )


def _intermediate(
    name: str,
    mount_path: pulumi.Input[str],
    *,
    root: vault.pkisecret.SecretBackendRootCert,
    args: PkiEngineArgs,
    parent: pulumi.Resource,
) -> vault.pkisecret.SecretBackendIntermediateSetSigned:
    child = pulumi.ResourceOptions(parent=parent)
    request = vault.pkisecret.SecretBackendIntermediateCertRequest(
        f"{name}-request",
        backend=mount_path,
        type="internal",
        common_name=f"{args.common_name} Intermediate CA",
        organization=args.organization,
        key_type=args.key_type,
        key_bits=args.key_bits,
        exclude_cn_from_sans=True,
        opts=child,
    )
    signed = vault.pkisecret.SecretBackendRootSignIntermediate(
        f"{name}-signature",
        backend=root.backend,
        csr=request.csr,
        common_name=f"{args.common_name} Intermediate CA",
        organization=args.organization,
        ttl=f"{args.intermediate_ttl_seconds}s",
        max_path_length=0,
        exclude_cn_from_sans=True,
        # Nothing in these inputs names the root's certificate, and without it there is no one to sign (pitfall 10).
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[root]),
    )
    return vault.pkisecret.SecretBackendIntermediateSetSigned(
        f"{name}-certificate", backend=request.backend, certificate=signed.certificate, opts=child
    )


def _role(
    name: str, key: str, mount_path: pulumi.Input[str], args: PkiEngineArgs, opts: pulumi.ResourceOptions
) -> None:
    role = args.roles[key]
    vault.pkisecret.SecretBackendRole(
        f"{name}-role-{key}",
        backend=mount_path,
        name=key,
        allowed_domains=list(role.allowed_domains),
        allow_subdomains=role.allow_subdomains,
        allow_bare_domains=role.allow_bare_domains,
        allow_any_name=False,
        allow_glob_domains=False,
        allow_ip_sans=False,
        allow_localhost=False,
        allow_wildcard_certificates=False,
        enforce_hostnames=True,
        ttl=str(role.ttl_seconds),
        max_ttl=str(role.max_ttl_seconds),
        server_flag=role.server_flag,
        client_flag=role.client_flag,
        code_signing_flag=False,
        email_protection_flag=False,
        key_type=role.key_type,
        key_bits=role.key_bits,
        organizations=[args.organization],
        opts=opts,
    )
