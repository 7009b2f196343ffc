"""Settings of audit devices."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from components.model import Form, Section


class FileAudit(Section):
    """An audit device that writes to a file. HashiCorp's flavour only, as the other two: OpenBao declares its own."""

    type: Literal["file"]
    """Kind of the device."""
    file_path: Annotated[str, Form(r"/[^\s]+", "an absolute path without spaces, such as /var/log/vault/audit.log")]
    """Absolute path of the file on the server."""


class SyslogAudit(Section):
    """An audit device that writes to the host's syslog."""

    type: Literal["syslog"]
    """Kind of the device."""


class SocketAudit(Section):
    """An audit device that writes to a socket."""

    type: Literal["socket"]
    """Kind of the device."""
    address: Annotated[str, StringConstraints(min_length=1)]
    """host:port of the listener."""


AuditDevice = Annotated[FileAudit | SyslogAudit | SocketAudit, Field(discriminator="type")]
