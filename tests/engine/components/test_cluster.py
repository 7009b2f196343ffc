"""A cluster in AWS through the real engine, onto AWS in memory: made in an order in which nothing lacks what it is made
of, the same the second time, as it was when it is looked at, and taken away in an order in which nothing is still
needed.

Not proven: that AWS takes any of it, or that a node joins; `fake_providers.aws_cluster` says which of its rules hold.
"""

from pathlib import Path

from fake_providers.attach import attach_apart
from tests.support.aws_samples import cluster, site
from tests.support.programs import changes, trial_stack


def test_a_life(tmp_path: Path) -> None:
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
