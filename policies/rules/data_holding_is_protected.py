"""Rule: a stack whose settings say `protect` can't lose data by a delete. Owns which resource types hold data."""

import json
import os
from collections.abc import Iterator

import pulumi

from .rule import Resource, Rule

SETTING = "estate"
"""Name of the stack's one structured setting; `settings.SETTING`, which this pack can't import."""


VARIABLE = "ESTATE_PROTECT"
"""Environment variable that tells the pack, `true` or `false`. It goes before the settings, which reach the pack only
when the engine starts it as a folder: then in one variable, which Linux limits to 128 KiB.
"""


def wanted(resource: Resource) -> bool:
    """Whether this stack wants protection, which is the default. The rule doesn't apply when nobody told the pack."""
    told = os.environ.get(VARIABLE)
    if told is not None:
        return told != "false"
    setting = pulumi.Config("vault-estate").get(SETTING)
    if setting is None:
        # Newer language hosts don't pass a pack the stack's settings (pulumi/pulumi#19334). Guessing would refuse every
        # stack that turned protection off.
        resource.not_applicable("the engine gave the pack no settings, so it can't know whether they say protect")
        return False
    try:
        return json.loads(setting).get("protect", True) is not False
    except (ValueError, AttributeError):
        return True  # the program refuses text that can't be read anyway


def _check(resource: Resource) -> Iterator[str]:
    if wanted(resource) and not resource.protected:
        yield "it holds data and isn't protected, but the stack's settings say protect"


RULE = Rule(
    name="data-holding-is-protected",
    sentence="What holds data is protected against deletion unless the stack's settings say protect: false.",
    remediation="Let the component's options carry protect=settings.protect, or turn it off in a change of its own.",
    types=(
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "hcloud:index/primaryIp:PrimaryIp",
        "hcloud:index/volume:Volume",
        "vault:index/mount:Mount",
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        "vault:transit/secretBackendKey:SecretBackendKey",
    ),
    check=_check,
)
