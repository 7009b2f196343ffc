"""Which server runs and where its release comes from: how each flavour names its files, and by whom they are signed."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from ..model import Form, HttpsUrl, Section, by_platform
from .traffic import HTTPS_PORT, Need, need_of_url

Flavor = Literal["vault", "openbao"]
"""HashiCorp Vault or OpenBao."""
FLAVORS: Final[tuple[Flavor, ...]] = get_args(Flavor)
Architecture = Literal["amd64", "arm64"]
Version = Annotated[str, Form(r"[0-9]+\.[0-9]+\.[0-9]+", "an exact version such as 2.7.2")]
Sha256 = Annotated[str, Form(r"[0-9a-f]{64}", "a SHA-256 checksum: 64 hexadecimal digits in lower case")]
Fingerprint = Annotated[
    str, Form(r"[0-9A-F]{40}", "a key's whole fingerprint: 40 hexadecimal digits in upper case, without spaces")
]


class Server(Section):
    """Which server runs."""

    flavor: Flavor = by_platform(eks="vault")
    """HashiCorp Vault or OpenBao; they differ in audit devices and seals. In an EKS cluster it is `vault` unless it is
    given, which has the seal by AWS KMS built in."""
    version: Version
    """Exact version, for example ``2.7.2``; a moving version is refused."""


class Download(Section):
    """Where the server's release comes from, and what it must be. Both checks have to pass on the node."""

    checksums: Annotated[dict[Architecture, Sha256], Field(min_length=1)]
    """SHA-256 of the release's archive by architecture."""
    source: HttpsUrl | None = None
    """Folder of the release's files on a mirror; none: the flavour's own release."""
    signing_key: HttpsUrl | None = None
    """Where the armored signing key is; none: the flavour's own place."""
    signing_key_fingerprint: Fingerprint | None = None
    """Of the primary key; none: the flavour's own key."""

    def needs(self) -> tuple[Need, ...]:
        """Servers that the settings name. The usual port is open to anywhere already, for packages."""
        named = (need_of_url(url, "the server's release") for url in (self.source, self.signing_key) if url)
        return tuple(need for need in named if need.port != HTTPS_PORT)


_PUBLISHED: Mapping[Flavor, Mapping[str, str]] = {
    "openbao": {
        "BINARY": "bao",
        "RELEASE": "https://github.com/openbao/openbao/releases/download/v{version}",
        "ARCHIVE": "openbao_{version}_linux_{architecture}.tar.gz",
        "ARCHIVE_SHA256": "",  # each version's own
        "CHECKSUMS": "checksums.txt",
        "SIGNATURE": "checksums.txt.gpgsig",
        "SIGNING_KEY": "https://openbao.org/assets/openbao-gpg-pub-20240618.asc",
        "SIGNING_KEY_FINGERPRINT": "66D15FDD87287219C8E15478D200CD702853E6D0",
    },
    "vault": {
        "BINARY": "vault",
        "RELEASE": "https://releases.hashicorp.com/vault/{version}",
        "ARCHIVE": "vault_{version}_linux_{architecture}.zip",
        "ARCHIVE_SHA256": "",  # each version's own
        "CHECKSUMS": "vault_{version}_SHA256SUMS",
        "SIGNATURE": "vault_{version}_SHA256SUMS.sig",
        "SIGNING_KEY": "https://www.hashicorp.com/.well-known/pgp-key.txt",
        "SIGNING_KEY_FINGERPRINT": "C874011F0AB405110D02105534365D9472D7468F",
    },
}
"""openbao.org/docs/install and hashicorp.com/security. Because the fingerprint is pinned, the key may be fetched."""


def binary(flavor: Flavor) -> str:
    """Name of the server's program."""
    return _PUBLISHED[flavor]["BINARY"]


def published(server: Server, architecture: Architecture) -> dict[str, str]:
    """A flavour's own release, in the words of `install.sh`."""
    told = _PUBLISHED[server.flavor].items()
    return {name: text.format(version=server.version, architecture=architecture) for name, text in told}


def variables(server: Server, architecture: Architecture, download: Download) -> Mapping[str, str]:
    """What `install.sh` reads."""
    own = {
        "RELEASE": (download.source or "").rstrip("/"),
        "SIGNING_KEY": download.signing_key,
        "SIGNING_KEY_FINGERPRINT": download.signing_key_fingerprint,
        "ARCHIVE_SHA256": download.checksums[architecture],
    }
    return published(server, architecture) | {name: value for name, value in own.items() if value}
