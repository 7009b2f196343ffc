"""The database connections of a stack's state: as whom Vault logs in where, and who knows the password.

Owns the reading of these resources. What a database has by now isn't in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.engine.recovery import CONNECTION_TYPE

_ROTATION_TYPE = "vault:generic/endpoint:Endpoint"


@dataclass(frozen=True, kw_only=True)
class BuiltConnection:
    """One of them."""

    server: str
    """Host and port."""
    username: str
    password_version: int
    """Of the password that was sent last."""
    password_policy: str | None
    is_rotated: bool
    """Whether Vault was to replace that password."""


def built(deployment: Mapping[str, Any]) -> Mapping[str, BuiltConnection]:
    """By name."""
    resources = [one for one in deployment.get("resources") or [] if not one.get("delete")]
    rotations = {
        str(one["inputs"].get("path")) for one in resources if one["type"] == "vault:generic/endpoint:Endpoint"
    }
    return {
        inputs["name"]: BuiltConnection(
            server=inputs["postgresql"]["connectionUrl"].rpartition("@")[2].partition("/")[0],
            username=inputs["postgresql"]["username"],
            password_version=int(inputs["postgresql"].get("passwordWoVersion") or 0),
            password_policy=inputs.get("passwordPolicy"),
            is_rotated=f"{inputs['backend']}/rotate-root/{inputs['name']}" in rotations,
        )
        for inputs in (one["inputs"] for one in resources if one["type"] == CONNECTION_TYPE)
    }
