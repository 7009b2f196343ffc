"""Run a Pulumi program without an engine and look at what it registered.

Owns the questions that tests ask of the records. Refuses to prove more than the mocks can: transforms and hooks don't
run, providers check nothing, and nothing is created.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ops.review import recorder
from ops.review.recorder import COMPUTED, HETZNER, Declared, Options, Record, SecretValue, Unknown

__all__ = [
    "COMPUTED",
    "HETZNER",
    "STACK",
    "Declared",
    "Options",
    "Record",
    "Secret",
    "Unknown",
    "declare",
    "plain_strings",
    "secret_paths",
]

STACK: Final = "test"
Secret = SecretValue


def declare(
    program: Callable[[], object],
    *,
    preview: bool = False,
    outputs: recorder.Outputs | None = None,
) -> Declared:
    """Run `program` as stack `STACK`, as `recorder.declare` does."""
    return recorder.declare(program, STACK, preview=preview, outputs=outputs)


def secret_paths(record: Record) -> frozenset[str]:
    """Where in the inputs Pulumi keeps a value encrypted, for example `postgresql.passwordWo`."""
    return frozenset(path for path, value in _walk("", record.inputs) if isinstance(value, Secret))


def plain_strings(declared: Declared) -> Iterator[tuple[str, str]]:
    """Every string that would stand readable in Pulumi's state, with where it stands: names, inputs, outputs and
    exports.

    What is inside of a `Secret` isn't among them.
    """
    for record in declared.records:
        yield f"{record.urn}#name", record.name
        yield from _plain(f"{record.urn}#inputs", record.inputs)
    for urn, outputs in declared.outputs.items():
        yield from _plain(f"{urn}#outputs", outputs)
    yield from _plain("exports", declared.exports)


def _plain(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    for path, leaf in _walk(prefix, value):
        yield f"{path}#key", path.rsplit(".", 1)[-1]
        if isinstance(leaf, str):
            yield path, leaf


def _walk(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(f"{path}[{index}]", item)
    else:
        yield path, value
