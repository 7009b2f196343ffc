"""Rules of Prometheus name what is there: metrics and labels that the library and its command export.

`promtool` isn't here: the rules' form is held by what Prometheus' documentation says of it, and no expression is
evaluated. What External Secrets Operator exports is taken from its documentation.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from ops.paths import ROOT
from vault_estate.events import Event, EventKind
from vault_estate.metrics import PrometheusObserver
from vault_estate.rotation.schedule import metrics

FILE = ROOT / "docs" / "alerts.yaml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
RULES: Mapping[str, dict[str, Any]] = {
    str(rule.get("alert") or rule["record"]): rule for group in GROUPS for rule in group["rules"]
}
ASKED_FOR = {
    "VaultUnavailable",
    "VaultHighLatency",
    "SecretsOperationFailures",
    "SecretAccessDenied",
    "LeaseExpiringCritical",
    "RotationFailed",
    "RotationOverdue",
    "ESOSyncFailed",
}
CONTRACT = {
    "gl_secrets_operations_total",
    "gl_secrets_operation_duration_seconds",
    "gl_vault_auth_renewals_total",
    "gl_vault_lease_ttl_seconds",
    "gl_secrets_cache_hits_total",
    "gl_secrets_cache_misses_total",
    "gl_secrets_rotation_total",
    "gl_eso_sync_total",
}
_OF_ESO = {
    "externalsecret_sync_calls_total": {"name", "namespace"},
    "externalsecret_sync_calls_error": {"name", "namespace"},
}
_OF_SCRAPING = {"job"}
_DURATION = re.compile(r"[1-9][0-9]*[smhd]")
_STRING = re.compile(r'"[^"]*"')
_METRIC = re.compile(r"\b(?:gl|vault_estate|externalsecret)_[a-z_]+\b")
_SELECTED = re.compile(r'\b([a-z_]+)\{([a-z_]+)="([a-z_]+)"\}')
_BY = re.compile(r"\bby \(([^)]*)\)")


def exported() -> dict[str, dict[str, set[str]]]:
    """Each metric there is, with its labels, and the values that were seen of them."""
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry=registry)
    for error in ("", "PermissionDenied", "VaultSealed", "SecretNotFound"):
        for kind in EventKind:
            observer(Event(kind=kind, operation="read", secret_type="kv", name="a", ttl_seconds=60, error=error))
        observer(
            Event(kind=EventKind.LEASE_CREATED, operation="issue", secret_type="database", name="a", ttl_seconds=60)
        )
    found: dict[str, dict[str, set[str]]] = {}
    for family in registry.collect():
        for sample in family.samples:
            seen = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                seen.setdefault(label, set()).add(value)
    for line in metrics("aos", []).splitlines():
        if not line.startswith("#"):
            found[line.partition("{")[0]] = {"application": {"aos"}}
    eso = {name: {label: {"x"} for label in labels} for name, labels in _OF_ESO.items()}
    recorded = {"gl_eso_sync_total": {"secret": {"x"}, "namespace": {"x"}, "status": {"success", "failed"}}}
    return {**found, **eso, **recorded}


def expressions() -> Iterator[tuple[str, str]]:
    yield from ((name, rule["expr"]) for name, rule in RULES.items())


def test_each_rule_has_its_form_and_a_name_of_its_own() -> None:
    assert len(RULES) == sum(len(group["rules"]) for group in GROUPS)
    assert len({group["name"] for group in GROUPS}) == len(GROUPS)
    for name, rule in RULES.items():
        if "record" in rule:
            assert rule.keys() == {"record", "expr"}, name
            continue
        assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}, name
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"}), name
        assert rule["annotations"].keys() == {"summary", "description"}, name
        assert _DURATION.fullmatch(rule.get("for", "1m")), name
    assert RULES.keys() >= ASKED_FOR


@pytest.mark.parametrize("name", RULES)
def test_each_metric_and_label_of_an_expression_is_exported(name: str) -> None:
    there, expression = exported(), RULES[name]["expr"]
    bare = _STRING.sub('""', expression)
    assert bare.count("(") == bare.count(")")
    used = set(_METRIC.findall(bare))
    assert used
    assert used <= there.keys()
    for metric, label, value in _SELECTED.findall(expression):
        assert value in there[metric][label], (metric, label, value)
    labels = {label for metric in used for label in there[metric]} | _OF_SCRAPING
    for grouped in _BY.findall(bare):
        assert {one.strip() for one in grouped.split(",")} <= labels
    for told in re.findall(r"\$labels\.([a-z_]+)", str(RULES[name].get("annotations", {}))):
        assert any(told in grouped for grouped in _BY.findall(bare)), told


def test_every_metric_of_the_contract_is_watched() -> None:
    watched = " ".join([*RULES, *(expression for _, expression in expressions())])
    assert {name for name in CONTRACT if name not in watched} == set()
