"""The rules of the pack. Owns which rules there are; each module owns one, or those of one noun. Refuses to start a
server when imported."""

from functools import partial
from pathlib import Path

from pulumi_policy import EnforcementLevel, Policy, ReportViolation, ResourceValidationArgs, ResourceValidationPolicy

from . import (
    acl_no_broad_wildcard,
    acl_template_is_a_name,
    approle_secret_id_expires,
    authorities,
    aws,
    bucket_is_private_and_versioned,
    cloud_refuses_deletion,
    data_holding_is_protected,
    databases,
    eks,
    engines,
    exemptions,
    firewall_names_networks,
    hetzner,
    iam,
    kubernetes,
    kubernetes_pods,
    load_balancers,
    logins,
    provider_verifies_tls,
    user_data_holds_no_secret,
)
from .rule import Rule, today

_STACK = "pulumi:pulumi:Stack"

_UNSORTED = (
    acl_no_broad_wildcard.RULE,
    acl_template_is_a_name.RULE,
    approle_secret_id_expires.RULE,
    bucket_is_private_and_versioned.RULE,
    cloud_refuses_deletion.RULE,
    data_holding_is_protected.RULE,
    firewall_names_networks.RULE,
    provider_verifies_tls.RULE,
    user_data_holds_no_secret.RULE,
    *logins.RULES,
    *engines.RULES,
    *authorities.RULES,
    *hetzner.RULES,
    *aws.RULES,
    *eks.RULES,
    *databases.RULES,
    *iam.RULES,
    *kubernetes.RULES,
    *kubernetes_pods.RULES,
    *load_balancers.RULES,
)
RULES: tuple[Rule, ...] = tuple(sorted(_UNSORTED, key=lambda rule: rule.name))


def policies(path: Path = exemptions.PATH) -> list[Policy]:
    """Every rule as a mandatory policy: the engine refuses the stack, it doesn't only warn. `path` has exemptions."""
    try:
        exempt = exemptions.read(path, [rule.name for rule in RULES], today())
    except ValueError as error:
        return [_refusal(str(error))]
    return [
        ResourceValidationPolicy(
            name=rule.name,
            description=rule.sentence,
            validate=partial(rule.validate, exemptions=exempt),
            enforcement_level=EnforcementLevel.MANDATORY,
            remediation_steps=rule.remediation,
        )
        for rule in RULES
    ]


def _refusal(wrong: str) -> Policy:
    """What refuses every stack while the file of exemptions can't be read: nobody knows what it would exempt."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type == _STACK:
            report(wrong, args.urn)

    return ResourceValidationPolicy(
        name="exemptions-can-be-read",
        description=f"{exemptions.FILE} says for each exemption which rule, which resource, who, why and until when.",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
    )
