"""`./estate diff`: what a change does to the stacks. Words in, tables, Markdown or JSON out; owns its exit code."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from ops.cli.options import Json
from ops.console import Console
from ops.paths import Paths
from ops.review import command, markdown, posting
from ops.review.acknowledging import FILE
from ops.review.comparing import Difference, PropertyChange

WIDENS = 3
"""Exit code where something allows more than before, and nobody answers for it."""


def diff(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The commit, branch or tag to compare with.")],
    stack: Annotated[str | None, typer.Argument(help="Name of the stack; all that have a file, if left out.")] = None,
    *,
    to: Annotated[str | None, typer.Option(metavar="COMMIT", help="Instead of the files as they are here.")] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a comment for a pull request.")] = False,
    to_post: Annotated[bool, typer.Option("--post", help="Write it as one comment of the pull request here.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a change does: resources, who gains or loses what, and what is reached from where. Needs no account."""
    console = Console(as_json=as_json)
    found = command.review(Paths(), base, to, stack, console)
    comment = markdown.render(found.differences, found.unacknowledged, base).rstrip("\n")
    if to_post:
        console.say(f"comment {posting.post(comment, os.environ)}")
    if as_markdown:
        console.result(comment)
    else:
        for difference in found.differences:
            _show(console, difference)
    console.document(
        {
            "base": base,
            "stacks": {
                one.stack: {
                    **asdict(one),
                    "widenings": list(one.widenings),
                    "unacknowledged": list(found.unacknowledged[one.stack]),
                }
                for one in found.differences
            },
        }
    )
    if found.widens:
        lines = [line for open_ones in found.unacknowledged.values() for line in open_ones]
        told = "\n".join(f"  {line}" for line in lines)
        console.say(f"estate: {len(lines)} lines allow more than before; expected who and why in {FILE}:\n{told}")
        raise typer.Exit(WIDENS)


def _show(console: Console, difference: Difference) -> None:
    stack = difference.stack
    if not (difference.resources or difference.capabilities or difference.exposure):
        console.result(f"{stack}: nothing changes")
        return
    rows = []
    for one in difference.resources:
        for number, changed in enumerate(one.properties or (None,)):
            head = [one.kind, one.title] if number == 0 else ["", ""]
            value = [changed.name, *_values(changed)] if changed else ["", "", ""]
            rows.append([*head, *value])
    if rows:
        console.table(f"{stack}: resources", ["change", "resource", "property", "before", "after"], rows)
    for one in difference.resources:
        for changed in one.properties:
            if changed.lines:
                console.result(
                    "\n".join([f"{one.title}, {changed.name}:", *(f"  {line}" for line in changed.lines), ""])
                )
    _show_rights(console, difference)


def _show_rights(console: Console, difference: Difference) -> None:
    stack = difference.stack
    if difference.capabilities:
        console.table(
            f"{stack}: who may do what",
            ["who", "path", "gains", "loses"],
            [[one.who, one.path, ", ".join(one.gained), ", ".join(one.lost)] for one in difference.capabilities],
        )
    if difference.exposure:
        console.table(
            f"{stack}: what is reached from where",
            ["what", "opened to", "closed to"],
            [[one.what, ", ".join(one.opened), ", ".join(one.closed)] for one in difference.exposure],
        )
    if difference.allowed:
        allowed = [[one.who, one.what] for one in difference.allowed]
        console.table(f"{stack}: what else allows more", ["who", "what"], allowed)


def _values(changed: PropertyChange) -> list[str]:
    return ["", "(below)"] if changed.lines else [changed.before, changed.after]
