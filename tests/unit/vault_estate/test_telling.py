"""What a command says beside its output never becomes part of it.

Not proven: what each command says, and when.
"""

import subprocess
import sys
from pathlib import Path

from vault_estate.cli import telling

_SAYS = "from vault_estate.cli.telling import tell; print('output'); tell('beside it'); print('more')"


def test_a_closed_standard_error_leaves_the_output_alone() -> None:
    said = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -c "{_SAYS}" 2>&-'], check=True, capture_output=True, text=True
    )
    assert said.stdout == "output\nmore\n"


def test_a_full_standard_error_ends_nothing() -> None:
    with Path("/dev/full").open("w") as full:
        said = subprocess.run([sys.executable, "-c", _SAYS], check=True, stdout=subprocess.PIPE, stderr=full, text=True)
    assert said.stdout == "output\nmore\n"


def test_every_line_beside_the_output_is_said_by_one_function() -> None:
    folder = Path(telling.__file__).parent
    prints = {file.name for file in folder.glob("*.py") if "file=sys.stderr" in file.read_text(encoding="utf-8")}
    # `restarting` has a command that would inherit what `telling` does to a stream that takes nothing.
    assert prints == {"telling.py", "restarting.py"}
