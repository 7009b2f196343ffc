"""What Hetzner's machines leave open: no firewall, public addresses, and whose SSH keys log in.

Refuses the firewalls' rules, which are compared as networks (`exposure`).
"""

from collections.abc import Iterator, Sequence

import yaml

from ops.review import user_data
from ops.review.allowances.allowance import Allowance, called, gained
from ops.review.declaring import Resource

_SERVER = "hcloud:index/server:Server"
_FIREWALL = "hcloud:index/firewall:Firewall"


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Allowance]:
    """What only the later commit leaves open."""
    yield from gained(_all(before), _all(after), new=False)


def _all(resources: Sequence[Resource]) -> Iterator[Allowance]:
    for one in resources:
        if one.type == _SERVER:
            who = f"server {called(one)}"
            yield Allowance(who=who, what="is there")
            if not one.inputs.get("firewallIds"):
                yield Allowance(who=who, what="is behind no firewall")
            for key in _ssh_keys(one.inputs.get("userData")):
                yield Allowance(who=who, what=f"lets in by SSH {key}")
            for place in one.inputs.get("publicNets") or [{}]:
                # The provider's default is an address of each kind.
                yield from (
                    Allowance(who=who, what=f"has a public address of {kind}")
                    for kind in ("ipv4", "ipv6")
                    if place.get(f"{kind}Enabled", True)
                )
        elif one.type == _FIREWALL:
            who = f"firewall {called(one)}"
            yield Allowance(who=who, what="is there")
            # Without a rule for what goes out everything may.
            if all(rule["direction"] != "out" for rule in one.inputs.get("rules") or ()):
                yield Allowance(who=who, what="holds back nothing that goes out")


def _ssh_keys(text: object) -> Iterator[str]:
    """Whose keys log in as a user that user-data makes, and as whom."""
    users = user_data.files(text).get(user_data.USERS, "[]") if isinstance(text, str) else "[]"
    for user in yaml.safe_load(users):
        if not isinstance(user, dict):  # the image's own, by a name
            continue
        yield from (f"{' '.join(key.split())} as {user['name']}" for key in user.get("ssh_authorized_keys") or ())
