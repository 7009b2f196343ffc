"""What Prometheus sees of a client, by the names that others' dashboards have. Not proven: a scrape over HTTP."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tests.support.clocks import SetClock
from tests.support.scripted_vault import ADDRESS, ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.client import VaultClient
from vault_estate.events import Event, EventKind
from vault_estate.metrics import PrometheusObserver

ENVIRON = {"VAULT_ADDR": ADDRESS, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}


def test_a_clients_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    vault = ScriptedVault(denied={"secret/data/denied"}, lease_ttl=600)
    vault.write("app", a="b")
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: vault.transport())
    monkeypatch.setattr("vault_estate.leases.Leases._run", lambda _: None)
    registry = CollectorRegistry()
    client = VaultClient(environ=ENVIRON, observers=[PrometheusObserver(registry=registry, clock=vault.clock)])

    for _ in range(3):
        client.get_secret("app")
    for name, kind in (("denied", errors.PermissionDenied), ("nope", errors.SecretNotFound)):
        with pytest.raises(kind):
            client.get_secret(name)
    vault.clock.advance(3_000)
    client.refresh("app")
    login = client.database("aos")
    assert login.credentials
    vault.clock.advance(100)
    vault.sealed = True
    with pytest.raises(errors.VaultSealed):
        client.get_secret("other")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    def operations(operation: str, secret_type: str, result: str) -> float | None:
        return value("gl_secrets_operations_total", operation=operation, secret_type=secret_type, result=result)

    assert operations("login", "auth", "success") == 1
    assert operations("read", "kv", "success") == 2
    assert operations("read", "kv", "denied") == 1
    assert operations("read", "kv", "not_found") == 1
    assert operations("read", "kv", "error") == 1
    assert value("gl_secrets_operation_duration_seconds_count", operation="read") == 5
    assert value("gl_vault_auth_renewals_total", status="success") == 1
    assert value("gl_secrets_cache_hits_total") == 2
    assert value("gl_secrets_cache_misses_total") == 2
    assert value("gl_vault_lease_ttl_seconds", secret_type="database") == 500
    assert value("gl_vault_lease_ttl_seconds", secret_type="auth") == 3_500
    login.close()
    client.close()
    assert value("gl_vault_lease_ttl_seconds", secret_type="database") is None
    assert value("gl_vault_lease_ttl_seconds", secret_type="auth") is None
    text = generate_latest(registry).decode().replace('result="denied"', "")
    assert not [name for name in ('denied"', "nope", "secret/data", '"app') if name in text]


def test_another_prefix_and_a_second_observer() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(prefix="aos_", registry=registry, clock=SetClock())
    observer(Event(kind=EventKind.TOKEN_RENEWED, secret_type="auth", error="VaultSealed"))
    assert registry.get_sample_value("aos_vault_auth_renewals_total", {"status": "failed"}) == 1
    assert registry.get_sample_value("aos_vault_lease_ttl_seconds", {"secret_type": "auth"}) is None
    PrometheusObserver(prefix="other_", registry=registry)
    with pytest.raises(errors.ConfigurationError, match="metrics named aos_… already"):
        PrometheusObserver(prefix="aos_", registry=registry)


@pytest.mark.parametrize(
    ("kind", "result"),
    [(errors.PermissionDenied, "denied"), (errors.AuthenticationError, "denied"), (errors.SecretNotFound, "not_found")],
)
def test_a_refusal_of_each_kind_is_no_error_of_the_servers(kind: type[errors.VaultEstateError], result: str) -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry=registry)
    kinds = [kind, *kind.__subclasses__()]
    for one in kinds:
        observer(Event(kind=EventKind.OPERATION, operation="read", secret_type="kv", error=one.__name__))
    labels = {"operation": "read", "secret_type": "kv", "result": result}
    assert registry.get_sample_value("gl_secrets_operations_total", labels) == len(kinds)


def test_runs_of_a_rotation_are_counted() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry=registry)
    for error in ("", "", "RotationFailed"):
        observer(Event(kind=EventKind.ROTATION, operation="rotate", secret_type="kv", name="app", error=error))
    found = {
        status: registry.get_sample_value("gl_secrets_rotation_total", {"secret_type": "kv", "status": status})
        for status in ("success", "failed")
    }
    assert found == {"success": 2, "failed": 1}


@pytest.mark.timeout(60)  # what fails here waits for ever
def test_who_interrupts_a_scrape_is_counted() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry=registry)
    with observer._lock:
        observer(Event(kind=EventKind.LOGIN, operation="login", secret_type="auth", ttl_seconds=60))
    assert 0 < (registry.get_sample_value("gl_vault_lease_ttl_seconds", {"secret_type": "auth"}) or 0) <= 60
