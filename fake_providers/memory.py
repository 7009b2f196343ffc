"""Clouds that exist in memory only: create, read, update and delete work on a table of objects, and nothing runs.

Owns the table and its file. Which types there are, what is computed for them, and what is behind them say the clouds'
own providers. An unknown type is refused; properties aren't checked, since nothing here would act on them.
"""

# ruff: noqa: ARG002 - the signatures are those of fake_providers.servicer.Provider

import tempfile
from collections.abc import Callable, Container, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from fake_providers.envelope import UNKNOWN
from fake_providers.servicer import Change, Found, RefusedError, Values
from fake_providers.shared_file import shared


class MemoryType:
    """One type: inputs whose change replaces it, required ones, and what is computed from its id and inputs.

    Names are written with spaces between them. What is `foretold` has a value in a preview already, so that what
    follows from it can be judged in a pull request; the official provider knows it only when there is an object.
    """

    def __init__(
        self,
        replaces: str = "",
        required: str = "",
        foretold: Mapping[str, Any] | None = None,
        **computed: Callable[[str, Values], Any],
    ) -> None:
        self.replaces, self.required, self.computed = replaces.split(), required.split(), computed
        self.foretold: Mapping[str, Any] = foretold or {}


def _beside(computed: Values, inputs: Values) -> Values:
    """What is computed, and what is given, which goes before. Of a section that is given, what is computed in it."""
    both = {name for name in computed.keys() & inputs.keys() if isinstance(computed[name], Mapping)}
    return computed | inputs | {name: {**computed[name], **(inputs[name] or {})} for name in both}


class MemoryProvider:
    """One package's types over one sandbox: a JSON file two processes may share, or a private temporary one."""

    def __init__(self, package: str, types: Mapping[str, MemoryType], world: Path | None) -> None:
        self.package, self._types = package, types
        self._own = tempfile.TemporaryDirectory(prefix="fake-provider-") if world is None else None
        self._file = Path(self._own.name) / "world.json" if self._own else Path(str(world))

    def check_settings(self, settings: Values) -> None:
        """Any settings will do: there is no account to reach."""

    def configure(self, settings: Values) -> Any:
        """No connection either."""
        return None

    def close(self, connection: None) -> None:
        """Nothing to end."""

    def check(self, token: str, news: Values) -> Values:
        """Inputs as given; a missing required one is refused."""
        missing = sorted(set(self._type(token).required) - news.keys())
        if missing:
            raise RefusedError(f"property {', '.join(missing)} is missing")
        return news

    def sensitive(self, token: str) -> frozenset[str]:
        """Only what the program says."""
        self._type(token)
        return frozenset()

    def diff(self, token: str, old: Values, new: Values) -> Change:
        """Compare by value."""
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return Change(tuple(changed), tuple(key for key in changed if key in self._type(token).replaces))

    def planned(self, token: str, inputs: Values, outputs: Values) -> Values:
        """Computed outputs are unknown until there is an object, but for what is foretold."""
        kind = self._type(token)
        return _beside({name: outputs.get(name, kind.foretold.get(name, UNKNOWN)) for name in kind.computed}, inputs)

    def create(self, connection: Any, token: str, inputs: Values) -> Found:
        """Put the object into the sandbox."""
        with self.world() as world:
            world["count"] = world.get("count", 0) + 1
            identity = self.identity(token, inputs, world["count"])
            if self.key(token, identity) in world:
                raise RefusedError(f"{identity} already exists in memory")
        outputs = {
            name: self.told(connection, compute(identity, inputs))
            for name, compute in self._type(token).computed.items()
        }
        outputs = _beside(outputs | self.begin(connection, token, identity, inputs), inputs)
        # Recorded last: what a killed process began is nobody's, and is begun anew.
        with self.world() as world:
            world[self.key(token, identity)] = {"inputs": inputs, "outputs": outputs}
        return Found(identity, inputs, outputs)

    def told(self, connection: Any, computed: Any) -> Any:
        """What is computed, as the connection's own account has it."""
        return computed

    def begin(self, connection: Any, token: str, identity: str, inputs: Values) -> Values:
        """What stands behind an object, for those that have something; the outputs that follow from it."""
        return {}

    def read(self, connection: None, token: str, found: Found) -> Found | None:
        """What the sandbox holds."""
        self._type(token)
        with self.world() as world:
            held = world.get(self.key(token, found.identity))
        return None if held is None else Found(found.identity, held["inputs"], held["outputs"])

    def update(self, connection: None, token: str, found: Found, inputs: Values) -> Found:
        """Change it in the sandbox; what isn't there can't be changed."""
        with self.world() as world:
            held = world.get(self.key(token, found.identity))
            if held is None:
                raise RefusedError(f"{found.identity} doesn't exist in memory")
            kept = {
                name: self.told(connection, compute(found.identity, inputs))
                if name in inputs
                else held["outputs"][name]
                for name, compute in self._type(token).computed.items()
            }
            outputs = _beside(kept, inputs)
            world[self.key(token, found.identity)] = {"inputs": inputs, "outputs": outputs}
        return Found(found.identity, inputs, outputs)

    def delete(self, connection: None, token: str, found: Found) -> None:
        """Take it out of the sandbox."""
        with self.world() as world:
            world.pop(self.key(token, found.identity), None)

    def taken_away(self, token: str) -> int:
        """A type's turn when several objects are taken away."""
        return 0

    def drop_unknown(self, connection: Any, known: Container[tuple[str, str]]) -> list[str]:
        """Delete what a killed run made and nobody knows of, by type and id; returns the types of what was deleted."""
        with self.world() as world:
            held = {tuple(key.split(" ", 1)): one for key, one in world.items() if key.startswith(f"{self.package}:")}
        lost = sorted((key for key in held if key not in known), key=lambda key: self.taken_away(key[0]))
        for token, identity in lost:
            one = held[token, identity]
            self.delete(connection, token, Found(identity, one["inputs"], one["outputs"]))
        return [token for token, _ in lost]

    def _type(self, token: str) -> MemoryType:
        kind = self._types.get(token.removeprefix(f"{self.package}:"))
        if kind is None:
            raise RefusedError(f"this type isn't offered by the fake {self.package} provider")
        return kind

    def key(self, token: str, identity: str) -> str:
        """Under which the sandbox keeps an object."""
        return f"{token} {identity}"

    def identity(self, token: str, inputs: Values, count: int) -> str:
        """The id of the object that is the sandbox's `count`th."""
        return str(count)

    def world(self) -> AbstractContextManager[Values]:
        """The whole sandbox, read and written under a lock that other processes respect too."""
        return shared(self._file)
