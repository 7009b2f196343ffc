"""The benchmark on a real, very small estate: every operation works, and what is measured as "nothing to do" is that.

Not proven here: any number. Those are `./estate bench`'s, on a machine that does nothing else.
"""

from ops.development.bench import suite
from ops.paths import ROOT


def test_a_small_estate_can_be_measured() -> None:
    found = suite.measured(lambda _: None, sizes=(1,), compared_sizes=(), runs=1)
    assert {case: one.runs for case, one in found.cases.items()} == {
        **{("program", f"import of stack {stack}", 0): 1 for stack in ("dev", "local", "prod", "staging")},
        **{("applications", operation, 1): 1 for operation in ("preview", "up", "no-op up", "refresh")},
    }
    assert all(one.seconds > 0 and one.peak_bytes > 0 for one in found.cases.values())
    assert "| applications | no-op up | 1 |" in suite.text(
        found, (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    )
