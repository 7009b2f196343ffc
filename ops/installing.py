"""Sets up `.venv` before anything of the project can be imported: a script of the standard library only.

Owns `.venv`. What a program and its operator need is there before each command; what runs servers on this machine and
what only the sandbox needs is installed when it is first asked for. Installs again only when a requirements file
changed, and leaves the mark of success last, so that a killed installation is simply done again.
"""

import fcntl
import hashlib
import importlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

BASE, SERVERS, SANDBOX, DEVELOPMENT = "base", "servers", "sandbox", "development"
INSTALLER = "requirements-uv.txt"
FILES = {
    BASE: "requirements.txt",
    SERVERS: "requirements-servers.txt",
    SANDBOX: "requirements-sandbox.txt",
    DEVELOPMENT: "requirements-dev.txt",
}
"""Each set's file. They are locked so that they agree: none changes what another one installed."""
_DEVELOPMENT_COMMANDS = {"test", "check", "bench"}
_POSTGRES_WHEEL = "pgserver==0.1.4"
"""Its last release; the servers inside don't depend on the Python version that its wheels are tagged with."""
_POSTGRES_WHEEL_PYTHON = "3.12"


def main(project: Path, arguments: Sequence[str]) -> int:
    """Install what every command needs, or all for developers' ones; exit code 2 with one line if that fails."""
    names = list(FILES) if _DEVELOPMENT_COMMANDS & set(arguments) else [BASE]
    problem = _problem(project, names, "Python packages")
    if problem:
        print(f"estate: {problem}", file=sys.stderr)
    return 2 if problem else 0


def require(name: str) -> None:
    """Have one more set installed, unless it is there or this Python is not the checkout's own.
    Raises EstateError: it can't be installed."""
    from ops.errors import EstateError  # noqa: PLC0415 - the script can't import it

    project = Path(__file__).resolve().parents[1]
    if Path(sys.prefix) != project / ".venv":
        return  # whoever made it chose what is in it
    problem = _problem(project, [name], f"Python packages of the {name}")
    if problem:
        raise EstateError(problem)
    importlib.invalidate_caches()


def _problem(project: Path, names: Sequence[str], what: str) -> str | None:
    home = project / ".venv"
    try:
        home.mkdir(exist_ok=True)
        # Not `.lock`: uv keeps a lock of its own by that name, and would wait five minutes for ours.
        with (home / ".installing").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make_current(project, home, names, what)
    except (subprocess.CalledProcessError, OSError) as error:
        text = getattr(error, "stderr", None) or str(error)
        return f"can't set up {home}: {text.strip().splitlines()[-1]}"
    return None


def _make_current(project: Path, home: Path, names: Sequence[str], what: str) -> None:
    stale = [name for name in names if not _is_current(project, home, name)]
    if not stale:
        return
    if BASE in stale:
        # A killed installation may leave a mixture of old and new, which no mark may vouch for.
        for mark in home.glob(".installed-*"):
            mark.unlink()
        stale = list(names)
    print(f"estate: installing {what} into .venv", file=sys.stderr)
    if BASE in stale:
        _install_installer(home, project / INSTALLER)
    # Compiled bytecode halves the start-up of every later command.
    options = ["--python", str(home / "bin" / "python"), "--compile-bytecode", "--require-hashes"]
    _uv_install(home, *options, *(part for name in stale for part in ("-r", str(project / FILES[name]))))
    if SERVERS in stale and sys.version_info >= (3, 13):
        _install_postgres(home)
    for name in stale:
        _mark(home, name).write_text(fingerprint(project, name))


def _is_current(project: Path, home: Path, name: str) -> bool:
    mark = _mark(home, name)
    if not (mark.is_file() and mark.read_text() == fingerprint(project, name)):
        mark.unlink(missing_ok=True)
        return False
    return (home / "bin" / "python").exists()


def _mark(home: Path, name: str) -> Path:
    return home / f".installed-{name}"


def fingerprint(project: Path, name: str) -> str:
    """What a set's mark says: its files and those it rests on, and of the first set which Python it was made by."""
    digest = hashlib.sha256(sys.version.encode() if name == BASE else b"")
    for file in dict.fromkeys((INSTALLER, FILES[BASE], FILES[name])):
        digest.update((project / file).read_bytes())
    return digest.hexdigest()


def _install_installer(home: Path, file: Path) -> None:
    python = home / "bin" / "python"
    works = [str(python), "-m", "pip", "--version"]
    if not python.exists() or subprocess.run(works, capture_output=True, check=False).returncode:
        venv.EnvBuilder(with_pip=True, clear=False, upgrade_deps=False).create(home)
    _run([str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(file)])


def _install_postgres(home: Path) -> None:
    site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    wheel = ["--no-deps", "--python-version", _POSTGRES_WHEEL_PYTHON, "--target", str(site), _POSTGRES_WHEEL]
    _uv_install(home, "--only-binary", ":all:", *wheel)


def _uv_install(home: Path, *options: str) -> None:
    _run([str(home / "bin" / "uv"), "pip", "install", "--quiet", *options])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
