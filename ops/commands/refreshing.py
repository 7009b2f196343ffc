"""Whether the server is still the one that the state describes, or has to be looked at before an `up` compares.

A restore turns the server back and not the state; whoever deletes an object by hand changes one of them, too. Each `up`
ends by leaving a record on the server: the time of the state that describes it. A server with another record, or none,
is looked at first, object by object.

Owns that record and the comparison. Refuses to compare what can't be reached: that is the `up`'s own to tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import hvac

from components.render.acl import STATE_RECORD
from ops.console import Console
from ops.engine import recovery, state
from ops.engine.operations import Run
from ops.errors import EstateError
from ops.platforms.driver import PlatformDriver
from ops.vault import status
from ops.vault.login import log_in

_FORM = "# the state that describes this server is of {}"
_NO_ISSUER = "unable to find PKI issuer"
"""How a server answers of one that isn't there, with 500 and not 404."""
_ISSUERS = "vault:pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a server has of the state that is to describe it."""

    known: bool = True
    """Whether it could be asked."""
    other: bool = False
    """Whether it has another record than the state's own."""
    lost: Sequence[str] = ()
    """URNs of certificates that it was once given and doesn't have, which no provider looks for."""


def compare(
    platform: PlatformDriver,
    deployment: Mapping[str, Any],
    console: Console,
    then: str = "looking at each object first",
) -> Comparison:
    """Ask the server, and say what follows where it is another. Before a first `up` there is none."""
    if not state.exports(deployment).get("address"):
        return Comparison()
    endpoint = platform.endpoint(recovery.address_in(deployment))
    if status.ask(endpoint).trouble:
        return Comparison(known=False)
    try:
        with log_in(endpoint) as client:
            found = _read(client, f"sys/policies/acl/{STATE_RECORD}").get("policy")
            lost = tuple(_lost(client, deployment))
    except EstateError:
        return Comparison(known=False)
    other = found != _record(deployment)
    if other or lost:
        console.say(f"the server isn't as the state describes it, as after a restore: {then}")
    return Comparison(other=other, lost=lost)


def remember(
    platform: PlatformDriver, run: Run, outputs: Mapping[str, str], compared: Comparison, console: Console
) -> None:
    """Leave the record of the state that describes the server now, unless it couldn't be compared before; of one that
    was turned back also tell who can log in there and is in no settings.
    Raises EstateError: the server is away or refuses."""
    if not compared.known:
        return
    endpoint = platform.endpoint(outputs["address"])
    if not status.ask(endpoint).trouble:
        with log_in(endpoint) as client:
            deployment = run.deployment()
            for role in _strangers(client, deployment) if compared.other else ():
                console.say(
                    f"{role} lets in whom no setting names, as it did once; expected it deleted: bao delete {role}"
                )
            client.write_data(f"sys/policies/acl/{STATE_RECORD}", data={"policy": _record(deployment)})


def _strangers(client: hvac.Client, deployment: Mapping[str, Any]) -> list[str]:
    """Roles of the estate's own auth methods that it hasn't made: a restore brings back whoever has left since."""
    resources = deployment.get("resources") or []
    ours = {
        f"auth/{one['inputs']['backend']}/role/{one['inputs']['roleName']}"
        for one in resources
        if str(one["type"]).endswith(":AuthBackendRole")
    }
    there = []
    for mount in sorted({role.rpartition("/")[0] for role in ours}):
        answer = client.list(mount)
        there += [f"{mount}/{name}" for name in (cast("dict[str, Any]", answer)["data"]["keys"] if answer else ())]
    return [role for role in there if role not in ours]


def _record(deployment: Mapping[str, Any]) -> str:
    """The engine writes the time anew with each update of a state, whoever runs it and wherever it is kept."""
    return _FORM.format((deployment.get("manifest") or {}).get("time"))


def _lost(client: hvac.Client, deployment: Mapping[str, Any]) -> list[str]:
    """The requests whose certificates were imported as issuers that are gone; what hangs on one goes with it."""
    resources = deployment.get("resources") or []
    lost = []
    for given in (one for one in resources if one["type"] == _ISSUERS):
        mount, issuers = given["inputs"]["backend"], given["outputs"].get("importedIssuers") or []
        if not all(_read(client, f"{mount}/issuer/{issuer}") for issuer in issuers):
            lost += _above(resources, given)
    return lost


def _above(resources: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> list[str]:
    """The request at the root of what this is made from."""
    by_urn = {one["urn"]: one for one in resources}
    before = [by_urn[urn] for urn in (given.get("propertyDependencies") or {}).get("certificate", [])]
    before = [by_urn[urn] for one in before for urn in (one.get("propertyDependencies") or {}).get("csr", [])] or before
    return [str(one["urn"]) for one in before]


def _read(client: hvac.Client, path: str) -> dict[str, Any]:
    try:
        answer = client.read(path)
    except hvac.exceptions.VaultError as error:
        if _NO_ISSUER not in str(error):
            raise
        return {}
    return cast("dict[str, Any]", answer)["data"] if answer else {}
