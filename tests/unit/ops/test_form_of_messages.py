"""What ops and the library say of a mistake has one form: ``<what or setting> is <value>; expected <what>``, one line.

Reads the sources: every message of one of `RAISED` that is written where it is raised, or just before.
Not proven: that it is plain, nor anything of a message that is put together elsewhere.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.paths import ROOT

RAISED = ("ConfigurationError", "EstateError", "SettingError")
OTHERS_WORDS = {
    # The engine's, a server's, a program's or the system's own last words; nobody here knows what they ask for.
    "stack {}: the engine can't keep its secrets: {}",
    "bootstrap: {}",
    "bootstrap: {}: {}",
    "postgres: {} failed: {}",
    "postgres: {} could not be made: {}",
    "postgres: databases {} could not be made: {}",
    "postgres of the sandbox: {}",
    "openbao stays sealed: {}",
    "{} could not start (exit {}): {}",
    "{}: the supervisor ended with {}: {}",
    "{}: not ready after {} s; {}",
    "the sandbox's ACME authority: {}",
    "--sandbox: {}",
    "the drill's server did not start; it said: {}",
    "{} can't be built: {}",
    "{}: {}",
    "snapshot: {}",
    "snapshot: {}{}",
    "Vault at {} refused a step: {}",
    "Vault at {} refuses the administrator's certificate {}: {}",
    "secret-id: role {} of auth/{}: {}",
    "client-config: role {} of auth/{}: {}",
    "secret {}/{}: {}",
    "{}: {} {} answered {}: {}",
    "{} ended with {}; its last lines:\n{}",
    # YAML's own, with the line.
    "{}{}",
    # The rest is a duration's own rule, which begins with `expected`.
    "--wrap-ttl is {}; {}",
}
LOST = {
    # Nothing was given that could be another; what to do is said where there is something.
    "the sandbox's ACME authority does not serve after {} s",
    "{} took its shares, but is not at work after {} s",
    "another run has been getting {} for {} minutes, see {}",
    "the user's cache {} can't be written to: {}; XDG_CACHE_HOME may name another folder",
    "{}: this share, or one given before it, is not of this server. All were taken back; begin again with the first",
    "this share, or one given before it, is not of this server. All were taken back; begin again with the first",
    # A share is a secret: what matters is whether it left this machine, and what to do with the others.
    "that is not a key share: it is neither hexadecimal nor base64; nothing was sent",
    "{} is not the server of this stack: its certificate isn't vouched for; no share was sent",
    (
        "{} did not open: this share, or one given before it, is not of this server. All were taken back; begin again "
        "with the first"
    ),
}


def _text(value: ast.expr) -> str | None:
    """A literal's text, with `{}` for each value in it; None for what is put together elsewhere."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    if not isinstance(value, ast.JoinedStr):
        return None
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in value.values)


def _statements(tree: ast.AST) -> Iterator[tuple[ast.stmt | None, ast.stmt]]:
    """Every statement with the one before it."""
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                yield from zip([None, *statements], statements, strict=False)


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each message that is raised, or made to be raised."""
    for before, statement in _statements(ast.parse(source)):
        made = statement.exc if isinstance(statement, ast.Raise) else getattr(statement, "value", None)
        if not (isinstance(made, ast.Call) and made.args and ast.unparse(made.func).split(".")[-1] in RAISED):
            continue
        message = made.args[0]
        if isinstance(message, ast.Name) and isinstance(before, ast.Assign):
            message = before.value
        text = _text(message)
        if text is not None:
            yield statement.lineno, text


def _all() -> Iterator[tuple[Path, int, str]]:
    for file in sorted([*(ROOT / "ops").rglob("*.py"), *(ROOT / "vault_estate").rglob("*.py")]):
        for line, text in messages(file.read_text(encoding="utf-8")):
            yield file.relative_to(ROOT), line, text


def test_every_message_says_what_was_expected() -> None:
    wrong = [
        f"{file}:{line} {text}"
        for file, line, text in _all()
        if text not in OTHERS_WORDS | LOST and ("; expected " not in text or "\n" in text)
    ]
    assert wrong == []


def test_no_exception_outlives_its_message() -> None:
    assert (OTHERS_WORDS | LOST) - {text for _, _, text in _all()} == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("raise EstateError('a')", ["a"]),
        ("if x:\n    pass\nelse:\n    raise errors.SettingError(f'{a} is {b!r}') from None", ["{} is {}"]),
        ("try:\n    pass\nexcept ValueError:\n    msg = f'{a}'\n    raise EstateError(msg)", ["{}"]),
        ("def f():\n    return EstateError('a')", ["a"]),
        ("raise EstateError(failure())\nraise ValueError('b')\nraise\nx = 1", []),
    ],
)
def test_messages_are_found_where_they_are_raised(source: str, found: list[str]) -> None:
    assert [text for _, text in messages(source)] == found
