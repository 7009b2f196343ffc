"""The benchmark on a real, very small estate: every operation works, and what is measured as "nothing to do" is that.

Not proven here: any number. Those are `./estate bench`'s, on a machine that does nothing else.
"""

from pathlib import Path

from ops.development.bench import report, suite


def test_a_small_estate_can_be_measured(tmp_path: Path) -> None:
    plan = suite.Plan(sizes=(1,), compared_sizes=(), runs=1, ways=False)
    found = suite.measured(plan, lambda _: None)
    assert set(found.estate) == {(operation, 1) for operation in ("preview", "up", "no-op up", "refresh")}
    assert all(one.seconds > 0.5 and one.peak_mebibytes > 100 for one in found.estate.values())
    report.write(found, tmp_path / "benchmarks" / "README.md")
    assert "| no-op up | 1 |" in (tmp_path / "benchmarks" / "README.md").read_text()
