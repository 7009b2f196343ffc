"""What a commit declares for a stack: its own program is run on its own settings, in a process of its own.

Owns the copy of a commit's files, and the fake keys in place of those that nobody commits. Refuses to decrypt: a
secret of the stack's file is told from another by its encrypted text.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from composition.administrator_files import for_fake_providers
from ops.errors import EstateError
from ops.paths import Paths
from ops.review import fake_keys, recorder
from ops.stack_file import PROJECT, config_of, is_secret, refused
from settings import SETTING, SettingsError, laid

_SECONDS = 120
"""How long a program may take to declare a stack; measured: 2."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource that a commit declares."""

    type: str
    name: str
    urn: str
    aliases: Sequence[str] = ()
    protect: bool = False
    ignore_changes: Sequence[str] = ()
    replace_on_changes: Sequence[str] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """A secret is `{"secret": <hash>}`, what only a server knows `{"unknown": true}`."""


def stacks(tree: Path) -> tuple[str, ...]:
    """The stacks that have a file there."""
    return tuple(sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in tree.glob("Pulumi.*.yaml")))


def declared(tree: Path, commit: str, stack: str) -> tuple[Resource, ...]:
    """Everything that the program in `tree` declares for a stack; nothing where it has no file there.

    Raises:
        EstateError: its settings are wrong, or a file that they name isn't there; `commit` is named.
    """
    path = Paths(project=tree).stack_file(stack)
    if not path.is_file():
        return ()
    try:
        config = config_of(path)
    except EstateError as error:
        raise EstateError(f"{commit}: {error}") from None
    written = config.get(f"{PROJECT}:{SETTING}")
    layers = None
    if isinstance(written, dict):
        try:
            layers = laid(written, tree)
        except SettingsError as error:
            raise EstateError(f"{commit}: {refused(path, error)}") from None
        written = for_fake_providers(layers.plain, stack)
        fake_keys.place(tree, [text for _, text in _texts(written) if text.startswith(".estate/")])
    named = [f"{PROJECT}:{text}" for name, text in _texts(written) if name.endswith(("_secret", "_secret_setting"))]
    secrets = dict.fromkeys(named, "not in the file")
    secrets |= {
        key: sha256(str(value["secure"]).encode()).hexdigest() for key, value in config.items() if is_secret(value)
    }
    plain = {f"{PROJECT}:{SETTING}": json.dumps(written)}
    asked = {"stack": stack, "config": {**plain, **secrets}, "secret_keys": list(secrets)}

    def file(line: str) -> str:
        return f"{(layers and layers.file_of(line)) or path.name} of {commit}"

    return tuple(Resource(**one) for one in json.loads(_run(tree, asked, file)))


def _run(tree: Path, asked: Mapping[str, Any], file: Callable[[str], str]) -> str:
    command = [sys.executable, "-P", recorder.__file__]
    try:
        run = subprocess.run(
            command, cwd=tree, input=json.dumps(asked), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise EstateError(f"{file('')} isn't declared after {_SECONDS} s; expected a program that ends") from None
    if run.returncode:
        raise EstateError("\n".join(f"{file(line)}: {line}" for line in _last_words(run.stderr)))
    return run.stdout


def _last_words(trace: str) -> list[str]:
    """What the exception says, without its class and without the way to it."""
    lines = trace.rstrip().splitlines() or ["the program ended without a word; expected it to declare the stack"]
    begin = max((number for number, line in enumerate(lines) if line.startswith(" ")), default=-1) + 1
    first, *rest = lines[begin:] or lines[-1:]
    return [first.partition(": ")[2] or first, *rest]


def _texts(written: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the settings, in their order, with the name of the setting that has it."""
    if isinstance(written, Mapping):
        for key, value in written.items():
            yield from _texts(value, str(key))
    elif isinstance(written, list):
        for value in written:
            yield from _texts(value, name)
    elif isinstance(written, str):
        yield name, written
