"""Composition of the server on this machine. Owns no resource."""

import pulumi

from components.platform.endpoint import Platform
from components.platform.local import LocalServer, LocalServerArgs
from settings import Settings
from settings.platform import LocalPlatform

CA_CERTIFICATE_FILE = ".estate/local/tls/ca.crt"
"""Where `./estate` keeps the local authority's certificate, relative to the project's root."""


def build(settings: Settings, platform: LocalPlatform) -> Platform:
    """Declare the server of this machine, which `./estate` starts."""
    server = LocalServer(
        "platform",
        LocalServerArgs(
            api_port=platform.api_port,
            ca_certificate_file=CA_CERTIFICATE_FILE,
            login=settings.bootstrap.administrator.login(pulumi.get_stack()),
        ),
    )
    return Platform(
        endpoint=server.endpoint, exports={"address": server.endpoint.address, "cluster_id": server.cluster_id}
    )
