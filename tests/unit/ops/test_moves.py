"""What of a built stack stays as it was made: the kind of its seal, its servers' flavour, its volumes' sizes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from components.render.chart.names import NAMES
from components.render.seals import Seal
from ops.commands import moves
from ops.errors import EstateError
from ops.paths import Paths
from ops.stack_file import StackFile, read
from tests.support.eks_samples import PLATFORM, cluster
from tests.unit.render.nodes import SEALS, of, render


def state(text: str) -> dict[str, object]:
    """One that has a node with this user-data."""
    server = {"urn": "urn::platform-server", "type": "hcloud:index/server:Server", "inputs": {"userData": text}}
    return {"resources": [server]}


def refuse(seal: Seal | None, text: str) -> None:
    """Compare settings with it."""
    settings = SimpleNamespace(platform=SimpleNamespace(seal=seal), database=None, transit=None, pki=None)
    moves.refuse(cast("StackFile", SimpleNamespace(path=Path("Pulumi.dev.yaml"), settings=settings)), state(text))


@pytest.mark.parametrize("wanted", SEALS)
@pytest.mark.parametrize("built", ["static", "shamir", "transit"])
def test_another_kind_of_seal_is_refused(built: str, wanted: str) -> None:
    text = render(of("openbao", built, "internal"))
    if built == wanted:
        refuse(SEALS[wanted], text)
        return

    with pytest.raises(EstateError) as caught:
        refuse(SEALS[wanted], text)

    assert str(caught.value) == (
        f"Pulumi.dev.yaml: vault-estate:estate.platform.seal.kind is {wanted!r}; expected {built!r}, which wrapped "
        "what the volume holds. Another kind takes a new stack (docs/operators.md)"
    )


def test_a_node_that_another_version_made_is_not_judged() -> None:
    refuse(SEALS["shamir"], "#cloud-config\npackages: []\n")
    refuse(None, render(of("openbao", "static", "internal")))


def trial(folder: Path, **pods: int) -> StackFile:
    """A stack in a cluster, of HashiCorp's servers."""
    settings = cluster(pods={**PLATFORM["pods"], **pods})
    (folder / "Pulumi.trial.yaml").write_text(yaml.safe_dump({"config": {"vault-estate:estate": settings}}))
    return read(Paths(project=folder), "trial")


def in_cluster(kind: str, name: str, specification: dict[str, Any]) -> dict[str, Any]:
    """A state that has this object."""
    inputs = {"metadata": {"name": name}, "spec": specification}
    return {"resources": [{"urn": f"urn::{name}", "type": f"kubernetes:{kind}", "inputs": inputs}]}


def claim(name: str, size: str) -> dict[str, Any]:
    return in_cluster("core/v1:PersistentVolumeClaim", name, {"resources": {"requests": {"storage": size}}})


@pytest.mark.parametrize(("volume", "name"), [("data", "data-vault-1"), ("audit", "audit-vault-2")])
def test_a_volume_grows_and_never_shrinks(tmp_path: Path, volume: str, name: str) -> None:
    setting = f"{volume}_gibibytes"
    moves.refuse(trial(tmp_path, **{setting: 30}), claim(name, "20Gi"))
    moves.refuse(trial(tmp_path, **{setting: 20}), claim(name, "20Gi"))

    last = claim(name.replace(name[-1], "9"), "20Gi")["resources"]
    with pytest.raises(EstateError) as caught:
        moves.refuse(trial(tmp_path, **{setting: 19}), {"resources": [*last, *claim(name, "20Gi")["resources"]]})

    assert str(caught.value) == (
        f"Pulumi.trial.yaml: vault-estate:estate.platform.pods.{setting} is 19; expected at least 20, which claim "
        f"{name} has: a volume grows and never shrinks"
    )


def test_another_flavours_set_never_takes_the_place_of_the_one_that_is_there(tmp_path: Path) -> None:
    def of_chart(name: str) -> dict[str, Any]:
        labels = {"app.kubernetes.io/name": name}
        return in_cluster("apps/v1:StatefulSet", "vault", {"selector": {"matchLabels": labels}})

    moves.refuse(trial(tmp_path), of_chart(NAMES["vault"].chart))

    with pytest.raises(EstateError) as caught:
        moves.refuse(trial(tmp_path), of_chart(NAMES["openbao"].chart))

    assert str(caught.value) == (
        "Pulumi.trial.yaml: vault-estate:estate.server.flavor is 'vault'; expected 'openbao', as the servers in the "
        "cluster are. Another one takes a new stack"
    )
