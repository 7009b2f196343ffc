"""A cluster in AWS, and the servers in one, through the real engine onto what is in memory: made in an order in which
nothing lacks what it is made of, the same the second time, as it was when it is looked at, and taken away in an order
in which nothing is still needed.

Not proven: that AWS or Kubernetes take any of it, that a node joins or a pod runs, or that Helm makes the same of the
chart; `fake_providers.aws_cluster`, `kubernetes` and `chart` say which of their rules hold.
"""

from dataclasses import replace
from pathlib import Path

from fake_providers.attach import attach_apart
from tests.support.aws_samples import cluster, site
from tests.support.cluster_samples import servers
from tests.support.programs import changes, trial_stack
from tests.unit.render.chart_samples import VAULT


def test_a_clusters_life(tmp_path: Path) -> None:
    place = site(endpoints="all")
    with (
        attach_apart(["aws"], world=tmp_path / "world.json") as attached,
        trial_stack(tmp_path / "stack", attached, lambda: cluster(place, protect=False)) as stack,
    ):
        # Nothing is there yet, so most of what it is made of isn't known.
        planned = {str(kind): count for kind, count in stack.preview().change_summary.items()}
        made = changes(stack.up())
        assert made == planned
        assert made["create"] > 90

        assert set(stack.preview(expect_no_changes=True).change_summary) == {"same"}
        assert changes(stack.refresh()) == {}

        assert changes(stack.destroy()) == {"delete": made["create"]}


def test_servers_live_and_their_volumes_grow_without_them(tmp_path: Path) -> None:
    wanted = [VAULT]
    with (
        attach_apart(["kubernetes"], world=tmp_path / "world.json") as attached,
        trial_stack(tmp_path / "stack", attached, lambda: servers(wanted[0], protect=False)) as stack,
    ):
        made = changes(stack.up())
        types = [one["type"] for one in (stack.export_stack().deployment or {})["resources"]]
        assert types.count("kubernetes:core/v1:Service") == 3
        assert {"kubernetes:apps/v1:StatefulSet", "kubernetes:policy/v1:PodDisruptionBudget"} <= set(types)

        wanted[0] = replace(VAULT, pods=VAULT.pods.model_copy(update={"data_gibibytes": 30}))
        assert changes(stack.up()) == {"update": 3}

        assert changes(stack.destroy()) == {"delete": made["create"]}
