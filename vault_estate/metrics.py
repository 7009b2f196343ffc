"""Prometheus' metrics of a client, by an observer (extra `metrics`).

Owns the names, which dashboards and alerts of several teams share: `gl_secrets_operations_total` and its like. Refuses
names of secrets, paths and people as labels: their number has no end, and a scrape would list what there is.
"""

from threading import RLock

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from vault_estate.clock import Clock, SystemClock
from vault_estate.errors import ConfigurationError
from vault_estate.events import Event, EventKind

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds: one has to tell 100 ms and 500 ms, which alerts and requirements are about."""
_RESULTS = {
    "": "success",
    "PermissionDenied": "denied",
    "AuthenticationError": "denied",
    "CredentialExpired": "denied",
    "WrappingTokenInvalid": "denied",
    "WrappingPathMismatch": "denied",
    "SecretNotFound": "not_found",
    "SecretDeleted": "not_found",
    "SecretKeyMissing": "not_found",
}
_GIVEN_BACK = frozenset({EventKind.LEASE_RELEASED, EventKind.TOKEN_REVOKED})
_LENT = frozenset({EventKind.LEASE_CREATED, EventKind.LEASE_RENEWED, EventKind.LEASE_REPLACED})


class PrometheusObserver:
    """`VaultClient(observers=[PrometheusObserver()])`. One for a registry; clients may share it."""

    def __init__(
        self, *, prefix: str = "gl_", registry: CollectorRegistry = REGISTRY, clock: Clock | None = None
    ) -> None:
        """Raises ConfigurationError: the registry has metrics of these names already."""
        self._clock: Clock = clock or SystemClock()
        self._lock = RLock()  # a scrape may be interrupted by a signal handler that asks the client
        self._ends: dict[str, dict[str, float]] = {}
        try:
            self._operations = Counter(
                f"{prefix}secrets_operations",
                "Requests to Vault: result is success, denied, not_found or error",
                ["operation", "secret_type", "result"],
                registry=registry,
            )
            self._durations = Histogram(
                f"{prefix}secrets_operation_duration_seconds",
                "How long they took",
                ["operation"],
                buckets=_SECONDS,
                registry=registry,
            )
            self._renewals = Counter(
                f"{prefix}vault_auth_renewals", "Tokens renewed: success or failed", ["status"], registry=registry
            )
            self._ttl = Gauge(
                f"{prefix}vault_lease_ttl_seconds",
                "What is left of the lease, or the token, that ends first",
                ["secret_type"],
                registry=registry,
            )
            self._hits = Counter(f"{prefix}secrets_cache_hits", "Secrets given from memory", registry=registry)
            self._misses = Counter(
                f"{prefix}secrets_cache_misses", "Secrets that Vault was asked for", registry=registry
            )
            self._rotations = Counter(
                f"{prefix}secrets_rotation",
                "Runs that replaced a secret's values: success or failed",
                ["secret_type", "status"],
                registry=registry,
            )
        except ValueError:
            raise ConfigurationError(
                f"the registry has metrics named {prefix}… already; expected one PrometheusObserver for all clients"
            ) from None

    def __call__(self, event: Event) -> None:
        """Count it."""
        if event.kind in (EventKind.CACHE_HIT, EventKind.SECRET_STALE):
            self._hits.inc()
        elif event.kind in (EventKind.CACHE_MISS, EventKind.SECRET_REFRESHED):
            self._misses.inc()
        elif event.kind is EventKind.OPERATION:
            self._count(event)
        elif event.kind is EventKind.LOGIN:
            self._count(event)
            self._note_end(event)
        elif event.kind is EventKind.TOKEN_RENEWED:
            self._renewals.labels("failed" if event.error else "success").inc()
            self._note_end(event)
        elif event.kind is EventKind.ROTATION:
            self._rotations.labels(event.secret_type, "failed" if event.error else "success").inc()
        elif event.kind in _LENT:
            self._note_end(event)
        elif event.kind in _GIVEN_BACK:
            self._forget(event)

    def _count(self, event: Event) -> None:
        self._operations.labels(event.operation, event.secret_type, _RESULTS.get(event.error, "error")).inc()
        self._durations.labels(event.operation).observe(event.seconds)

    def _note_end(self, event: Event) -> None:
        if event.error or not event.ttl_seconds:
            return
        with self._lock:
            if event.secret_type not in self._ends:
                self._ends[event.secret_type] = {}
                kind = event.secret_type
                self._ttl.labels(kind).set_function(lambda: self._left(kind))
            self._ends[event.secret_type][event.name] = self._clock.now() + event.ttl_seconds

    def _forget(self, event: Event) -> None:
        """What was given back doesn't end: nobody is to be alarmed."""
        with self._lock:
            ends = self._ends.get(event.secret_type, {})
            ends.pop(event.name, None)
            if event.secret_type in self._ends and not ends:
                del self._ends[event.secret_type]
                self._ttl.remove(event.secret_type)

    def _left(self, secret_type: str) -> float:
        with self._lock:
            ends = self._ends.get(secret_type, {}).values()
            return max(min(ends, default=0.0) - self._clock.now(), 0.0)
