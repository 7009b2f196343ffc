"""What an earlier version left must go on living: today's code takes it over, changes only what is listed, and ends it.

Each recorded stack is put back with its server, and then previewed, refreshed, updated and destroyed as its operator
would. A change that touches a resource of theirs is listed in `ALLOWED` with its reason, or it fails.

Not proven: the update of the server program (what a server held is put into the version that is installed); the
official provider plugins; of `dev` its node's disk and its database, which no recording has; of the first version
anything but the preview.
"""

import base64
import json
import pickletools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dill  # type: ignore[import-untyped]  # the wheel ships no types
import pytest

from components.platform import readiness
from tests.support import engine_runs
from tests.support.dev_checkouts import DevCheckout
from tests.upgrade.recordings import SNAPSHOT, STATES, Place, Recording

RECORDINGS = [
    Recording(version=file.parent.name, stack=file.name.split(".")[0]) for file in sorted(STATES.glob("*/*.encrypted"))
]
WHOLE = [recording for recording in RECORDINGS if SNAPSHOT in recording.files()]
"""Those with what their server held. Of the first version's stack the state is all there is."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What an `up` of today's code may do to the resources of a recorded stack, by their names. Nothing else."""

    replaced: frozenset[str] = frozenset()
    updated: frozenset[str] = frozenset()
    created: frozenset[str] = frozenset()


# The canary of snapshots has moved there from a mount of applications; it is written anew with each. First boot made
# what the last keeps from now on.
_OWN_MOUNT = frozenset({"estate-kv", "estate-kv-mount", "estate-kv-settings", "administrator-login"})

# Requests are followed by their trace in the audit log, and who is over a limit is told when to come again.
_SINCE = _OWN_MOUNT | {
    *("trace-headers", "trace-headers-traceparent", "trace-headers-x-request-id", "rate-limits-answers"),
}

# A certificate names its own issuer's list of revocations.
_URLS = frozenset({"pki-root-urls", "pki-intermediate-urls"})

# A lease lasts as long as the profile of its environment says.
_LEASES = frozenset(
    f"database-role-{name}"
    for name in ("bike-data-flow-readonly", "bike-data-flow-readwrite", "pake-system-readwrite", "aos-readwrite")
)

# Who may encrypt and decrypt by a key may rewrap by it.
_REWRAP = frozenset(
    f"application-policies-{name}"
    for name in (
        "aos",
        "bike-data-flow",
        "dagster",
        "greenlang-agents",
        "greenlang-api",
        "greenlang-jobs",
        "pake-system",
    )
)

ALLOWED: Mapping[tuple[str, str], Allowed] = {
    # The provider of Vault, which holds nothing, has got other settings since.
    ("0.1.0", "local"): Allowed(updated=_URLS | _LEASES | _REWRAP | {"vault"}, created=_SINCE),
    ("0.1.0-71951ac", "local"): Allowed(
        updated=_URLS | _LEASES | _REWRAP | {"vault", "snapshots-operator-policy"}, created=_SINCE
    ),
    # A node's user-data holds the programs it runs: other bytes are another server, with the same volume, address and
    # content. What is bound to the server follows it, and it is waited for again. The address has lost its assignee
    # type.
    ("0.1.0-71951ac", "dev"): Allowed(
        replaced=frozenset({"platform-server", "platform-private", "platform-attachment"}),
        updated=_REWRAP
        | {"vault", "platform-ready", "platform-ip", "snapshots-operator-policy", "snapshots-node-policy"},
        created=_SINCE,
    ),
}


def test_there_is_a_whole_recording_of_both_stacks() -> None:
    assert ALLOWED.keys() == {(recording.version, recording.stack) for recording in RECORDINGS}
    assert {recording.stack for recording in WHOLE} == {"local", "dev"}


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_the_code_that_a_state_names_is_where_it_was(recording: Recording) -> None:
    """The engine loads it from the state's own bytes, also where nothing is left but to destroy."""
    (resource,) = (one for one in recording.resources() if one["type"] == "pulumi-python:dynamic:Resource")
    code = base64.b64decode(resource["outputs"]["__provider"])
    named = [text for _, text, _ in pickletools.genops(code) if isinstance(text, str)]
    assert named == ["components.platform.readiness", "_Waiting"]

    waiting = dill.loads(code)  # noqa: S301 - our own recording; two lines above say all that it names

    assert type(waiting) is readiness._Waiting
    assert waiting.read("ready", resource["outputs"]).outs == resource["outputs"]
    assert waiting.diff("ready", resource["outputs"], resource["inputs"]).changes is False
    waiting.delete("ready", resource["outputs"])


@pytest.mark.parametrize("recording", [one for one in RECORDINGS if one not in WHOLE], ids=str)
def test_a_state_without_its_server_is_neither_replaced_nor_deleted(recording: Recording) -> None:
    with recording.put_back() as made:
        check(recording, run(made, "preview"))


@pytest.mark.parametrize("recording", WHOLE, ids=str)
def test_an_earlier_stack_is_refreshed_updated_and_destroyed(recording: Recording) -> None:
    with recording.put_back() as made:
        before = urns(made)
        assert before == {one["urn"] for one in recording.resources()}, "the recording was not put back"

        previewed = run(made, "preview")
        check(recording, previewed)
        assert run(made, "refresh")["counts"].keys() == {"same"}
        assert urns(made) == before

        made.rest()
        update, destroy = (by_command, by_command) if made.stack == "local" else (run, unprotected)
        assert update(made, "up")["counts"] == previewed["counts"]
        assert names(urns(made) - before) == ALLOWED[recording.version, recording.stack].created
        assert before <= urns(made)
        assert destroy(made, "destroy")["counts"].keys() == {"delete"}
        assert made.resources() == []


def run(made: Place, operation: str) -> dict[str, Any]:
    """One operation of the engine that must succeed."""
    address = made.server.address if made.stack == "dev" else ""
    return engine_runs.done(engine_runs.begin(made.checkout, made.stack, operation, address=address))


def by_command(made: Place, operation: str) -> dict[str, Any]:
    """The same by the operator's own command, which also checks what each application gets."""
    answer = made.checkout.run("down" if operation == "destroy" else operation, "--json")
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert operation == "destroy" or document["passed"]
    return {"counts": document["changes"]}


def unprotected(made: Place, operation: str) -> dict[str, Any]:
    """An operation after the `up` of its own that a protected stack needs before it."""
    assert isinstance(made.checkout, DevCheckout)
    before = urns(made)
    made.checkout.change(protect=False)
    assert run(made, "up")["counts"].keys() <= {"same", "update"}
    assert urns(made) == before
    return run(made, operation)


def urns(made: Place) -> set[str]:
    """What the state holds now."""
    return {one["urn"] for one in made.resources()}


def names(found: Iterable[str]) -> set[str]:
    """The resources' own."""
    return {urn.rsplit("::", 1)[-1] for urn in found}


def check(recording: Recording, changes: Mapping[str, Any]) -> None:
    """Nothing but what is listed may change."""
    allowed = ALLOWED[recording.version, recording.stack]
    touched: dict[str, set[str]] = {}
    for kind, urn in changes["resources"]:
        touched.setdefault("replace" if "replace" in kind else kind, set()).update(names([urn]))
    assert touched.keys() <= {"replace", "update", "create"}
    assert touched.get("replace", set()) <= allowed.replaced
    assert touched.get("update", set()) <= allowed.updated
    assert touched.get("create", set()) == allowed.created
