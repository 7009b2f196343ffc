"""The ways an operator waits for: from nothing to the first secret, a snapshot, putting one back; local and on a node.

Owns their order and their names. Refuses to leave a world behind: what was brought up is taken down, also after a
failure.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from fake_providers import machines
from ops.development.bench.applications import with_ports
from ops.development.bench.measuring import Measurement, Sample, median, run
from ops.development.bench.operation import STACK
from ops.development.bench.project import Scratch, base_settings, free_ports, scratch
from ops.paths import ROOT

NODE_STACK = "dev"
"""The stack whose node boots."""
LOCAL, NODE = "local stack", f"stack {NODE_STACK} on a node that boots here"
FIRST_SECRET, SNAPSHOT, RESTORE = "from nothing to the first secret", "snapshot", "restore of the newest snapshot"


def measured(runs: int, parent: Path, say: Callable[[str], None]) -> Mapping[str, Measurement]:
    """Each way, several times. Packages, engine and the machines' root are there before; nothing else is.

    Args:
        runs: how often; the medians count.
        parent: folder for scratch copies.
        say: told which run begins.

    Raises:
        EstateError: a command failed; carries its last lines.
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    for number in range(runs):
        say(f"first secret, snapshot and restore: run {number + 1} of {runs}")
        with scratch(parent, with_ports(base_settings(), free_ports())) as copy:
            _life(copy, STACK, LOCAL, samples)
            if machines.why_not() is None:
                shutil.copyfile(ROOT / f"Pulumi.{NODE_STACK}.yaml", copy.directory / f"Pulumi.{NODE_STACK}.yaml")
                _on_a_node(copy, samples)
    return {way: median(found) for way, found in samples.items()}


def not_measured() -> str | None:
    """Why the ways on a node are left out on this machine; None: they aren't."""
    reason = machines.why_not()
    return None if reason is None else f"not measured: {reason}"


def _on_a_node(copy: Scratch, samples: dict[str, list[Sample]]) -> None:
    try:
        _life(copy, NODE_STACK, NODE, samples, "--sandbox")
    finally:
        _command(copy, "down", NODE_STACK, "--sandbox")


def _life(copy: Scratch, stack: str, where: str, samples: dict[str, list[Sample]], *flags: str) -> None:
    for way, command in ((FIRST_SECRET, "up"), (SNAPSHOT, "snapshot"), (RESTORE, "restore")):
        samples[f"{way}, {where}"].append(_command(copy, command, stack, *flags))


def _command(copy: Scratch, *arguments: str) -> Sample:
    return run(copy.command("ops", *arguments), directory=copy.directory)
