"""Rule: a template in an ACL policy's path is one whole segment, and a name that stays. Owns which templates do."""

import re
from collections.abc import Iterator

from .acl_text import AclTextError, grants
from .rule import Resource, Rule

_STAYS = re.compile(r"\{\{\s*identity\.entity\.(?:aliases\.[^{}/\s]+\.name|id)\s*\}\}")


def _check(resource: Resource) -> Iterator[str]:
    if not resource.known("policy"):
        return
    try:
        found = grants(resource.get("policy") or "")
    except AclTextError:
        return  # acl-no-broad-wildcard says so
    for path in dict.fromkeys(grant.path for grant in found):
        for segment in path.split("/"):
            if ("{{" in segment or "}}" in segment) and not _STAYS.fullmatch(segment):
                yield f"path '{path}' has a template that is more or less than the name of a login, or can change"


RULE = Rule(
    name="acl-template-is-a-name",
    sentence="A template in an ACL policy's path is a whole segment: a login's name, or an entity's id.",
    remediation="Write {{identity.entity.aliases.ACCESSOR.name}} between slashes; metadata is the last login's.",
    source="hashicorp/vault#27586; OpenBao, Policies: templated policies",
    types=("vault:index/policy:Policy",),
    check=_check,
)
