"""The four seals of a server: what settings say about one, and everything that differs by it.

Owns the seal's stanza, its credentials, its way to the service that unseals, and which server has it. Refuses to know
where anything lies: the place is told. A fifth seal is one more class here, and an entry in `Seal`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from ..model import Form, HttpsUrl, Name, Section, SettingError, VaultPath
from .aws.account import Region
from .hcl import block, quote
from .release import FLAVORS, Flavor
from .traffic import Need, need_of_url


@dataclass(frozen=True, kw_only=True)
class SealPlace:
    """What only the place of a server knows about its seal. Each seal takes what it needs."""

    static_key_file: str = ""
    """Absolute path of the static seal's key, 32 bytes, or 64 digits of one that took another's place."""
    static_key_id: str = "1"
    """Its id, with which the server marks what it wraps. A variable of the server's process comes before it."""
    static_previous_file: str = ""
    """Absolute path of the key before it, by which older things open; none: there is none."""
    static_previous_id: str = ""
    """That one's id."""
    kms_key: str = ""
    """ARN or alias of the KMS key that the estate makes."""
    transit_authority_file: str = ""
    """Absolute path of the certificate of the other Vault's authority; none: whom the server's system trusts."""


class AnySeal(Section):
    """What every seal answers."""

    flavors: ClassVar[tuple[Flavor, ...]] = FLAVORS
    """Servers that have it."""
    auto_unseal: ClassVar[bool] = True
    """Whether the server unseals itself when it starts; its operators then hold recovery keys."""
    credentials: ClassVar[tuple[str, ...]] = ()
    """What `systemd-creds` unwraps for the server, by name."""
    passing_credentials: ClassVar[tuple[str, ...]] = ()
    """The same, of which there is nothing most of the time."""
    waits_for_operator: ClassVar[bool] = False
    """Whether the server can't start before an operator brought its credentials."""
    wrapper: ClassVar[str | None] = None
    """Name of the script that starts the server with its credentials; none: it reads them itself."""
    wrapper_runs: ClassVar[tuple[str, ...]] = ("cat",)
    """What that script runs beside the shell and the server."""

    @property
    def needs_operator(self) -> bool:
        """Whether a person has to reach the machine, now or after each start."""
        return self.waits_for_operator or not self.auto_unseal

    @property
    def providers(self) -> tuple[str, ...]:
        """Pulumi packages of what the estate makes for it."""
        return ()

    @property
    def key_in_escrow(self) -> bool:
        """Whether its key is kept, encrypted, beside the snapshots."""
        return False

    def needs(self) -> tuple[Need, ...]:
        """Servers it has to reach."""
        return ()

    def environment(self, credentials: str) -> Mapping[str, str]:
        """Variables of the server's process, where its credentials are in this folder."""
        del credentials
        return {}

    def stanza(self, place: SealPlace) -> list[str]:
        """Lines of the server's configuration. Raises SettingError where the place lacks what this seal needs."""
        del place
        return []


