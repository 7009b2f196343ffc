"""Keys: a random text is encrypted, rewrapped and decrypted."""

import base64
import secrets

import hvac

from ops.vault.api import call
from ops.vault.checks.outcome import CannotCheckError, CheckError
from settings.grants import TransitGrant


def check(client: hvac.Client, grant: TransitGrant) -> None:
    """Encrypt, rewrap and decrypt with the key.
    Raises CheckError: what came back isn't what went in. Raises CannotCheckError: the key is of a type that only
    signs, which no application is granted."""
    if not grant.can_encrypt:
        raise CannotCheckError(f"{grant.key.type} keys only sign and verify; the grant is to encrypt and decrypt")
    context = {"context": _base64(b"vault-estate access check")} if grant.key.derived else {}
    plain = _base64(secrets.token_bytes(32))
    body = {"plaintext": plain, **context}
    encrypted = call(client, "post", f"{grant.mount}/encrypt/{grant.name}", body)["data"]["ciphertext"]
    if plain in encrypted:
        raise CheckError("did not encrypt")
    body = {"ciphertext": encrypted, **context}
    body["ciphertext"] = call(client, "post", f"{grant.mount}/rewrap/{grant.name}", body)["data"]["ciphertext"]
    if call(client, "post", f"{grant.mount}/decrypt/{grant.name}", body)["data"]["plaintext"] != plain:
        raise CheckError("decrypts to something else")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
