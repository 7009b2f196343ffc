"""A drill that nobody has to think of: the timer of the machine that holds a recipient's private key, and its metrics.

Owns the units' text and what a node exporter reads. Refuses to be a node's: the key that opens snapshots is not there.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from composition.private_files import private_directory, write_private
from ops.paths import Paths
from ops.snapshots.drilling import Drilled

SCHEDULE = "quarterly"
"""As `OnCalendar` says it; `status` misses a drill that is older."""
_NAMES = ("success", "last_attempt_timestamp_seconds", "last_success_timestamp_seconds", "rpo_seconds", "rto_seconds")


def metrics_file(paths: Paths, stack: str) -> Path:
    """Where metrics are unless somebody says otherwise."""
    return private_directory(paths.make_own() / "drills") / f"{stack}.prom"


def measured(file: Path, drill: Callable[[], Drilled]) -> Drilled:
    """Do a drill, and write what a node exporter reads, whole or not at all; the last success stays until the next."""
    text = file.read_text() if file.is_file() else ""
    found = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
    before = found.get("vault_drill_last_success_timestamp_seconds", "0")
    now = f"{time.time():.0f}"
    values = dict.fromkeys(_NAMES, "0") | {"last_attempt_timestamp_seconds": now}
    values["last_success_timestamp_seconds"] = before
    try:
        done = drill()
        if done.opened:
            values |= {"success": "1", "last_success_timestamp_seconds": now}
        values |= {"rpo_seconds": f"{done.rpo_seconds:.0f}", "rto_seconds": f"{done.rto_seconds:.1f}"}
    finally:
        lines = (f"# TYPE vault_drill_{name} gauge\nvault_drill_{name} {values[name]}\n" for name in _NAMES)
        write_private(file, "".join(lines).encode(), mode=0o644)
    return done


def schedule(paths: Paths, stack: str, options: Sequence[str]) -> list[Path]:
    """Write the user's units; they begin when the user enables them."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    folder = home / "systemd" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"vault-estate-drill-{stack}"
    # No variable is looked for in the program itself.
    program = _quoted(str(paths.project / "estate")).replace("$$", "$")
    command = " ".join([program, "drill", stack, *(_quoted(word) for word in options)])
    service = f"""\
[Unit]
Description=Drill of the stack {stack}: its newest snapshot is restored into a throwaway server

[Service]
Type=oneshot
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, where the store takes them; mode 0600.
EnvironmentFile=-%E/vault-estate/drill-{stack}.env
ExecStart={command}
"""
    timer = f"""\
[Unit]
Description=A drill of the stack {stack} each quarter

[Timer]
OnCalendar={SCHEDULE}
# One that the machine slept through is caught up with.
Persistent=true

[Install]
WantedBy=timers.target
"""
    written = {f"{name}.service": service, f"{name}.timer": timer}
    for file, text in written.items():
        write_private(folder / file, text.encode(), mode=0o644)
    return [folder / file for file in written]


def _quoted(word: str) -> str:
    """A word of `ExecStart`: systemd reads backslashes, quotes, specifiers and variables in it."""
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(sign, written)
    return f'"{word}"'
