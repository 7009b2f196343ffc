"""What the operator sees while a command works, and at its end. Progress goes to stderr, results to stdout.

Refuses to mix the two, so that `--json` prints one JSON document and nothing else.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console as Terminal
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

_LINE_SECONDS = 10.0
"""How often a line is printed where there is no terminal to animate."""
_ENDLESS = 1_000_000
"""Characters of a line where there is no terminal, and nobody says otherwise in `COLUMNS`."""


class Steps:
    """The progress of one stage: how many steps are done and which one is at work."""

    def __init__(self, title: str, terminal: Terminal, live: Live | None) -> None:
        self._title, self._terminal, self._live = title, terminal, live
        self._done = 0
        self._started = self._printed = time.monotonic()

    def step(self, name: str, *, finished: bool) -> None:
        """Tell of one step that began or finished."""
        self._done += finished
        now = time.monotonic()
        text = f"{self._title}: {self._done} done, {now - self._started:.0f} s, {name}"
        if self._live:
            self._live.update(Spinner("dots", Text(text, overflow="ellipsis", no_wrap=True)))
        elif now - self._printed > _LINE_SECONDS:
            self._printed = now
            self._terminal.print(text, highlight=False)


class Console:
    """Everything a command prints."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._progress = Terminal(file=sys.stderr)
        self._results = Terminal(file=sys.stdout)
        if not self._results.is_terminal and "COLUMNS" not in os.environ:
            self._results = Terminal(file=sys.stdout, width=_ENDLESS)

    def say(self, text: str) -> None:
        """Tell what is going on."""
        self._progress.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, title: str) -> Iterator[Steps]:
        """Show one stage while it runs: animated on a terminal, a line now and then elsewhere."""
        if self._progress.is_terminal:
            with Live(Spinner("dots", Text(title)), console=self._progress, transient=True) as live:
                yield Steps(title, self._progress, live)
        else:
            self.say(title)
            yield Steps(title, self._progress, None)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, widest: str = "") -> None:
        """Print a table, unless JSON was asked for. Where it doesn't fit a terminal, cells go on in the next line;
        the column called `widest` keeps a third of the room then. Elsewhere it is as wide as it needs to be, so that
        each name stands whole on its line."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=box.SIMPLE_HEAD)
        widths = _widths(columns, rows, columns.index(widest), self._results.width) if widest else {}
        for number, column in enumerate(columns):
            table.add_column(column, overflow="fold", no_wrap=number == 0, width=widths.get(number))
        for row in rows:
            table.add_row(*(_coloured(cell) for cell in row))
        self._results.print(table)

    def result(self, text: str) -> None:
        """Print a line of the result, unless JSON was asked for."""
        if not self.as_json:
            self._results.print(text, highlight=False, markup=False, soft_wrap=True)

    def document(self, content: Mapping[str, Any]) -> None:
        """Print the whole result as JSON, if that was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], widest: int, room: int) -> dict[int, int]:
    """How wide each column is; the first is as wide as it needs to be. Left to itself, a table that doesn't fit has
    columns of one width, in which no path can be read."""
    wanted = {
        number: max(cell_len(line) for cell in (name, *(row[number] for row in rows)) for line in cell.split("\n"))
        for number, name in enumerate(columns)
    }
    left = room - 3 * len(columns) - 1  # its lines and padding
    widths = {0: wanted[0], widest: min(wanted[widest], left // 3)}
    left -= sum(widths.values())
    others = sorted(wanted.keys() - widths.keys(), key=lambda number: wanted[number])
    for done, number in enumerate(others):
        widths[number] = max(1, min(wanted[number], left // (len(others) - done)))
        left -= widths[number]
    return widths | {widest: min(wanted[widest], widths[widest] + max(0, left))}


def _coloured(cell: str) -> Text:
    styles = {"✓": "green", "running": "green", "failed": "red", "missing": "yellow"}
    return Text(cell, style=styles.get(cell.split(":", maxsplit=1)[0], ""))
