"""Snapshots of a real server: taken, lost, put back. Everything an application relied on is there again.

Doesn't prove: a cluster of several nodes (tests/live/test_three_snapshots.py), a real Hetzner bucket (moto stands in).
"""

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from hvac import exceptions

from components.payloads.snapshot import ActiveNode, whole
from components.render import acl
from components.render.snapshots import CANARY, OPERATOR_LOGIN
from ops.errors import EstateError
from ops.snapshots import drilling, restoring, taking
from ops.snapshots.stores import FolderStore
from tests.support.servers import call
from tests.support.snapshotting import Estate, estate, fill, let_in

PLAIN = "-".join(("a", "card", "number"))
KEPT = "-".join(("canary", "of", "the", "live", "test"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate whose applications have put something into it."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        client = one.client
        call(client, "post", "secret/data/application", {"data": {"value": KEPT}})
        call(client, "post", "sys/mounts/transit", {"type": "transit"})
        call(client, "post", "transit/keys/card", {})
        call(client, "post", "sys/mounts/pki", {"type": "pki"})
        call(client, "post", "pki/root/generate/internal", {"common_name": "Estate", "ttl": "24h"})
        call(client, "post", "pki/roles/web", {"allowed_domains": ["internal"], "allow_subdomains": True})
        yield one


@pytest.fixture
def store(made: Estate) -> FolderStore:
    """Where its snapshots are."""
    return FolderStore(made.paths.project / ".estate/local/snapshots/store")


def restore(made: Estate, key: str | None = None, *, force: bool = False) -> restoring.Restored:
    """As the command does."""
    return restoring.restore(
        made.paths, made.file, made.where, made.console, identity=made.identity, key=key, force=force
    )


def take(made: Estate) -> taking.Taken:
    """As the command does."""
    return taking.take(made.paths, made.file, made.where, made.console)


def test_everything_comes_back_into_an_empty_server(made: Estate, capfd: pytest.CaptureFixture[str]) -> None:
    client = made.client
    sealed = call(client, "post", "transit/encrypt/card", {"plaintext": base64.b64encode(PLAIN.encode()).decode()})
    ciphertext = sealed["data"]["ciphertext"]
    before = call(client, "get", "pki/ca/pem") or client.adapter.get("/v1/pki/ca/pem").text
    cluster = call(client, "get", "sys/health")["cluster_id"]
    fill(client, 6)
    taken = take(made)
    size = taken.kept[0].record["bytes"]
    assert size > 5 << 20

    made.lose_everything()
    assert (made.platform.openbao.health() or {})["initialized"] is False
    done = restore(made)

    assert (done.key, done.canary, done.sealed, done.forced) == (taken.key, True, False, ())
    again = made.client
    assert call(again, "get", "secret/data/application")["data"]["data"] == {"value": KEPT}
    assert len(call(again, "get", "secret/data/bulk/11")["data"]["data"]["value"]) == 1 << 19
    opened = call(again, "post", "transit/decrypt/card", {"ciphertext": ciphertext})["data"]["plaintext"]
    assert base64.b64decode(opened).decode() == PLAIN
    assert (call(again, "get", "pki/ca/pem") or again.adapter.get("/v1/pki/ca/pem").text) == before
    issued = call(again, "post", "pki/issue/web", {"common_name": "a.internal"})["data"]
    leaf, root = (x509.load_pem_x509_certificate(issued[part].encode()) for part in ("certificate", "issuing_ca"))
    leaf.verify_directly_issued_by(root)
    assert call(again, "get", "sys/health")["cluster_id"] == cluster == done.cluster_id
    said = "".join(capfd.readouterr())
    log = made.platform.openbao.log.read_text()
    for secret in (KEPT, PLAIN):
        assert secret not in said
        assert secret not in log


def test_a_running_server_goes_back_to_what_it_was(made: Estate) -> None:
    client = made.client
    call(client, "post", "secret/data/changing", {"data": {"value": "then"}})
    taken = take(made)
    call(client, "post", "secret/data/changing", {"data": {"value": "now"}})

    done = restore(made, taken.key)

    assert done.canary is True
    assert call(made.client, "get", "secret/data/changing")["data"]["data"] == {"value": "then"}


def test_how_the_applications_mounts_are_set_keeps_no_snapshot_from_being_taken(made: Estate) -> None:
    strict = {"cas_required": True, "max_versions": 1, "delete_version_after": "1s"}
    call(made.client, "post", "secret/config", strict)

    take(made)
    time.sleep(1.5)

    assert restore(made).canary is True
    call(
        made.client, "post", "secret/config", {"cas_required": False, "max_versions": 10, "delete_version_after": "0s"}
    )


def test_two_that_are_taken_at_once_are_both_restored(made: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = ActiveNode.save

    def after_another(server: ActiveNode, file: Path) -> None:
        server.call("POST", CANARY, {"data": {"value": "of another run"}})
        saved(server, file)

    monkeypatch.setattr(ActiveNode, "save", after_another)

    assert restore(made, take(made).key).canary is True


def test_one_of_the_first_release_is_restored(
    made: Estate, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its canary is in the first KV mount, and its record doesn't say so."""
    earlier = "secret/data/vault-estate/canary"
    policy = acl.render(acl.snapshot_restore(OPERATOR_LOGIN)).replace(CANARY, earlier)
    call(made.client, "put", f"sys/policies/acl/{OPERATOR_LOGIN}", {"policy": policy})
    monkeypatch.setattr(taking, "CANARY", earlier)
    taken = take(made)
    record = json.loads(store.read(f"{taken.key}.json"))
    assert record.pop("canary").startswith(earlier)
    (store.directory / f"{taken.key}.json").write_text(json.dumps(record))

    assert restore(made).canary is True
    let_in(made.client, made.pair[0])


def test_the_token_of_a_snapshot_and_that_of_its_restore_are_dead_afterwards(made: Estate, store: FolderStore) -> None:
    taken = take(made)
    restore(made)

    accessor = json.loads(store.read(f"{taken.key}.json"))["accessor"]
    assert re.fullmatch(r"[A-Za-z0-9]{20,}", accessor)
    with pytest.raises(exceptions.InvalidRequest, match="invalid accessor"):
        call(made.client, "post", "auth/token/lookup-accessor", {"accessor": accessor})


def test_a_drill_says_how_much_would_be_lost_and_how_long_it_takes(made: Estate) -> None:
    taken = take(made)
    before = call(made.client, "get", "sys/health")["server_time_utc"]

    done = drilling.drill(made.paths, made.file, made.console, made.identity, made.seal_key)

    assert (done.key, done.whole, done.opened, done.why_not, done.fresh) == (taken.key, True, True, "", True)
    assert 0 <= done.rpo_seconds < 120
    assert 0 < done.rto_seconds < 60
    assert call(made.client, "get", "sys/health")["server_time_utc"] >= before, "the stack's own server went on"
    assert not list(made.paths.own.glob("drill-*"))


def test_a_drill_with_another_seal_key_fails(made: Estate, tmp_path: Path) -> None:
    take(made)
    other = tmp_path / "other.key"
    other.write_bytes(b"k" * 32)

    with pytest.raises(EstateError, match="400"):
        drilling.drill(made.paths, made.file, made.console, made.identity, other)
    assert not list(made.paths.own.glob("drill-*"))


def test_retention_leaves_what_it_says_and_nothing_half(made: Estate, store: FolderStore) -> None:
    cluster = call(made.client, "get", "sys/health")["cluster_id"]
    for stamp in ("20240101T000000Z", "20240102T000000Z", "20240103T010000Z", "20240103T020000Z"):
        _copy(store, take(made).key, f"raft/{cluster}/{stamp}.age")
    leaving = made.paths.project / ".estate/local/snapshots/store" / f"raft/{cluster}/20240103T030000Z.age"
    leaving.write_bytes(b"cut off")

    done = take(made)

    left = list(whole(store, f"raft/{cluster}/"))
    assert done.key in left
    assert not leaving.exists()
    # Two hours, two days, two weeks: this hour's, and the newest of that week of 2024.
    assert [key for key in left if "/2024" in key] == [f"raft/{cluster}/20240103T020000Z.age"]
    assert not [key for key in store.names("raft/") if key.endswith(".json") and key[: -len(".json")] not in left]


def _copy(store: FolderStore, key: str, to: str) -> None:
    """As one that the clock had taken: those by hand stay for longer."""
    place = store.directory / to
    place.write_bytes((store.directory / key).read_bytes())
    record = json.loads((store.directory / f"{key}.json").read_text())
    place.with_name(f"{place.name}.json").write_text(json.dumps({**record, "by_hand": False}))
