"""The engine's side of the conversation, for tests that ask a fake provider directly over gRPC.

Does what the engine does with one resource: check, then diff or create, keep inputs and outputs, read, update, delete.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from fake_providers.envelope import Properties, pack, unpack

Values = dict[str, Any]


@dataclass
class Known:
    """What the engine's state holds of one resource."""

    token: str
    identity: str
    inputs: Properties
    outputs: Properties = field(default_factory=Properties)


class Wire:
    """One provider instance, that is one connection."""

    def __init__(self, environment: Mapping[str, str], package: str, settings: Mapping[str, Any] | None = None) -> None:
        ports = dict(entry.split(":") for entry in environment["PULUMI_DEBUG_PROVIDERS"].split(","))
        # A pool of its own makes each Wire a connection of its own, as each provider instance has in the engine.
        self._channel = grpc.insecure_channel(f"127.0.0.1:{ports[package]}", [("grpc.use_local_subchannel_pool", 1)])
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self.stub.Configure(provider_pb2.ConfigureRequest(args=pack(settings or {}), acceptSecrets=True))

    def __enter__(self) -> "Wire":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def check(
        self, token: str, news: Values, secret: Iterable[str] = (), olds: Values | None = None, name: str = "one"
    ) -> Properties:
        """Checked inputs; ValueError with the reasons when they are refused."""
        request = provider_pb2.CheckRequest(urn=urn(token, name), news=pack(news, secret), randomSeed=b"seed")
        request.olds.CopyFrom(pack(olds or {}))
        answer = self.stub.Check(request)
        if answer.failures:
            raise ValueError("; ".join(failure.reason for failure in answer.failures))
        return unpack(answer.inputs)

    def create(self, token: str, news: Values, secret: Iterable[str] = (), *, preview: bool = False) -> Known:
        """Check and create."""
        inputs = self.check(token, news, secret)
        request = provider_pb2.CreateRequest(
            urn=urn(token), properties=pack(inputs.values, inputs.secret), preview=preview
        )
        answer = self.stub.Create(request)
        return Known(token, answer.id, inputs, unpack(answer.properties))

    def diff(self, known: Known, news: Values, secret: Iterable[str] = ()) -> provider_pb2.DiffResponse:
        """Check and compare with the state."""
        inputs = self.check(known.token, news, secret, known.inputs.values)
        answer: provider_pb2.DiffResponse = self.stub.Diff(provider_pb2.DiffRequest(**_change(known, inputs)))
        return answer

    def update(self, known: Known, news: Values, secret: Iterable[str] = ()) -> Known:
        """Check and update."""
        inputs = self.check(known.token, news, secret, known.inputs.values)
        answer = self.stub.Update(provider_pb2.UpdateRequest(**_change(known, inputs)))
        return Known(known.token, known.identity, inputs, unpack(answer.properties))

    def read(self, known: Known) -> Known | None:
        """Refresh."""
        answer = self.stub.Read(
            provider_pb2.ReadRequest(
                id=known.identity,
                urn=urn(known.token),
                properties=pack(known.outputs.values, known.outputs.secret),
                inputs=pack(known.inputs.values, known.inputs.secret),
            )
        )
        return Known(known.token, answer.id, unpack(answer.inputs), unpack(answer.properties)) if answer.id else None

    def load(self, token: str, identity: str) -> Known | None:
        """Import: read with an id only."""
        return self.read(Known(token, identity, Properties()))

    def delete(self, known: Known) -> None:
        """Delete."""
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=known.identity,
                urn=urn(known.token),
                properties=pack(known.outputs.values, known.outputs.secret),
                old_inputs=pack(known.inputs.values, known.inputs.secret),
            )
        )

    def cancel(self) -> None:
        """What the engine sends when it is interrupted."""
        self.stub.Cancel(empty_pb2.Empty())


def urn(token: str, name: str = "one") -> str:
    """A URN as the engine writes it."""
    return f"urn:pulumi:test::vault-estate::{token}::{name}"


def _change(known: Known, inputs: Properties) -> dict[str, Any]:
    """What a diff and an update are asked with."""
    return {
        "id": known.identity,
        "urn": urn(known.token),
        "olds": pack(known.outputs.values, known.outputs.secret),
        "old_inputs": pack(known.inputs.values, known.inputs.secret),
        "news": pack(inputs.values, inputs.secret),
    }
