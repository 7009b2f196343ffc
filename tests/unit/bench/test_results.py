"""What follows from measurements: growth, ratios, which targets are met."""

import pytest

from ops.development.bench.measuring import Measurement
from ops.development.bench.results import Comparison, Results, growth, ratio_of


def took(seconds: float, mebibytes: int = 100) -> Measurement:
    return Measurement(
        seconds=seconds, cpu_seconds=seconds / 2, peak_bytes=mebibytes * 2**20, runs=3, spread_seconds=0.1
    )


def results(
    *,
    imports: float = 0.5,
    estate: dict[tuple[str, int], Measurement] | None = None,
    comparison: Comparison | str = "not run: not asked for",
) -> Results:
    return Results(
        facts={"machine": "a test"},
        imports={"local": took(imports)},
        ways={},
        estate=estate or {},
        comparison=comparison,
    )


def compared(ours: float, theirs: float, *, ours_mebibytes: int = 100, theirs_mebibytes: int = 100) -> Comparison:
    return Comparison(
        tool="Tool v1",
        ours={(name, 1_000): took(ours, ours_mebibytes) for name in ("up", "no-op up")},
        theirs={(name, 1_000): took(theirs, theirs_mebibytes) for name in ("up", "no-op up")},
    )


def met(found: Results) -> dict[str, bool]:
    return {verdict.target.split(" within")[0].split(" grows")[0]: verdict.met for verdict in found.verdicts()}


@pytest.mark.parametrize(
    ("times", "factor"),
    [
        ({10: 3.0, 100: 3.9, 1_000: 12.9}, 1.0),  # 2.9 s to start and 10 ms an application
        ({10: 1.0, 100: 100.0, 1_000: 10_000.0}, 10.0),  # quadratic
        ({10: 1.0, 100: 10.0, 1_000: 55.0}, 0.5),
        ({10: 1.0, 100: 10.0, 1_000: 100.0, 5_000: 900.0}, 2.0),
    ],
)
def test_growth_leaves_the_start_up_out(times: dict[int, float], factor: float) -> None:
    assert growth(times) == pytest.approx(factor)


def test_growth_of_noise_is_not_called_linear() -> None:
    assert growth({10: 1.0, 100: 0.9, 1_000: 5.0}) == float("inf")


def test_growth_needs_three_sizes() -> None:
    with pytest.raises(ValueError, match="times has 2 sizes; expected at least 3"):
        growth({10: 1.0, 100: 2.0})


@pytest.mark.parametrize(("seconds", "is_met"), [(0.59, True), (0.6, True), (0.61, False)])
def test_import_budget(seconds: float, is_met: bool) -> None:
    assert met(results(imports=seconds)) == {"import of stack local": is_met}


def test_growth_is_judged_for_each_operation_measured_at_three_sizes() -> None:
    estate = {("up", size): took(size * 0.01 + 2) for size in (10, 100, 1_000)}
    estate |= {("refresh", size): took(size**2 * 0.01) for size in (10, 100, 1_000)}
    estate |= {("preview", size): took(size) for size in (10, 100)}
    verdicts = met(results(estate=estate))
    assert verdicts == {"import of stack local": True, "up": True, "refresh": False}
    assert results(estate=estate).sizes == [10, 100, 1_000]


@pytest.mark.parametrize(
    ("comparison", "wanted"),
    [
        (compared(2.0, 1.0), (True, True, True)),
        (compared(2.1, 1.0), (False, True, True)),
        (compared(2.6, 1.0), (False, False, True)),
        (compared(1.0, 1.0, ours_mebibytes=201), (True, True, False)),
        (compared(1.0, 1.0, ours_mebibytes=200), (True, True, True)),
    ],
)
def test_ratios_to_the_other_tool(comparison: Comparison, wanted: tuple[bool, bool, bool]) -> None:
    verdicts = met(results(comparison=comparison))
    names = ("no-op up of 1,000 policies", "up of 1,000 policies", "memory of up of 1,000 policies")
    assert tuple(verdicts[name] for name in names) == wanted


def test_what_was_not_compared_has_no_ratio() -> None:
    assert ratio_of(compared(1.0, 2.0), "up", 1_000) == 0.5
    assert ratio_of(compared(1.0, 2.0), "refresh", 1_000) is None
    assert met(results()) == {"import of stack local": True}
