"""A private certificate authority: a root that signs one intermediate, and the intermediate that signs everything else.

Owns both mounts, their URLs, CRLs and tidying, and the intermediate's roles. An authority is renewed as a new
generation beside the old one, which stays for verification until its end (ADR 17). Refuses to let a key out: all are
made inside Vault.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import pulumi
import pulumi_vault as vault
from pydantic import Field, StringConstraints, model_validator

from ..model import Domain, Form, MountPath, Named, PositiveSeconds, Section, SettingError, at_most, hold, separate
from .children import child

_CRL_SECONDS = 259_200
"""Life of a CRL (72 h)."""
_CRL_GRACE_SECONDS = 43_200
"""How long before a CRL's end Vault makes the next one (its default, 12 h)."""
_TIDY_SECONDS = 43_200
"""How often expired certificates are cleared away (12 h)."""
_TIDY_BUFFER_SECONDS = 259_200
"""How long after expiry they are kept (72 h)."""

_ISSUER = "issuer/{{{{issuer_id}}}}"
"""Below a mount, where an authority is. Vault puts its name in; doubled again for `format`."""

KeyType = Literal["rsa", "ec", "ed25519"]
_KEY_BITS: Mapping[KeyType, tuple[int, ...]] = {"rsa": (2048, 3072, 4096), "ec": (256, 384, 521), "ed25519": (0,)}

_MADE_ONCE = ("commonName", "keyBits", "keyType", "organization", "ttl")
"""What of an authority is as it was made."""

Subject = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Form(r"[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*", "printable text"),
]
"""A name inside certificates."""


class _Key(Section):
    key_type: KeyType = "ec"
    """Kind of key."""
    key_bits: int = 256
    """Its size: 2048, 3072 or 4096 for `rsa`; 256, 384 or 521 for `ec`; 0 for `ed25519`."""

    @model_validator(mode="after")
    def _size_of_the_kind(self) -> Self:
        if self.key_bits not in _KEY_BITS[self.key_type]:
            sizes = " or ".join(str(bits) for bits in _KEY_BITS[self.key_type])
            raise SettingError("key_bits", str(self.key_bits), f"{sizes}, since key_type is {self.key_type!r}")
        return self


class PkiRole(_Key):
    """Which certificates may be issued under one name."""

    allowed_domains: Annotated[
        tuple[Annotated[Domain, Form(r".{0,62}", "at most 62 characters, since X.509's name has 64")], ...],
        Field(min_length=1, strict=False),
    ]
    """Domains under which certificates are issued, for hosts in them."""
    allow_subdomains: bool = True
    """For names below those domains."""
    allow_bare_domains: bool = False
    """For those domains themselves."""
    server: bool = True
    """For servers (extended key usage)."""
    client: bool = False
    """For clients (extended key usage)."""
    ttl: PositiveSeconds = 86_400
    """Lifetime when the request names none."""
    max_ttl: PositiveSeconds = 259_200
    """Longest lifetime. Leaves of 72 hours are so short that revocation hardly matters."""

    @model_validator(mode="after")
    def _issues_something(self) -> Self:
        at_most("ttl", self.ttl, "max_ttl", self.max_ttl)
        if not (self.server or self.client):
            raise SettingError("server", "false", "true, or client: true")
        if not (self.allow_subdomains or self.allow_bare_domains):
            raise SettingError("allow_subdomains", "false", "true, or allow_bare_domains: true")
        return self


class Pki(_Key):
    """A root that signs one intermediate, and the roles of that intermediate."""

    root_path: MountPath = "pki"
    """Mount of the root."""
    intermediate_path: MountPath = "pki_int"
    """Mount of the intermediate, from which certificates are issued."""
    common_name: Annotated[Subject, Form(r".{0,44}", "at most 44 characters, since more are added to X.509's 64")]
    """Name of the authority; ` Root CA` and ` Intermediate CA` are added."""
    organization: Annotated[Subject, Form(r"[^,]*", "printable text without ',', at which Vault would part it")]
    """Organisation in every certificate."""
    key_bits: int = 384
    root_ttl: PositiveSeconds = 315_360_000
    """Lifetime of the root's certificate: 10 years."""
    intermediate_ttl: PositiveSeconds = 157_680_000
    """Lifetime of the intermediate's certificate: 5 years."""
    root_generation: Annotated[int, Field(ge=1)] = 1
    """Raise it by one to renew the root: a new one is made beside the old, which stays for verification until its end.
    Its name, lifetime and key are changed by this only."""
    intermediate_generation: Annotated[int, Field(ge=1)] = 1
    """Raise it by one to renew the intermediate: the newest root signs a new one, which issues from then on. What the
    old one issued stays valid."""
    roles: Named[PkiRole]
    """What certificates are issued for."""

    @model_validator(mode="after")
    def _nested(self) -> Self:
        separate({"root_path": self.root_path, "intermediate_path": self.intermediate_path})
        at_most("intermediate_ttl", self.intermediate_ttl, "root_ttl", self.root_ttl)
        for name, role in self.roles.items():
            at_most(f"roles.{name}.max_ttl", role.max_ttl, "intermediate_ttl", self.intermediate_ttl)
        return self


