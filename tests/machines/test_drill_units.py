"""systemd reads the units of the timer that drills, with whatever a path may hold.

Doesn't prove that a user's systemd runs them: `tests/engine/test_drill_timer.py` runs the command they have.
"""

import subprocess
from pathlib import Path

import pytest

from ops.paths import Paths
from ops.snapshots.drill_timer import SCHEDULE, schedule


def test_systemd_takes_the_units_and_the_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "a checkout of $5 100%"
    project.mkdir()
    program = project / "estate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))

    units = schedule(Paths(project=project), "dev", ["--identity", str(project / "age key"), "--sandbox"])

    read = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False, timeout=600
    )
    assert (read.returncode, read.stdout + read.stderr) == (0, "")
    calendar = ["systemd-analyze", "calendar", "--iterations=5", SCHEDULE]
    shown = subprocess.run(calendar, capture_output=True, text=True, check=True, timeout=600).stdout
    assert "*-01,04,07,10-01 00:00:00" in shown
