"""Programs that are compiled from a Go module of this folder, once, and kept in the user's cache: no registry packages
them.

Owns that a program is built anew when its sources or its flags change. For this project's developers and for sandboxes.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ops import paths
from ops.engine.finding import Say, UnavailableError, alone, compile_module, make_whole
from ops.errors import EstateError

_SOURCES = ("go.mod", "go.sum", "main.go")


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """One program, and what it is made of."""

    name: str
    """As people call it."""
    version: str
    """As `go.mod` pins it."""
    module: Path
    """The folder of the sources; `go.sum` pins every one of them."""
    program: str
    """Name of the executable."""
    arguments: tuple[str, ...] = ("-trimpath", "-ldflags=-s -w", ".")
    """Of the compiler."""
    lasts: str
    """How long it takes on 2 cores."""

    def find(self, say: Say) -> Path:
        """The program; built if it isn't in the cache. Raises EstateError: it can't be built here."""
        sources = b"".join((self.module / name).read_bytes() for name in _SOURCES)
        recipe = hashlib.sha256(sources + repr(self.arguments).encode()).hexdigest()[:16]
        home = paths.cache() / self.module.name.removesuffix("_module") / f"{self.version}-{recipe}"
        executable = home / "built" / self.program
        with alone(home, self.name, say):
            try:
                if not executable.is_file():
                    make_whole(executable, self._build, say)
            except UnavailableError as error:
                raise EstateError(f"{self.name} can't be built: {error}") from None
        return executable

    def _build(self, scratch: Path, say: Say) -> None:
        title = f"{self.name} {self.version} from its Go module, once: about {self.lasts} on 2 cores"
        compile_module(self.module, self.arguments, scratch / self.program, title, say)


HASHICORP_SERVER = Compiled(
    name="HashiCorp's server",
    version="1.21.0",
    module=Path(__file__).with_name("hashicorp_module"),
    program="vault",
    arguments=("-tags", "minimal", "-trimpath", "-ldflags=-s -w", "."),
    lasts="9 minutes",
)
"""For tests and sandboxes: it isn't the release that a node installs, but the same code of the same version, without
plugins that the project doesn't use."""
ACTIONLINT = Compiled(
    name="actionlint",
    version="1.7.12",
    module=Path(__file__).with_name("actionlint_module"),
    program="actionlint",
    lasts="half a minute",
)
"""What judges GitHub's workflow files."""
