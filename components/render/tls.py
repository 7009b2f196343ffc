"""The three ways to a listener's certificate: what settings say about one, and everything that differs by it.

Owns what a node gets and installs for it, what verifies the server from there and from elsewhere, and whom it has to
reach. Refuses private keys: none passes through settings, user-data or state.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..model import Form, HttpsUrl, RelativeFile, Section
from .node import acme
from .node.layout import CERTIFICATE, ETC, READABLE, SYSTEM_STORE, UNITS, File
from .traffic import Need, need_of_url


class AnyTls(Section):
    """What every kind answers."""

    needs_name: ClassVar[bool] = True
    """Whether it certifies a name, and no address."""
    waits_for_operator: ClassVar[bool] = False
    """Whether the server can't start before an operator brought its certificate."""
    takes_challenges: ClassVar[bool] = False
    """Whether an authority has to reach port 80."""
    is_pinned: ClassVar[bool] = False
    """Whether the certificate is kept by whoever sees it first, since no authority vouches for it."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Debian packages it takes."""
    scripts: ClassVar[tuple[str, ...]] = ()
    """Scripts a node gets for it."""

    @property
    def needs_operator(self) -> bool:
        """Whether a person has to reach the machine."""
        return self.waits_for_operator

    @property
    def authority_file(self) -> str | None:
        """PEM file that verifies the server from elsewhere, relative to the project's root; None: the system's
        store."""
        return self.trusted_file

    @property
    def trusted_file(self) -> str | None:
        """PEM file of a private authority, which the node gets."""
        return None

    def ca_file(self) -> str:
        """What verifies the server on the node itself."""
        return SYSTEM_STORE

    def needs(self) -> tuple[Need, ...]:
        """Servers it has to reach."""
        return ()

    def variables(self) -> Mapping[str, str]:
        """What the scripts are told beside its kind."""
        return {}

    def files(self, texts: Mapping[str, str]) -> Mapping[str, File]:
        """What a node gets for it, by path. `texts` is what the files hold that settings name."""
        del texts
        return {}


class AcmeTls(AnyTls):
    """A certificate of a public authority, fetched by certbot over HTTP-01 and renewed by its timer."""

    takes_challenges = True
    packages = ("certbot",)
    scripts = ("acme", "deploy-certificate")

    kind: Literal["acme"] = "acme"
    """Fetched by the node."""
    email: Annotated[str, Form(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+", "an e-mail address")]
    """Of the node's account at the authority, for notices about that. Let's Encrypt has written of no certificate's end
    since 2025: `./estate status` and `up` warn of it."""
    directory: HttpsUrl = "https://acme-v02.api.letsencrypt.org/directory"
    """The authority's ACME directory."""
    ca_certificate_file: RelativeFile | None = None
    """PEM file of a private authority, relative to the project's root; none: the system's store knows it. The node
    trusts it for everything."""

    @property
    def trusted_file(self) -> str | None:
        return self.ca_certificate_file

    def needs(self) -> tuple[Need, ...]:
        return (need_of_url(self.directory, "ACME"),)

    def variables(self) -> Mapping[str, str]:
        return {"ACME_DIRECTORY": self.directory}

    def files(self, texts: Mapping[str, str]) -> Mapping[str, File]:
        """certbot's settings and units, and an authority that the whole node trusts."""
        authority = texts[self.ca_certificate_file] if self.ca_certificate_file else ""
        written = {
            "/etc/letsencrypt/cli.ini": acme.settings(self.email, self.directory),
            f"{UNITS}/vault-certificate.service": acme.FIRST_CERTIFICATE,
            f"{UNITS}/certbot.service.d/vault-estate.conf": acme.RENEWAL,
            "/usr/local/share/ca-certificates/vault-estate.crt": authority,
        }
        return {path: (content, READABLE) for path, content in written.items() if content}


class ProvidedTls(AnyTls):
    """A certificate an operator brings to the node. Its private key never passes through settings, user-data or
    state."""

    waits_for_operator = True
    _AUTHORITY: ClassVar[str] = f"{ETC}/authority.crt"

    kind: Literal["provided"] = "provided"
    """Brought by an operator."""
    ca_certificate_file: RelativeFile | None = None
    """PEM file of its authority, relative to the project's root; none: the system's store knows it."""

    @property
    def trusted_file(self) -> str | None:
        return self.ca_certificate_file

    def ca_file(self) -> str:
        return self._AUTHORITY if self.ca_certificate_file else SYSTEM_STORE

    def files(self, texts: Mapping[str, str]) -> Mapping[str, File]:
        return {self._AUTHORITY: (texts[self.ca_certificate_file], READABLE)} if self.ca_certificate_file else {}


class InternalTls(AnyTls):
    """A certificate the node makes for itself, pinned by whoever sees it first."""

    needs_name = False
    is_pinned = True

    kind: Literal["internal"] = "internal"
    """Made by the node."""
    certificate_file: RelativeFile
    """Where the pinned certificate is kept beside the project, relative to its root. Deleting it pins anew."""

    @property
    def authority_file(self) -> str | None:
        return self.certificate_file

    def ca_file(self) -> str:
        return CERTIFICATE


Tls = Annotated[AcmeTls | ProvidedTls | InternalTls, Field(discriminator="kind")]
