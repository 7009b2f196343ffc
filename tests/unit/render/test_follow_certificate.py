"""What runs beside a server in its pod, run whole by this machine's shell: whom it signals, and which logs it keeps.

`pidof` is a double, since the signalled process is no server. Not proven: the image's own shell, and that a server
reads its files again.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "components" / "payloads" / "follow_certificate.sh"
SIGNALLED = 'trap "echo HUP >>told" HUP; echo began >>told; while true; do sleep 0.02; done'


@contextmanager
def running(folder: Path, text: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    # A shell can't trap what whoever started the tests ignores, as `nohup` does.
    process = subprocess.Popen(
        ["env", "--default-signal=HUP", "sh", "-c", text],
        cwd=folder,
        env={"PATH": f"{folder}:{os.defpath}:/usr/bin:/bin", **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_server_is_signalled_for_another_certificate_and_for_a_full_log(tmp_path: Path) -> None:
    certificate, log, told = (tmp_path / name for name in ("tls.crt", "audit.log", "told"))
    certificate.write_text("first")
    log.write_text("a line\n")
    for time_of_day in range(3):
        (tmp_path / f"audit.log.20260101T00000{time_of_day}Z").write_text("old\n")
    with running(tmp_path, SIGNALLED) as server:
        until(told.exists)
        (tmp_path / "pidof").write_text(f'#!/bin/sh\n[ "$1" = vault ] && echo {server.pid}\n')
        (tmp_path / "pidof").chmod(0o755)
        settings = {"CERTIFICATE": str(certificate), "AUDIT_LOG": str(log), "AUDIT_BYTES": "10", "AUDIT_FILES": "2"}
        with running(tmp_path, SCRIPT.read_text(), PROGRAM="vault", PERIOD_SECONDS="0.05", **settings):
            until(lambda: not (tmp_path / "audit.log.20260101T000000Z").exists())
            assert told.read_text() == "began\n"

            # In one step, as the kubelet does: half a file would be another certificate.
            (tmp_path / "second").write_text("second")
            (tmp_path / "second").replace(certificate)
            until(lambda: told.read_text() == "began\nHUP\n")

            log.write_text("a line that is too long\n")
            until(lambda: told.read_text() == "began\nHUP\nHUP\n")
            until(lambda: len(list(tmp_path.glob("audit.log.*"))) == 2)

    newest = max(tmp_path.glob("audit.log.*"))
    assert newest.read_text() == "a line that is too long\n"
    assert not log.exists()
    assert (tmp_path / "audit.log.20260101T000002Z").exists()
