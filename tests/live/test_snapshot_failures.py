"""Each known way in which Raft snapshots fail, one test a row of the field's list, against real servers and moto.

Doesn't prove: what a real cluster of several nodes does; servers that answer as its members do stand in for them.
"""

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.payloads import snapshot as program
from components.payloads.snapshot import SnapshotError, prune, save, sha256_of, verify, whole
from ops.snapshots.opening import choose, open_snapshot
from ops.snapshots.stores import FolderStore
from tests.support.snapshotting import (
    BUCKET,
    Answer,
    Estate,
    ObjectStorage,
    archive,
    estate,
    fill,
    object_storage,
    on_node,
    parameters_of,
    vault_that_answers,
)

KEEP = {"hourly": 1, "daily": 0, "weekly": 0}
PREFIX = "raft/"
OLD = ("raft/c/20240101T000000Z.age", "raft/c/20240102T000000Z.age")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        yield one


@pytest.fixture
def storage(made: Estate) -> Iterator[ObjectStorage]:
    """An S3 service with a bucket that is locked as ours is."""
    tls = made.platform.directory / "tls"
    with object_storage(tls / "server.crt", tls / "server.key", made.platform.ca_file) as one:
        yield one


@pytest.fixture
def saved(made: Estate, tmp_path: Path) -> Path:
    """A good archive of the server."""
    server, file = made.server(), tmp_path / "saved"
    server.login("snapshot-operator")
    server.save(file)
    server.logout()
    return file


def taken_into(made: Estate, storage: ObjectStorage, work: Path) -> tuple[str, dict[str, Any]]:
    """One snapshot in the bucket."""
    work.mkdir(exist_ok=True)
    return save(made.server(), storage.bucket(), made.parameters(), work)


def plant(storage: ObjectStorage, made: Estate, work: Path) -> None:
    """Older whole snapshots, of a cluster named c."""
    key, record = taken_into(made, storage, work)
    store = storage.bucket()
    secret = work / "secret"
    for old in OLD:
        store.put(old, secret, record["sha256"])
        (work / "old.json").write_text(json.dumps({**record, "cluster_id": "c"}))
        store.put(f"{old}.json", work / "old.json", sha256_of(work / "old.json"))
    store.remove(key)
    store.remove(f"{key}.json")


def members(file: Path) -> dict[str, bytes]:
    """What is in an archive."""
    with tarfile.open(file, "r:gz") as packed:
        return {one.name: stream.read() for one in packed if (stream := packed.extractfile(one))}


# --- vault#12168: ended well, with half a snapshot


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_an_archive_that_was_cut_off_is_none(saved: Path, part: float) -> None:
    assert verify(saved)["Index"] > 0
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * part)])

    with pytest.raises(SnapshotError, match=r"cut off or damaged|lacks"):
        verify(saved)


@pytest.mark.parametrize("name", ["meta.json", "state.bin", "SHA256SUMS", "SHA256SUMS.sealed"])
def test_an_archive_without_a_member_is_none(saved: Path, name: str) -> None:
    parts = members(saved)
    assert set(parts) == program.MEMBERS
    del parts[name]
    saved.write_bytes(archive(parts))

    with pytest.raises(SnapshotError, match=f"lacks {name}"):
        verify(saved)


@pytest.mark.parametrize("name", ["meta.json", "state.bin"])
def test_a_changed_member_is_found_by_its_checksum(saved: Path, name: str) -> None:
    parts = members(saved)
    parts[name] += b" "
    saved.write_bytes(archive(parts))

    with pytest.raises(SnapshotError, match=f"{name} doesn't have the checksum it lists"):
        verify(saved)


def test_a_foreign_member_is_refused(saved: Path) -> None:
    saved.write_bytes(archive({**members(saved), "../etc/passwd": b"x"}))

    with pytest.raises(SnapshotError, match=r"'\.\./etc/passwd', which no snapshot has"):
        verify(saved)


