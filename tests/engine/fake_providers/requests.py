"""The life of each type as it is told to a server: what a provider asks to be changed, act by act."""

from contextlib import suppress
from typing import Any

import grpc

from fake_providers.envelope import Properties
from tests.engine.fake_providers.acts import ACTS, Act
from tests.engine.fake_providers.cases import ID_PLACEHOLDER
from tests.engine.fake_providers.filling import filled
from tests.engine.fake_providers.listening import Heard
from tests.engine.fake_providers.wire import Known, Values, Wire

Told = dict[str, Any]
"""By act: the changes that were asked for. `again`: why making an object that is there is refused, if it is. `imports`:
whether it can be imported."""


def life(token: str, wire: Wire, heard: Heard, real: dict[str, str]) -> Told:
    """Lead one life of a type."""
    act = Act(**{name: filled(values, real) for name, values in vars(ACTS[token]).items()})
    told: Told = {}
    heard.take()
    made = _kept(wire.create(f"vault:{token}", act.full))
    named = {made.identity: ID_PLACEHOLDER} if token.startswith("identity/") else {}
    told["create"] = heard.take()
    touched = _kept(wire.update(made, act.full | act.touch))
    told["touch"] = heard.take()
    least = _kept(wire.update(touched, act.least))
    told["drop"] = heard.take()
    wire.delete(least)
    told["delete"] = heard.take()
    made = _kept(wire.create(f"vault:{token}", act.least))
    told["least"] = heard.take()
    told["again"] = again(wire, f"vault:{token}", act.least)
    told["imports"] = imports(wire, made)
    heard.take()
    wire.delete(made)
    heard.take()
    names = {text: name for name, text in real.items()}
    return {name: _without_ids(filled(value, names), named) for name, value in told.items()}


def _without_ids(value: Any, named: dict[str, str]) -> Any:
    """Of paths, which end with them."""
    if isinstance(value, list):
        return [_without_ids(one, named) for one in value]
    if isinstance(value, str):
        for identity, name in named.items():
            value = value.replace(identity, name)
    return value


def again(wire: Wire, token: str, inputs: Values) -> str:
    """What comes of making an object that the server has: the reason it is refused, or none."""
    try:
        wire.create(token, inputs)
    except grpc.RpcError as refusal:
        for words in (
            "path is already in use",
            "already exists",
            "combination of mount and group alias name is already in use",
            "local_secret_ids can only be modified during role creation",
        ):
            if words in str(refusal.details()):
                return words
        raise
    return ""


def imports(wire: Wire, known: Known) -> bool:
    """Whether an object can be taken into a state by its id."""
    try:
        return wire.load(known.token, known.identity) is not None
    except grpc.RpcError:
        return False


def refused_device(wire: Wire, heard: Heard) -> list[list[Any]]:
    """What is asked for an audit device, which OpenBao refuses to make."""
    heard.take()
    options = {"file_path": "/tmp/act.log"}  # noqa: S108 - never opened
    with suppress(grpc.RpcError):
        wire.create("vault:index/audit:Audit", {"type": "file", "path": "act", "options": options})
    return heard.take()


def _kept(known: Known) -> Known:
    """As the engine keeps it: without the nulls among the official provider's outputs, some of them marked secret."""
    given = {name: value for name, value in known.outputs.values.items() if value is not None}
    return Known(known.token, known.identity, known.inputs, Properties(given, known.outputs.secret & given.keys()))


def authority(wire: Wire, heard: Heard, root: str, intermediate: str) -> Told:
    """The life of a root and its intermediate, which are made once."""
    prefix = "vault:pkiSecret/secretBackend"
    subject = {"commonName": "Act", "organization": "Acme", "excludeCnFromSans": True}
    heard.take()
    made = wire.create(
        f"{prefix}RootCert:SecretBackendRootCert",
        subject | {"backend": root, "type": "internal", "keyType": "ec", "keyBits": 256, "ttl": "3600s"},
    )
    told: Told = {"root": heard.take()}
    request = wire.create(
        f"{prefix}IntermediateCertRequest:SecretBackendIntermediateCertRequest",
        subject | {"backend": intermediate, "type": "internal", "keyType": "ec", "keyBits": 256},
    )
    told["request"] = heard.take()
    csr = request.outputs.values["csr"]
    signed = wire.create(
        f"{prefix}RootSignIntermediate:SecretBackendRootSignIntermediate",
        subject | {"backend": root, "csr": csr, "ttl": "1800s", "maxPathLength": 0},
    )
    told["signature"] = heard.take()
    certificate = signed.outputs.values["certificate"]
    placed = wire.create(
        f"{prefix}IntermediateSetSigned:SecretBackendIntermediateSetSigned",
        {"backend": intermediate, "certificate": certificate},
    )
    told["placed"] = heard.take()
    told["imports"] = [imports(wire, known) for known in (made, request, signed, placed)]
    heard.take()
    for known in (placed, signed, request):
        wire.delete(_kept(known))
    told["nothing"] = heard.take()
    wire.delete(_kept(made))
    told["delete"] = heard.take()
    secret = {csr: "the request", certificate: "the certificate", made.outputs.values["issuerId"]: "the issuer"}

    def said(value: Any) -> Any:
        if isinstance(value, str):
            for text, name in secret.items():
                value = value.replace(text, name)
            return value
        if isinstance(value, list):
            return [said(one) for one in value]
        return {key: said(one) for key, one in value.items()} if isinstance(value, dict) else value

    return {name: said(value) for name, value in told.items()}
