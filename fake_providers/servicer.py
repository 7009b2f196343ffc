"""A ResourceProvider over a plain Python provider: wire format, connections, previews and errors.

Owns the protocol; a `Provider` owns the resource types. Refuses Invoke (these providers have no functions) and never
lets a secret into a status message.
"""

# ruff: noqa: N802, ARG002 - the methods' names and signatures are gRPC's

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol, runtime_checkable

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from fake_providers.constructing import ChildResource, construct
from fake_providers.envelope import Properties, compact, has_unknown, pack, unpack, written_json

Values = dict[str, Any]
Context = grpc.ServicerContext


class RefusedError(ValueError):
    """What a provider can't or won't do, in one line for the operator. Never holds a secret."""


TIMEOUT_SECONDS: ContextVar[float] = ContextVar("TIMEOUT_SECONDS", default=0.0)
"""How long the program lets the present operation take; 0: it doesn't say."""


@dataclass(frozen=True)
class Change:
    """What differs between the inputs of the last deployment and the new ones, by property name."""

    changed: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_first: bool = False


@dataclass
class Found:
    """An object as the provider knows it: `inputs` as a program would write them, `outputs` all of it."""

    identity: str
    inputs: Values = field(default_factory=dict)
    outputs: Values = field(default_factory=dict)


class HalfDoneError(RefusedError):
    """An object was made or changed, and isn't ready. The engine keeps it, and has it changed by the next run."""

    def __init__(self, found: Found, message: str) -> None:
        super().__init__(message)
        self.found = found


@runtime_checkable
class Looking(Protocol):
    """A provider that compares with what is there, too."""

    def diff_there(self, connection: Any, token: str, found: Found, new: Values) -> Change:
        """As `diff`, of an object of the last deployment."""


@runtime_checkable
class Constructing(Protocol):
    """A provider that makes components."""

    def children(self, token: str, name: str, inputs: Values) -> Iterable[ChildResource]:
        """What a component is made of."""


class Provider(Protocol):
    """The resource types of one package. Values are plain; every method may raise RefusedError."""

    def check_settings(self, settings: Values) -> None:
        """Refuse unknown or missing provider settings."""

    def configure(self, settings: Values) -> object:
        """The connection that `create` and the others are given; must not call out yet."""

    def close(self, connection: Any) -> None:
        """End what `configure` made."""

    def check(self, token: str, news: Values) -> Values:
        """The inputs with defaults filled in."""

    def sensitive(self, token: str) -> frozenset[str]:
        """Dotted paths that are secret whatever the program says."""

    def diff(self, token: str, old: Values, new: Values) -> Change:
        """Compare two sets of inputs."""

    def planned(self, token: str, inputs: Values, outputs: Values) -> Values:
        """Outputs a preview can promise; `outputs` are those of the last deployment, empty before a create."""

    def create(self, connection: Any, token: str, inputs: Values) -> Found:
        """Make the object."""

    def read(self, connection: Any, token: str, found: Found) -> Found | None:
        """Look the object up; empty inputs and outputs mean an import; None means it is gone."""

    def update(self, connection: Any, token: str, found: Found, inputs: Values) -> Found:
        """Change the object from `found` to `inputs`."""

    def delete(self, connection: Any, token: str, found: Found) -> None:
        """Remove the object; one that is gone already is no error."""


