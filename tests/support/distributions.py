"""Building a distribution of this project, and an environment that has nothing but it and what it depends on."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.paths import ROOT


def run(*command: str | Path, directory: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints; an assertion that it succeeds."""
    answer = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def build(project: Path, into: Path, *targets: str) -> None:
    """The wheel and the source distribution, unless only some targets are named."""
    chosen = [part for target in targets for part in ("-t", target)]
    run(sys.executable, "-m", "hatchling", "build", "-d", into, *chosen, directory=project)


def environment_with(wheel: Path, home: Path, *extras: str, besides: Sequence[str] = ()) -> Path:
    """The Python of a new environment with the wheel, some of its extras, and what else is named, checked; other
    packages in the versions that are locked here."""
    uv = Path(sys.executable).with_name("uv")
    python = home / "bin" / "python"
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    locked = [part for name in ("requirements.txt", "requirements-dev.txt") for part in ("-c", ROOT / name)]
    run(uv, "venv", "--python", sys.executable, home)
    run(uv, "pip", "install", "--python", python, *locked, wanted, *besides)
    run(uv, "pip", "check", "--python", python)
    return python
