"""The files of a commit, or of the working tree as it would be committed, in a folder of their own.

Owns the folder that one comparison's copies are in. Refuses to change anything that git keeps.
"""

import fcntl
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ops.errors import EstateError
from ops.paths import Paths

WORKING_TREE = "the working tree"
_PREFIX = "comparing-"
_LOCK = "comparing.lock"


@contextmanager
def room(paths: Paths) -> Iterator[Path]:
    """A folder for one comparison's copies, closed to others and gone at its end. What comparisons left that were
    killed goes as soon as none runs."""
    own = paths.make_own()
    with (own / _LOCK).open("a") as lock:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in own.glob(f"{_PREFIX}*/"):
                shutil.rmtree(left)
        fcntl.flock(lock, fcntl.LOCK_SH)
        with tempfile.TemporaryDirectory(dir=own, prefix=_PREFIX) as place:
            yield Path(place)


def committed(project: Path, place: Path, setting: str, name: str) -> Path:
    """The project's files at a commit, below `place`. Raises EstateError: there is no such commit here, or no
    repository."""
    commit = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is None:
        raise EstateError(f"{setting} is {name!r}; expected a commit, branch or tag of this repository that is here")
    folder = (_git(project, "rev-parse", "--show-prefix") or b"").decode().strip()
    packed = _git(project, "archive", "--format=tar", f"{commit.decode().strip()}:{folder}")
    if packed is None:
        raise EstateError(f"{setting} is {name!r}, which doesn't hold this project; expected a commit that does")
    tree = Path(tempfile.mkdtemp(dir=place))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tree, filter="data")
    return tree


def working(project: Path, place: Path) -> Path:
    """The project's files as they are, without what git ignores, below `place`."""
    listed = _git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--exclude=/.estate/")
    if listed is None:
        raise EstateError(f"{project} is no git repository; expected one to compare commits of")
    tree = Path(tempfile.mkdtemp(dir=place))
    for name in filter(None, listed.decode().split("\0")):
        if (project / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / name, tree / name)
    return tree


def _git(project: Path, *arguments: str) -> bytes | None:
    """What git answers in the project's folder; None where it refuses."""
    try:
        run = subprocess.run(["git", "-C", project, *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise EstateError("git isn't installed; expected it on PATH") from None
    return run.stdout if run.returncode == 0 else None
