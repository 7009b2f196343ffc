"""The rules of the pack. Owns which rules there are; each module owns one. Refuses to start a server when imported."""

from pulumi_policy import Policy

from . import acl_no_broad_wildcard, approle_secret_id_expires, data_holding_is_protected, provider_verifies_tls
from .rule import Rule, as_policy

RULES: tuple[Rule, ...] = (
    acl_no_broad_wildcard.RULE,
    approle_secret_id_expires.RULE,
    data_holding_is_protected.RULE,
    provider_verifies_tls.RULE,
)


def policies() -> list[Policy]:
    """Every rule in the form that the engine's pack takes."""
    return [as_policy(rule) for rule in RULES]
