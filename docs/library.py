"""The page of the library's public names, from what stands below each in its source. Owns the page's form and which
names are public beside those of `vault_estate` itself; refuses one that says nothing. Nothing of the library is
imported for it: griffe reads the text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import griffe

PAGE = Path(__file__).with_name("api.md")
PUBLIC: Mapping[str, Sequence[str]] = {
    "vault_estate": (),
    "vault_estate.auth": (),
    "vault_estate.auth.approle": ("SecretIdFile", "SecretIdVariable", "WrappedSecretIdFile"),
    "vault_estate.auth.jwt": ("GitHubIdentity", "IdentityFile"),
    "vault_estate.manifest": ("ClientManifest", "find", "load", "parse"),
    "vault_estate.settings_source": ("VaultField", "VaultKey", "VaultSettings", "VaultSettingsSource"),
    "vault_estate.environment": ("load_secrets_to_env",),
    "vault_estate.dagster": (
        "VaultSecretsResource",
        *(f"LoginBy{kind}" for kind in ("Environment", "AppRole", "Kubernetes", "Jwt", "Token", "Userpass")),
    ),
    "vault_estate.metrics": ("PrometheusObserver",),
    "vault_estate.tracing": ("TracingObserver",),
    "vault_estate.rotation": (),
    "vault_estate.testing": (),
    "vault_estate.testing.clocks": ("FakeClock",),
    "vault_estate.testing.plugin": ("vault", "live_vault", "vault_manifest"),
}
"""Modules and their public names; none: those that the module says itself (`__all__`)."""
_HIDDEN = ("self", "cls")
_NOT_SAID = frozenset({"ABC", "NotPickled", "Protocol"})
"""Bases that tell a user nothing."""
_MARKS = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}


def lines() -> list[str]:
    """Everything below the page's introduction. Raises ValueError: a public name says nothing, or isn't there."""
    loader = griffe.GriffeLoader(search_paths=[str(PAGE.parent.parent)], docstring_parser=None)
    package = loader.load("vault_estate", try_relative_path=False)
    loader.resolve_aliases(external=False)
    written: list[str] = []
    for module, names in PUBLIC.items():
        found = package if module == "vault_estate" else package[module.removeprefix("vault_estate.")]
        if not isinstance(found, griffe.Module):
            raise TypeError(module)
        written += [f"## `{module}`", "", *_said(found), ""]
        for name in names or [str(one) for one in found.exports or () if not str(one).startswith("_")]:
            member = found[name]
            written += _member(member.final_target if isinstance(member, griffe.Alias) else member, name, 3)
    return written


def _member(member: griffe.Object, name: str, depth: int) -> Iterator[str]:
    yield from (f"{'#' * depth} `{name}`", "")
    if isinstance(member, griffe.Function):
        yield from _call(name, member)
    if isinstance(member, griffe.Class):
        bases = [name for one in member.bases if (name := str(one).rpartition(".")[2]) not in _NOT_SAID]
        yield from ([f"A kind of `{bases[0]}`.", ""] if bases else [])
        if "__init__" in member.members or member.has_labels("dataclass"):
            yield from _call(name, member.all_members["__init__"])
    yield from (*_said(member), "")
    if isinstance(member, griffe.Class):
        yield from _attributes(member)
        for one in member.members.values():
            if isinstance(one, griffe.Function) and _is_public(one):
                yield from _member(one, one.name, depth + 1)


def _call(name: str, called: griffe.Object | griffe.Alias) -> list[str]:
    function = called.final_target if isinstance(called, griffe.Alias) else called
    if not isinstance(function, griffe.Function):
        raise TypeError(function.path)
    given = [one for one in function.parameters if one.name not in _HIDDEN]
    texts, keywords = [], False
    for one in given:
        if one.kind is griffe.ParameterKind.keyword_only and not keywords:
            texts.append("*")
        keywords |= one.kind in {griffe.ParameterKind.keyword_only, griffe.ParameterKind.var_positional}
        typed = f": {one.annotation}" if one.annotation else ""
        default = f"{' = ' if typed else '='}{one.default}" if one.default and one.kind not in _MARKS else ""
        texts.append(f"{_MARKS.get(one.kind, '')}{one.name}{typed}{default}")
    gives = f" -> {function.returns}" if function.returns and function.name != "__init__" else ""
    whole = f"{name}({', '.join(texts)}){gives}"
    if len(whole) > 100:
        whole = "\n".join([f"{name}(", *(f"    {text}," for text in texts), f"){gives}"])
    return ["```text", *whole.replace("'", '"').splitlines(), "```", ""]


def _attributes(member: griffe.Class) -> list[str]:
    """Those that say what they are; the values of an enumeration always do, by what they are."""
    rows = []
    for one in member.members.values():
        is_property = isinstance(one, griffe.Attribute) and one.has_labels("property")
        if isinstance(one, griffe.Attribute) and _is_public(one) and (one.docstring or is_property):
            rows.append(f"| `{one.name}` | {_cell(_said(one))} |")
    return ["| attribute | meaning |", "|---|---|", *rows, ""] if rows else []


def _is_public(member: griffe.Object) -> bool:
    return not member.name.startswith("_")


def _said(member: griffe.Object) -> list[str]:
    """What stands below it; of a section `Args:` or `Raises:` a list. Raises ValueError."""
    if member.docstring is None:
        msg = f"{member.path} says nothing; expected what it is, below it"
        raise ValueError(msg)
    written = []
    for line in member.docstring.value.splitlines():
        if line in {"Args:", "Raises:"}:
            written += [f"**{line.removesuffix(':')}**", ""]
        elif item := re.fullmatch(r" {4}(\w+): (.*)", line):
            written.append(f"- `{item[1]}`: {item[2]}")
        else:
            written.append(line.strip() if line.startswith("     ") else line)
    return written


def _cell(said: Sequence[str]) -> str:
    return " ".join(line for line in said if line).replace("|", "\\|")