def through(made: Estate, change: Callable[[bytes], bytes]) -> Callable[[str, str], Answer]:
    """A server that hands on what the real one says, and a changed snapshot."""
    real = made.server()

    def answer(method: str, path: str) -> Answer:
        if path == "sys/leader":
            return 200, {"ha_enabled": True, "is_self": True}
        if path == "auth/cert/login":
            real.login("snapshot-operator")
            return 200, {"auth": {"client_token": "fake", "accessor": "fake"}}
        if path == "sys/storage/raft/snapshot":
            with real.open("GET", path) as said:
                return 200, change(said.read())
        if path == "auth/token/revoke-self":
            real.logout()
            return 204, {}
        return 200, real.call(method, path, {"data": {}} if method == "POST" else None)

    return answer


@pytest.mark.parametrize("loss", [lambda whole: whole[: len(whole) // 2], lambda _: b""], ids=["half", "nothing"])
def test_half_a_snapshot_answered_with_200_is_stored_nowhere(
    made: Estate, storage: ObjectStorage, tmp_path: Path, loss: Callable[[bytes], bytes]
) -> None:
    with (
        vault_that_answers(made, through(made, loss)) as (address, seen),
        pytest.raises(SnapshotError, match=r"cut off or damaged|lacks"),
    ):
        save(made.server(address), storage.bucket(), made.parameters(), tmp_path)

    assert not storage.asked("PUT")
    assert seen[-1][1] == "auth/token/revoke-self", "the token ends also where the snapshot fails"


# --- vault#13130: the seal's own token had expired, and no snapshot was vouched for


def test_a_snapshot_that_no_seal_vouches_for_is_a_failure(made: Estate, storage: ObjectStorage, tmp_path: Path) -> None:
    def unsealed(content: bytes) -> bytes:
        (tmp_path / "packed").write_bytes(content)
        parts = members(tmp_path / "packed")
        return archive({**parts, "SHA256SUMS.sealed": b""})

    with (
        vault_that_answers(made, through(made, unsealed)) as (address, _),
        pytest.raises(SnapshotError, match=r"lacks SHA256SUMS\.sealed"),
    ):
        save(made.server(address), storage.bucket(), made.parameters(), tmp_path)
    assert not storage.asked("PUT")


# --- vault#15258: a redirect to the active node isn't followed


def standby_of(address: str) -> Callable[[str, str], Answer]:
    """A standby: it knows the active node, and answers everything else with a redirect that leads nowhere."""

    def answer(_method: str, path: str) -> Answer:
        if path == "sys/leader":
            return 200, {"ha_enabled": True, "is_self": False, "leader_address": address}
        return 307, b""

    return answer


def test_the_active_node_is_looked_up_and_talked_to(made: Estate, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    with vault_that_answers(made, standby_of(made.platform.address)) as (address, seen):
        server = made.server(address)
        assert server.find_active() is False
        key, _ = save(server, store, made.parameters(), tmp_path)

    assert key in whole(store, PREFIX)
    assert [path for _, path, _ in seen] == ["sys/leader"], "the standby is asked for nothing but who is active"


@pytest.mark.parametrize("leader", ["", "http://127.0.0.1:1"])
def test_without_an_active_node_over_tls_nothing_is_asked(made: Estate, leader: str) -> None:
    with (
        vault_that_answers(made, standby_of(leader)) as (address, _),
        pytest.raises(SnapshotError, match="knows no active node"),
    ):
        made.server(address).find_active()


# --- vault-raft-snapshot-agent#51, #52: one node's token sent to another


def test_no_node_ever_sees_another_nodes_token(made: Estate, tmp_path: Path) -> None:
    with vault_that_answers(made, standby_of(made.platform.address)) as (address, seen):
        server = made.server(address)
        server.find_active()
        save(server, FolderStore(tmp_path / "store"), made.parameters(), tmp_path)

    assert {token for _, _, token in seen} == {""}


# --- Lucretius#13: every node uploads


def test_a_node_that_isnt_active_uploads_nothing(
    made: Estate, storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_node(made, tmp_path, monkeypatch)
    with vault_that_answers(made, standby_of(made.platform.address)) as (address, _):
        program.run(parameters_of(made, storage, tmp_path, address=address))

    assert not storage.requests
    assert "vault_snapshot_last_success_timestamp_seconds 0" in (tmp_path / "metrics.prom").read_text()


def test_a_key_is_a_cluster_and_a_time_and_nothing_of_the_node(
    made: Estate, storage: ObjectStorage, tmp_path: Path
) -> None:
    key, record = taken_into(made, storage, tmp_path / "work")

    assert key.split("/")[:2] == ["raft", record["cluster_id"]]
    assert program.STAMP == "%Y%m%dT%H%M%SZ"
    assert ":" not in key
    again = storage.bucket()
    again.put(key, tmp_path / "work" / "secret", record["sha256"])
    assert [name for name in again.names(PREFIX) if not name.endswith(".json")] == [key], "a second try adds nothing"


# --- Lucretius#8: uploads fail, retention deletes all the same, or never


def test_an_upload_that_breaks_off_prunes_nothing_and_leaves_no_snapshot(
    made: Estate, storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(storage, made, tmp_path)
    fill(made.client, 6)
    monkeypatch.setattr(program, "PART_BYTES", 5 << 20)
    storage.before = lambda one: "403 Forbidden" if "partNumber=2" in one["QUERY_STRING"] else ""
    on_node(made, tmp_path, monkeypatch)

    with pytest.raises(SnapshotError, match="upload_part"):
        program.run(parameters_of(made, storage, tmp_path))

    assert sorted(whole(storage.bucket(), PREFIX)) == sorted(OLD)
    assert not storage.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads"), "its parts were taken away"
    assert "vault_snapshot_success 0" in (tmp_path / "metrics.prom").read_text()
    assert not list((tmp_path / "work").glob("*")), "nothing stays on the node"


def test_an_upload_that_arrived_damaged_is_a_failure(
    made: Estate, storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(storage, made, tmp_path)
    before = storage.bucket().names(PREFIX)
    put = program.ObjectStore.put

    def lossy(self: program.ObjectStore, key: str, file: Path, sha256: str) -> None:
        shutil.copy(file, tmp_path / "short")
        (tmp_path / "short").write_bytes(file.read_bytes()[:-1])
        put(self, key, tmp_path / "short", sha256)

    monkeypatch.setattr(program.ObjectStore, "put", lossy)
    with pytest.raises(SnapshotError, match="not in the store as it was sent"):
        save(made.server(), storage.bucket(), made.parameters(), tmp_path)

    left = storage.bucket().names(PREFIX)
    assert set(before) <= set(left)
    assert [name for name in left if name.endswith(".json")] == [name for name in before if name.endswith(".json")]


def test_retention_counts_only_what_is_whole(made: Estate, storage: ObjectStorage, tmp_path: Path) -> None:
    plant(storage, made, tmp_path)
    store = storage.bucket()
    (tmp_path / "torn").write_bytes(b"torn")
    store.put(OLD[1], tmp_path / "torn", "0" * 64)

    assert prune(store, "raft/c/", KEEP) == [], "the newer one isn't whole, so the older one stays"
    assert list(whole(store, "raft/c/")) == [OLD[0]]


def test_retention_hides_and_destroys_nothing(made: Estate, storage: ObjectStorage, tmp_path: Path) -> None:
    plant(storage, made, tmp_path)
    store = storage.bucket()

    assert prune(store, "raft/c/", KEEP) == [f"{OLD[0]}.json", OLD[0]]

    assert list(whole(store, "raft/c/")) == [OLD[1]]
    versions = storage.client().list_object_versions(Bucket=BUCKET, Prefix=OLD[0])
    assert len(versions["Versions"]) == 2
    assert len(versions["DeleteMarkers"]) == 2
    assert prune(store, "raft/c/", KEEP) == []


def test_what_a_person_took_outlives_later_ones_of_the_hour_until_two_days_have_others(
    made: Estate, storage: ObjectStorage, tmp_path: Path
) -> None:
    plant(storage, made, tmp_path)
    store, record = storage.bucket(), json.loads(storage.bucket().read(f"{OLD[1]}.json"))

    def put(stamp: str, *, by_hand: bool) -> str:
        key = f"raft/c/{stamp}.age"
        store.put(key, tmp_path / "secret", record["sha256"])
        (tmp_path / "record.json").write_text(json.dumps({**record, "by_hand": by_hand}))
        store.put(f"{key}.json", tmp_path / "record.json", sha256_of(tmp_path / "record.json"))
        return key

    by_hand, by_clock = put("20240102T000500Z", by_hand=True), put("20240102T000600Z", by_hand=False)
    newest = put("20240104T000400Z", by_hand=False)

    prune(store, "raft/c/", KEEP)
    assert list(whole(store, "raft/c/")) == [by_hand, newest]
    assert by_clock not in store.names("raft/c/")
    another_day = put("20240105T000000Z", by_hand=False)
    prune(store, "raft/c/", KEEP)
    assert list(whole(store, "raft/c/")) == [another_day]


def test_a_service_that_falters_is_asked_again(made: Estate, storage: ObjectStorage, tmp_path: Path) -> None:
    failures = iter(["503 Slow Down", "500 Internal Server Error"])
    storage.before = lambda one: next(failures, "") if one["REQUEST_METHOD"] == "PUT" else ""

    key, _ = taken_into(made, storage, tmp_path)

    assert key in whole(storage.bucket(), PREFIX)
    assert next(failures, "none left") == "none left"


# --- velero#10543 and others: small snapshots pass, those above 5 MiB fail for a checksum in a trailer


@pytest.mark.parametrize("size", [1, (5 << 20) + 1, (33 << 20) + 1])
def test_no_request_carries_a_checksum_the_service_may_not_know(
    made: Estate, storage: ObjectStorage, tmp_path: Path, size: int
) -> None:
    file = tmp_path / "body"
    file.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    storage.bucket().put("raft/x", file, sha256_of(file))

    sent = [one for one in storage.requests if one["REQUEST_METHOD"] in {"PUT", "POST"}]
    assert sent
    for request in sent:
        assert "HTTP_X_AMZ_TRAILER" not in request
        assert "chunked" not in request.get("HTTP_CONTENT_ENCODING", "")
        assert not [name for name in request if name.startswith("HTTP_X_AMZ_CHECKSUM")]
    bodies = [one for one in sent if one["REQUEST_METHOD"] == "PUT"]
    assert len(bodies) == -(-size // program.PART_BYTES)
    assert all("HTTP_CONTENT_MD5" in one for one in bodies), "a locked bucket demands it"
    assert storage.bucket().look("raft/x") == (size, sha256_of(file))
    storage.bucket().fetch("raft/x", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()


def test_a_large_snapshot_goes_in_parts_and_comes_back(
    made: Estate, storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(made.client, 6)
    monkeypatch.setattr(program, "PART_BYTES", 5 << 20)

    key, record = taken_into(made, storage, tmp_path / "work")

    assert record["bytes"] > 5 << 20
    assert storage.asked("PUT", "partNumber=2") == 1
    (tmp_path / "open").mkdir()
    opened = open_snapshot(storage.bucket(), choose(storage.bucket(), key), made.identity, tmp_path / "open")
    assert verify(opened.archive)["Index"] == record["index"]


def test_a_run_on_a_node_measures_stores_and_prunes(
    made: Estate,
    storage: ObjectStorage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_node(made, tmp_path, monkeypatch)
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps(parameters_of(made, storage, tmp_path)))

    assert program.main([str(file)]) == 0

    steps = [json.loads(line)["step"] for line in capsys.readouterr().out.splitlines()]
    assert steps == ["verified", "stored", "pruned"]
    text = (tmp_path / "metrics.prom").read_text()
    values = dict(line.split() for line in io.StringIO(text) if not line.startswith("#"))
    assert values["vault_snapshot_success"] == "1"
    assert int(values["vault_snapshot_last_success_timestamp_seconds"]) > 1_700_000_000
    assert values["vault_snapshot_stale_after_seconds"] == "10800"
    assert (tmp_path / "metrics.prom").stat().st_mode & 0o777 == 0o644
    kept = values["vault_snapshot_last_success_timestamp_seconds"]

    storage.before = lambda _: "403 Forbidden"
    assert program.main([str(file)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("snapshot: bucket vault-snapshots: put_object")
    text = (tmp_path / "metrics.prom").read_text()
    assert "vault_snapshot_success 0" in text
    assert f"vault_snapshot_last_success_timestamp_seconds {kept}" in text, "it grows stale, and doesn't vanish"
