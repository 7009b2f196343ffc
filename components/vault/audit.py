"""Audit devices, for the flavour that takes them by its API: HashiCorp Vault.

Owns `vault.Audit`s. Refuses to serve OpenBao, whose devices are stanzas of its server file (it answers 400 here), and
refuses devices that would all stop together: Vault stops answering when no device can be written, so two of different
type are the least.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_vault as vault

from components.model import SettingError, hold, names


@dataclass(frozen=True, kw_only=True)
class FileAudit:
    """One JSON line per request and per response, into a file."""

    file_path: str
    """Absolute path on the server, or `stdout`."""

    mode: str = "0600"
    """Permissions of the file, in octal."""

    type = "file"

    def __post_init__(self) -> None:
        """Raise ValueError for a relative path or permissions for others."""
        if self.file_path != "stdout" and not self.file_path.startswith("/"):
            raise ValueError(f"file_path: {self.file_path!r} isn't absolute: expected a path from '/', or 'stdout'")
        if self.mode not in ("0600", "0640"):
            raise ValueError(f"mode: {self.mode!r}: expected '0600' or '0640'")

    def options(self) -> dict[str, str]:
        """Options in Vault's words."""
        return {"file_path": self.file_path, "mode": self.mode}


@dataclass(frozen=True, kw_only=True)
class SyslogAudit:
    """To the local syslog."""

    facility: str = "AUTH"
    """Syslog facility."""

    tag: str = "vault"
    """Syslog tag."""

    type = "syslog"

    def options(self) -> dict[str, str]:
        """Options in Vault's words."""
        return {"facility": self.facility, "tag": self.tag}


@dataclass(frozen=True, kw_only=True)
class SocketAudit:
    """To a socket; Vault stops answering when a TCP peer does."""

    address: str
    """`host:port`, or a path for `unix`."""

    socket_type: Literal["tcp", "udp", "unix"] = "tcp"
    """Kind of socket."""

    type = "socket"

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind or no address."""
        if self.socket_type not in ("tcp", "udp", "unix"):
            raise SettingError("socket_type", repr(self.socket_type), "tcp, udp or unix")
        if not self.address:
            raise ValueError("address: is empty: expected host:port, or a path for a unix socket")

    def options(self) -> dict[str, str]:
        """Options in Vault's words."""
        return {"address": self.address, "socket_type": self.socket_type}


AuditDevice = FileAudit | SyslogAudit | SocketAudit
"""Where an audit log goes."""


@dataclass(frozen=True, kw_only=True)
class AuditDevicesArgs:
    """What `AuditDevices` needs."""

    devices: Mapping[str, AuditDevice]
    """Devices by path in Vault."""

    require_two_types: bool = True
    """Refuse fewer than two types of device. False is for tries on one machine."""

    def __post_init__(self) -> None:
        """Raise ValueError for no device, or fewer than two types where they are required."""
        if not self.devices:
            raise SettingError("devices", "empty", "at least one")
        hold("devices", self.devices, names)
        types = {device.type for device in self.devices.values()}
        if self.require_two_types and len(types) < 2:
            raise ValueError(
                f"devices: only of type {', '.join(types)}: expected at least two different types, so that one that "
                "blocks doesn't stop Vault"
            )


class AuditDevices(pulumi.ComponentResource):
    """HashiCorp Vault's audit devices. Accessors and values stay HMAC'd: `log_raw` is never set."""

    def __init__(self, name: str, args: AuditDevicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:AuditDevices", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        for key, device in args.devices.items():
            vault.Audit(f"{name}-{key}", path=key, type=device.type, options=device.options(), opts=child)
        self.register_outputs({})
