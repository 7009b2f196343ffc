"""The server's file as the charts carry it: one text for all pods, which differ by variables only.

Owns what is in it beside what settings say, and the check that the chart leaves it as it is. Refuses a seal that the
flavour lacks.
"""

from dataclasses import dataclass, replace

from ...model import SettingError
from ..audit import FileAudit
from ..kms_plugin import KmsPlugin
from ..release import Flavor, Version
from ..seals import AwsKmsSeal, SealPlace, TransitSeal
from ..server_hcl import RetryJoin, ServerHcl, Telemetry, render
from ..traffic import API_PORT
from .names import CLUSTER_PORT, NAMES, host, pod_address
from .pods import ServerPods

REPLACED = ("HOST_IP", "POD_IP", "HOSTNAME", "API_ADDR", "TRANSIT_ADDR", "RAFT_ADDR")
"""What the charts' `sed` replaces wherever it stands when a pod starts (their templates/_helpers.tpl, `args`)."""
TEMPLATE = "{{"
"""What Helm would run: the charts pass the text through `tpl`."""


@dataclass(frozen=True, kw_only=True)
class ClusterServer:
    """A server in a cluster, as far as its settings say it. Raises SettingError where the flavour lacks the seal."""

    flavor: Flavor
    """HashiCorp Vault or OpenBao, each by its own chart."""
    version: Version
    """Exact version of what is in the image."""
    pods: ServerPods
    """How many, and how large."""
    seal: AwsKmsSeal | TransitSeal
    """Of the four, those that take no file: the key would be a secret in the cluster's own storage."""
    kms_plugin: KmsPlugin | None = None
    """By which OpenBao has a seal by AWS KMS."""
    zones: int = 3
    """Availability zones that the pods are spread over."""
    has_authorities: bool = False
    """Whether it trusts authorities that stand in the ConfigMap `vault-authorities`, beside the image's own."""

    def __post_init__(self) -> None:
        _server(self, SealPlace())

    @property
    def tag(self) -> str:
        """The image's tag, of which the digest decides."""
        return f"{self.version}@{self.pods.image.digest}"

    @property
    def home(self) -> str:
        """Folder of the server's files in its pod."""
        return NAMES[self.flavor].home

    @property
    def tls(self) -> str:
        """Folder of the certificate."""
        return f"{self.home}/tls"

    @property
    def plugins(self) -> str:
        """Folder of plugins."""
        return f"{self.home}/plugins"

    @property
    def seal_folder(self) -> str:
        """Folder of what a seal by another Vault is verified with."""
        return f"{self.home}/seal"

    @property
    def authorities(self) -> str:
        """Folder of authorities that are trusted beside the image's own."""
        return f"{self.home}/authorities"

    @property
    def audit_log(self) -> str:
        """Path of the audit log. The same in each pod: OpenBao that declares it otherwise can't become active."""
        return f"{self.home}/audit/audit.log"


def server_file(server: ClusterServer, seal_place: SealPlace) -> str:
    """The text. Raises SettingError where the chart would change it."""
    return literal(render(_server(server, seal_place)))


def literal(text: str) -> str:
    """The text, which reaches the server as it is. Raises SettingError for what the chart reads as something else."""
    for line in text.splitlines():
        for word in (TEMPLATE, *REPLACED):
            if word in line:
                name, _, value = line.strip().partition(" = ")
                raise SettingError(name, value or "written", f"a text without {word}, which the chart replaces")
    return text


def _server(server: ClusterServer, seal_place: SealPlace) -> ServerHcl:
    """No node id and no address: the chart's variables go before the file, and differ per pod.

    Joins name each pod, itself too, which is harmless: discovery by the cluster's API finds addresses, and none of
    them is in a certificate.
    """
    openbao = server.flavor == "openbao"
    return ServerHcl(
        flavor=server.flavor,
        storage_path=f"{server.home}/data",
        listener_address=f"[::]:{API_PORT}",
        cluster_listener_address=f"[::]:{CLUSTER_PORT}",
        certificate_file=f"{server.tls}/tls.crt",
        key_file=f"{server.tls}/tls.key",
        seal=server.seal,
        # Whom the pod's own client trusts is the listener's authority alone, and the seal would ask that client.
        seal_place=replace(seal_place, transit_authority_file=f"{server.seal_folder}/ca.crt"),
        kms_plugin=server.kms_plugin,
        plugin_directory=server.plugins if server.kms_plugin else None,
        audit_devices={"file": FileAudit(file_path=server.audit_log)} if openbao else {},
        retry_join=tuple(
            RetryJoin(
                leader_api_addr=pod_address(ordinal),
                leader_tls_servername=host(ordinal),
                leader_ca_cert_file=f"{server.tls}/ca.crt",
            )
            for ordinal in range(server.pods.replicas)
        ),
        telemetry=Telemetry(),
        registers_pods=True,
        reload=openbao,
    )
