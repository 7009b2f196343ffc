"""Settings of a stack in an EKS cluster to begin a test from."""

from collections.abc import Mapping
from typing import Any

from components.render.chart.names import NAMES
from ops.sandbox.cluster_services import ClusterFacts
from tests.support.aws_samples import SITE
from tests.support.hetzner_samples import TRANSIT
from tests.unit.settings.samples import MINIMAL, MISSING

SHA256 = "0" * 64
SERVER = {"flavor": "vault", "version": "2.0.4"}
OPENBAO = {"flavor": "openbao", "version": "2.7.2"}
PLATFORM: Mapping[str, Any] = {
    "kind": "eks",
    **{name: SITE[name] for name in ("account_id", "region", "deployer_role_arn", "zone_ids", "addons")},
    "pods": {"image": {"repository": "docker.io/hashicorp/vault", "digest": f"sha256:{SHA256}"}},
    "chart": {"file": "charts/vault-0.34.1.tgz", "checksum": SHA256},
    "tools_image": f"registry.internal/tools@sha256:{SHA256}",
    "forwarded_port": 8210,
}
"""Nothing that has a default."""
AUDIT: Mapping[str, Any] = {
    "file": {"type": "file", "file_path": "/vault/audit/audit.log"},
    "collector": {"type": "socket", "address": "audit.internal:5514", "socket_type": "udp"},
}
"""What HashiCorp's flavour needs; of OpenBao's no entry."""
CLUSTER: Mapping[str, Any] = {**MINIMAL, "server": SERVER, "platform": PLATFORM, "audit": AUDIT}
OF_OPENBAO: Mapping[str, Any] = {
    "chart": {"file": "charts/openbao-0.29.2.tgz", "checksum": SHA256},
    "seal": TRANSIT,
}
"""Of the platform, what OpenBao has otherwise."""
KMS_PLUGIN: Mapping[str, Any] = {
    "image": "ghcr.io/openbao/openbao-plugin-kms-aws",
    "version": "v0.1.0",
    "sha256sum": SHA256,
}
"""By which OpenBao has a seal by AWS KMS."""
EXISTING_NETWORK: Mapping[str, Any] = {
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": {zone: f"subnet-0123456{number}" for number, zone in enumerate(SITE["zone_ids"])},
    "kms_endpoint_id": "vpce-01234567",
}
"""A network that somebody else made."""
POSTGRES: Mapping[str, Any] = {"password_secret": "postgres-password"}
"""A database beside the cluster, with nothing that has a default."""
LOAD_BALANCER: Mapping[str, Any] = {
    "domain": "vault.example.com",
    "client_cidrs": ["10.0.0.0/8", "192.168.7.0/24"],
    "hosted_zone_id": "Z0123456789ABC",
}
"""A load balancer for whoever is in one of these networks, around the cluster's own and apart from it."""
SNAPSHOTS: Mapping[str, Any] = {
    "store": {
        "kind": "bucket",
        "name": "vault-snapshots",
        "endpoint": "https://s3.eu-central-1.amazonaws.com",
        "region": "eu-central-1",
    },
    "recipients": ["keys/age.pub"],
    "certificate": "keys/snapshots.crt",
}
"""The section `snapshots`, which goes with a section `kubernetes`."""


def cluster(base: Mapping[str, Any] = CLUSTER, **platform: Any) -> dict[str, Any]:
    """Settings with parts of the platform replaced, or (`MISSING`) taken out."""
    whole = {**base["platform"], **platform}
    return {**base, "platform": {name: value for name, value in whole.items() if value is not MISSING}}


def openbao(**platform: Any) -> dict[str, Any]:
    """The same with OpenBao, which declares its audit devices itself."""
    return {**cluster(**platform), "server": OPENBAO, "audit": {}}


FACTS = ClusterFacts(
    address="198.19.0.254",
    flavor="openbao",
    server_version="2.7.2",
    server_image=f"sandbox.invalid/openbao@sha256:{'a' * 64}",
    tools_image=f"sandbox.invalid/tools@sha256:{'b' * 64}",
    chart_file=f".estate/sandbox/staging/charts/openbao-{NAMES['openbao'].version}.tgz",
    chart_checksum="c" * 64,
    seal="https://198.19.0.254:8300",
    aws="https://198.19.0.254:443",
    programs="/cache/programs",
    folder=".estate/sandbox/staging",
)
"""What a sandbox's start found."""
