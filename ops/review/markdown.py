"""A comparison as the comment that a reviewer reads in a pull request.

Refuses to be longer than a comment may be: what doesn't fit is counted.
"""

from collections.abc import Iterator, Mapping, Sequence

from ops.review.comparing import Difference, PropertyChange, ResourceChange

MARK = "<!-- vault-estate diff -->"
"""By it the workflow finds its own comment again."""
_LONGEST = 60_000
"""Characters; GitHub takes 65,536, GitLab more (docs.github.com, issue comments)."""
_LONGEST_VALUE = 200


def render(differences: Sequence[Difference], unacknowledged: Mapping[str, Sequence[str]], base: str) -> str:
    """The whole comment."""
    lines = [MARK, "## What this change does to the stacks", "", f"Compared with `{base}`, from what both declare.", ""]
    for one in differences:
        lines += _stack(one, unacknowledged.get(one.stack, ()))
    text = "\n".join(lines) + "\n"
    if len(text) > _LONGEST:
        kept = text[:_LONGEST].rsplit("\n", 1)[0]
        text = f"{kept}\n\n… {len(text) - len(kept):,} more characters: `./estate diff {base}` shows them.\n"
    return text


def _stack(difference: Difference, unacknowledged: Sequence[str]) -> Iterator[str]:
    yield f"### `{difference.stack}`"
    yield ""
    if not (difference.resources or difference.capabilities or difference.exposure):
        yield from ("Nothing changes.", "")
        return
    if difference.widenings:
        open_ones = set(unacknowledged)
        yield "This change allows more than before:"
        yield ""
        for line in difference.widenings:
            yield f"- [{' ' if line in open_ones else 'x'}] {line}"
        yield ""
    if difference.capabilities:
        yield "| who | path | gains | loses |"
        yield "|---|---|---|---|"
        for one in difference.capabilities:
            yield f"| {one.who} | {_code(one.path)} | {_bold(one.gained)} | {', '.join(one.lost)} |"
        yield ""
    if difference.exposure:
        yield "| what is reached | opened to | closed to |"
        yield "|---|---|---|"
        for reach in difference.exposure:
            yield f"| {reach.what} | {_bold(reach.opened)} | {', '.join(reach.closed)} |"
        yield ""
    if difference.allowed:
        yield "| who or what | allows more |"
        yield "|---|---|"
        for more in difference.allowed:
            yield f"| {_code(more.who)} | {_code(more.what)} |"
        yield ""
    yield from _resources(difference.resources)


def _resources(resources: Sequence[ResourceChange]) -> Iterator[str]:
    counts = {kind: sum(one.kind == kind for one in resources) for kind in ("added", "removed", "replaced", "changed")}
    if not resources:
        return
    for kind, title in (("removed", "Removed"), ("replaced", "Made anew")):
        if named := [_code(one.title) for one in resources if one.kind == kind]:
            yield from (f"{title}: {', '.join(named)}", "")
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    yield from (
        f"<details><summary>Resources: {told}</summary>",
        "",
        "| change | resource | property | before | after |",
    )
    yield "|---|---|---|---|---|"
    for one in resources:
        for number, row in enumerate(one.properties or (None,)):
            head = f"| {one.kind} | {_code(one.title)} " if number == 0 else "| | "
            yield f"{head}| {_property(row)} |" if row else f"{head}| | | |"
    yield ""
    for one in resources:
        for changed in one.properties:
            if changed.lines:
                yield from (f"{_code(one.title)}, {changed.name}:", "", "```diff", *changed.lines, "```", "")
    yield from ("</details>", "")


def _property(changed: PropertyChange) -> str:
    if changed.lines:
        return f"{changed.name} | | below"
    return f"{changed.name} | {_value(changed.before)} | {_value(changed.after)}"


def _value(text: str) -> str:
    cut = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
    return _code(cut) if cut else ""


def _code(text: str) -> str:
    """Text that Markdown leaves alone, a table too."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text.replace('|', chr(92) + '|')}{fence}"


def _bold(names: Sequence[str]) -> str:
    return f"**{', '.join(names)}**" if names else ""
