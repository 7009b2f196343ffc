"""What an operator sees: progress on stderr, results on stdout, JSON alone where it was asked for."""

import io
import json

import pytest

from ops.console import Console, Steps, _coloured

Captured = pytest.CaptureFixture[str]


def _everything(console: Console) -> None:
    console.say("beginning [1/2]")
    with console.stage("applying") as steps:
        steps.step("one", finished=False)
        steps.step("one", finished=True)
    console.table("proven", ["application", "login"], [["aos", "✓"], ["dagster", "failed: no"]])
    console.result("address: https://127.0.0.1:8200")
    console.document({"b": 1, "a": [True, None]})


def test_people_get_tables(capsys: Captured) -> None:
    _everything(Console())

    said = capsys.readouterr()
    assert said.err == "beginning [1/2]\napplying\n"
    lines = [line.rstrip() for line in said.out.splitlines() if line.strip()]
    assert lines[0] == "proven"
    assert [line.split() for line in lines[1:2]] == [["application", "login"]]
    assert ["aos", "✓"] in [line.split() for line in lines]
    assert lines[-1] == "address: https://127.0.0.1:8200"
    assert "{" not in said.out


@pytest.mark.parametrize("widest", ["", "path"])
def test_a_table_that_is_piped_has_each_name_whole(
    widest: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ["name-" * 30, "path/" * 60, "who"]
    monkeypatch.delenv("COLUMNS", raising=False)
    Console().table("long", ["name", "path", "who"], [row], widest=widest)
    assert row in [line.split() for line in capsys.readouterr().out.splitlines()]

    monkeypatch.setenv("COLUMNS", "80")
    Console().table("long", ["name", "path", "who"], [row], widest=widest)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_programs_get_one_json_document_and_nothing_else(capsys: Captured) -> None:
    _everything(Console(as_json=True))

    said = capsys.readouterr()
    assert said.out == '{\n  "a": [\n    true,\n    null\n  ],\n  "b": 1\n}\n'
    assert json.loads(said.out) == {"a": [True, None], "b": 1}
    assert said.err == "beginning [1/2]\napplying\n"


def test_brackets_are_text_and_no_markup(capsys: Captured) -> None:
    console = Console()
    console.say("[red]not red[/red]")
    console.result("[bold]not bold[/bold]")

    said = capsys.readouterr()
    assert said.err == "[red]not red[/red]\n"
    assert said.out == "[bold]not bold[/bold]\n"


def test_a_long_line_is_not_broken(capsys: Captured) -> None:
    Console().result("x" * 500)

    assert capsys.readouterr().out == "x" * 500 + "\n"


def test_without_a_terminal_a_line_comes_now_and_then(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("ops.console.time.monotonic", lambda: now[0])

    with Console().stage("applying") as steps:
        for second in range(1, 25):
            now[0] = 100.0 + second
            steps.step(f"step {second}", finished=second % 2 == 0)

    assert capsys.readouterr().err.splitlines() == [
        "applying",
        "applying: 5 done, 11 s, step 11",
        "applying: 11 done, 22 s, step 22",
    ]


def test_on_a_terminal_the_stage_is_animated_and_then_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")

    with Console().stage("applying") as steps:
        assert isinstance(steps, Steps)
        steps.step("vault:index/mount:Mount kv", finished=True)

    assert "applying" in screen.getvalue()
    assert "applying: 1 done, 0 s, vault:index/mount:Mount kv" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # the last thing is to clear the line


@pytest.mark.parametrize(
    ("cell", "style"),
    [
        ("✓", "green"),
        ("running", "green"),
        ("failed", "red"),
        ("failed: no route", "red"),
        ("missing", "yellow"),
        ("-", ""),
        ("aos", ""),
    ],
)
def test_cells_are_coloured_by_what_they_say(cell: str, style: str) -> None:
    assert _coloured(cell).style == style
    assert _coloured(cell).plain == cell
