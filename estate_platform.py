"""Composition of where Vault runs, by the platform's kind. Owns no resource; a cloud's composition owns its own."""

import pulumi

from components.endpoint import Platform
from components.platform.local import LocalServer, LocalServerArgs
from settings import Settings
from settings.platform import LocalPlatform

CA_CERTIFICATE_FILE = ".estate/local/tls/ca.crt"
"""Where `./estate` keeps the local authority's certificate, relative to the project's root."""


def build(settings: Settings) -> Platform:
    """Declare the place Vault runs.

    Raises:
        ValueError: a file that the settings name can't be read.
    """
    if isinstance(settings.platform, LocalPlatform):
        return _local(settings, settings.platform)
    import estate_hetzner  # noqa: PLC0415 - each cloud's SDK costs every other stack's start 40 ms

    return estate_hetzner.build(settings, settings.platform)


def _local(settings: Settings, platform: LocalPlatform) -> Platform:
    administrator = settings.bootstrap.administrator.files(pulumi.get_stack())
    server = LocalServer(
        "platform",
        LocalServerArgs(
            api_port=platform.api_port,
            ca_certificate_file=CA_CERTIFICATE_FILE,
            administrator_certificate_file=administrator.certificate,
            administrator_private_key_file=administrator.private_key,
        ),
    )
    return Platform(
        endpoint=server.endpoint, exports={"address": server.endpoint.address, "cluster_id": server.cluster_id}
    )
