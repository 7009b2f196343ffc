"""The library's benchmark: its trace, its targets and its report. The cache is the client's own; time is set.

Proves two numbers of it, which don't depend on a machine: the hit ratio, and what a slow Vault costs. The others are
`./estate bench client`'s; `tests/live/vault_estate/test_bench_client.py` runs it for a moment.
"""

from pathlib import Path

import pytest

from ops.cli import main
from ops.development.bench import client
from ops.development.bench.client import AGENT, HIT, HTTPX, HVAC, MISS, Found, Read, Traced
from ops.development.bench.client_trace import DAGSTER, TRACE_SECONDS, Schedule, readings
from ops.paths import ROOT
from tests.unit.ops.fakes import asked_of

REPORT = (ROOT / "benchmarks" / "client.md").read_text(encoding="utf-8")


def found(*, hit: float = 1e-6, miss: float = 1e-3, cpu: float = 3e-4, ratio: float = 0.97, p95: float = 0.0) -> Found:
    """A run with these numbers, and plain hvac's 0.65 ms."""
    reads = {
        HIT: Read(hit, 2 * hit, hit),
        MISS: Read(miss, 2 * miss, cpu),
        HVAC: Read(2e-3, 3e-3, 6.5e-4),
        HTTPX: Read(2e-3, 3e-3, 5e-4),
        AGENT: Read(3e-3, 4e-3, 2.5e-4, 7e-4),
    }
    return Found(reads, Traced(443, ratio, p95, 0.2))


def test_the_trace_is_ten_minutes_of_runs_that_come_again() -> None:
    read = readings()

    assert read == sorted(read)
    assert len(read) == sum(int(TRACE_SECONDS // one.every_seconds) * one.steps * len(one.secrets) for one in DAGSTER)
    assert max(one.at for one in read) < TRACE_SECONDS
    assert readings([Schedule(every_seconds=40, takes_seconds=10, steps=2, secrets=("b", "a"))], 100) == [
        *[(0.0, "a"), (0.0, "b"), (5.0, "a"), (5.0, "b")],
        *[(40.0, "a"), (40.0, "b"), (45.0, "a"), (45.0, "b")],
    ]


def test_most_reads_are_hits_and_none_takes_longer_than_one_answer_of_a_slow_vault() -> None:
    traced = client.traced()

    assert traced.reads == len(readings())
    assert 0.8 < traced.hit_ratio < 1
    assert traced.p95 < 0.5
    # A login comes before the first read.
    assert traced.longest == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("one", "missed"),
    [
        (found(), []),
        (found(hit=1.1e-5), ["a miss to a hit: at least 100 times"]),
        (found(cpu=3.4e-4), ["CPU of a miss to plain hvac's: at most 0.5"]),
        (
            found(miss=0.01, cpu=5.1e-3),
            ["CPU of a miss to plain hvac's: at most 0.5", "reads a second of CPU, 80 % hits: 1,000"],
        ),
        (found(ratio=0.8), ["hits on the trace: more than 80 %"]),
        (found(p95=0.5), ["95 % of the trace's reads: within 0.5 s"]),
    ],
    ids=["all met", "a slow hit", "a dear miss", "too few reads", "too few hits", "slow reads"],
)
def test_a_target_of_the_library_is_met_or_missed(one: Found, missed: list[str]) -> None:
    assert [words for words, _, met in client.verdicts(one) if not met] == missed


@pytest.mark.usefixtures("command_line")
def test_the_command_writes_the_librarys_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "benchmarks").mkdir()
    report = tmp_path / "benchmarks" / "client.md"
    report.write_text(REPORT)
    monkeypatch.setattr("ops.cli.development.ROOT", tmp_path)
    asked = asked_of(monkeypatch, "ops.development.bench.client.measured", found(ratio=0.5))

    assert main.main(["bench", "client", "--reads", "20", "--note", "on a train"]) == 2

    assert asked[0][0] == 20
    lines = report.read_text().splitlines()
    for line in (
        "| note | on a train |",
        "| hits on the trace: more than 80 % | 50.0% | **missed** |",
        "| a hit | 0.0010 ms | 0.0020 ms | 0.0010 ms |  |",
        "| the agent, by urllib3 | 3.0000 ms | 4.0000 ms | 0.2500 ms | 0.7000 ms |",
        "| 443 | 50.0% | 0.000 s | 0.200 s |",
    ):
        assert line in lines
    assert [line for line in lines if "|" not in line] == [line for line in REPORT.splitlines() if "|" not in line]
    assert "targets missed:\n  hits on the trace: more than 80 %: 50.0%" in capsys.readouterr().err
