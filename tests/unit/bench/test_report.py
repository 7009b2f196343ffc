"""The report says everything that was measured, and no more."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops.development.bench import suite
from ops.development.bench.report import text, write
from ops.development.bench.results import Results
from ops.errors import EstateError
from tests.unit.bench.test_results import compared, results, took


@pytest.fixture
def whole() -> Results:
    """A run with everything in it."""
    estate = {("up", size): took(size / 100, size) for size in (10, 100, 1_000)}
    found = results(imports=0.7, estate=estate, comparison=compared(3.0, 1.0))
    return replace(
        found,
        ways={"from nothing to the first secret, local stack": took(12.5)},
        facts={"processor": "a slow one", "note": "on a train"},
    )


def test_every_number_is_there(whole: Results) -> None:
    lines = text(whole).splitlines()
    assert "| processor | a slow one |" in lines
    assert "| note | on a train |" in lines
    assert "| import of stack local within 0.6 s | 0.70 s | **missed** |" in lines
    assert "| import of stack local | 0.70 s | 0.10 s | 0.35 s | 100 MiB | 3 |" in lines
    first = "| from nothing to the first secret, local stack | 12.50 s | 0.10 s | 6.25 s | 100 MiB | 3 |"
    assert first in lines
    assert "| up | 1,000 | 10.00 s | 0.10 s | 5.00 s | 1000 MiB | 3 |" in lines
    assert "| up | 1,000 | 3.00 s | 1.00 s | 3.00 | 3.00 | 1.00 |" in lines
    assert any(line.startswith("The same ACL policies") for line in lines)


def test_tables_are_tables(whole: Results) -> None:
    for table in text(whole).split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.splitlines()}) == 1
            assert table.splitlines()[1].replace(" ", "").strip("|").split("|") == ["---"] * (
                table.splitlines()[0].count("|") - 1
            )


def test_lines_are_of_a_readable_length(whole: Results) -> None:
    assert max(len(line) for line in text(whole).splitlines() if not line.startswith("|")) <= 140


def test_what_was_not_compared_says_why() -> None:
    why = "not run: neither tofu nor terraform is on PATH"
    assert "Not run: neither tofu nor terraform is on PATH." in text(results(comparison=why))


def test_the_file_is_replaced_as_a_whole(whole: Results, tmp_path: Path) -> None:
    file = tmp_path / "benchmarks" / "README.md"
    write(whole, file)
    write(whole, file)
    assert file.read_text() == text(whole)
    assert [entry.name for entry in file.parent.iterdir()] == ["README.md"]


def test_missed_targets_are_the_operators_error(whole: Results) -> None:
    with pytest.raises(EstateError) as error:
        suite.missed(whole)
    assert str(error.value).splitlines()[:2] == ["targets missed:", "  import of stack local within 0.6 s: 0.70 s"]
    suite.missed(results())


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"sizes": (10, 0)}, "sizes has 0"),
        ({"compared_sizes": (-5,)}, "compared_sizes has -5"),
        ({"runs": 0}, "runs has 0"),
    ],
)
def test_a_plan_that_cannot_be_measured_is_refused(plan: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}; expected whole numbers above 0"):
        suite.Plan(**plan)  # type: ignore[arg-type]  # the values are wrong on purpose
