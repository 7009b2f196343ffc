"""Variables that Python reads, by its syntax tree: `os.environ`, `os.getenv`, python-decouple, Dagster's `EnvVar`, and
fields of pydantic-settings with their prefixes and aliases.

Owns what counts as a read. Imports nothing of what it looks at. Not seen: names that are put together, and settings
whose base is in another project.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vault_estate.migration.dotenv_file import NAME
from vault_estate.migration.mapping import ValuePlace
from vault_estate.migration.scanning.uses import SourceScan, VariableUse

_ENVIRON = "os.environ"
_CALLS = frozenset({"os.getenv", f"{_ENVIRON}.get", f"{_ENVIRON}.pop", f"{_ENVIRON}.setdefault", "decouple.config"})
_ENV_VARS = frozenset({"dagster.EnvVar", "dagster.EnvVar.int"})
_BASES = frozenset({"BaseSettings", "VaultSettings"})
_FIELDS = frozenset({"Field", "VaultField"})


@dataclass(kw_only=True)
class PythonSource:
    """A file's tree, and what its names were imported as."""

    file: str
    tree: ast.Module
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                self.names |= {
                    one.asname or one.name.split(".")[0]: one.name if one.asname else one.name.split(".")[0]
                    for one in node.names
                }
            elif isinstance(node, ast.ImportFrom) and node.module:
                self.names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}

    def full(self, node: ast.expr) -> str:
        """A name as it was imported; empty: it is no name."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            inner = self.full(node.value)
            return f"{inner}.{node.attr}" if inner else ""
        return ""

    @property
    def classes(self) -> Iterator[ast.ClassDef]:
        """All of them."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


def scan(sources: Sequence[PythonSource]) -> SourceScan:
    """Every read in all of them: a class of settings may have its base in another file."""
    found = SourceScan()
    settings = _settings_classes(sources)
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.expr):
                _read(source, node, found)
        for one in source.classes:
            if one.name in settings:
                found.uses += _fields(source, one)
    return found


def _read(source: PythonSource, node: ast.expr, found: SourceScan) -> None:
    named, has_default = _asked(source, node)
    if named is None:
        return
    if isinstance(named, ast.Constant) and isinstance(named.value, str):
        if NAME.fullmatch(named.value):
            use = VariableUse(name=named.value, file=source.file, line=node.lineno, has_default=has_default)
            found.uses.append(use)
    else:
        found.unknown.append(f"{source.file}:{node.lineno}")


def _asked(source: PythonSource, node: ast.expr) -> tuple[ast.expr | None, bool]:
    """What names the variable that an expression reads, and whether there is a default; None: it reads none."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and source.full(node.value) == _ENVIRON:
        return node.slice, False
    if isinstance(node, ast.Compare) and [source.full(one) for one in node.comparators] == [_ENVIRON]:
        return node.left, True  # whether it is there
    if not isinstance(node, ast.Call):
        return None, False
    called = source.full(node.func)
    if called not in _CALLS | _ENV_VARS:
        return None, False
    keywords = {one.arg: one.value for one in node.keywords}
    named = node.args[0] if node.args else keywords.get("key", keywords.get("option"))
    return named, len(node.args) > 1 or "default" in keywords


def _settings_classes(sources: Iterable[PythonSource]) -> frozenset[str]:
    """Names of classes that are settings, also by a base of their base."""
    bases: dict[str, set[str]] = {}
    for source in sources:
        for one in source.classes:
            bases.setdefault(one.name, set()).update(source.full(base).rsplit(".", 1)[-1] for base in one.bases)
    found: set[str] = set()
    while more := {name for name, one in bases.items() if one & (_BASES | found)} - found:
        found |= more
    return frozenset(found - _BASES)


def _fields(source: PythonSource, node: ast.ClassDef) -> Iterator[VariableUse]:
    options = _options(node)
    prefix, folds = str(options.get("env_prefix", "")), not options.get("case_sensitive", False)
    for one in node.body:
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        name, annotation = one.target.id, ast.unparse(one.annotation)
        if name.startswith("_") or name == "model_config" or "ClassVar" in annotation:
            continue
        call = one.value if isinstance(one.value, ast.Call) else None
        kind = source.full(call.func).rsplit(".", 1)[-1] if call else ""
        arguments = call if call is not None and kind in _FIELDS else None
        place, has_default = _declared(arguments, kind) if arguments else (None, one.value is not None)
        for variable in (_aliases(arguments) if arguments else ()) or (f"{prefix}{name}",):
            if NAME.fullmatch(variable):
                yield VariableUse(
                    name=variable.upper() if folds else variable,
                    file=source.file,
                    line=one.lineno,
                    has_default=has_default,
                    folds=folds,
                    place=place,
                )


def _declared(call: ast.Call, kind: str) -> tuple[ValuePlace | None, bool]:
    """Where a field says that it is kept, and whether it has a default."""
    first = 2 if kind == "VaultField" else 0
    given = call.args[first] if len(call.args) > first else None
    keywords = {one.arg: one.value for one in call.keywords}
    default = given or keywords.get("default", keywords.get("default_factory"))
    has_default = default is not None and ast.unparse(default) not in ("...", "PydanticUndefined")
    texts = [_text(one) for one in call.args[:2]]
    if kind == "VaultField" and len(texts) == 2 and all(texts):
        return ValuePlace(secret=texts[0], key=texts[1]), has_default
    return None, has_default


def _aliases(call: ast.Call) -> Sequence[str]:
    """Names that a field is read by instead of its own."""
    for word in ("validation_alias", "alias", "env"):
        for one in call.keywords:
            if one.arg == word:
                choices = one.value.args if isinstance(one.value, ast.Call) else [one.value]
                return [text for choice in choices if (text := _text(choice))]
    return ()


def _options(node: ast.ClassDef) -> Mapping[str, object]:
    """What a class says of its variables: `model_config`, or the `Config` of older releases."""
    found: dict[str, object] = {}
    for one in node.body:
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "model_config":
            found |= _pairs(one.value)
        elif isinstance(one, ast.ClassDef) and one.name == "Config":
            found |= {
                ast.unparse(inner.targets[0]): inner.value.value
                for inner in one.body
                if isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Constant)
            }
    return found


def _pairs(node: ast.expr) -> Mapping[str, object]:
    pairs: Iterable[tuple[str, ast.expr]] = ()
    if isinstance(node, ast.Call):
        pairs = [(one.arg, one.value) for one in node.keywords if one.arg]
    elif isinstance(node, ast.Dict):
        pairs = [(_text(key), value) for key, value in zip(node.keys, node.values, strict=True) if key]
    return {name: value.value for name, value in pairs if isinstance(value, ast.Constant)}


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
