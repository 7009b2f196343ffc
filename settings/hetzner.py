"""Settings of a node on Hetzner Cloud: what it is, who reaches it, how it proves itself, how it unseals.

Owns which choices fit together. Refuses choices that need an operator's hand on a node nobody may log in to.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.hetzner.site import HetznerSite
from components.model import Form, Host, Ipv4Cidr, Name, Port, SettingError
from components.render.node.model import Logs, Ssh
from components.render.release import Download
from components.render.seals import Seal
from components.render.tls import Tls
from components.render.traffic import API_PORT

Label = Annotated[
    str,
    Form(
        r"[A-Za-z0-9]?(?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?",
        "a label: at most 63 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit",
    ),
]


class HetznerPlatform(HetznerSite):
    """One hardened server on Hetzner Cloud, its data on a volume of its own."""

    kind: Literal["hetzner"]
    """A server on Hetzner Cloud."""
    api_port: Port = API_PORT
    """Port of the API."""
    api_cidrs: Annotated[tuple[Ipv4Cidr, ...], Field(min_length=1, strict=False)]
    """Networks that may reach `api_port`: applications, and whoever runs `pulumi up`."""
    ssh: Ssh | None = None
    destinations: dict[Host, Annotated[tuple[Ipv4Cidr, ...], Field(min_length=1, strict=False)]] = {}
    """Networks behind a host name. To a host that isn't listed, its port is open to anywhere."""
    labels: dict[Name, Label] = {}
    """Labels of every resource, beside `estate` and `role`."""
    logs: Logs | None = None
    """None: they stay on the node."""
    tls: Tls
    """Where the listener's certificate comes from."""
    seal: Seal
    """Seal type: how the server is unsealed."""
    download: Download

    @model_validator(mode="after")
    def _certified_name(self) -> Self:
        if self.name is None and self.tls.needs_name:
            raise SettingError(
                "tls.kind", repr(self.tls.kind), "dns or domain beside it, which give the name that is certified"
            )
        return self

    @model_validator(mode="after")
    def _checksum_of_its_architecture(self) -> Self:
        if self.architecture not in self.download.checksums:
            raise SettingError(
                f"download.checksums.{self.architecture}",
                "missing",
                f"the checksum for what server_type {self.server_type!r} runs",
            )
        return self

    @model_validator(mode="after")
    def _operators_can_reach_it(self) -> Self:
        for part, section in (("tls", self.tls), ("seal", self.seal)):
            if section.needs_operator and self.ssh is None:
                raise SettingError(
                    f"{part}.kind",
                    repr(section.kind),
                    "a section ssh beside it, since an operator has to reach the node",
                )
        return self
