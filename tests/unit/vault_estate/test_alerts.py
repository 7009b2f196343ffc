"""Rules of Prometheus name what is there: metrics and labels that the library and its command export.

Expressions are parsed by a parser of PromQL, as Prometheus' own does it, with the types of what functions take; none is
evaluated. `promtool` isn't here: the rules' form is held by what Prometheus' documentation says of it. What External
Secrets Operator exports is taken from its documentation.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser
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


def parts(expression: str) -> list[promql_parser.Expr]:
    """An expression and all that it is made of. Raises ValueError: it is none."""
    found: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return found


@pytest.mark.parametrize("name", RULES)
def test_each_metric_and_label_of_an_expression_is_exported(name: str) -> None:
    there, found = exported(), parts(RULES[name]["expr"])
    selected = [one for one in found if isinstance(one, promql_parser.VectorSelector)]
    assert selected
    assert {one.name for one in selected} <= there.keys()
    for one in selected:
        for matcher in one.matchers.matchers:
            assert matcher.op == promql_parser.MatchOp.Equal
            assert matcher.value in there[str(one.name)][matcher.name], (one.name, matcher)
    labels = {label for one in selected for label in there[str(one.name)]} | _OF_SCRAPING
    grouped = [
        set(one.modifier.labels) for one in found if isinstance(one, promql_parser.AggregateExpr) if one.modifier
    ]
    assert set().union(*grouped) <= labels
    for told in re.findall(r"\$labels\.([a-z_]+)", str(RULES[name].get("annotations", {}))):
        assert any(told in one for one in grouped), told


def test_every_metric_of_the_contract_is_watched() -> None:
    watched = " ".join([*RULES, *(expression for _, expression in expressions())])
    assert {name for name in CONTRACT if name not in watched} == set()
