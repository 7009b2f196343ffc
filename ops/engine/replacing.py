"""Which resources `--replace` means: the logical names an operator gives, as the engine's own.

Owns the question whether a name is one of the stack's. Refuses what the engine would refuse half-way, or not at all:
components, which nothing stands behind, what is protected, and what in Vault holds data, protected or not: a
replacement would lose it, and there is a way for each that doesn't.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ops.errors import EstateError

_SHOWN = 3
_AUTHORITY = "pki.{}_generation raised, which makes a new one beside it"
_HOLDS_DATA: Mapping[str, str] = {
    "vault:index/mount:Mount": "it taken out of the settings by an `up` of its own, where what is in it may go",
    "vault:transit/secretBackendKey:SecretBackendKey": "its next version, which Vault makes by rotation_period",
    "vault:database/secretBackendConnection:SecretBackendConnection": "password_version raised, after its password was "
    "set outside of Vault",
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert": _AUTHORITY.format("root"),
    **{
        f"vault:pkiSecret/secretBackend{kind}:SecretBackend{kind}": _AUTHORITY.format("intermediate")
        for kind in ("IntermediateCertRequest", "RootSignIntermediate", "IntermediateSetSigned")
    },
}
"""What in Vault is never replaced, and what is done instead."""


def urns(deployment: Callable[[], Mapping[str, Any]], stack: str, names: Sequence[str]) -> tuple[str, ...]:
    """The URNs of the resources that have these logical names, such as `platform-server`, the last part of a URN.

    `deployment` gives the exported state of the stack of that name; it is asked only where there are names.
    Raises EstateError: nothing is built, a name is unknown, or what it names holds data."""
    if not names:
        return ()
    resources = deployment().get("resources") or []
    own = [one for one in resources if one.get("custom") and not str(one["type"]).startswith("pulumi:")]
    there = {str(one["urn"]).rpartition("::")[2]: one for one in own}
    if not there:
        msg = f"--replace {names[0]}: nothing of stack {stack!r} is built; expected one that is: ./estate up {stack}"
        raise EstateError(msg)
    for name in names:
        if name not in there:
            close = difflib.get_close_matches(name, there, n=_SHOWN, cutoff=0.4) or sorted(there)[:_SHOWN]
            msg = f"--replace {name}: stack {stack!r} has no such resource; expected one such as {', '.join(close)}"
            raise EstateError(msg)
        if way := _HOLDS_DATA.get(str(there[name]["type"])):
            raise EstateError(f"--replace {name}: it holds data that a replacement would lose; expected {way}")
        if there[name].get("protect"):
            raise EstateError(
                f"--replace {name}: it is protected, since it holds data; expected protect: false in "
                f"Pulumi.{stack}.yaml, brought about by an `up` of its own, before it is replaced"
            )
    return tuple(dict.fromkeys(str(there[name]["urn"]) for name in names))
