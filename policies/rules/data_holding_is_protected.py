"""Rule: a stack whose settings say `protect` can't lose data by a delete. Owns which resource types hold data."""

import json
from collections.abc import Iterator

import pulumi

from .rule import Resource, Rule

SETTING = "estate"
"""Name of the stack's one structured setting; `settings.SETTING`, which this pack can't import."""


def protection_wanted(setting: str) -> bool:
    """What the stack's settings, as JSON text, say about `protect`, whose default is on.

    Text that can't be read counts as on: the program refuses it anyway.
    """
    try:
        wanted = json.loads(setting).get("protect", True)
    except (ValueError, AttributeError):
        return True
    return wanted is not False


def _check(resource: Resource) -> Iterator[str]:
    setting = pulumi.Config("vault-estate").get(SETTING)
    if setting is None:
        # Newer language hosts don't pass a pack the stack's settings (pulumi/pulumi#19334). Guessing would refuse every
        # stack that turned protection off.
        resource.not_applicable("the engine gave the pack no settings, so it can't know whether they say protect")
    elif not resource.protected and protection_wanted(setting):
        yield "it holds data and isn't protected, but the stack's settings say protect"


RULE = Rule(
    name="data-holding-is-protected",
    sentence="What holds data is protected against deletion unless the stack's settings say protect: false.",
    remediation="Let the component's options carry protect=settings.protect, or turn it off in a change of its own.",
    types=frozenset(
        {
            "vault:index/mount:Mount",
            "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
            "vault:transit/secretBackendKey:SecretBackendKey",
        }
    ),
    check=_check,
)
