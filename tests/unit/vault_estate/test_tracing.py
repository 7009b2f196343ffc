"""What a trace has of a client, read from OpenTelemetry's own exporter in memory. Not proven: a collector."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.scripted_vault import ADDRESS, ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.client import VaultClient
from vault_estate.tracing import TracingObserver

ENVIRON = {"VAULT_ADDR": ADDRESS, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}
CANARY = "canary-0value"


def _traced(monkeypatch: pytest.MonkeyPatch, *, record_names: bool) -> list[ReadableSpan]:
    """The spans of a read, a read from memory, and a read of what isn't there, below a span of the application."""
    vault = ScriptedVault()
    vault.write("app", a=CANARY)
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: vault.transport())
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    observer = TracingObserver(server_address="vault.example.com", record_names=record_names, tracer_provider=provider)
    client = VaultClient(environ=ENVIRON, observers=[observer])
    with provider.get_tracer("application").start_as_current_span("handler"):
        client.get_secret("app")
        client.get_secret("app")
        with pytest.raises(errors.SecretNotFound):
            client.get_secret("nope")
    return list(exporter.get_finished_spans())


def test_each_request_is_a_span_below_its_askers(monkeypatch: pytest.MonkeyPatch) -> None:
    login, read, failed, handler = _traced(monkeypatch, record_names=False)
    assert [one.name for one in (login, read, failed)] == ["vault.auth.login", "vault.kv.read", "vault.kv.read"]
    assert handler.context is not None
    assert {one.parent.span_id for one in (login, read, failed) if one.parent} == {handler.context.span_id}
    assert read.kind is SpanKind.CLIENT
    assert dict(read.attributes or {}) == {
        "vault.operation": "read",
        "vault.secret_type": "kv",
        "url.template": "/v1/{mount}/data/{name}",
        "server.address": "vault.example.com",
    }
    assert (failed.attributes or {})["error.type"] == "SecretNotFound"
    assert (read.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert read.start_time is not None
    assert read.end_time is not None
    assert read.start_time <= read.end_time


def test_names_are_recorded_if_that_is_asked_for_and_values_never(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = _traced(monkeypatch, record_names=True)
    assert [(one.attributes or {}).get("vault.name") for one in spans] == [None, "app", "nope", None]
    text = "\n".join(one.to_json() for one in spans)
    assert not [value for value in (CANARY, SECRET_ID, ROLE_ID, "fake-token") if value in text]
