"""Snapshots of the booted node: brought credentials, the timer, an object in moto's bucket, and the way back.

Doesn't prove: Hetzner Object Storage itself; a bucket's policy for the node's credential, which moto doesn't enforce.
"""

from collections.abc import Iterator

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
import pytest

from tests.support.dev_checkouts import STACK, DevCheckout, dev_checkout
from tests.support.servers import eventually

SECRET_KEY = "-".join(("canary", "of", "the", "bucket"))
METRICS = "/var/lib/vault-snapshots/vault_snapshots.prom"


@pytest.fixture(scope="module")
def dev(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCheckout]:
    """The dev stack with a timer that doesn't keep a test waiting, up, its node given what an operator brings."""
    with dev_checkout(tmp_path_factory.mktemp("dev")) as made:
        snapshots = {**made.written()["snapshots"], "schedule": "*-*-* *:*:00/15"}
        made.change(snapshots=snapshots)
        made.answered("up", STACK)
        folder = made.paths.own / STACK / "snapshots"
        bring(made, "snapshot-login", (folder / "node.crt").read_text() + (folder / "node.key").read_text())
        bring(made, "snapshot-bucket", f"[default]\naws_access_key_id = node\naws_secret_access_key = {SECRET_KEY}\n")
        yield made


def bring(made: DevCheckout, name: str, content: str) -> None:
    """As docs/snapshots.md tells an operator to."""
    place = f"/var/lib/vault/credentials/{name}"
    wrap = ["systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", place]
    done = made.node.run(wrap, input=content)
    assert done.returncode == 0, done.stderr


def keys(made: DevCheckout) -> list[str]:
    """What is in the bucket."""
    facts = made.sandbox.facts()
    client = boto3.client(
        "s3",
        endpoint_url=facts.storage,
        region_name="fsn1",
        aws_access_key_id="test",
        aws_secret_access_key="-".join(("made", "up")),
        verify=str(made.paths.project / facts.authority_file),
    )
    bucket = made.written()["snapshots"]["store"]["name"]
    return [one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def said(made: DevCheckout) -> str:
    """The journal of the unit."""
    return made.node.run(["journalctl", "--unit", "vault-snapshot.service", "--no-pager"]).stdout


def test_the_timer_fires_and_the_object_is_in_the_bucket(dev: DevCheckout) -> None:
    assert eventually(lambda: any(key.endswith(".age.json") for key in keys(dev)), seconds=300), said(dev)

    assert eventually(lambda: "vault_snapshot_success 1" in dev.node.run(["cat", METRICS]).stdout), said(dev)
    # The journal may have it a moment later than the file.
    assert eventually(lambda: '"step": "pruned"' in said(dev)), said(dev)
    mode = dev.node.run(["stat", "--format", "%U %a", METRICS]).stdout.split()
    assert mode == ["vault-snapshot", "644"]


def test_it_runs_confined_and_shows_no_secret(dev: DevCheckout) -> None:
    score = dev.node.run(["systemd-analyze", "security", "vault-snapshot.service", "--no-pager"]).stdout
    assert float(score.split("vault-snapshot.service:")[1].split()[0]) <= 1.5
    journal = dev.node.run(["journalctl", "--no-pager"]).stdout
    private = (dev.paths.own / STACK / "snapshots" / "node.key").read_text().splitlines()[1]
    for secret in (SECRET_KEY, private):
        assert secret not in journal
        found = dev.node.run(["grep", "-rlF", secret, "/etc", "/var/lib/vault", "/usr/local", "/var/lib/cloud"])
        assert found.stdout == ""


def test_an_operator_takes_one_and_puts_it_back(dev: DevCheckout) -> None:
    # Of each hour the newest stays: the timer's next one would let this one go before it is put back.
    stopped = dev.node.run(["systemctl", "stop", "vault-snapshot.timer", "vault-snapshot.service"])
    assert stopped.returncode == 0, stopped.stderr
    taken = dev.answered("snapshot", STACK)
    drilled = dev.answered("drill", STACK)
    restored = dev.answered("restore", STACK, "--from", taken["key"])

    assert taken["key"] in keys(dev)
    assert (drilled["whole"], drilled["opened"], drilled["why_not"]) == (True, True, "")
    assert (restored["key"], restored["canary"], restored["sealed"]) == (taken["key"], True, False)
    assert dev.answered("up", STACK)["changed"] == 0