@dataclass(frozen=True, kw_only=True)
class PkiEngineArgs:
    """What `PkiEngine` needs."""

    pki: Pki
    """Both authorities and the roles."""
    address: pulumi.Input[str]
    """Vault's URL as relying parties reach it: the base of the CRL, OCSP and issuer URLs inside certificates."""

    def __post_init__(self) -> None:
        """Raise ValueError for a plain address that isn't `https://host:port`."""
        if isinstance(self.address, str):
            hold("address", self.address, Form(r"https://[^\s/@]+", "https://host:port, without a path").check)


class PkiEngine(pulumi.ComponentResource):
    """A root, an intermediate and its roles. Issues no certificate."""

    root_certificate: pulumi.Output[str]
    """PEM of the root: what clients trust. Of several generations all, one below the other, the newest first."""
    root_path: pulumi.Output[str]
    """Mount path of the root."""
    intermediate_path: pulumi.Output[str]
    """Mount path of the intermediate, where certificates are issued."""

    def __init__(self, name: str, args: PkiEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PkiEngine", name, {}, opts)
        pki = args.pki
        root_mount = _mount(f"{name}-root", pki.root_path, "Root authority", pki.root_ttl, self)
        intermediate_mount = _mount(
            f"{name}-intermediate", pki.intermediate_path, "Issuing authority", pki.intermediate_ttl, self
        )
        root_told = _configured(f"{name}-root", root_mount.path, args.address, self)
        intermediate_told = _configured(f"{name}-intermediate", intermediate_mount.path, args.address, self)
        roots: list[vault.pkisecret.SecretBackendRootCert] = []
        for generation in range(1, pki.root_generation + 1):
            before = roots[-1] if roots else root_told
            options = child(self, holds_data=True, after=[before])
            if generation < pki.root_generation:
                # As it was made; the settings are the newest one's.
                options.ignore_changes = list(_MADE_ONCE)
            roots.append(_root(f"{name}-root-certificate{_suffix(generation)}", root_mount.path, pki=pki, opts=options))
        signing: pulumi.Resource = roots[-1]
        if pki.root_generation > 1:
            signing = _issuing(f"{name}-root-issuing", root_mount.path, roots[-1].issuer_id, self)
        intermediate = _intermediate(
            f"{name}-intermediate",
            intermediate_mount.path,
            root_path=root_mount.path,
            pki=pki,
            parent=self,
            after=(intermediate_told, signing),
        )
        for key in pki.roles:
            _role(name, key, intermediate_mount.path, pki=pki, opts=child(self, after=[intermediate]))
        self.root_certificate = pulumi.Output.all(*(root.certificate for root in reversed(roots))).apply("\n".join)
        self.root_path = root_mount.path
        self.intermediate_path = intermediate_mount.path
        self.register_outputs(
            {
                "root_certificate": self.root_certificate,
                "root_path": self.root_path,
                "intermediate_path": self.intermediate_path,
            }
        )


def _mount(name: str, path: str, description: str, ttl_seconds: int, parent: pulumi.Resource) -> vault.Mount:
    # Vault cuts every certificate at the mount's longest lease (32 days by default), the authority's own too.
    return vault.Mount(
        f"{name}-mount",
        path=path,
        type="pki",
        description=description,
        max_lease_ttl_seconds=ttl_seconds,
        opts=child(parent, holds_data=True),
    )


def _configured(
    name: str, mount_path: pulumi.Input[str], address: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi.Resource:
    """What each authority needs whatever it signs: a CRL that renews itself, tidying, its URLs; the last of them.

    One at a time: OpenBao 2.7 answers writes that meet in a fresh authority with "transaction commit failed" (one of
    some twenty builds). And all before the first certificate: without the URLs it would never say where its CRL is.
    None is given anything of the one before, or to replace one would be to replace all after it.
    """
    crl = vault.pkisecret.SecretBackendCrlConfig(
        f"{name}-crl",
        backend=mount_path,
        expiry=f"{_CRL_SECONDS}s",
        auto_rebuild=True,
        auto_rebuild_grace_period=f"{_CRL_GRACE_SECONDS}s",
        opts=child(parent),
    )
    tidy = vault.pkisecret.BackendConfigAutoTidy(
        f"{name}-tidy",
        backend=mount_path,
        enabled=True,
        interval_duration=f"{_TIDY_SECONDS}s",
        safety_buffer=f"{_TIDY_BUFFER_SECONDS}s",
        tidy_cert_store=True,
        tidy_revoked_certs=True,
        tidy_revoked_cert_issuer_associations=True,
        opts=child(parent, after=[crl]),
    )
    return vault.pkisecret.SecretBackendConfigUrls(
        f"{name}-urls",
        backend=mount_path,
        # A certificate says where its own issuer's list is, also when a newer one issues. A root is given none: Vault
        # doesn't know its name before it is there, and nobody revokes a root.
        enable_templating=True,
        issuing_certificates=[pulumi.Output.format(f"{{}}/v1/{{}}/{_ISSUER}/der", address, mount_path)],
        crl_distribution_points=[pulumi.Output.format(f"{{}}/v1/{{}}/{_ISSUER}/crl/der", address, mount_path)],
        ocsp_servers=[pulumi.Output.format("{}/v1/{}/ocsp", address, mount_path)],
        opts=child(parent, after=[tidy]),
    )


def _suffix(generation: int) -> str:
    """What is added to the names of a generation's resources; nothing to the first's, which were there before."""
    return "" if generation == 1 else f"-{generation}"


def _root(
    name: str, mount_path: pulumi.Input[str], *, pki: Pki, opts: pulumi.ResourceOptions
) -> "vault.pkisecret.SecretBackendRootCert":
    return vault.pkisecret.SecretBackendRootCert(
        name,
        backend=mount_path,
        type="internal",  # the key is made in Vault and never shown
        common_name=f"{pki.common_name} Root CA",
        organization=pki.organization,
        ttl=f"{pki.root_ttl}s",
        key_type=pki.key_type,
        key_bits=pki.key_bits,
        max_path_length=1,
        exclude_cn_from_sans=True,
        opts=opts,
    )


def _issuing(
    name: str, mount_path: pulumi.Input[str], issuer: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi.Resource:
    """Have a mount issue from this one of its authorities; of itself it stays with its first."""
    return vault.generic.Endpoint(
        name,
        path=pulumi.Output.format("{}/config/issuers", mount_path),
        data_json=pulumi.Output.from_input(issuer).apply(lambda identity: json.dumps({"default": identity})),
        disable_delete=True,  # some authority is always the one
        ignore_absent_fields=True,
        opts=child(parent),
    )


def _intermediate(
    name: str,
    mount_path: pulumi.Input[str],
    *,
    root_path: pulumi.Input[str],
    pki: Pki,
    parent: pulumi.Resource,
    after: tuple[pulumi.Resource, pulumi.Resource],
) -> pulumi.Resource:
    """The newest generation; `after` is what its mount and the root have to have first. Of one before it only the state
    forgets: Vault keeps the issuer."""
    told, signing = after
    suffix = _suffix(pki.intermediate_generation)
    request = vault.pkisecret.SecretBackendIntermediateCertRequest(
        f"{name}-request{suffix}",
        backend=mount_path,
        type="internal",
        common_name=f"{pki.common_name} Intermediate CA",
        organization=pki.organization,
        key_type=pki.key_type,
        key_bits=pki.key_bits,
        exclude_cn_from_sans=True,
        opts=child(parent, after=[told]),
    )
    signed = vault.pkisecret.SecretBackendRootSignIntermediate(
        f"{name}-signature{suffix}",
        backend=root_path,
        csr=request.csr,
        common_name=f"{pki.common_name} Intermediate CA",
        organization=pki.organization,
        ttl=f"{pki.intermediate_ttl}s",
        max_path_length=0,
        exclude_cn_from_sans=True,
        # Nothing in these inputs names the root's certificate, and without it there is no one to sign.
        opts=child(parent, after=[signing]),
    )
    imported = vault.pkisecret.SecretBackendIntermediateSetSigned(
        f"{name}-certificate{suffix}", backend=mount_path, certificate=signed.certificate, opts=child(parent)
    )
    if pki.intermediate_generation == 1:
        return imported
    issuer = imported.imported_issuers.apply(lambda issuers: issuers[0])
    return _issuing(f"{name}-issuing", mount_path, issuer, parent)


def _role(name: str, key: str, mount_path: pulumi.Input[str], *, pki: Pki, opts: pulumi.ResourceOptions) -> None:
    role = pki.roles[key]
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
        ttl=str(role.ttl),
        max_ttl=str(role.max_ttl),
        server_flag=role.server,
        client_flag=role.client,
        code_signing_flag=False,
        email_protection_flag=False,
        key_type=role.key_type,
        key_bits=role.key_bits,
        organizations=[pki.organization],
        opts=opts,
    )
