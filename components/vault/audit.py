"""Headers of requests that are audited, and the devices of the flavour that takes them by its API: HashiCorp Vault.

Owns `vault.AuditRequestHeader`s and `vault.Audit`s. Of the devices, refuses to serve
OpenBao, whose devices are stanzas of its server file (it answers 400 here), and refuses devices that would all stop
together: Vault stops answering when no device can be written, so two of different type are the least.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from ..model import hold, names
from ..render.audit import AuditDevice, of_two_types
from .children import child

TRACE_HEADERS = ("traceparent", "x-request-id")
"""Headers by which a request is followed through other systems: W3C's, and the one of proxies and gateways."""


@dataclass(frozen=True, kw_only=True)
class TraceHeadersArgs:
    """What `TraceHeaders` needs."""

    headers: Sequence[str] = TRACE_HEADERS
    """Their names, in lower case."""


class TraceHeaders(pulumi.ComponentResource):
    """The headers by which a request is followed through other systems, in the audit log as they came: they tell no
    secret. A caller may claim anything there."""

    def __init__(self, name: str, args: TraceHeadersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:TraceHeaders", name, {}, opts)
        for header in args.headers:
            vault.AuditRequestHeader(f"{name}-{header}", name=header, hmac=False, opts=child(self))
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class AuditDevicesArgs:
    """What `AuditDevices` needs."""

    devices: Mapping[str, AuditDevice]
    """Devices by path in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for fewer than two types."""
        hold("devices", self.devices, names)
        of_two_types("devices", self.devices)


class AuditDevices(pulumi.ComponentResource):
    """HashiCorp Vault's audit devices. Accessors and values stay HMAC'd: `log_raw` is never set."""

    def __init__(self, name: str, args: AuditDevicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:AuditDevices", name, {}, opts)
        for key, device in args.devices.items():
            vault.Audit(f"{name}-{key}", path=key, type=device.type, options=device.options(), opts=child(self))
        self.register_outputs({})
