"""OpenTelemetry's spans of a client, by an observer (extra `otel`, which is its API alone).

Owns the spans' names and attributes. Refuses values, headers and queries always, and the names of secrets unless they
are asked for: traces are read by many.
"""

import time

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from vault_estate.events import Event, EventKind

_SPANS = frozenset({EventKind.OPERATION, EventKind.LOGIN})
_TEMPLATES = {
    "read": "/v1/{mount}/data/{name}",
    "issue": "/v1/{mount}/issue/{name}",
    "encrypt": "/v1/{mount}/encrypt/{name}",
    "decrypt": "/v1/{mount}/decrypt/{name}",
    "rewrap": "/v1/{mount}/rewrap/{name}",
    "login": "/v1/auth/{mount}/login",
}
_NANOSECONDS = 1_000_000_000


class TracingObserver:
    """`VaultClient(observers=[TracingObserver()])`: a span for each request to Vault, below the span of whoever asks.

    It is called `vault.kv.read`, `vault.pki.issue` and so on. What memory answers has none.
    """

    def __init__(
        self,
        *,
        server_address: str | None = None,
        record_names: bool = False,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        """`server_address` is Vault's host, as the semantic conventions want it; `record_names` adds secrets' names."""
        self._tracer = trace.get_tracer("vault_estate", tracer_provider=tracer_provider)
        self._server_address = server_address
        self._record_names = record_names

    def __call__(self, event: Event) -> None:
        """A span of what has just ended."""
        if event.kind not in _SPANS:
            return
        ended_at = time.time_ns()
        attributes = {"vault.operation": event.operation, "vault.secret_type": event.secret_type}
        if event.operation in _TEMPLATES:
            attributes["url.template"] = _TEMPLATES[event.operation]
        if self._server_address is not None:
            attributes["server.address"] = self._server_address
        if self._record_names and event.name:
            attributes["vault.name"] = event.name
        if event.error:
            attributes["error.type"] = event.error
        span = self._tracer.start_span(
            f"vault.{event.secret_type}.{event.operation}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=ended_at - int(event.seconds * _NANOSECONDS),
        )
        if event.error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_time=ended_at)
