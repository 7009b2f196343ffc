"""Processes that others start: eight that gunicorn forks from one that has used its client already, and those of
Dagster's steps. Each has a login of its own.

Not proven: gunicorn's other ways to start (without `--preload` nothing is shared), executors on other machines.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.paths import ROOT
from tests.support.estates import KEY, ApplicationEstate, application_estate
from tests.support.servers import VaultServer, eventually, living_tokens

WORKERS = 8
TOKEN = re.compile(rb"(?<![A-Za-z0-9])s\.[A-Za-z0-9]{24}(?![A-Za-z0-9])")
"""As OpenBao makes them."""
CANARY = "canary-" + "Zq7" * 6
_APPLICATION = """
import os
from vault_estate import Patience, VaultClient, VaultClientConfig, session

# However busy the machine is that tests run on.
session._REVOKE_SECONDS = 60.0
patience = Patience(deadline_seconds=60.0, connect_seconds=60.0, read_seconds=60.0)
client = VaultClient(VaultClientConfig(patience=patience))


def tell(what):
    client.refresh("app-prod")
    accessor = client._session._current().token.accessor
    port = client._transport._pools[0].pool.get().sock.getsockname()[1]
    with open(os.environ["TOLD"], "a") as stream:
        stream.write(f"{what} {os.getpid()} {accessor} {port}\\n")  # in one piece


tell("parent")


def application(environ, respond):
    respond("200 OK", [])
    return [b""]
"""
_CONFIGURED = f"""
bind = "unix:gunicorn.sock"
workers = {WORKERS}
preload_app = True
timeout = 300
control_socket_disable = True


def post_worker_init(worker):
    from application import tell

    tell("worker")
"""
_JOB = """
import json, os, sys
import dagster as dg
from vault_estate.dagster import VaultSecretsResource


STARTED = {"start_method": {"forkserver": {"preload_modules": ["dagster", "vault_estate.dagster"]}}}


@dg.op
def read(context, vault: VaultSecretsResource):
    secret = vault.get_secret("app-prod")
    context.log.info(f"{secret!r} {vault!r} {vault.client!r}")
    print(secret, vault.get_secret("app-prod"))
    token = vault.client._session._current().token
    return {"process": os.getpid(), "accessor": token.accessor, "logins": vault.client._session.logins}


@dg.job(resource_defs={"vault": VaultSecretsResource()}, executor_def=dg.multiprocess_executor.configured(STARTED))
def reading():
    read.alias("first")()
    read.alias("second")()


if __name__ == "__main__":
    with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
        with dg.execute_job(dg.reconstructable(reading), instance=instance) as done:
            print(json.dumps([done.output_for_node(one) for one in ("first", "second")]))
"""


@pytest.fixture(scope="module")
def estate(vault_server: VaultServer) -> ApplicationEstate:
    """One application's part of a server."""
    made = application_estate(vault_server)
    made.write("app-prod", {KEY: CANARY})
    return made


def test_each_worker_has_a_login_and_a_connection_and_no_token_outlives_them(
    estate: ApplicationEstate, tmp_path: Path
) -> None:
    (tmp_path / "application.py").write_text(_APPLICATION)
    (tmp_path / "gunicorn.conf.py").write_text(_CONFIGURED)
    told = tmp_path / "told"
    told.touch()
    environ = {**os.environ, **estate.environ(tmp_path), "TOLD": str(told), "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    command = [sys.executable, "-m", "gunicorn", "application:application"]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as running:
        try:
            all_told = eventually(lambda: len(told.read_text().splitlines()) > WORKERS or running.poll() is not None)
            living = {one["accessor"] for one in living_tokens(estate.root)}
        finally:
            running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
    lines = [line.split() for line in told.read_text().splitlines()]
    assert all_told, said
    assert [one[0] for one in lines] == ["parent", *["worker"] * WORKERS], said
    assert {one[2] for one in lines} <= living, "no login ended another's"
    for column in (1, 2, 3):
        assert len({one[column] for one in lines}) == WORKERS + 1
    living = {one["accessor"] for one in living_tokens(estate.root)}
    assert not [one for one in lines if one[2] in living], "each has revoked its own"


def test_each_process_of_dagsters_logs_in_once_and_nothing_is_kept(estate: ApplicationEstate, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(_JOB)
    kept = tmp_path / "dagster"
    kept.mkdir()
    own = estate.environ(tmp_path)
    environ = {
        **os.environ,
        **own,
        "PYTHONPATH": f"{ROOT}:{tmp_path}",
        "DAGSTER_HOME": str(kept),
    }
    command = [sys.executable, "job.py", str(kept)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout.splitlines()[-1])
    assert [one["logins"] for one in steps] == [1, 1]
    assert len({one["process"] for one in steps}) == len({one["accessor"] for one in steps}) == 2
    files = [file for file in kept.rglob("*") if file.is_file()]
    everything = done.stdout.encode() + done.stderr.encode() + b"".join(file.read_bytes() for file in files)
    assert everything.count(b"Secret(app-prod, v") >= 4, "the steps' own words are there"
    secret_id = Path(own["VAULT_SECRET_ID_FILE"]).read_text()
    for value in (CANARY, secret_id, estate.role_id):
        assert value.encode() not in everything
    assert TOKEN.fullmatch(str(estate.root.token).encode())
    assert not TOKEN.search(everything)
