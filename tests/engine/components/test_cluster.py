"""A cluster and the servers in it, composed of settings, through the real engine onto what is in memory: made in an
order in which nothing lacks what it is made of, the same the second time, as it was when it is looked at, and taken
away in an order in which nothing is still needed. Volumes grow without their pods.

Not proven: that AWS or Kubernetes take any of it, that a node joins or a pod runs, or that Helm makes the same of the
chart; `fake_providers.aws_cluster`, `kubernetes` and `chart` say which of their rules hold. Nothing waits for Vault.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
from pulumi import automation

from composition import eks
from fake_providers.attach import attach_apart
from settings import parse
from settings.eks import EksPlatform
from tests.support.eks_samples import CLUSTER, PLATFORM, POSTGRES, SNAPSHOTS, cluster
from tests.support.programs import changes, trial_stack
from tests.unit.golden.local import CERTIFICATE, PUBLIC_KEY, RECIPIENT


def written(folder: Path) -> dict[str, Any]:
    """Settings with all that a cluster may have, and the public files that they name."""
    contents = {"ada.asc": PUBLIC_KEY, "age.pub": RECIPIENT, "admin.crt": CERTIFICATE}
    named = {name: str(folder / name) for name in contents}
    for name, text in contents.items():
        Path(named[name]).write_text(text)
    first = {
        **CLUSTER["bootstrap"],
        "operators": [{"name": "ada", "pgp_key": named["ada.asc"]}],
        "administrator": {"certificate": named["admin.crt"], "private_key": "admin.key"},
    }
    snapshots = {**SNAPSHOTS, "recipients": [named["age.pub"]]}
    return {
        **cluster(postgres=POSTGRES),
        "protect": False,
        "kubernetes": {},
        "bootstrap": first,
        "snapshots": snapshots,
    }


def declare(whole: dict[str, Any]) -> None:
    """Everything up to first boot."""
    settings = parse(whole)
    assert isinstance(settings.platform, EksPlatform)
    eks.servers(settings, settings.platform, pulumi.Output.secret)


def kinds(stack: automation.Stack) -> Iterator[str]:
    for one in (stack.export_stack().deployment or {})["resources"]:
        yield one["type"].rpartition("/")[2]


def test_the_life_of_a_cluster_and_its_servers(tmp_path: Path) -> None:
    wanted = [written(tmp_path)]
    with (
        attach_apart(["aws", "kubernetes"], world=tmp_path / "world.json") as attached,
        trial_stack(tmp_path / "stack", attached, lambda: declare(wanted[0])) as stack,
    ):
        planned = {str(kind): count for kind, count in stack.preview().change_summary.items()}
        made = changes(stack.up())
        assert made == planned
        there = Counter(kinds(stack))
        assert (there["v1:StatefulSet"], there["v1:PersistentVolumeClaim"], there["v1:Job"]) == (1, 10, 2)

        assert set(stack.preview(expect_no_changes=True).change_summary) == {"same"}
        assert changes(stack.refresh()) == {}

        larger = {**PLATFORM["pods"], "data_gibibytes": 30}
        wanted[0] = cluster(wanted[0], pods=larger)
        # Five claims, and the room that a snapshot of them may take.
        assert changes(stack.up()) == {"update": 6}

        assert changes(stack.destroy()) == {"delete": made["create"]}