class AwsKmsSeal(AnySeal):
    """Auto-unseal by AWS KMS. HashiCorp's Vault only: since 2.7 OpenBao has it as a plugin of its own release, which is
    not installed here. An operator brings the credential to the node, wrapped by `systemd-creds`."""

    flavors = ("vault",)
    credentials = ("aws",)
    waits_for_operator = True

    kind: Literal["awskms"] = "awskms"
    """Auto-unseal by AWS KMS."""
    region: Region
    """The key's region."""
    profile: Name | None = None
    """Name of the profile in AWS' files with which the key is made; it comes before the variables `AWS_*`. None: those
    variables, or whatever else AWS' tools find."""
    key_arn: (
        Annotated[str, Form(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+", "the ARN of a KMS key")]
        | None
    ) = None
    """The key; none: the estate makes one, and a user who may use it from the node only."""

    @model_validator(mode="after")
    def _region_of_the_key(self) -> Self:
        if self.key_arn and self.key_arn.split(":")[3] != self.region:
            raise SettingError(
                "region", repr(self.region), f"{self.key_arn.split(':')[3]!r}, where key_arn says its key is"
            )
        return self

    @property
    def providers(self) -> tuple[str, ...]:
        return () if self.key_arn else ("aws",)

    def needs(self) -> tuple[Need, ...]:
        return (need_of_url(f"https://kms.{self.region}.amazonaws.com", "seal by AWS KMS"),)

    def environment(self, credentials: str) -> Mapping[str, str]:
        return {"AWS_SHARED_CREDENTIALS_FILE": f"{credentials}/aws", "AWS_EC2_METADATA_DISABLED": "true"}

    def stanza(self, place: SealPlace) -> list[str]:
        key = self.key_arn or place.kms_key
        if not key:
            raise SettingError("seal.key_arn", "missing", "it, or the key that the estate makes")
        return block('seal "awskms"', [f"region = {quote(self.region)}", f"kms_key_id = {quote(key)}"])


class TransitSeal(AnySeal):
    """Auto-unseal by the transit engine of another Vault. Its token is brought to the node as for `awskms`."""

    credentials = ("transit-token",)
    waits_for_operator = True
    wrapper = "serve-transit"

    kind: Literal["transit"] = "transit"
    """Auto-unseal by another Vault."""
    address: HttpsUrl
    """The other Vault's URL."""
    key: Name
    """Name of its transit key."""
    mount: VaultPath = "transit"
    """Where its transit engine is mounted."""

    def needs(self) -> tuple[Need, ...]:
        return (need_of_url(self.address, "seal by another Vault"),)

    def stanza(self, place: SealPlace) -> list[str]:
        lines = [
            f"address = {quote(self.address)}",
            f"key_name = {quote(self.key)}",
            f"mount_path = {quote(self.mount + '/')}",
        ]
        if place.transit_authority_file:
            lines.append(f"tls_ca_cert = {quote(place.transit_authority_file)}")
        return block('seal "transit"', lines)


class StaticSeal(AnySeal):
    """Auto-unseal with a key generated on the node. OpenBao only. It guards snapshots; who has the volume has the
    key."""

    flavors = ("openbao",)
    credentials = ("seal-key",)
    passing_credentials = ("seal-key-previous",)
    wrapper = "serve-static"
    wrapper_runs = ("cat", "sed", "sha256sum", "wc")

    kind: Literal["static"] = "static"
    """Auto-unseal with a key generated on the node."""
    escrow: bool = False
    """Keep the key, encrypted for `snapshots.recipients`, and the encrypted key shares beside the snapshots, which then
    survive the volume. The price: whoever has one recipient's private key and can read the bucket has everything Vault
    holds."""

    @property
    def key_in_escrow(self) -> bool:
        return self.escrow

    def stanza(self, place: SealPlace) -> list[str]:
        if not place.static_key_file:
            raise SettingError("static_key_file", "missing", "its absolute path")
        lines = [
            f"current_key_id = {quote(place.static_key_id)}",
            f"current_key = {quote('file://' + place.static_key_file)}",
        ]
        if place.static_previous_file:
            lines += [
                f"previous_key_id = {quote(place.static_previous_id)}",
                f"previous_key = {quote('file://' + place.static_previous_file)}",
            ]
        return block('seal "static"', lines)


class ShamirSeal(AnySeal):
    """Operators unseal by hand after each start of the server."""

    auto_unseal = False

    kind: Literal["shamir"] = "shamir"
    """Operators unseal by hand."""


Seal = Annotated[AwsKmsSeal | TransitSeal | StaticSeal | ShamirSeal, Field(discriminator="kind")]


def kinds_for(flavor: Flavor) -> list[str]:
    """The seals that a server has, as settings call them."""
    seals: tuple[type[AnySeal], ...] = get_args(get_args(Seal)[0])
    return [get_args(seal.model_fields["kind"].annotation)[0] for seal in seals if flavor in seal.flavors]
