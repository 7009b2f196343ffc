"""Measuring a process: time, memory of the whole tree, and every way a run can go wrong.

Not proven here: that the numbers of an idle machine are the numbers of a busy one.
"""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.development.bench.measuring import Measurement, Sample, high_water_bytes, measure, median, run, tree_bytes
from ops.errors import EstateError

MEBIBYTE = 2**20


def python(program: str) -> list[str]:
    return [sys.executable, "-S", "-c", program]


def test_time_is_the_whole_process(tmp_path: Path) -> None:
    sample = run(python("import time; time.sleep(0.3)"), directory=tmp_path)
    assert 0.3 <= sample.seconds < 5


def test_processor_time_is_the_work_not_the_waiting(tmp_path: Path) -> None:
    waited = run(python("import time; time.sleep(1)"), directory=tmp_path)
    worked = run(
        python("import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'sum(range(20_000_000))'])"),
        directory=tmp_path,
    )
    assert waited.cpu_seconds < 0.5 * waited.seconds
    assert worked.cpu_seconds > waited.cpu_seconds


def test_memory_counts_children_too(tmp_path: Path) -> None:
    hold = "import time; held = bytearray(60 * 2**20); time.sleep(0.5)"
    alone = run(python(hold), directory=tmp_path)
    both = run(
        python(f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {hold!r}])\n"), directory=tmp_path
    )
    pair = run(
        python(
            f"import subprocess, sys\nc = subprocess.Popen([sys.executable, '-S', '-c', {hold!r}])\n{hold}\nc.wait()"
        ),
        directory=tmp_path,
    )
    assert 60 * MEBIBYTE < alone.peak_bytes < 110 * MEBIBYTE
    assert both.peak_bytes > 60 * MEBIBYTE
    assert pair.peak_bytes > 120 * MEBIBYTE


def test_a_short_peak_of_the_command_itself_is_not_missed(tmp_path: Path) -> None:
    # Held for less time than lies between two samples.
    sample = run(python("import time; held = bytearray(80 * 2**20); del held; time.sleep(0.3)"), directory=tmp_path)
    assert sample.peak_bytes > 80 * MEBIBYTE


def test_what_this_process_holds_is_not_counted(tmp_path: Path) -> None:
    held = bytearray(300 * MEBIBYTE)
    sample = run(python("import time; time.sleep(0.3)"), directory=tmp_path)
    assert len(held) == 300 * MEBIBYTE
    assert sample.peak_bytes < 100 * MEBIBYTE


def test_a_failed_run_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    program = "import sys; [print('line', n) for n in range(100)]; print('why', file=sys.stderr); sys.exit(3)"
    with pytest.raises(EstateError, match="ended with 3; expected 0") as error:
        run(python(program), directory=tmp_path)
    assert str(error.value).splitlines()[-1] == "why"
    assert "line 1\n" not in str(error.value)


def test_a_run_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])"
    with pytest.raises(EstateError, match="ended after"):
        run(python(program), directory=tmp_path, timeout_seconds=1.5)
    orphan = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(orphan) and psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its run"
        time.sleep(0.02)


def test_a_server_left_running_does_not_hold_the_measurement(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    program = (
        "import subprocess, sys\n"
        "c = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(30)'], start_new_session=True)\n"
        f"open({str(pid_file)!r}, 'w').write(str(c.pid))\n"
    )
    sample = run(python(program), directory=tmp_path)
    server = psutil.Process(int(pid_file.read_text()))
    assert server.is_running()
    server.kill()
    assert sample.seconds < 10


def test_a_program_that_is_not_there_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run([str(tmp_path / "missing")], directory=tmp_path)


def test_each_run_finds_things_as_they_must_be(tmp_path: Path) -> None:
    made: list[int] = []

    def before() -> None:
        (tmp_path / "fresh").touch()
        made.append(1)

    program = "import os; os.unlink('fresh')"  # fails unless it was made anew
    result = measure(python(program), runs=3, directory=tmp_path, before_each=before)
    assert result.runs == len(made) == 3
    assert result.spread_seconds >= 0


def test_the_environment_is_the_given_one(tmp_path: Path) -> None:
    run(python("import os; assert os.environ['CASE'] == 'x'"), directory=tmp_path, environment={"CASE": "x"})
    with pytest.raises(EstateError):
        run(python("import os; assert 'CASE' in os.environ"), directory=tmp_path, environment={"OTHER": ""})


def test_medians_are_taken_apart() -> None:
    runs = ((3.0, 0.1, 10), (1.0, 0.3, 30), (2.0, 0.2, 20))
    samples = [Sample(seconds=s, cpu_seconds=c, peak_bytes=b * MEBIBYTE) for s, c, b in runs]
    wanted = Measurement(seconds=2.0, cpu_seconds=0.2, peak_bytes=20 * MEBIBYTE, runs=3, spread_seconds=2.0)
    assert median(samples) == wanted
    assert median(samples).peak_mebibytes == 20
    assert median(samples[:1]).spread_seconds == 0


def test_medians_need_a_run() -> None:
    with pytest.raises(ValueError, match="expected at least one run"):
        median([])


def test_a_process_that_is_gone_holds_nothing() -> None:
    process = psutil.Popen(python("pass"))
    process.wait()
    assert tree_bytes(process) == 0
    assert high_water_bytes(process.pid) == 0
    assert tree_bytes(psutil.Process(os.getpid())) > 10 * MEBIBYTE
