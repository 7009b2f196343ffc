"""Recording what a version leaves behind: `python -m tests.upgrade.recording VERSION`.

Builds both stacks as they are committed, but for what this machine can't have: `local` on the recordings' ports, `dev`
with clouds in memory, a server of this machine in its node's place, a bucket of this machine, and no database: a node's
is never on the loopback interface.
"""

import gzip
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from components.render import acl
from components.render.administrator import administrator_policy
from components.render.snapshots import OPERATOR_LOGIN
from ops.keys.certificates import ensure_authority
from ops.local.bootstrap import bootstrap
from ops.local.servers import LocalServers
from ops.paths import ROOT
from tests.support import engine_runs
from tests.support.checkouts import base_settings
from tests.support.dev_checkouts import DevCheckout
from tests.support.snapshotting import object_storage
from tests.upgrade.recordings import (
    API_PORT,
    CLUSTER_PORT,
    PASSPHRASE,
    PASSWORDS,
    POSTGRES_PORT,
    SANDBOX,
    SNAPSHOT,
    Place,
    Recording,
    place,
)

_MADE_ANEW = re.compile(
    r"(.*/)?(data|db|socket|bootstrap|shims|stacks(?!/vault-estate)|history|backups|locks)/.*"
    r"|(.*/)?supervisor\..*|lock\.holder|plugins-refused\.json|.*\.(log|lock|bak|attrs)|lock"
)
"""What is left of a version and is no part of what it knows, by path below `.estate/`."""


def record(version: str) -> None:
    """Build both stacks and keep what they leave."""
    for stack, build in (("local", _build_local), ("dev", _build_dev)):
        with place(stack) as made:
            build(made)
            recording = Recording(version=version, stack=stack)
            recording.write(_left(made))
            shutil.copy(made.checkout.stack_file, recording.stack_file)
            print(recording.archive, recording.archive.stat().st_size)


def _build_local(made: Place) -> None:
    settings = base_settings()
    ports = {"api_port": API_PORT, "cluster_port": CLUSTER_PORT, "postgres_port": POSTGRES_PORT}
    settings["platform"] = {"kind": "local", **ports}
    settings["database"]["connections"]["postgresql"]["port"] = POSTGRES_PORT
    made.checkout.write(settings)
    (made.checkout.paths.own / "passphrase").write_text(PASSPHRASE)
    answer = made.checkout.run("up")
    if answer.returncode != 0:
        sys.exit(answer.stderr)


def _build_dev(made: Place) -> None:
    checkout, server = made.checkout, made.server
    assert isinstance(checkout, DevCheckout)
    shutil.copy(ROOT / checkout.stack_file.name, checkout.stack_file)
    checkout.write(checkout.written())  # with what its base says, which is no part of a recording
    server.start()
    bootstrap(server, policy=acl.render(administrator_policy()))
    keys = checkout.paths.own / "dev"
    keys.mkdir()
    for file in (server.administrator_certificate, server.administrator_key, server.ca_file):
        shutil.copy(file, keys)
    shutil.copytree(server.directory / "operator", keys / "operator")
    with ExitStack() as stages:
        authority = ensure_authority(Path(stages.enter_context(tempfile.TemporaryDirectory())))
        variables = stages.enter_context(pytest.MonkeyPatch.context())
        variables.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
        variables.setenv("AWS_ACCESS_KEY_ID", "-".join(("made", "up")))
        variables.setenv("AWS_SECRET_ACCESS_KEY", "-".join(("made", "up", "too")))
        storage = stages.enter_context(
            object_storage(authority.certificate_file, authority.key_file, authority.ca_file)
        )
        written = checkout.written()
        tls = {**written["platform"]["tls"], "ca_certificate_file": ".estate/dev/ca.crt"}
        checkout.change(
            platform={**written["platform"], "tls": tls},
            database=None,
            applications={name: _without_database(one) for name, one in written["applications"].items()},
            snapshots={
                **written["snapshots"],
                "store": {**written["snapshots"]["store"], "endpoint": storage.endpoint},
            },
        )
        made.sandbox.mkdir(parents=True)
        (made.sandbox / "passphrase").write_text(PASSPHRASE)
        engine_runs.done(engine_runs.begin(checkout, "dev", "up", address=server.address))


def _without_database(application: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in application.items() if name != "database_roles"}


def _left(made: Place) -> Mapping[str, bytes]:
    """The files of an archive."""
    own, sandbox = made.checkout.paths.own, made.sandbox
    extra = {SNAPSHOT: _snapshot(made), PASSWORDS: _passwords(made.server)}
    made.server.stop()
    files = {str(file.relative_to(own)): file.read_bytes() for file in own.rglob("*") if file.is_file()}
    files = {name: content for name, content in files.items() if not _MADE_ANEW.fullmatch(name)}
    state = str(made.state.relative_to(own))
    files[state] = _without_places(files[state])
    before = f"{sandbox.relative_to(own)}/"
    return extra | {
        f"{SANDBOX}/{name.removeprefix(before)}" if name.startswith(before) else name: content
        for name, content in files.items()
    }


def _snapshot(made: Place) -> bytes:
    """All that the server holds, taken by the login that may."""
    pair = made.checkout.paths.own / ("local" if made.stack == "local" else "dev") / "snapshots" / "operator"
    address, ca_file = made.server.address, str(made.server.ca_file)
    with requests.Session() as calls:
        calls.trust_env = False  # a REQUESTS_CA_BUNDLE would come before the next line
        calls.verify = ca_file
        calls.cert = (f"{pair}.crt", f"{pair}.key")
        answer = calls.post(f"{address}/v1/auth/cert/login", json={"name": OPERATOR_LOGIN}, timeout=10)
        calls.headers["X-Vault-Token"] = answer.json()["auth"]["client_token"]
        taken = calls.get(f"{address}/v1/sys/storage/raft/snapshot", timeout=60)
        taken.raise_for_status()
        calls.post(f"{address}/v1/auth/token/revoke-self", timeout=10)
    return gzip.decompress(taken.content)


def _passwords(server: LocalServers) -> bytes:
    """Verifiers of the roles that have a password."""
    with server.postgres.maintenance() as session:
        rows = session.execute("select rolname, rolpassword from pg_authid where rolpassword is not null").fetchall()
    return json.dumps(dict(rows)).encode()


def _without_places(state: bytes) -> bytes:
    """Without where in the program a resource stood, on the machine of whoever recorded it."""
    document: dict[str, Any] = json.loads(state)
    for resource in document["checkpoint"]["latest"]["resources"]:
        resource.pop("stackTrace", None)
        resource.pop("sourcePosition", None)
    return json.dumps(document, sort_keys=True).encode()


if __name__ == "__main__":
    record(sys.argv[1])
