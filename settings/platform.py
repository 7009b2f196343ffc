"""Settings of the server on this machine: where it listens."""

from typing import Literal, Self

from pydantic import model_validator

from components.model import Port, Section, SettingError


class LocalPlatform(Section):
    """OpenBao and PostgreSQL as child processes on loopback, for development and for tests."""

    kind: Literal["local"]
    """This machine."""
    api_port: Port = 8200
    """Port of OpenBao's API on 127.0.0.1."""
    cluster_port: Port = 8201
    """Port of Raft on 127.0.0.1."""
    postgres_port: Port = 15432
    """Port of PostgreSQL on 127.0.0.1."""

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if len({self.api_port, self.cluster_port, self.postgres_port}) < 3:
            name = "cluster_port" if self.cluster_port in (self.api_port, self.postgres_port) else "postgres_port"
            raise SettingError(
                name, str(getattr(self, name)), "three different ports in api_port, cluster_port and postgres_port"
            )
        return self
