"""Policies of AWS IAM as text, from plain values: what one credential may do. Refuses wildcards and empty grants."""

import json
from dataclasses import dataclass

SEAL_ACTIONS = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt")
"""All that the awskms seal does (OpenBao's and Vault's documentation of it, Authentication)."""


@dataclass(frozen=True, kw_only=True)
class Allow:
    """One statement that grants."""

    name: str
    """Letters and digits; what reviewers call it."""
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    """ARNs in full."""
    from_networks: tuple[str, ...] = ()
    """Public networks the calls must come from; none: anywhere."""

    def __post_init__(self) -> None:
        if not (self.name.isalnum() and self.name.isascii()):
            raise ValueError(f"name: {self.name!r}; expected letters and digits")
        for field, values in (("actions", self.actions), ("resources", self.resources)):
            if not values:
                raise ValueError(f"{field}: is empty; expected at least one")
            broad = [value for value in values if "*" in value or "?" in value]
            if broad:
                raise ValueError(f"{field}: {broad[0]!r} is a wildcard; expected whole names")


def render(*statements: Allow) -> str:
    """The policy's document, the same text for the same grants."""
    return json.dumps({"Version": "2012-10-17", "Statement": [_statement(one) for one in statements]}, sort_keys=True)


def _statement(allow: Allow) -> dict[str, object]:
    condition = (
        {"Condition": {"IpAddress": {"aws:SourceIp": sorted(allow.from_networks)}}} if allow.from_networks else {}
    )
    return {
        "Sid": allow.name,
        "Effect": "Allow",
        "Action": sorted(allow.actions),
        "Resource": sorted(allow.resources),
        **condition,
    }
