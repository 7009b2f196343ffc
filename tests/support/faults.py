"""Faults a test orders: the nth call of a kind fails, hangs, or loses the connection, on its way to a fake provider.

Stands between the engine and the providers, which know nothing of it. Hands on bytes as they are, each of the engine's
connections by one of its own: that is what a provider tells its instances by.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import grpc
from pulumi.runtime.proto import provider_pb2 as pb

_REQUESTS = {name: getattr(pb, f"{name}Request") for name in ("Check", "Diff", "Create", "Read", "Update", "Delete")}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One order. `call` is a method of ResourceProvider; `type_token` None means any type; `nth` counts from 1.

    `fail` answers UNAVAILABLE, with `message` if there is one; `hang` waits `seconds` and then goes on, `drop` stops
    the server so that the engine loses its connection, as when a plugin crashes. With `after`, the work is done before
    the fault strikes.
    """

    package: str
    call: str = "Create"
    type_token: str | None = None
    nth: int = 1
    kind: Literal["fail", "hang", "drop"] = "fail"
    seconds: float = 0.0
    message: str | None = None
    after: bool = False


def _as_it_is(message: bytes) -> bytes:
    return message


class _Between(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Hands the calls of one package on, and strikes."""

    def __init__(self, port: str, orders: Sequence[Fault]) -> None:
        self.stop: Callable[[], object] = lambda: None
        self.ended = threading.Event()
        self._port, self._orders = port, orders
        self._seen = [0] * len(orders)
        self._channels: dict[str, grpc.Channel] = {}
        self._lock = threading.Lock()

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Every method is answered in the same way."""
        method = str(details.method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            order = self._due(method.rpartition("/")[2], request)
            if order and not order.after:
                self._strike(order, context)
            call = self._channel(context.peer()).unary_unary(method, _as_it_is, _as_it_is)
            try:
                response: bytes = call(request, metadata=context.invocation_metadata())
            except grpc.RpcError as error:
                context.abort(error.code(), error.details() or "")
            if order and order.after:
                self._strike(order, context)
            return response

        return grpc.unary_unary_rpc_method_handler(answer)

    def close(self) -> None:
        """End what hangs, and every connection."""
        self.ended.set()
        for channel in self._channels.values():
            channel.close()

    def _channel(self, peer: str) -> grpc.Channel:
        with self._lock:
            if peer not in self._channels:
                options = [
                    ("grpc.use_local_subchannel_pool", 1),
                    ("grpc.max_receive_message_length", -1),
                    ("grpc.max_send_message_length", -1),
                ]
                self._channels[peer] = grpc.insecure_channel(f"127.0.0.1:{self._port}", options=options)
            return self._channels[peer]

    def _due(self, call: str, request: bytes) -> Fault | None:
        if call not in _REQUESTS:
            return None
        token = _REQUESTS[call].FromString(request).urn.split("::", 3)[2].rsplit("$", 1)[-1]
        due = None
        with self._lock:
            for position, order in enumerate(self._orders):
                if order.call == call and order.type_token in {None, token}:
                    self._seen[position] += 1
                    if self._seen[position] == order.nth:
                        due = order
        return due

    def _strike(self, order: Fault, context: grpc.ServicerContext) -> None:
        if order.kind == "hang":
            self.ended.wait(order.seconds)
        elif order.kind == "drop":
            self.stop()
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{order.package}: {order.call}: connection dropped as ordered")
        else:
            message = order.message or f"{order.package}: {order.call} number {order.nth} failed as ordered"
            context.abort(grpc.StatusCode.UNAVAILABLE, message)


@contextmanager
def faulty(attached: Mapping[str, str], faults: Sequence[Fault]) -> Iterator[Mapping[str, str]]:
    """The environment in which the engine finds the attached fake providers by way of these faults."""
    ports = dict(one.split(":") for one in attached["PULUMI_DEBUG_PROVIDERS"].split(","))
    assert {fault.package for fault in faults} <= set(ports)
    started: list[tuple[grpc.Server, _Between]] = []
    try:
        for package, port in list(ports.items()):
            between = _Between(port, [fault for fault in faults if fault.package == package])
            options: list[tuple[str, Any]] = [
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ]
            server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[between], options=options)
            between.stop = lambda server=server: server.stop(None)  # type: ignore[misc]  # bound to this one
            ports[package] = str(server.add_insecure_port("127.0.0.1:0"))
            server.start()
            started.append((server, between))
        yield {"PULUMI_DEBUG_PROVIDERS": ",".join(f"{package}:{port}" for package, port in ports.items())}
    finally:
        for server, between in started:
            between.close()
            server.stop(1.0).wait()
