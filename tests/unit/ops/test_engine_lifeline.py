"""A helper of the engine runs as a module would, and ends when its parent is killed."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from ops.engine import lifeline

PROGRAM = Path(lifeline.__file__)


def test_a_module_of_the_working_directory_runs_as_the_main_one(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    answer = subprocess.run(
        [sys.executable, str(PROGRAM), "helper", "one", "two"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout == "__main__ ['one', 'two']\n"


def test_a_helper_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(120)\n")
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, {str(PROGRAM)!r}, 'waiting'])\n"
        "print(child.pid, flush=True)\ntime.sleep(120)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    helper = psutil.Process(int(parent.stdout.readline()))
    assert parent.stdout.readline() == "up\n"

    parent.kill()
    parent.wait(timeout=10)

    deadline = time.monotonic() + 10
    while helper.is_running() and helper.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the helper outlives its parent"
        time.sleep(0.1)
