"""Audit devices: what settings say about one, its options in the servers' words, its stanza, whom it has to reach.

Used by HashiCorp Vault, which takes devices by its API, and by OpenBao, which takes them from its server file. Values
are hashed everywhere: `log_raw` is never set.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Form, Section, SettingError
from .hcl import block, quote
from .traffic import Need

_HOST_AND_PORT = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"


class AnyAudit(Section):
    """What every device answers."""

    def options(self) -> dict[str, str]:
        """Options in the servers' words, which are the settings'."""
        return self.model_dump(exclude={"type"})

    def needs(self, name: str) -> tuple[Need, ...]:
        """Servers the device of this name has to reach."""
        del name
        return ()


class FileAudit(AnyAudit):
    """An audit device that writes one JSON line per request and per response into a file. HashiCorp's flavour only, as
    the other two: OpenBao declares its own."""

    type: Literal["file"] = "file"
    """Into a file."""
    file_path: Annotated[
        str, Form(r"/[^\x00-\x1f]+|stdout", "an absolute path such as /var/log/vault/audit.log, or stdout")
    ]
    """Absolute path of the file on the server, or `stdout`."""
    mode: Literal["0600", "0640"] = "0600"
    """Permissions of the file, in octal."""


class SyslogAudit(AnyAudit):
    """An audit device that writes to the host's syslog."""

    type: Literal["syslog"] = "syslog"
    """To the host's syslog."""
    facility: Annotated[str, Form(r"[A-Z0-9]+", "a syslog facility such as AUTH or LOCAL0")] = "AUTH"
    """Syslog facility."""
    tag: Annotated[str, Form(r"[A-Za-z0-9_.-]+", "a syslog tag: letters, digits, '_', '.' or '-'")] = "vault"
    """Syslog tag."""


class SocketAudit(AnyAudit):
    """An audit device that writes to a socket. Vault stops answering when a TCP peer does."""

    type: Literal["socket"] = "socket"
    """To a socket."""
    address: Annotated[str, Form(rf"{_HOST_AND_PORT}|/[^\s]+", "host:port, or an absolute path for a unix socket")]
    """`host:port` of the listener; for `unix`, the path of its socket."""
    socket_type: Literal["tcp", "udp", "unix"] = "tcp"
    """Kind of socket."""

    @model_validator(mode="after")
    def _address_of_its_kind(self) -> Self:
        if self.address.startswith("/") != (self.socket_type == "unix"):
            wanted = "an absolute path" if self.socket_type == "unix" else "host:port"
            raise SettingError("address", repr(self.address), f"{wanted} for socket_type {self.socket_type!r}")
        return self

    def needs(self, name: str) -> tuple[Need, ...]:
        """The listener, where it is on a network."""
        if self.socket_type == "unix":
            return ()
        host, _, port = self.address.rpartition(":")
        return (Need(host=host, port=int(port), reason=f"audit device {name}", protocol=self.socket_type),)


AuditDevice = Annotated[FileAudit | SyslogAudit | SocketAudit, Field(discriminator="type")]


def of_two_types(setting: str, devices: Mapping[str, AuditDevice]) -> None:
    """Hold the devices of HashiCorp's flavour to what it takes to go on where one can't be written: then Vault stops
    answering, unless another one can. Raises SettingError."""
    types = sorted({device.type for device in devices.values()})
    if len(types) < 2:
        said = f"of type {', '.join(types)} only" if types else "empty"
        raise SettingError(setting, said, "at least two different types, so that one that blocks doesn't stop Vault")


def stanza(name: str, device: AuditDevice) -> list[str]:
    """Lines of OpenBao's configuration that declare a device."""
    options = [f"{option} = {quote(value)}" for option, value in device.options().items()]
    return block(f"audit {quote(device.type)} {quote(name)}", block("options", options))
