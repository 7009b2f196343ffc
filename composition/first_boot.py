"""What first boot is told beside settings, wherever it runs: the public halves of people's keys. Owns no resource.
Refuses one key of two operators, who would be one person with two shares."""

from collections.abc import Iterator

from components.model import Form, twins
from components.render.bootstrap import Bootstrap
from settings.layers import WHOLE
from settings.named_files import CERTIFICATE, PGP_KEY, public


def named_files(bootstrap: Bootstrap) -> Iterator[tuple[str, str | None, Form]]:
    """By which setting each file is named, and what it has to hold."""
    for number, operator in enumerate(bootstrap.operators):
        yield f"bootstrap.operators[{number}].pgp_key", operator.pgp_key, PGP_KEY
    yield "bootstrap.administrator.certificate", bootstrap.administrator.certificate, CERTIFICATE


def texts(files: Iterator[tuple[str, str | None, Form]]) -> dict[str, str]:
    """What is in them, by their names. Raises ValueError where one can't be read, or holds something else, or two
    operators have one key."""
    named = [(setting, file, form) for setting, file, form in files if file]
    found = {file: public(setting, file, form) for setting, file, form in named}
    keys = {setting: _key(found[file]) for setting, file, form in named if form is PGP_KEY}
    for setting, other, _ in twins(keys):
        file = next(file for one, file, _ in named if one == setting)
        raise ValueError(f"{WHOLE}.{setting} is {file!r}; expected another key than {other} is")
    return found


def _key(armored: str) -> str:
    """A key without what people and programs write around it."""
    # No blank line is looked for: editors leave spaces in it, and some programs leave it out.
    lines = (line.strip() for line in armored.splitlines())
    return "".join(line for line in lines if not line.startswith(("=", "-")) and ":" not in line)
