"""First boot of the local server, by the very script that the VPS and the cluster run.

Owns the parameters, the run and the answer. Refuses to see any secret: the script keeps them from its output, and
this module passes on nothing else.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from components.payloads.bootstrap import START_OVER
from components.platform.local import ADMINISTRATOR_NETWORKS
from components.render.bootstrap import Administrator, Bootstrap, BootstrapRun, Operator, program
from components.render.bootstrap import parameters as as_text
from composition.private_files import private_directory, write_private
from ops.errors import EstateError
from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator, read_public_key
from ops.local.servers import LocalServers

RUN_SECONDS = 180
"""Far above what it takes (measured here: 1.7 s), and above the script's own deadlines."""


def bootstrap(
    platform: LocalServers,
    *,
    policy: str,
    operators: Sequence[tuple[str, Path]] = (),
    threshold: int | None = None,
    snapshot: Path | None = None,
    token_ttl_seconds: int = 3_600,
    told: Callable[[str], None] | None = None,
) -> bool:
    """Initialise the running local server, or find that it was done before; True if this call did it.

    `policy` is the administrator's ACL policy as text. `operators` are (name, file of the armored public key); without
    any, a key pair is made in `DIRECTORY/operator`. `threshold` defaults to more than half. `token_ttl_seconds` is how
    long the administrator's login lasts. `told` gets the name of each step when it is done.

    Raises EstateError with the script's sentence.
    """
    certificate, private_key = platform.administrator_certificate, platform.administrator_key
    try:
        ensure_administrator(certificate, private_key)
        operators = operators or [("local", ensure_operator(platform.directory / "operator"))]
        keys = {str(path): read_public_key(name, path) for name, path in operators}
        first = Bootstrap(
            operators=tuple(Operator(name=name, pgp_key=str(path)) for name, path in operators),
            threshold=len(operators) // 2 + 1 if threshold is None else threshold,
            administrator=Administrator(
                certificate=str(certificate), private_key=str(private_key), token_ttl=token_ttl_seconds
            ),
        )
        parameters = BootstrapRun(
            bootstrap=first,
            texts={**keys, str(certificate): certificate.read_text(encoding="ascii")},
            address=platform.address,
            ca_file=str(platform.ca_file),
            auto_unseal=True,
            shares_file=str(platform.custody),
            policy=policy,
            token_bound_cidrs=ADMINISTRATOR_NETWORKS,
            snapshot=None if snapshot is None else str(snapshot),
            wait_seconds=30,
        )
        script, parameters_file = write_files(platform.directory / "bootstrap", parameters)
        try:
            return run_script(script, parameters_file, told=told)
        except StoppedEarlyError:
            platform.empty_vault()
            return run_script(script, parameters_file, told=told)
    except ValueError as error:
        raise EstateError(f"bootstrap: {error}") from error
    except OSError as error:
        raise EstateError(f"bootstrap: {error.filename or platform.directory}: {error.strerror}") from error


class StoppedEarlyError(EstateError):
    """An earlier run was stopped before anybody could log in; the server holds nothing."""


def write_files(directory: Path, parameters: BootstrapRun) -> tuple[Path, Path]:
    """Write the script and its parameters; their paths."""
    private_directory(directory)
    script, parameters_file = directory / "bootstrap.py", directory / "parameters.json"
    write_private(script, program().encode())
    write_private(parameters_file, as_text(parameters).encode())
    return script, parameters_file


def run_script(script: Path, parameters: Path, *, told: Callable[[str], None] | None = None) -> bool:
    """Run the script to its end; True if it initialised the server. Raises EstateError with its sentence."""
    with tempfile.TemporaryDirectory(dir=script.parent) as scratch:
        process = subprocess.Popen(
            [sys.executable, "-I", str(script), str(parameters)],
            env={"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": scratch, "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        initialised = False
        try:
            for line in process.stdout or ():
                step = str(json.loads(line)["step"])
                initialised |= step == "initialised"
                if told is not None:
                    told(f"first boot: {step.replace('-', ' ')}")
            _, said = process.communicate(timeout=RUN_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        failure = StoppedEarlyError if process.returncode == START_OVER else EstateError
        raise failure(said.strip() or f"bootstrap: ended with {process.returncode} and said nothing")
    return initialised
