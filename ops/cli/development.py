"""`./estate check`, `test` and `bench`: what only the project's own developers run.

Words in, tables or JSON out. What does the work is imported when it is asked for: nobody else's command waits for it.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli.options import Json
from ops.console import Console
from ops.errors import EstateError
from ops.paths import ROOT

if TYPE_CHECKING:
    from ops.development import test_runner


def check(as_json: Json = False) -> None:
    """Run the gates: format, lint, types."""
    console = Console(as_json=as_json)
    outcomes = _gates(console)
    console.document({one.name: {"passed": one.passed, "seconds": round(one.seconds, 1)} for one in outcomes})
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


def _gates(console: Console) -> "list[test_runner.Outcome]":
    from ops.development import test_runner  # noqa: PLC0415 - for developers only

    outcomes = test_runner.check(console)
    for outcome in outcomes:
        if outcome.said:
            console.say(outcome.said)
    rows = [[one.name, "✓" if one.passed else "failed", f"{one.seconds:.1f} s"] for one in outcomes]
    console.table("gates", ["gate", "result", "time"], rows)
    return outcomes


def run_tests(
    tiers: Annotated[list[str] | None, typer.Argument(help="Tiers to run; all that need no machine, if none.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also the gates, the booted node and the cluster.")] = False,
    as_json: Json = False,
) -> None:
    """Run the tests."""
    from ops.development import test_runner  # noqa: PLC0415 - for developers only
    from ops.engine import finding  # noqa: PLC0415 - as above

    console = Console(as_json=as_json)
    test_runner.tiers_to_run(tiers or [], everything=everything)  # a misspelt one is told before minutes are spent
    gates = _gates(console) if everything else []
    finding.find(console.say)
    code = test_runner.run(console, tiers or [], everything=everything)
    passed = code == 0 and all(gate.passed for gate in gates)
    console.document({"passed": passed})
    if not passed:
        raise typer.Exit(1)


class Subject(StrEnum):
    """What is measured."""

    ESTATE = "estate"
    CLIENT = "client"


def bench(
    subject: Annotated[
        Subject, typer.Argument(help="The estate's own commands, or reads by the library that applications use.")
    ] = Subject.ESTATE,
    *,
    sizes: Annotated[str, typer.Option(help="Numbers of applications, joined by commas.")] = "10,100,1000",
    compared_sizes: Annotated[
        str, typer.Option(help="Numbers of ACL policies to compare on; empty: none.")
    ] = "100,1000",
    runs: Annotated[int, typer.Option(min=1, help="How often each case is run; the median counts.")] = 3,
    reads: Annotated[int, typer.Option(min=20, help="Of `client`: how often the secret is read each way.")] = 2_000,
    note: Annotated[str, typer.Option(help="A line for the report, such as what else the machine does.")] = "",
    as_json: Json = False,
) -> None:
    """Measure the estate, or the library, and write benchmarks/README.md or benchmarks/client.md."""
    from ops.development.bench import suite  # noqa: PLC0415 - for developers only

    console = Console(as_json=as_json)
    if subject is Subject.CLIENT:
        from ops.development.bench import client  # noqa: PLC0415 - as above

        read = client.measured(reads, console.say)
        name, verdicts, tables = "client.md", list(client.verdicts(read)), client.tables(read, suite.facts(note))
    else:
        found = suite.measured(
            console.say,
            sizes=_numbers("--sizes", sizes),
            compared_sizes=_numbers("--compared-sizes", compared_sizes),
            runs=runs,
            note=note,
        )
        name, verdicts, tables = "README.md", list(suite.verdicts(found)), suite.tables(found)
    report = ROOT / "benchmarks" / name
    report.write_text(suite.filled(tables, report.read_text(encoding="utf-8")), encoding="utf-8")
    rows = [[target, measured, "✓" if met else "missed"] for target, measured, met in verdicts]
    console.table("targets", ["target", "measured", "met"], rows)
    console.result(f"written to benchmarks/{name}")
    console.document({target: {"measured": measured, "met": met} for target, measured, met in verdicts})
    missed = [f"{target}: {measured}" for target, measured, met in verdicts if not met]
    if missed:
        raise EstateError("\n  ".join(["targets missed:", *missed]))


def _numbers(option: str, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdecimal() and int(part) > 0 for part in parts):
        raise EstateError(f"{option} is {text!r}; expected whole numbers above 0, joined by commas")
    return tuple(int(part) for part in parts)
