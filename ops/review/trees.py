"""The files of a commit, or of the working tree as it would be committed, in a folder of their own.

Refuses to change anything in the repository.
"""

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import EstateError

WORKING_TREE = "the working tree"


@contextmanager
def committed(project: Path, setting: str, name: str) -> Iterator[Path]:
    """The project's files at a commit. Raises EstateError: there is no such commit here, or no repository."""
    commit = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is None:
        raise EstateError(f"{setting} is {name!r}; expected a commit, branch or tag of this repository that is here")
    folder = (_git(project, "rev-parse", "--show-prefix") or b"").decode().strip()
    packed = _git(project, "archive", "--format=tar", f"{commit.decode().strip()}:{folder}")
    if packed is None:
        raise EstateError(f"{setting} is {name!r}, which doesn't hold this project; expected a commit that does")
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(place, filter="data")
        yield Path(place)


@contextmanager
def working(project: Path) -> Iterator[Path]:
    """The project's files as they are, without what git ignores."""
    listed = _git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        raise EstateError(f"{project} is no git repository; expected one to compare commits of")
    with tempfile.TemporaryDirectory() as place:
        for name in filter(None, listed.decode().split("\0")):
            if (project / name).is_file():
                (Path(place) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(project / name, Path(place) / name)
        yield Path(place)


def _git(project: Path, *arguments: str) -> bytes | None:
    """What git answers in the project's folder; None where it refuses."""
    try:
        run = subprocess.run(["git", "-C", project, *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise EstateError("git isn't installed; expected it on PATH") from None
    return run.stdout if run.returncode == 0 else None
