"""What the services of a cluster's sandbox need before they start. Whether they run is told by tests/clusters."""

from pathlib import Path

import pytest

from fake_providers import machines, nodes
from ops import installing
from ops.errors import EstateError
from ops.paths import Paths
from ops.sandbox import cluster_services
from ops.sandbox.cluster_services import ClusterServices
from tests.support.aws_samples import site


def test_what_images_are_made_of_is_installed_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def prepare(*_: object) -> None:
        raise machines.MachineError("made")

    monkeypatch.setattr(cluster_services, "refuse_here", lambda: None)
    monkeypatch.setattr(cluster_services, "require_namespaces", lambda: None)
    monkeypatch.setattr(installing, "require", asked.append)
    monkeypatch.setattr(nodes, "prepare", prepare)
    services = ClusterServices(paths=Paths(project=tmp_path), stack="staging")

    with pytest.raises(EstateError, match="made"):
        services.start(site(), [], "openbao", lambda _: None)

    assert set(asked) == {installing.SANDBOX, installing.SERVERS}
