"""Faults a test orders: the nth call of a kind fails, hangs, or loses the connection. Owns only the counting."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import grpc


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

    def __post_init__(self) -> None:
        if self.kind not in {"fail", "hang", "drop"}:
            raise ValueError(f"Fault kind {self.kind!r}: expected fail, hang or drop")
        if self.nth < 1 or self.seconds < 0:
            raise ValueError(f"Fault nth={self.nth}, seconds={self.seconds}: expected nth from 1, seconds from 0")


class Faults:
    """Counts calls and strikes. `stop` ends the server for `drop`; once `ended` is set, nothing hangs any longer."""

    def __init__(self, orders: list[Fault]) -> None:
        self.stop: Callable[[], object] = lambda: None
        self.ended = threading.Event()
        self._orders = orders
        self._seen = [0] * len(orders)
        self._lock = threading.Lock()

    def due(self, call: str, type_token: str) -> Fault | None:
        """Count this call; the fault that is due at it, if any."""
        due = None
        with self._lock:
            for position, order in enumerate(self._orders):
                if order.call == call and order.type_token in {None, type_token}:
                    self._seen[position] += 1
                    if self._seen[position] == order.nth:
                        due = order
        return due

    def strike(self, order: Fault, context: grpc.ServicerContext) -> None:
        """Carry the order out; returns only after a hang."""
        if order.kind == "hang":
            self.ended.wait(order.seconds)
        elif order.kind == "drop":
            self.stop()
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{order.package}: {order.call}: connection dropped as ordered")
        else:
            message = order.message or f"{order.package}: {order.call} number {order.nth} failed as ordered"
            context.abort(grpc.StatusCode.UNAVAILABLE, message)
