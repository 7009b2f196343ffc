"""How each flavour names the files of its releases, and by whom they are signed."""

from collections.abc import Mapping

from components.render.node.model import Release
from components.render.server_hcl import Flavor

_SOURCES = {
    Flavor.OPENBAO: "https://github.com/openbao/openbao/releases/download/v{version}",
    Flavor.VAULT: "https://releases.hashicorp.com/vault/{version}",
}
_ARCHIVES = {
    Flavor.OPENBAO: "openbao_{version}_linux_{architecture}.tar.gz",
    Flavor.VAULT: "vault_{version}_linux_{architecture}.zip",
}
_CHECKSUMS = {Flavor.OPENBAO: "checksums.txt", Flavor.VAULT: "vault_{version}_SHA256SUMS"}
_SIGNATURES = {Flavor.OPENBAO: "checksums.txt.gpgsig", Flavor.VAULT: "vault_{version}_SHA256SUMS.sig"}
_KEYS = {
    Flavor.OPENBAO: "https://openbao.org/assets/openbao-gpg-pub-20240618.asc",
    Flavor.VAULT: "https://www.hashicorp.com/.well-known/pgp-key.txt",
}
_FINGERPRINTS = {
    Flavor.OPENBAO: "66D15FDD87287219C8E15478D200CD702853E6D0",
    Flavor.VAULT: "C874011F0AB405110D02105534365D9472D7468F",
}
"""openbao.org/docs/install and hashicorp.com/security. Because the fingerprint is pinned, the key may be fetched."""
BINARIES = {Flavor.OPENBAO: "bao", Flavor.VAULT: "vault"}


def variables(flavor: Flavor, release: Release) -> Mapping[str, str]:
    """What `install.sh` reads."""

    def named(template: str) -> str:
        return template.format(version=release.version, architecture=release.architecture)

    return {
        "BINARY": BINARIES[flavor],
        "RELEASE": (release.source or named(_SOURCES[flavor])).rstrip("/"),
        "ARCHIVE": named(_ARCHIVES[flavor]),
        "ARCHIVE_SHA256": release.archive_sha256,
        "CHECKSUMS": named(_CHECKSUMS[flavor]),
        "SIGNATURE": named(_SIGNATURES[flavor]),
        "SIGNING_KEY": release.signing_key or _KEYS[flavor],
        "SIGNING_KEY_FINGERPRINT": release.signing_key_fingerprint or _FINGERPRINTS[flavor],
    }
