"""Each known way in which putting a snapshot back fails, one test a row of the field's list, against a real server.

Doesn't prove: what a real cluster of several nodes does (tests/live/test_three_snapshots.py); a server that answers as
its member stands in.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.payloads import snapshot as program
from components.payloads.snapshot import SnapshotError, sha256_of
from ops.errors import EstateError
from ops.snapshots import restoring, taking
from tests.support.servers import call
from tests.support.snapshotting import Answer, Estate, estate, vault_that_answers


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        yield one


# --- vault#24975, #28880, #13416: put back under another seal, or with other shares


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seal": "shamir"}, "its seal is 'shamir', the server's is 'static'"),
        ({"shares": 5}, "it has 5 key shares, the server 1"),
        ({"threshold": 3}, "it has 3 shares to open it, the server 1"),
        ({"cluster_id": "another"}, "it is of cluster another, the server is "),
        ({"version": "99.0.0"}, "it is of version 99.0.0, the server is the older "),
    ],
)
def test_what_doesnt_belong_into_a_server_is_refused_before_it_is_touched(
    made: Estate, change: Mapping[str, Any], words: str
) -> None:
    taken = taking.take(made.paths, made.file, made.where, made.console)
    directory = made.paths.project / ".estate/local/snapshots/store"
    record = json.loads((directory / f"{taken.key}.json").read_text())
    key = taken.key.replace(record["cluster_id"], change.get("cluster_id", record["cluster_id"]))
    (directory / key).parent.mkdir(exist_ok=True)
    if key != taken.key:
        shutil.move(directory / taken.key, directory / key)
    (directory / f"{key}.json").write_text(json.dumps({**record, **change}))
    call(made.client, "post", "secret/data/untouched", {"data": {"value": "now"}})

    with pytest.raises(EstateError, match=words):
        restored(made, key)
    assert call(made.client, "get", "secret/data/untouched")["data"]["data"] == {"value": "now"}
    shutil.rmtree(directory)


def test_force_overrides_and_says_what(made: Estate) -> None:
    taken = taking.take(made.paths, made.file, made.where, made.console)
    record_file = made.paths.project / ".estate/local/snapshots/store" / f"{taken.key}.json"
    record = json.loads(record_file.read_text())
    record_file.write_text(json.dumps({**record, "shares": 5}))

    done = restored(made, taken.key, force=True)

    assert done.forced == ("it has 5 key shares, the server 1",)
    assert done.canary is True


# --- vault#31933: put into a cluster of several nodes


def test_several_servers_take_it_only_where_their_seal_vouches_for_it(made: Estate) -> None:
    """What they do with it is tests/live/test_three_snapshots.py's."""
    taken = taking.take(made.paths, made.file, made.where, made.console)
    real = made.server()
    seal = "static"

    def answer(method: str, path: str) -> Answer:
        status = 200, real.call("GET", "sys/seal-status") | {"type": seal}
        peers = [{"node_id": name, "voter": True, "leader": name == "one"} for name in ("one", "two")]
        known: dict[str, Answer] = {
            "sys/leader": (200, {"ha_enabled": True, "is_self": True}),
            "auth/cert/login": (200, {"auth": {"client_token": "fake", "accessor": "fake"}}),
            "sys/storage/raft/configuration": (200, {"data": {"config": {"servers": peers}}}),
            "sys/storage/raft/snapshot": (
                400,
                {"errors": ["could not verify hash file, using a different autoseal key"]},
            ),
        }
        return status if path == "sys/seal-status" else known[path]

    with vault_that_answers(made, answer) as (address, seen):
        where = replace(made.where, address=address)

        def restored_there() -> None:
            restoring.restore(
                made.paths, made.file, where, made.console, identity=made.identity, key=taken.key, force=True
            )

        with pytest.raises(EstateError, match="was taken under key"):
            restored_there()
        put = [path for method, path, _ in seen if method == "POST" and "snapshot" in path]
        assert put == ["sys/storage/raft/snapshot"], "by force the others would never have it"
        seal = "shamir"
        with pytest.raises(
            EstateError, match=r"a cluster of 2 nodes \(one, two\) with the seal 'shamir'; expected one with"
        ):
            restored_there()
        assert [path for method, path, _ in seen if method == "POST" and "snapshot" in path] == put


# --- vault#30611: an empty server has to be initialised first (test_snapshots: its keys go with its storage)


def test_keys_of_the_server_that_took_it_are_worthless_and_never_shown(
    made: Estate, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = taking.take(made.paths, made.file, made.where, made.console)
    given: list[Mapping[str, Any]] = []
    real = program.ActiveNode.call

    def watched(self: program.ActiveNode, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = real(self, method, path, body)
        if path == "sys/init":
            given.append(answer)
        return answer

    monkeypatch.setattr(program.ActiveNode, "call", watched)
    made.lose_everything()
    restored(made, taken.key)

    (keys,) = given
    server = made.server()
    server.token = keys["root_token"]
    with pytest.raises(SnapshotError, match="403"):
        real(server, "GET", "auth/token/lookup-self")
    said = "".join(capfd.readouterr())
    files = [one for one in made.paths.own.rglob("*") if one.is_file() and "postgres" not in one.parts]
    for secret in (keys["root_token"], *keys["recovery_keys_base64"]):
        assert secret not in said
        assert not [one for one in files if secret.encode() in one.read_bytes()]


# --- a source named by somebody else (openbao-operator)


@pytest.mark.parametrize(
    "key", ["https://169.254.169.254/x.age", "../../../etc/passwd", "raft/none/x.age", "/etc/passwd"]
)
def test_a_source_is_a_key_of_the_settings_store_and_nothing_else(made: Estate, key: str) -> None:
    with pytest.raises(EstateError, match="expected the key of a whole snapshot in the store"):
        restored(made, key)


# --- what was stored, changed on its way back


def tampered(content: bytes) -> bytes:
    """One bit of it flipped."""
    return content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]


@pytest.mark.parametrize("change", [tampered, lambda content: content[:-100]], ids=["tampered", "truncated"])
def test_a_changed_snapshot_is_no_snapshot(made: Estate, change: Callable[[bytes], bytes]) -> None:
    taken = taking.take(made.paths, made.file, made.where, made.console)
    file = made.paths.project / ".estate/local/snapshots/store" / taken.key
    good = file.read_bytes()
    file.write_bytes(change(good))
    with pytest.raises(EstateError, match="expected the key of a whole snapshot"):
        restored(made, taken.key)

    # Also where somebody wrote a record to go with it: age is authenticated.
    record_file = file.with_name(f"{file.name}.json")
    record = json.loads(record_file.read_text())
    forged = {**record, "bytes": file.stat().st_size, "sha256": sha256_of(file)}
    record_file.write_text(json.dumps(forged))
    with pytest.raises(EstateError, match="can't be opened with age identity"):
        restored(made, taken.key)
    shutil.rmtree(file.parent)


def restored(made: Estate, key: str, *, force: bool = False) -> restoring.Restored:
    """As the command does."""
    return restoring.restore(
        made.paths, made.file, made.where, made.console, identity=made.identity, key=key, force=force
    )
