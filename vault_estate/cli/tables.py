"""A table for a person, or one JSON document for a program. Owns both forms."""

import json
from collections.abc import Iterable, Mapping, Sequence


def show(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    more: Mapping[str, object] | None = None,
    *,
    as_json: bool,
) -> None:
    """Print a table, or a list of objects, and what else there is to say."""
    if as_json:
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        print(json.dumps({"rows": found, **(more or {})}))
        return
    shown = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *shown, strict=True)]
    for row in (columns, *shown):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for name, value in (more or {}).items():
        print(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
