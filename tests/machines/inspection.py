"""A Debian or Ubuntu that isn't booted, to have a node's files looked at by the programs that will read them.

Owns a throw-away layer over the machines' cached root: nothing is written to the root itself, nothing stays. Refuses
the network, so that no check can depend on it.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fake_providers.machines import default_cache, prepare

_INSIDE = """\
set -eu
# On a filesystem of its own: a layer can't lie on another layer, which is what a container's root often is.
mount -t tmpfs tmpfs "$2/space"
mkdir "$2/space/upper" "$2/space/work" "$2/space/merged"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/space/upper,workdir=$2/space/work" "$2/space/merged"
cd "$2/space/merged"
mkdir -p checks run/lock
mount --bind "$2/checks" checks
mount -t proc proc proc
mount --rbind /dev dev
exec env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 chroot . sh /checks/all.sh
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one check said."""

    code: int
    """Exit code."""
    output: str
    """Standard output and standard error, as they came."""


def root(image: str) -> Path:
    """The machines' root of an image, made when it isn't there.

    Raises:
        fake_providers.machines.MachineError: no machine can be made here.
    """
    return prepare(default_cache(), image, print)


def answers(
    root: Path, given: Mapping[str, str], checks: Mapping[str, str], seconds: float = 300
) -> Mapping[str, Answer]:
    """Run each check, a line of shell, in one copy of the root after the other.

    Args:
        root: what `root()` gave.
        given: files of the checks' own, by name; they are below `/checks/`.
        checks: by a name of letters, digits, `-` and `_`. A failed one doesn't end the others.
        seconds: how long all may take together.
    """
    with tempfile.TemporaryDirectory(prefix="vault-estate-inspection-") as folder:
        place = Path(folder)
        (place / "space").mkdir()
        (place / "checks").mkdir()
        for name, content in given.items():
            file = place / "checks" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        lines = [
            f"code=0; ( {line} ) </dev/null >/checks/{name}.said 2>&1 || code=$?; echo $code >/checks/{name}.code"
            for name, line in checks.items()
        ]
        (place / "checks" / "all.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")
        apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
        subprocess.run(
            [*apart, "sh", "-c", _INSIDE, "sh", str(root), folder],
            check=True,
            capture_output=True,
            timeout=seconds,
        )
        return {name: _read(place / "checks", name) for name in checks}


def _read(place: Path, name: str) -> Answer:
    return Answer(
        code=int((place / f"{name}.code").read_text(encoding="ascii")),
        output=(place / f"{name}.said").read_text(encoding="utf-8", errors="replace"),
    )
