"""HashiCorp's server, built once from its Go module and kept in the user's cache: no registry packages it.

Owns the pinned sources and the flags. For tests only: it isn't the release that a node installs, but the same code of
the same version, without the plugins that the project doesn't use.
"""

import hashlib
from pathlib import Path

from ops import paths
from ops.engine.finding import Say, UnavailableError, alone, compile_module, make_whole
from ops.errors import EstateError

VERSION = "1.21.0"
"""As `go.mod` pins it."""
_MODULE = Path(__file__).with_name("hashicorp_module")
_ARGUMENTS = ("-tags", "minimal", "-trimpath", "-ldflags=-s -w", ".")


def server(say: Say) -> Path:
    """The `vault` program; built if it isn't in the cache, which takes about 9 minutes on 2 cores.
    Raises EstateError: it can't be built here."""
    sources = b"".join((_MODULE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))
    recipe = hashlib.sha256(sources + repr(_ARGUMENTS).encode()).hexdigest()[:16]
    home = paths.cache() / "hashicorp" / f"{VERSION}-{recipe}"
    executable = home / "built" / "vault"
    with alone(home, "HashiCorp's server"):
        try:
            if not executable.is_file():
                make_whole(executable, _build, say)
        except UnavailableError as error:
            raise EstateError(f"HashiCorp's server can't be built: {error}") from None
    return executable


def _build(scratch: Path, say: Say) -> None:
    title = f"HashiCorp's server {VERSION} from its Go module, once: about 9 minutes on 2 cores"
    compile_module(_MODULE, _ARGUMENTS, scratch / "vault", title, say)
