"""Variables that shells, Dockerfiles, compose files and JavaScript read, by patterns.

Owns the patterns. A shell's own variables, and those that a script sets itself, are none of the environment's. Not
seen: what a line puts together, and what compose hands on without naming a value.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from vault_estate.migration.scanning.uses import SourceScan, VariableUse

SYSTEMS_OWN = re.compile(
    "CI|COLUMNS|DISPLAY|EDITOR|EUID|HOME|HOSTNAME|IFS|LANG|LC_ALL|LINENO|LINES|LOGNAME|MAIL|OLDPWD|OPTARG|OPTIND|PATH"
    "|PPID|PS1|PWD|RANDOM|SECONDS|SHELL|SHLVL|TERM|TMPDIR|TZ|UID|USER|XDG_CACHE_HOME|XDG_CONFIG_HOME|XDG_RUNTIME_DIR"
)
"""What a system or a shell sets by itself."""
_EXPANDED = re.compile(r"(?<![\\$])\$(?:\{(?P<braced>[A-Z_][A-Z0-9_]*)(?P<more>[^}]*)\}|(?P<bare>[A-Z_][A-Z0-9_]*))")
_JAVASCRIPT = re.compile(r"""\bprocess\.env(?:\.(?P<bare>[A-Z_][A-Z0-9_]*)|\[["'](?P<braced>[A-Z_][A-Z0-9_]*)["']\])""")
_SHELL_SETS = re.compile(
    r"(?:^|[;&|(]|\b(?:export|local|declare|readonly|then|do|else)\b)\s*(?:-\w+\s+)*([A-Z_][A-Z0-9_]*)="
    r"|\bfor\s+([A-Z_][A-Z0-9_]*)\s+in\b|\bread\s+(?:-\w+\s+)*([A-Z_][A-Z0-9_]*)"
)
_DOCKER_SETS = re.compile(r"^\s*(?:ENV\s+|ARG\s+)([A-Z_][A-Z0-9_]*)", re.IGNORECASE)
_DOCKER_ENV = re.compile(r"^\s*ENV\s+([A-Z_][A-Z0-9_]*)[=\s]+[^$]*$", re.IGNORECASE)
_COMPOSE_SETS = re.compile(r"^\s+(?:-\s+[\"']?([A-Z_][A-Z0-9_]*)=|([A-Z_][A-Z0-9_]*):\s+)[^$\s][^$]*$")
_COMPOSE = re.compile(r"(?:docker-)?compose[\w.-]*\.ya?ml")
_SCRIPT = re.compile(r"#!.*\b(?:ba|da|k|z)?sh\b")


def kind(name: str, first_line: str) -> str | None:
    """What a file is, by its name and its first line; None: nothing that is looked at."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending in ("js", "cjs", "mjs", "ts", "jsx", "tsx"):
        return "javascript"
    if name.lower().startswith(("dockerfile", "containerfile")) or ending == "dockerfile":
        return "docker"
    if _COMPOSE.fullmatch(name):
        return "compose"
    return "shell" if ending in ("sh", "bash") or _SCRIPT.match(first_line) else None


def scan(file: str, text: str, what: str) -> SourceScan:
    """Every read in a file of a kind that `kind` knows."""
    found = SourceScan()
    lines = text.splitlines()
    own = {name for line in lines for name in _own(line, what)}
    found.sets |= {name for line in lines for name in _given(line, what)}
    pattern = _JAVASCRIPT if what == "javascript" else _EXPANDED
    for number, line in enumerate(lines, 1):
        if what != "javascript" and line.lstrip().startswith("#"):
            continue
        for match in pattern.finditer(line):
            name = match["braced"] or match["bare"]
            if name not in own and not SYSTEMS_OWN.fullmatch(name):
                more = match["more"] or "" if what != "javascript" else ""
                is_given = more.startswith((":-", "-", ":+", "+"))
                found.uses.append(VariableUse(name=name, file=file, line=number, has_default=is_given))
    return found


def _own(line: str, what: str) -> Iterator[str]:
    """Variables that the file sets for itself."""
    pattern = {"shell": _SHELL_SETS, "docker": _DOCKER_SETS}.get(what)
    for match in pattern.finditer(line) if pattern else ():
        yield from (one for one in match.groups() if one and not _is_passed_on(line, one))


def _is_passed_on(line: str, name: str) -> bool:
    """Whether a variable is set to itself: `X=${X:-1}` reads it."""
    return re.search(rf"\b{name}=[\"']?\$\{{?{name}\b", line) is not None


def _given(line: str, what: str) -> Iterator[str]:
    """Variables that a container has from here."""
    patterns: Mapping[str, Callable[[str], re.Match[str] | None]] = {
        "docker": _DOCKER_ENV.match,
        "compose": _COMPOSE_SETS.match,
    }
    match = patterns[what](line) if what in patterns else None
    yield from (one for one in match.groups() if one) if match else ()
