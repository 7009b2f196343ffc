"""Which settings a cluster's sandbox replaces. Nothing runs here."""

import shutil
from dataclasses import replace
from pathlib import Path

import yaml

from components.render.chart.names import NAMES
from components.render.seals import TransitSeal
from ops import stack_file
from ops.paths import ROOT, Paths
from ops.sandbox import cluster_overlay
from ops.sandbox.cluster_services import ClusterFacts
from ops.stack_file import StackFile
from settings.eks import EksPlatform
from tests.support.eks_samples import FACTS, POSTGRES, cluster


def overlaid(folder: Path, stack: str, facts: ClusterFacts = FACTS) -> tuple[StackFile, StackFile]:
    """A committed stack's file, and the same in a sandbox."""
    for name in ("estate.base.yaml", f"Pulumi.{stack}.yaml"):
        shutil.copy(ROOT / name, folder)
    file = stack_file.read(Paths(project=folder), stack)
    assert isinstance(file.settings.platform, EksPlatform)
    return file, cluster_overlay.apply(file, file.settings.platform, facts)


def test_pods_have_roles_by_the_sandboxs_own_agent(tmp_path: Path) -> None:
    for name in ("estate.base.yaml", "Pulumi.staging.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    stack = tmp_path / "Pulumi.staging.yaml"
    lines = stack.read_text().replace("      kind: eks\n", "      kind: eks\n      pod_roles: irsa\n").splitlines()
    stack.write_text("\n".join(line for line in lines if "pod_identity_agent" not in line))
    file = stack_file.read(Paths(project=tmp_path), "staging")
    assert isinstance(file.settings.platform, EksPlatform)
    seen = cluster_overlay.apply(file, file.settings.platform, FACTS)
    told = {one.setting: (one.declared, one.used) for one in seen.replaced}
    assert told["platform.pod_roles"] == ("irsa", "pod_identity")
    assert isinstance(seen.settings.platform, EksPlatform)
    assert seen.settings.platform.pod_roles == "pod_identity"


def test_the_committed_file_keeps_all_but_what_names_something_elsewhere(tmp_path: Path) -> None:
    file, seen = overlaid(tmp_path, "staging")

    told = {one.setting: (one.declared, one.used) for one in seen.replaced}
    assert told.keys() == {
        "server.flavor",
        "server.version",
        "protect",
        "platform.pods.image",
        "platform.tools_image",
        "platform.chart",
        "platform.seal",
        "platform.destinations",
        "audit",
        "database.connections.postgresql.host",
    }
    assert told["server.flavor"] == ("vault", "openbao")
    assert told["database.connections.postgresql.host"] == ("postgres.staging.example.com", "198.19.0.254")
    platform = seen.settings.platform
    assert isinstance(platform, EksPlatform)
    assert platform.pods.image.digest == f"sha256:{'a' * 64}"
    assert platform.pods.replicas == 3
    assert isinstance(platform.seal, TransitSeal)
    assert platform.seal.address == "https://198.19.0.254:8300"
    assert seen.settings.applications == file.settings.applications
    assert seen.settings.protect is False


def test_a_database_in_aws_is_the_one_of_this_machine(tmp_path: Path) -> None:
    settings = cluster(postgres=POSTGRES)
    (tmp_path / "Pulumi.trial.yaml").write_text(yaml.safe_dump({"config": {"vault-estate:estate": settings}}))
    file = stack_file.read(Paths(project=tmp_path), "trial")
    assert isinstance(file.settings.platform, EksPlatform)
    seen = cluster_overlay.apply(file, file.settings.platform, FACTS)
    assert isinstance(seen.settings.platform, EksPlatform)
    assert seen.settings.platform.postgres is None
    assert "platform.postgres" in {one.setting for one in seen.replaced}


def test_production_has_five_servers_there_too(tmp_path: Path) -> None:
    _, seen = overlaid(tmp_path, "prod")

    platform = seen.settings.platform
    assert isinstance(platform, EksPlatform)
    assert platform.pods.replicas == 5


def test_hashicorps_server_keeps_its_seal_and_its_audit_devices(tmp_path: Path) -> None:
    chart = f"charts/vault-{NAMES['vault'].version}.tgz"
    facts = replace(FACTS, flavor="vault", server_version="1.21.0", chart_file=chart)
    file, seen = overlaid(tmp_path, "prod", facts)

    told = {one.setting: one.used for one in seen.replaced}
    assert told["server.version"] == "1.21.0"
    assert told["audit.collector.address"] == "198.19.0.254:5514"
    assert told.keys().isdisjoint({"server.flavor", "platform.seal", "audit"})
    platform = seen.settings.platform
    assert isinstance(platform, EksPlatform)
    assert platform.servers(seen.settings.server).seal.kind == "awskms"
    assert file.settings.audit is not None
    assert seen.settings.audit is not None
    assert seen.settings.audit.keys() == file.settings.audit.keys()
    assert seen.settings.audit["file"] == file.settings.audit["file"]
