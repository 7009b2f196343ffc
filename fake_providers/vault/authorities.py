"""Certificate authorities that a server has and no state knows: what each of their resources would have answered.

Owns which issuer of a mount a resource stands for. The official provider imports none of them, but goes on from a state
that holds what is found here. Refuses to make or change anything.
"""

from collections.abc import Iterator
from contextlib import suppress

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from fake_providers.servicer import RefusedError, Values
from fake_providers.vault.session import VaultSession

_TAKEN_OVER = "taken over: "
"""In the place of a request that nobody has any more. It names the issuer that came of it."""


def root(vault: VaultSession, inputs: Values) -> Values | None:
    """The mount's own issuer of this name, as if it had just been generated."""
    for issuer in _issuers(vault, inputs["backend"], inputs["commonName"]):
        certificate = _parsed(issuer)
        if certificate.issuer == certificate.subject:
            return _answer(issuer) | {"issuing_ca": issuer["certificate"].strip()}
    return None


def request(vault: VaultSession, inputs: Values) -> Values | None:
    """The key of the mount's issuer of this name, and where that issuer is."""
    for issuer in _issuers(vault, inputs["backend"], inputs["commonName"]):
        place = f"{str(inputs['backend']).strip('/')}/issuer/{issuer['issuer_id']}"
        return {"csr": f"{_TAKEN_OVER}{place}", "key_id": issuer["key_id"]}
    return None


def signature(vault: VaultSession, inputs: Values) -> Values | None:
    """The certificate of the issuer that the request names, and who signed it."""
    csr = str(inputs["csr"])
    if not csr.startswith(_TAKEN_OVER):
        return None
    place = csr.removeprefix(_TAKEN_OVER)
    issuer = vault.read(place) or {}
    for signer in _issuers(vault, inputs["backend"], None):
        with suppress(ValueError, TypeError, InvalidSignature):
            _parsed(issuer).verify_directly_issued_by(_parsed(signer))
            authority = signer["certificate"].strip()
            return _answer(issuer) | {"issuing_ca": authority, "ca_chain": [_answer(issuer)["certificate"], authority]}
    raise RefusedError(
        f"{place} wasn't signed by an issuer of {inputs['backend']}; expected both to be of one authority"
    )


def placed(vault: VaultSession, inputs: Values) -> Values | None:
    """The issuer that the mount has of this certificate."""
    for issuer in _issuers(vault, inputs["backend"], None):
        if issuer["certificate"].strip() == str(inputs["certificate"]).strip():
            return {"imported_issuers": [issuer["issuer_id"]], "imported_keys": [issuer["key_id"]]}
    return None


def _issuers(vault: VaultSession, backend: str, common_name: str | None) -> Iterator[Values]:
    """A mount's issuers of this name that have their key: the default one first, then the others, the newest first."""
    mount = str(backend).strip("/")
    default = (vault.read(f"{mount}/config/issuers") or {}).get("default")
    found = [
        vault.read(f"{mount}/issuer/{one}") or {}
        for one in (vault.read(f"{mount}/issuers?list=true") or {}).get("keys") or []
    ]
    named = [one for one in found if one.get("key_id") and common_name in (None, _common_name(one))]
    newest = sorted(named, key=lambda one: _parsed(one).not_valid_before_utc, reverse=True)
    yield from sorted(newest, key=lambda one: one["issuer_id"] != default)


def _parsed(issuer: Values) -> x509.Certificate:
    return x509.load_pem_x509_certificate(str(issuer["certificate"]).encode())


def _common_name(issuer: Values) -> str:
    names = _parsed(issuer).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _answer(issuer: Values) -> Values:
    number = f"{_parsed(issuer).serial_number:x}"
    text = number.zfill(len(number) + len(number) % 2)
    return {
        "certificate": issuer["certificate"].strip(),
        "serial_number": ":".join(text[place : place + 2] for place in range(0, len(text), 2)),
        "issuer_id": issuer["issuer_id"],
        "key_id": issuer["key_id"],
    }