def _token(urn: str) -> str:
    """`urn:pulumi:stack::project::parent$token::name`."""
    return urn.split("::", 3)[2].rsplit("$", 1)[-1]


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One package for all its provider instances; `context.peer()` tells their connections apart."""

    def __init__(self, package: str, provider: Provider) -> None:
        self.package, self.provider = package, provider
        self._connections: dict[str, object] = {}
        self._lock = threading.Lock()

    def close(self, peer: str | None = None) -> None:
        """End one connection, or all."""
        with self._lock:
            peers = list(self._connections) if peer is None else [peer]
            ended = [self._connections.pop(key) for key in peers if key in self._connections]
        for connection in ended:
            self.provider.close(connection)

    @contextmanager
    def _answering(
        self, token: str, context: Context, *given: Properties, timeout_seconds: float = 0.0
    ) -> Iterator[None]:
        """Turn a refusal into one status line without any of the given secrets."""
        TIMEOUT_SECONDS.set(timeout_seconds)
        try:
            yield
        except RefusedError as refusal:
            message = f"{token}: {refusal}"
            # The longest first: an old secret may be a part of the new one.
            for text in sorted({text for one in given for text in one.secret_texts()}, key=len, reverse=True):
                message = message.replace(text, "[secret]")
            message = " ".join(message.split())
            if isinstance(refusal, HalfDoneError):
                secret = self.provider.sensitive(token).union(*(one.secret for one in given))
                _tell_half_done(context, refusal.found, message, secret)
            context.abort(grpc.StatusCode.UNKNOWN, message)

    def _known(self, context: Context) -> object | None:
        """The connection; None where the provider's settings aren't known yet."""
        with self._lock:
            return self._connections.get(context.peer())

    def _connection(self, context: Context) -> object:
        with self._lock:
            if context.peer() in self._connections:
                return self._connections[context.peer()]
        raise RefusedError(f"the {self.package} provider was not configured on this connection")

    def Handshake(self, request: pb.ProviderHandshakeRequest, context: Context) -> pb.ProviderHandshakeResponse:
        return pb.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version(f"pulumi-{self.package}"))

    def Attach(self, request: plugin_pb2.PluginAttach, context: Context) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        news = unpack(request.news)
        try:
            self.provider.check_settings(news.values)
        except RefusedError as refusal:
            return pb.CheckResponse(failures=[pb.CheckFailure(reason=str(refusal))])
        return pb.CheckResponse(inputs=pack(_settings(news.values), news.secret))

    def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        old, new = _settings(unpack(request.old_inputs).values), _settings(unpack(request.news).values)
        return _difference(
            Change(tuple(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))))
        )

    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        settings = unpack(request.args)
        self.close(context.peer())
        with self._answering("provider", context, settings):
            connection = self.provider.configure(settings.values)
            with self._lock:
                self._connections[context.peer()] = connection
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        token = _token(request.urn)
        news = unpack(request.news)
        with self._answering(token, context, news):
            try:
                inputs = self.provider.check(token, news.values)
                return pb.CheckResponse(inputs=pack(inputs, news.secret | self.provider.sensitive(token)))
            except RefusedError as refusal:
                return pb.CheckResponse(failures=[pb.CheckFailure(reason=str(refusal))])

    def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        token = _token(request.urn)
        old, new = unpack(request.old_inputs), unpack(request.news)
        with self._answering(token, context, old, new):
            if isinstance(self.provider, Looking):
                known = Found(request.id, old.values, unpack(request.olds).values)
                change = self.provider.diff_there(self._known(context), token, known, new.values)
            else:
                change = self.provider.diff(token, old.values, new.values)
        return _difference(change)

    def Create(self, request: pb.CreateRequest, context: Context) -> pb.CreateResponse:
        token = _token(request.urn)
        inputs = unpack(request.properties)
        secret = inputs.secret | self.provider.sensitive(token)
        if request.preview:
            planned = self.provider.planned(token, inputs.values, {})
            return pb.CreateResponse(properties=pack(planned, secret))
        with self._answering(token, context, inputs, timeout_seconds=request.timeout):
            _refuse_unknown(inputs)
            made = self.provider.create(self._connection(context), token, inputs.values)
        return pb.CreateResponse(id=made.identity, properties=pack(made.outputs, secret))

    def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        token = _token(request.urn)
        inputs, outputs = unpack(request.inputs), unpack(request.properties)
        secret = inputs.secret | outputs.secret | self.provider.sensitive(token)
        with self._answering(token, context, inputs, outputs):
            known = Found(request.id, inputs.values, outputs.values)
            found = self.provider.read(self._connection(context), token, known)
        if found is None:
            return pb.ReadResponse(id="")
        return pb.ReadResponse(
            id=found.identity, inputs=pack(found.inputs, secret), properties=pack(found.outputs, secret)
        )

    def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        token = _token(request.urn)
        old_inputs, outputs, news = unpack(request.old_inputs), unpack(request.olds), unpack(request.news)
        secret = news.secret | self.provider.sensitive(token)
        if request.preview:
            planned = self.provider.planned(token, news.values, outputs.values)
            return pb.UpdateResponse(properties=pack(planned, secret))
        with self._answering(token, context, old_inputs, outputs, news, timeout_seconds=request.timeout):
            _refuse_unknown(news)
            known = Found(request.id, old_inputs.values, outputs.values)
            made = self.provider.update(self._connection(context), token, known, news.values)
        return pb.UpdateResponse(properties=pack(made.outputs, secret))

    def Delete(self, request: pb.DeleteRequest, context: Context) -> empty_pb2.Empty:
        token = _token(request.urn)
        inputs, outputs = unpack(request.old_inputs), unpack(request.properties)
        with self._answering(token, context, inputs, outputs, timeout_seconds=request.timeout):
            known = Found(request.id, inputs.values, outputs.values)
            self.provider.delete(self._connection(context), token, known)
        return empty_pb2.Empty()

    def Construct(self, request: pb.ConstructRequest, context: Context) -> pb.ConstructResponse:
        inputs = unpack(request.inputs)
        with self._answering(request.type, context, inputs):
            if not isinstance(self.provider, Constructing):
                raise RefusedError(f"the fake {self.package} provider has no components")
            # As the official provider, which can't render what isn't known yet.
            known = not has_unknown(inputs.values)
            children = list(self.provider.children(request.type, request.name, inputs.values)) if known else []
        return construct(request, children)

    def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        with self._answering(request.tok, context):
            raise RefusedError(f"the fake {self.package} provider has no functions; use the official plugin")

    def Cancel(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:
        self.close(context.peer())
        return empty_pb2.Empty()


def _settings(values: Values) -> Values:
    """Provider settings with their JSON texts as the official plugins rewrite them."""
    written = {key: written_json(value) for key, value in values.items() if isinstance(value, str)}
    return values | {key: compact(value) for key, value in written.items() if value is not None}


def _tell_half_done(context: Context, found: Found, message: str, secret: Iterable[str]) -> None:
    """What the engine asks of an answer to record an object that isn't ready (sdk/go/common/resource/plugin,
    `parseError`): the status' details, where gRPC has them."""
    detail = any_pb2.Any()
    secret = tuple(secret)
    detail.Pack(
        pb.ErrorResourceInitFailed(
            id=found.identity,
            properties=pack(found.outputs, secret),
            inputs=pack(found.inputs, secret),
            reasons=[message],
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))


def _refuse_unknown(inputs: Properties) -> None:
    unknown = sorted(key for key, value in inputs.values.items() if has_unknown(value))
    if unknown:
        raise RefusedError(f"{', '.join(unknown)}: not known outside a preview")


def _difference(change: Change) -> pb.DiffResponse:
    kind = pb.DiffResponse.DIFF_SOME if change.changed else pb.DiffResponse.DIFF_NONE
    return pb.DiffResponse(
        changes=kind, diffs=change.changed, replaces=change.replaces, deleteBeforeReplace=change.delete_first
    )
