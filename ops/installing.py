"""Sets up `.venv` before anything of the project can be imported: a script of the standard library only.

Owns `.venv`. Installs again only when a requirements file changed, and leaves the mark of success last, so that a
killed installation is simply done again.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

_DEVELOPMENT_COMMANDS = {"test", "check", "bench"}
_POSTGRES_WHEEL = "pgserver==0.1.4"
"""Its last release; the servers inside don't depend on the Python version that its wheels are tagged with."""
_POSTGRES_WHEEL_PYTHON = "3.12"


def main(project: Path, arguments: list[str]) -> int:
    """Install what is missing; exit code 2 with one line when that can't be done."""
    files = [project / "requirements-uv.txt", project / "requirements.txt"]
    if _DEVELOPMENT_COMMANDS & set(arguments):
        files.append(project / "requirements-dev.txt")
    home = project / ".venv"
    try:
        home.mkdir(exist_ok=True)
        # Not `.lock`: uv keeps a lock of its own by that name, and would wait five minutes for ours.
        with (home / ".installing").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make_current(home, files)
    except (subprocess.CalledProcessError, OSError) as error:
        text = getattr(error, "stderr", None) or str(error)
        print(f"estate: can't set up {home}: {text.strip().splitlines()[-1]}", file=sys.stderr)
        return 2
    return 0


def _make_current(home: Path, files: list[Path]) -> None:
    # Each set has its own mark: the smaller one stays satisfied when the larger one was installed.
    mark = home / f".installed-{len(files)}"
    wanted = _fingerprint(files)
    if mark.is_file() and mark.read_text() == wanted and (home / "bin" / "python").exists():
        return
    # A killed installation may leave a mixture of two sets, which no mark may vouch for.
    for old in home.glob(".installed-*"):
        old.unlink()
    _install(home, files)
    mark.write_text(wanted)
    if len(files) == 3:
        (home / ".installed-2").write_text(_fingerprint(files[:2]))


def _fingerprint(files: list[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _install(home: Path, files: list[Path]) -> None:
    print("estate: installing Python packages into .venv", file=sys.stderr)
    python = home / "bin" / "python"
    if not _works(python):
        venv.EnvBuilder(with_pip=True, clear=False, upgrade_deps=False).create(home)
    _run([str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(files[0])])
    uv = str(home / "bin" / "uv")
    # Compiled bytecode halves the start-up of every later command.
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "--compile-bytecode"]
    _run([*install, "--require-hashes", *(part for file in files[1:] for part in ("-r", str(file)))])
    if sys.version_info >= (3, 13):
        site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        wheel = ["--no-deps", "--python-version", _POSTGRES_WHEEL_PYTHON, "--target", str(site), _POSTGRES_WHEEL]
        _run([uv, "pip", "install", "--quiet", "--only-binary", ":all:", *wheel])


def _works(python: Path) -> bool:
    if not python.exists():
        return False
    answer = subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False)
    return answer.returncode == 0


def _run(command: list[str]) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
