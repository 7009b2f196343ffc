"""Variables in the forms that a shell, a `.env`, a program or GitHub's runner reads.

Owns the quoting. Refuses what a form can't hold, without showing it.
"""

import json
import secrets
import shlex
from collections.abc import Callable, Mapping

from vault_estate.errors import ConfigurationError


def shell(variables: Mapping[str, str]) -> str:
    """What a POSIX shell evaluates, which fails where a variable can't be set; nothing in it is expanded."""
    return " &&\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()) + "\n"


def dotenv(variables: Mapping[str, str]) -> str:
    """Lines that python-dotenv reads. Raises ConfigurationError for ``${``, which it expands in any quotes, and for a
    line's end that it would take for another."""
    for name, value in variables.items():
        if "${" in value or "\r" in value:
            raise ConfigurationError(f"variable {name} holds what a .env can't; expected --format sh or json for it")
    escaped = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in variables.items()}
    return "".join(f"{name}='{value}'\n" for name, value in escaped.items())


def document(variables: Mapping[str, str]) -> str:
    """One JSON object."""
    return json.dumps(variables) + "\n"


def github_file(variables: Mapping[str, str]) -> str:
    """What is added to the file that ``GITHUB_ENV`` names. Each value ends at a line that nobody can know before."""
    parts = []
    for name, value in variables.items():
        end = f"end-{secrets.token_hex(16)}"
        parts.append(f"{name}<<{end}\n{value}\n{end}\n")
    return "".join(parts)


def github_masks(variables: Mapping[str, str]) -> str:
    """What the runner reads on standard output, to hide values in the job's log: each line of each."""
    lines = [line for value in variables.values() for line in value.splitlines() if line.strip()]
    escaped = (line.replace("%", "%25") for line in dict.fromkeys(lines))
    return "".join(f"::add-mask::{line}\n" for line in escaped)


FORMATS: Mapping[str, Callable[[Mapping[str, str]], str]] = {"sh": shell, "dotenv": dotenv, "json": document}
"""What is printed, by `--format`; GitHub's is a file."""
