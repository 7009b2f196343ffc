"""Which changes of a certificate authority a new generation makes, and what is refused without one.

What is inside a certificate can't be changed, only made anew; an authority that was replaced in its place would take
the old one from those who verify with it. Owns that comparison of settings and state, before anything is touched.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from components.model import duration_text
from components.vault.pki import Pki
from ops.errors import EstateError
from ops.stack_file import StackFile

_TYPE = "vault:pkiSecret/secretBackend{0}:SecretBackend{0}"
_PARTS = {"root": ("RootCert",), "intermediate": ("IntermediateCertRequest", "RootSignIntermediate")}
"""What says how each authority was made."""


def refuse_unraised(file: StackFile, deployment: Mapping[str, Any]) -> None:
    """Refuse a change that only a new generation makes, and a generation that can't be the next one.
    Raises EstateError: says which setting."""
    pki = file.settings.pki
    for wrong, expected in _wrong(pki, deployment) if pki else ():
        raise EstateError(f"{file.named('pki')}.{wrong}; expected {expected}")


def _wrong(pki: Pki, deployment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a setting is, and what it should be."""
    resources = [one for one in deployment.get("resources") or [] if not one.get("delete")]
    for authority, generation in (("root", pki.root_generation), ("intermediate", pki.intermediate_generation)):
        made = [one for kind in _PARTS[authority] for one in resources if one["type"] == _TYPE.format(kind)]
        built = max(map(_generation, made), default=0)
        if built and not built <= generation <= built + 1:
            yield f"{authority}_generation is {generation}", f"{built}, which is built, or {built + 1} to renew it"
        for part in made:
            if _generation(part) == generation:
                yield from _changes(pki, authority, part["inputs"], built)
    yield from _longer_than_root(pki, resources)


def _generation(resource: Mapping[str, Any]) -> int:
    """By its name, which has none for the first."""
    last = str(resource["urn"]).rpartition("-")[2]
    return int(last) if last.isascii() and last.isdigit() else 1


def _changes(pki: Pki, authority: str, inputs: Mapping[str, Any], built: int) -> Iterator[tuple[str, str]]:
    for setting, wanted, was in _made(pki, authority, inputs):
        if wanted != was:
            anew = f"{authority}_generation: {built + 1}, which makes a new one beside it"
            yield f"{setting} is {wanted}", f"{was}, as the {authority} that is built has it, or {anew}"


def _made(pki: Pki, authority: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each setting that the authority was made with: its name, as it is wanted, as it was."""
    title, ttl = (" Root CA", pki.root_ttl) if authority == "root" else (" Intermediate CA", pki.intermediate_ttl)
    yield "common_name", repr(pki.common_name), repr(str(inputs["commonName"]).removesuffix(title))
    yield "organization", repr(pki.organization), repr(inputs.get("organization"))
    if "ttl" in inputs:
        was = int(str(inputs["ttl"]).removesuffix("s"))
        yield f"{authority}_ttl", duration_text(ttl), duration_text(was)
    if "keyType" in inputs:
        yield "key_type", repr(pki.key_type), repr(inputs["keyType"])
        yield "key_bits", str(pki.key_bits), str(int(inputs["keyBits"]))


def _longer_than_root(pki: Pki, resources: list[Any]) -> Iterator[tuple[str, str]]:
    """Vault signs nothing that would outlive who signs it."""
    signed = [one for one in resources if one["type"] == _TYPE.format("RootSignIntermediate")]
    roots = [one for one in resources if one["type"] == _TYPE.format("RootCert")]
    if not roots or any(_generation(one) == pki.intermediate_generation for one in signed):
        return
    root = max(roots, key=_generation)
    if _generation(root) < pki.root_generation or "certificate" not in root["outputs"]:
        return
    ends = x509.load_pem_x509_certificate(root["outputs"]["certificate"].encode()).not_valid_after_utc
    left = int((ends - datetime.now(UTC)).total_seconds())
    if pki.intermediate_ttl > left:
        anew = f"root_generation: {pki.root_generation + 1} with it"
        expected = f"at most {duration_text(left)}, after which the root ends, or {anew}"
        yield f"intermediate_ttl is {duration_text(pki.intermediate_ttl)}", expected
