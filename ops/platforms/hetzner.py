"""What the commands do to a stack whose server is elsewhere: keys beside the project, and the engine's operations.

Owns the keys under `.estate/<stack>/` that the stack's file names and nobody made yet. Refuses to make people's own.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.model import duration_text
from components.payloads.snapshot import stamp_of
from composition.private_files import private_directory
from ops.console import Console
from ops.engine import adoption, pending, replacing, session
from ops.engine.operations import Changes
from ops.engine.session import Choices, Session
from ops.errors import EstateError
from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator, read_public_key
from ops.keys.secrets_provider import ensure_placed
from ops.paths import Paths
from ops.snapshots import taking
from ops.snapshots.stores import store_of
from ops.stack_file import StackFile
from ops.vault import endpoint as reaching
from ops.vault import status as looking

_PUBLIC_KEY = "public.asc"
_READY_TYPE = "pulumi-python:dynamic:Resource"
"""Of `VaultReady`, the one dynamic resource there is."""
_BUCKET_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def ensure_keys(paths: Paths, file: StackFile, console: Console) -> None:
    """Make the administrator's pair and the operators' pairs that the stack's file places under `.estate/`.

    Keys at any other place are people's own and are never made here.

    Raises:
        EstateError: one half of a pair is missing, an operator's key under `.estate/` isn't named `public.asc`, or one
            elsewhere is no public key.
    """
    first = file.settings.bootstrap
    if first.administrator.certificate and first.administrator.private_key:
        certificate = paths.project / first.administrator.certificate
        key = paths.project / first.administrator.private_key
        if certificate.is_relative_to(paths.own) and key.is_relative_to(paths.own):
            if not certificate.exists():
                console.say(f"making the administrator's certificate {first.administrator.certificate}")
            private_directory(certificate.parent)
            private_directory(key.parent)
            ensure_administrator(certificate, key)
    for operator in first.operators:
        public = paths.project / operator.pgp_key
        if not public.is_relative_to(paths.own):
            read_public_key(operator.name, public)
            continue
        if public.name != _PUBLIC_KEY:
            msg = f"operator {operator.name!r}: pgp_key is {operator.pgp_key!r}; expected {_PUBLIC_KEY} in its folder"
            raise EstateError(msg)
        if not public.exists():
            console.say(f"making a key pair for operator {operator.name}: {operator.pgp_key}")
        private_directory(public.parent.parent)
        ensure_operator(public.parent)


def up(paths: Paths, file: StackFile, console: Console, choices: Choices) -> tuple[Changes, str]:
    """Build the stack with the official plugins: what changed, and why stand-ins were used (never).

    Raises:
        EstateError: the plugins or the cloud's credentials are missing, or it failed.
    """
    ensure_keys(paths, file, console)
    with session.opened(file, paths, console, "up", choices) as opened:
        return applied(opened, console, choices), opened.providers.reason


def applied(opened: Session, console: Console, choices: Choices) -> Changes:
    """One `up` of the engine, with what a killed one had begun in Vault adopted first.

    Raises:
        EstateError: it failed; the next one goes on.
    """
    stack, deployment = opened.file.stack, opened.run.deployment()
    replace = replacing.urns(lambda: deployment, stack, choices.replace)
    found = adoption.begun(deployment)
    if found.mounts or found.auth or found.authorities:
        console.say("an earlier run did not end: looking for what it made")
        with reaching.administering(reaching.at(opened.paths, opened.file, _address(deployment))) as client:
            found = adoption.there(client, found)
            adoption.empty_authorities(client, found, found.authorities)
        if len(found):
            with console.stage(f"adopting {len(found)} objects") as steps:
                opened.run.operate("up", steps, wrap=lambda program: adoption.importing(program, found))
    with console.stage(f"applying {stack}") as steps:
        changes = opened.run.operate("up", steps, replace=replace)
    if deployment.get("pending_operations"):
        pending.settle(opened.run.stack)
    return changes


def _address(deployment: Mapping[str, Any]) -> str:
    """Of the Vault whose contents were begun: it was ready then, and a first `up` that was killed exports nothing."""
    resources = deployment.get("resources") or []
    return next(str(one["outputs"]["address"]) for one in resources if one["type"] == _READY_TYPE)


@dataclass(frozen=True, kw_only=True)
class CloudStatus:
    """A stack in a cloud as it is now, from outside."""

    vault: looking.Seen | None
    """None: it exports no address."""
    unfinished: bool
    """Whether an `up` began and didn't end."""
    snapshot: str
    """What is to be said of the newest snapshot."""
    snapshot_age_seconds: float | None
    """None: there is none, or it can't be seen."""


def status(paths: Paths, file: StackFile, console: Console) -> CloudStatus | None:
    """What runs of a stack, as its state and its server tell; None where it was never up. Changes nothing.

    Raises:
        EstateError: no engine can be had, or it can't reach the state.
    """
    known = reaching.record(paths, file, console)
    if known is None:
        return None
    address = known.outputs.get("address")
    seen = looking.look(reaching.at(paths, file, address), known.outputs.get("cluster_id")) if address else None
    age, said = newest_snapshot(paths, file, known.outputs.get("cluster_id"))
    return CloudStatus(vault=seen, unfinished=known.is_unfinished, snapshot=said, snapshot_age_seconds=age)


def newest_snapshot(paths: Paths, file: StackFile, cluster: str | None) -> tuple[float | None, str]:
    """Age in seconds of a cluster's newest snapshot in the stack's store, and what is to be said of it."""
    wanted = file.settings.snapshots
    if wanted is None:
        return None, "none is taken: the settings have no section snapshots"
    store = wanted.store
    if store.kind == "bucket" and not store.profile and not all(os.environ.get(name) for name in _BUCKET_CREDENTIALS):
        return None, f"can't be seen without {' and '.join(_BUCKET_CREDENTIALS)}"
    try:
        with taking.told():
            place = f"{taking.EVERYWHERE}{cluster}/" if cluster else taking.EVERYWHERE
            names = set(store_of(paths, file.settings).names(place))
    except EstateError as error:
        return None, f"can't be seen: {error}"
    # One without a record beside it was cut off.
    stamps = [stamp_of(name) for name in names if f"{name}.json" in names]
    if not stamps:
        return None, "stale: there is none"
    age = (datetime.now(UTC) - taking.taken(max(stamps))).total_seconds()
    fresh = "fresh" if age <= wanted.stale_after else "stale"
    return age, f"{fresh}: {duration_text(int(age))} old"


def down(paths: Paths, file: StackFile, console: Console, choices: Choices) -> Changes:
    """Destroy what isn't protected. Keys and settings stay.

    Raises:
        EstateError: the plugins or the cloud's credentials are missing, or it failed.
    """
    with session.opened(file, paths, console, "down", choices) as opened:
        session.refuse_protected(opened)
        ensure_placed(paths, file, console)
        with console.stage(f"destroying {file.stack}") as steps:
            return opened.run.operate("destroy", steps)
