"""One rule of the policy pack, tried on one resource; and what is tried of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import PolicyCustomTimeouts, PolicyResourceOptions, ResourceValidationArgs
from pulumi_policy.proxy import unknown_checking_proxy

from policies.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rule's passing inputs, and each change that it refuses with the words that tell so."""

    passes: Mapping[str, Any]
    refused: list[tuple[Mapping[str, Any], str]]
    unknown: str
    """An input of which the value may not be known yet."""
    also_passes: list[Mapping[str, Any]] = field(default_factory=list)
    token: str = ""
    within: str = ""
    """Type of the component that it is in; empty: none."""


def resource(
    rule: Rule, inputs: Mapping[str, Any], *, token: str = "", within: str = "", protect: bool = False
) -> ResourceValidationArgs:
    """A resource as the pack's server hands it to a rule."""
    token = token or sorted(rule.types)[0]
    options = PolicyResourceOptions(protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    urn = f"urn:pulumi:test::vault-estate::{f'{within}$' if within else ''}{token}::app"
    return ResourceValidationArgs(token, unknown_checking_proxy(dict(inputs)), urn, "app", options, None)


def findings(rule: Rule, args: ResourceValidationArgs) -> list[str]:
    """What the rule reports, in order."""
    found: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        assert urn == args.urn
        found.append(message)

    rule.validate(args, report)
    return found
