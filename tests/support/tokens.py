"""Tokens that an issuer signs: real JSON Web Tokens, with a key made for the test."""

import base64
import json
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class Issuer:
    """Who signs. The key is its own."""

    name: str = "https://issuer.example.com"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)

    @property
    def public_key(self) -> str:
        """PEM."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, **claims: object) -> str:
        """A token of these claims; who signed it, since when and until when it is good are there unless given."""
        now = int(time.time())
        body = {"iss": self.name, "iat": now, "nbf": now - 5, "exp": now + 300, **claims}
        text = ".".join(_encoded(json.dumps(one).encode()) for one in ({"alg": "ES256", "typ": "JWT"}, body))
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
