"""What the server itself says that a token may do, compared with a grant. Nothing is tried."""

from collections.abc import Collection

import hvac

from components.render.acl import AclRule
from ops.vault.api import call
from ops.vault.checks.outcome import CheckError
from settings.grants import Grant


def check(client: hvac.Client, grant: Grant) -> None:
    """Ask whether the client's token may do as much as was granted and no more.
    Raises CheckError: it may do less or more."""
    allowed = call(client, "post", "sys/capabilities-self", {"paths": [rule.path for rule in grant.rules]})["data"]
    for rule in grant.rules:
        if set(allowed[rule.path]) != rule.capabilities:
            found, wanted = (", ".join(sorted(names)) for names in (allowed[rule.path], rule.capabilities))
            api = rule.path.removeprefix(f"{grant.mount}/").split("/")[0]
            raise CheckError(f"its {api} allows {found.replace('deny', 'nothing')}; expected {wanted}")


def check_rules(client: hvac.Client, rules: Collection[AclRule]) -> None:
    """Ask whether the client's token may do as much as these rules say and no more at their paths.
    Raises CheckError: it may do less or more."""
    allowed = call(client, "post", "sys/capabilities-self", {"paths": [rule.path for rule in rules]})["data"]
    for rule in rules:
        if set(allowed[rule.path]) != rule.capabilities:
            found, wanted = (", ".join(sorted(names)) for names in (allowed[rule.path], rule.capabilities))
            raise CheckError(f"{rule.path} allows {found.replace('deny', 'nothing')}; expected {wanted}")


def check_denied(client: hvac.Client, mount: str, path: str) -> None:
    """Ask about another application's secret. Raises CheckError: the token may do something with it."""
    where = f"{mount}/data/{path}"
    if call(client, "post", "sys/capabilities-self", {"paths": [where]})["data"][where] != ["deny"]:
        raise CheckError("could be read, and is another application's")
