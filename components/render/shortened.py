"""Programs and scripts as they travel: without what is written for readers, who find it in the repository.

Owns which lines go. Refuses to write anything anew: what stays is the source's own lines, the same from every Python.
"""

import ast
from collections.abc import Iterator


def without_comments(source: str, name: str) -> str:
    """A program without docstrings, lines of comments and empty lines; `name` says where the whole is."""
    gone = {number for start, end in _docstrings(ast.parse(source)) for number in range(start, end + 1)}
    lines = [
        line
        for number, line in enumerate(source.splitlines(), start=1)
        if number not in gone and line.strip() and not line.lstrip().startswith("#")
    ]
    return "\n".join([f"# {name} without its comments", *lines]) + "\n"


def bare_script(source: str) -> str:
    """A shell script without its lines of comments; the first line, which names its interpreter, stays.

    A here-document's lines would go as well: a script with such a line in one is refused by its test.
    """
    first, *rest = source.splitlines()
    return "\n".join([first, *(line for line in rest if line.strip() and not line.lstrip().startswith("#"))]) + "\n"


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        # Alone in its block it is a statement the block needs.
        if isinstance(body, list) and len(body) > 1:
            first = body[0]
            constant = first.value if isinstance(first, ast.Expr) else None
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                yield first.lineno, first.end_lineno or first.lineno
