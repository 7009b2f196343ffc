"""One operation on the estate of the current folder, as a process of its own: what `ops.development.bench` measures.

Run as `python -m ops.development.bench.operation OPERATION [FLAG …]`. Owns what counts as the operation: opening the
stack and the engine's work as `./estate` does it, without starting servers and without proving anything.
"""

import sys
from typing import Literal, cast, get_args

from ops import stack_file
from ops.console import Console
from ops.engine import finding, session
from ops.engine import operations as engine_stack
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.local import platform_of, start_local

STACK = "local"
"""The stack that is operated on."""
NO_POLICIES = "--no-policies"
"""Leave the policy pack out, for a comparison with something that has none."""
NO_CHANGES = "--expect-no-changes"
"""Fail when anything was changed: what is measured as "nothing to do" must be that."""
OPERATIONS = ("start", "stop", *get_args(engine_stack.Operation))


def main(arguments: list[str]) -> int:
    """Run the operation; exit code 2 with one line when it can't be done."""
    console = Console(as_json=True)
    try:
        _run(*_parsed(arguments), console)
    except EstateError as error:
        console.say(f"bench: {error}")
        return 2
    return 0


def _parsed(arguments: list[str]) -> tuple[str, set[str]]:
    operation, *flags = arguments or [""]
    if operation not in OPERATIONS or not set(flags) <= {NO_POLICIES, NO_CHANGES}:
        msg = (
            f"operation is {' '.join(arguments)!r}; expected one of {', '.join(OPERATIONS)}, "
            f"with any of {NO_POLICIES}, {NO_CHANGES}"
        )
        raise EstateError(msg)
    return operation, set(flags)


def _run(operation: str, flags: set[str], console: Console) -> None:
    paths = Paths()
    file = stack_file.read(paths, STACK)
    if operation == "start":
        _start(paths, file, console)
    elif operation == "stop":
        platform_of(paths, file.settings).stop()
    else:
        _operate(cast("engine_stack.Operation", operation), flags, paths, file, console)


def _start(paths: Paths, file: stack_file.StackFile, console: Console) -> None:
    """Bring the servers up for the first time; afterwards nothing is in Vault but its administrator."""
    paths.make_own()
    start_local(paths, file.settings, console)
    # The first look for a plugin asks the network; that is setting up, not the operation.
    session.lacking_plugins(file, paths, console, finding.find(console.say))


def _operate(
    operation: engine_stack.Operation,
    flags: set[str],
    paths: Paths,
    file: stack_file.StackFile,
    console: Console,
) -> None:
    opening: Literal["preview", "up"] = "preview" if operation == "preview" else "up"
    choices = session.Choices(policies=NO_POLICIES not in flags)
    with (
        session.locked(paths),
        session.opened(file, paths, console, opening, choices) as opened,
        console.stage(operation) as steps,
    ):
        changes = opened.run.operate(operation, steps)
    if NO_CHANGES in flags and changes.total:
        listed = "".join(f"\n  {kind} {urn}" for kind, urn in changes.resources)
        msg = f"{operation}: {changes.sentence()}; expected 0 changes{listed}"
        raise EstateError(msg)
    console.say(changes.sentence())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
