"""What first boot is told beside settings, wherever it runs: the public halves of people's keys. Owns no resource."""

from collections.abc import Iterator

from components.model import Form
from components.render.bootstrap import Bootstrap
from settings.named_files import CERTIFICATE, PGP_KEY, public


def named_files(bootstrap: Bootstrap) -> Iterator[tuple[str, str | None, Form]]:
    """By which setting each file is named, and what it has to hold."""
    for number, operator in enumerate(bootstrap.operators):
        yield f"bootstrap.operators[{number}].pgp_key", operator.pgp_key, PGP_KEY
    yield "bootstrap.administrator.certificate", bootstrap.administrator.certificate, CERTIFICATE


def texts(files: Iterator[tuple[str, str | None, Form]]) -> dict[str, str]:
    """What is in them, by their names. Raises ValueError where one can't be read, or holds something else."""
    return {file: public(setting, file, form) for setting, file, form in files if file}
