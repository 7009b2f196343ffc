"""The rules of the pack. Owns which rules there are; each module owns one. Refuses to start a server when imported."""

from pulumi_policy import EnforcementLevel, Policy, ResourceValidationPolicy

from . import (
    acl_no_broad_wildcard,
    approle_secret_id_expires,
    bucket_is_private_and_versioned,
    cloud_refuses_deletion,
    data_holding_is_protected,
    firewall_names_networks,
    provider_verifies_tls,
    user_data_holds_no_secret,
)
from .rule import Rule

RULES: tuple[Rule, ...] = (
    acl_no_broad_wildcard.RULE,
    approle_secret_id_expires.RULE,
    bucket_is_private_and_versioned.RULE,
    cloud_refuses_deletion.RULE,
    data_holding_is_protected.RULE,
    firewall_names_networks.RULE,
    provider_verifies_tls.RULE,
    user_data_holds_no_secret.RULE,
)


def policies() -> list[Policy]:
    """Every rule as a mandatory policy: the engine refuses the stack, it doesn't only warn."""
    return [
        ResourceValidationPolicy(
            name=rule.name,
            description=rule.sentence,
            validate=rule.validate,
            enforcement_level=EnforcementLevel.MANDATORY,
            remediation_steps=rule.remediation,
        )
        for rule in RULES
    ]
