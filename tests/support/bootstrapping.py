"""Running the bootstrap script in tests: in this process, or in one that gets a signal at a given step."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys

from components.payloads import bootstrap as bootstrap_script
from components.render.bootstrap import Administrator, Bootstrap, BootstrapRun, Operator
from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator
from ops.local.bootstrap import write_files
from ops.local.servers import LocalServers
from tests.support.servers import ADMINISTRATOR_POLICY

# Loads the script as it is, and has the process get a signal when a given step is reported.
KILLER = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("shipped", sys.argv[1])
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
told = script.progress
def progress(step, **facts):
    told(step, **facts)
    if step == sys.argv[3]:
        os.kill(os.getpid(), int(sys.argv[4]))
script.progress = progress
script.TOKEN_SECONDS = 3
sys.exit(script.main([sys.argv[2]]))
"""


def parameters(platform: LocalServers, operators: int = 1) -> BootstrapRun:
    """What the script is told for this platform, with so many operators of its own."""
    ensure_administrator(platform.administrator_certificate, platform.administrator_key)
    keys = [ensure_operator(platform.directory / f"operator-{number}") for number in range(operators)]
    certificate = platform.administrator_certificate
    return BootstrapRun(
        bootstrap=Bootstrap(
            operators=tuple(Operator(name=f"o{n}", pgp_key=str(key)) for n, key in enumerate(keys)),
            threshold=operators // 2 + 1,
            administrator=Administrator(certificate=str(certificate), private_key=str(platform.administrator_key)),
        ),
        texts={str(file): file.read_text() for file in (*keys, certificate)},
        address=platform.address,
        ca_file=str(platform.ca_file),
        auto_unseal=True,
        shares_file=str(platform.custody),
        policy=ADMINISTRATOR_POLICY,
        wait_seconds=20,
    )


def run(
    platform: LocalServers, wanted: BootstrapRun, kill_at: str | None = None, by: int = signal.SIGKILL
) -> tuple[int, list[str], str]:
    """Run the script, in this process unless it is to be killed: exit code, steps, what it said."""
    script, file = write_files(platform.directory / "bootstrap", wanted)
    if kill_at is not None:
        command = [sys.executable, "-c", KILLER, str(script), str(file), kill_at, str(int(by))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        return done.returncode, [json.loads(line)["step"] for line in done.stdout.splitlines()], done.stderr
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.getsignal(number) for number in numbers}
    mask = os.umask(0o077)
    output, said = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(said):
            code = bootstrap_script.main([str(file)])
    finally:
        os.umask(mask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return code, [json.loads(line)["step"] for line in output.getvalue().splitlines()], said.getvalue()
