"""Lockout after failed logins, for the auth methods that know it: userpass, ldap and approle.

Owns one such mount and its tuning. That is written through the generic endpoint because `vault.AuthBackend` has no such
property.
"""

import json
from typing import Annotated

import pulumi
import pulumi_vault as vault
from pydantic import Field

from ..model import PositiveSeconds, Section
from .children import child


class Lockout(Section):
    """How many failed logins shut one user or role out, and for how long.

    The defaults are Vault's own, declared so that drift is seen.
    """

    lockout_threshold: Annotated[int, Field(ge=1, le=100)] = 5
    """Failed logins before a user or a role is locked out. Vault's default."""
    lockout_duration: PositiveSeconds = 900
    """How long it stays locked out. Vault's default."""
    lockout_counter_reset: PositiveSeconds = 900
    """Quiet time after which failures are forgotten. Vault's default."""


def locking_mount(
    name: str, kind: str, path: str, description: str, *, lockout: Lockout, parent: pulumi.Resource
) -> vault.AuthBackend:
    """Declare an auth method of this kind and its lockout; the mount."""
    anew = child(parent, made_anew_by=["path"])
    mount = vault.AuthBackend(f"{name}-mount", type=kind, path=path, description=description, opts=anew)
    # Twice: nested as the server takes it, flat as it answers, which is how a refresh sees drift. OpenBao 2.7 and Vault
    # ignore the flat fields on a write and don't answer with the nested one.
    tuning = {
        "user_lockout_config": {
            "lockout_counter_reset_duration": f"{lockout.lockout_counter_reset}s",
            "lockout_disable": False,
            "lockout_duration": f"{lockout.lockout_duration}s",
            "lockout_threshold": str(lockout.lockout_threshold),
        },
        "user_lockout_counter_reset_duration": lockout.lockout_counter_reset,
        "user_lockout_disable": False,
        "user_lockout_duration": lockout.lockout_duration,
        "user_lockout_threshold": lockout.lockout_threshold,
    }
    vault.generic.Endpoint(
        f"{name}-lockout",
        path=pulumi.Output.format("sys/auth/{}/tune", mount.path),
        data_json=json.dumps(tuning, separators=(",", ":")),
        disable_delete=True,  # there is nothing to delete: the tuning goes with the mount
        ignore_absent_fields=True,  # the rest of the answer is the mount's other settings
        opts=child(parent),
    )
    return mount
