"""Who is who in a cluster: its authority, the certificates of its programs, the administrator's token.

Owns `tls/` of a cluster's folder, and the kubeconfigs that are made of it. Everything in it is worth nothing outside
the cluster's network, which is this host's alone.
"""

import base64
import ipaddress
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = 365
_ADMINISTRATOR, _PROXY = "administrator", "system:kube-proxy"
_GROUPS = {_ADMINISTRATOR: "system:masters", _PROXY: "system:node-proxiers"}


@dataclass(frozen=True)
class Identities:
    """Those of one cluster."""

    folder: Path
    """`tls/` of the cluster."""

    @property
    def authority_file(self) -> Path:
        """Who signed all certificates here."""
        return self.folder / "ca.crt"

    @property
    def accounts_key(self) -> Path:
        """What service accounts' tokens are signed by."""
        return self.folder / "accounts.key"

    @property
    def tokens_file(self) -> Path:
        """Users' tokens, as the API server reads them."""
        return self.folder / "tokens.csv"

    def ensure(self) -> None:
        """Make what is to last as long as the cluster, unless it is there."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.accounts_key.is_file():
            write_private(self.accounts_key, _pem(ec.generate_private_key(ec.SECP256R1())))
        if not self.tokens_file.is_file():
            lines = [f'{secrets.token_hex(16)},{user},{user},"{group}"' for user, group in _GROUPS.items()]
            write_private(self.tokens_file, "".join(f"{line}\n" for line in lines).encode())
        if not self.authority_file.is_file():
            key = ec.generate_private_key(ec.SECP256R1())
            name = _name("vault-estate sandbox cluster")
            write_private(self.folder / "ca.key", _pem(key))
            write_private(self.authority_file, _signed(key.public_key(), name, key, name, authority=True))

    def issue(
        self, file: str, common_name: str, *, groups: Sequence[str] = (), names: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """A certificate and its key, made anew; `names` are host names and addresses of a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)  # noqa: S101 - `ensure` made it
        issuer = x509.load_pem_x509_certificate(self.authority_file.read_bytes()).subject
        certificate, private = self.folder / f"{file}.crt", self.folder / f"{file}.key"
        write_private(private, _pem(key))
        write_private(certificate, _signed(key.public_key(), _name(common_name, groups), signer, issuer, names=names))
        return certificate, private

    def administrators(self, server: str) -> bytes:
        """Kubeconfig of who may do everything."""
        return self._kubeconfig(server, {"token": self._token(_ADMINISTRATOR)})

    def proxys(self, server: str) -> bytes:
        """Kubeconfig of the nodes' service proxies."""
        return self._kubeconfig(server, {"token": self._token(_PROXY)})

    def nodes(self, server: str, name: str) -> bytes:
        """Kubeconfig of one node's kubelet."""
        certificate, key = self.issue(f"node-{name}", f"system:node:{name}", groups=["system:nodes"])
        own = {"client-certificate-data": _text(certificate), "client-key-data": _text(key)}
        return self._kubeconfig(server, own)

    def _token(self, user: str) -> str:
        lines = self.tokens_file.read_text(encoding="ascii").splitlines()
        return next(token for token, found, *_ in (line.split(",") for line in lines) if found == user)

    def _kubeconfig(self, server: str, user: dict[str, str]) -> bytes:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
            "clusters": [
                {
                    "name": "sandbox",
                    "cluster": {"server": server, "certificate-authority-data": _text(self.authority_file)},
                }
            ],
            "users": [{"name": "sandbox", "user": user}],
        }
        return json.dumps(document, indent=1).encode()


def write_private(file: Path, content: bytes) -> None:
    """Replace a file in one step by one that its owner alone reads."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(file)


def _text(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The form that Kubernetes reads service accounts' keys in, too.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _name(common: str, groups: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _signed(
    key: ec.EllipticCurvePublicKey,
    subject: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    *,
    names: Sequence[str] = (),
    authority: bool = False,
) -> bytes:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Some minutes ago: pods and this host may disagree by seconds.
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(authority=authority), critical=True)
    )
    if not authority:
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        made = made.add_extension(uses, critical=False)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
