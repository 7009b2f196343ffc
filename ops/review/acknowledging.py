"""`widenings.yaml`: who knows that a change allows more than before, and why it shall.

Owns the form of the file. Refuses what the base has already: that was said of an earlier change.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from components.model import Section
from ops.errors import EstateError
from ops.review.comparing import Difference
from settings import wording
from settings.strict_yaml import StrictLoader

FILE = "widenings.yaml"

Said = Annotated[str, StringConstraints(min_length=3)]


class Acknowledgement(Section):
    """One person's word for one stack."""

    stack: str
    """The stack that allows more."""
    who: Said
    """The person who answers for it."""
    why: Said
    """The reason, for whoever asks later."""
    allows: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    """The lines of the comparison, word for word."""


class _File(Section):
    widenings: Annotated[tuple[Acknowledgement, ...], Field(strict=False)] = ()


def said_by(before: Path, after: Path, stacks: Sequence[str]) -> Sequence[Acknowledgement]:
    """What this change acknowledges: what was said before is of an earlier one.
    Raises EstateError: a file isn't in its form, or one of `stacks` isn't the stack that is named."""
    earlier, now = _read(before), _read(after)
    for number, one in enumerate(now):
        if one not in earlier and one.stack not in stacks:
            where = f"{FILE}: widenings[{number}].stack is {one.stack!r}"
            raise EstateError(f"{where}; expected one of: {', '.join(stacks)}")
    return [one for one in now if one not in earlier]


def unacknowledged(difference: Difference, said: Sequence[Acknowledgement]) -> Sequence[str]:
    """The widenings of a stack that nobody answers for."""
    known = {line for one in said if one.stack == difference.stack for line in one.allows}
    return [line for line in difference.widenings if line not in known]


def _read(tree: Path) -> Sequence[Acknowledgement]:
    path = tree / FILE
    if not path.exists():
        return ()
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 - a SafeLoader
        return TypeAdapter(_File).validate_python({} if document is None else document).widenings
    except OSError as error:
        raise EstateError(f"{FILE} can't be read: {error.strerror}; expected a file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EstateError(f"{FILE} is not YAML: {' '.join(str(error).split())}; expected a list widenings") from None
    except ValidationError as error:
        found = wording.lines(error.errors(include_url=False), "", _File)
        raise EstateError("\n".join(f"{FILE}: {line.removeprefix('.')}" for line in found)) from None
