"""Lockout after failed logins, for the auth methods that know it: userpass, ldap and approle.

Owns the tuning of one auth mount. It is written through the generic endpoint because `vault.AuthBackend` has no such
property.
"""

import json
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from components.vault.checks import check_between


@dataclass(frozen=True, kw_only=True)
class Lockout:
    """How many failures shut one alias out, and for how long.

    The defaults are Vault's own, declared so that drift is seen.
    """

    threshold: int = 5
    """Failures after which the alias is locked; 1 to 100."""

    duration_seconds: int = 900
    """How long it stays locked."""

    counter_reset_seconds: int = 900
    """Quiet time after which failures are forgotten."""

    def __post_init__(self) -> None:
        """Raise ValueError for a number out of range."""
        check_between("lockout.threshold", self.threshold, 1, 100)
        check_between("lockout.duration_seconds", self.duration_seconds, 1)
        check_between("lockout.counter_reset_seconds", self.counter_reset_seconds, 1)


def tune_lockout(
    name: str, mount: vault.AuthBackend, lockout: Lockout, opts: pulumi.ResourceOptions
) -> vault.generic.Endpoint:
    """Declare the lockout of `mount` as resource `name`."""
    return vault.generic.Endpoint(
        name,
        path=pulumi.Output.format("sys/auth/{}/tune", mount.path),
        data_json=_payload(lockout),
        disable_delete=True,  # there is nothing to delete: the tuning goes with the mount
        ignore_absent_fields=True,  # the rest of the answer is the mount's other settings
        opts=opts,
    )


def _payload(lockout: Lockout) -> str:
    """The tuning twice: nested as the server takes it, flat as it answers, which is how a refresh sees drift.

    OpenBao 2.7 and Vault ignore the flat fields on a write and don't answer with the nested one.
    """
    return json.dumps(
        {
            "user_lockout_config": {
                "lockout_counter_reset_duration": f"{lockout.counter_reset_seconds}s",
                "lockout_disable": False,
                "lockout_duration": f"{lockout.duration_seconds}s",
                "lockout_threshold": str(lockout.threshold),
            },
            "user_lockout_counter_reset_duration": lockout.counter_reset_seconds,
            "user_lockout_disable": False,
            "user_lockout_duration": lockout.duration_seconds,
            "user_lockout_threshold": lockout.threshold,
        },
        separators=(",", ":"),
    )
