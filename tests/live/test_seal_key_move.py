"""The key of the local server's seal moves: everything is wrapped anew, the old key opens nothing any more, and
snapshots of its time come back.

Doesn't prove: a node's side of it, which `tests/machines/test_snapshot_disaster.py` walks; kills, which
`tests/day2/test_seal_key_killed.py` tries.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.payloads.move_seal_key import key_id, new_key
from components.render.snapshots import OPERATOR_LOGIN
from ops import stack_file
from ops.commands import ends, seal_key_moves, snapshots
from ops.errors import EstateError
from ops.platforms.registry import platform_of
from ops.snapshots import drilling, restoring, seal_keys, taking
from ops.snapshots.local_seal_keys import LocalSealKeys
from ops.snapshots.stores import store_of
from tests.support.servers import call
from tests.support.snapshotting import Estate, estate

THEN, NOW = ("-".join(("what", "it", "held", when)) for when in ("then", "now"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate with a snapshot in its store."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        write(one, THEN)
        taking.take(one.paths, one.file, one.where, one.console)
        yield one


def write(made: Estate, value: str) -> None:
    call(made.client, "post", "secret/data/application", {"data": {"value": value}})


def held(made: Estate) -> str:
    return str(call(made.client, "get", "secret/data/application")["data"]["data"]["value"])


def move(made: Estate) -> seal_key_moves.Moved:
    return seal_key_moves.move(made.paths, "local", made.console, node=None, sandbox=False)


def restore(made: Estate, key: str) -> restoring.Restored:
    return snapshots.restore(made.paths, "local", made.console, key=key, force=False, identity=None, sandbox=False)[0]


def wrapped_by(made: Estate, work: Path) -> str:
    """The key that the running server marks what it wraps with."""
    server = made.server()
    server.login(OPERATOR_LOGIN)
    server.save(work / "archive")
    server.logout()
    return seal_keys.key_of(work / "archive")


def keys(made: Estate) -> LocalSealKeys:
    return LocalSealKeys(made.platform)


def test_the_key_moves_and_the_old_one_opens_nothing_any_more(made: Estate, tmp_path: Path) -> None:
    old, before = made.seal_key.read_bytes(), taking.kept(store_of(made.paths, made.file))
    assert wrapped_by(made, tmp_path) == key_id(old) == "1"

    done = move(made)

    new = made.seal_key.read_bytes()
    assert (done.old_key_id, done.key_id) == ("1", key_id(new))
    assert (done.needs_old, done.newest) == (1, before[0].key)
    assert wrapped_by(made, tmp_path) == done.key_id
    state = keys(made).state()
    assert (state.current, state.previous, state.coming, state.older) == (done.key_id, None, None, ("1",))
    assert "previous" not in (made.platform.openbao.home / "server.hcl").read_text()
    assert held(made) == THEN
    made.platform.stop()
    made.seal_key.write_bytes(old)
    with pytest.raises(EstateError, match=r"openbao stays sealed: .*unknown key id"):
        made.platform.start()
    made.seal_key.write_bytes(new)
    made.platform.start()
    assert held(made) == THEN


def test_a_snapshot_from_before_comes_back_and_is_drilled(made: Estate) -> None:
    (before,) = taking.kept(store_of(made.paths, made.file))
    write(made, NOW)

    own = keys(made).file_of
    assert drilling.drill(made.paths, made.file, made.console, made.identity, None, own=own).opened
    assert restore(made, before.key).canary is True

    assert held(made) == THEN
    state = keys(made).state()
    assert (state.current != "1", state.previous) == (True, None), "the old key is needed for the restore only"


def test_it_comes_back_into_an_empty_server_too(made: Estate, tmp_path: Path) -> None:
    (before,) = taking.kept(store_of(made.paths, made.file))
    made.lose_everything()

    assert restore(made, before.key).canary is True
    assert held(made) == THEN
    assert wrapped_by(made, tmp_path) == keys(made).state().current


def test_it_moves_again_and_every_snapshot_comes_back(made: Estate, capsys: pytest.CaptureFixture[str]) -> None:
    write(made, NOW)
    store = made.paths.project / ".estate/local/snapshots/store"
    (first,) = (one.key for one in taking.kept(store_of(made.paths, made.file)))
    files = {file: file.read_bytes() for file in store.glob(f"{first}*")}
    taking.take(made.paths, made.file, made.where, made.console)
    for file, content in files.items():  # retention keeps the newest of an hour
        file.write_bytes(content)
    middle = keys(made).state().current

    done = move(made)
    assert done.old_key_id == middle
    assert set(keys(made).state().older) == {"1", middle}

    restore(made, first)
    assert held(made) == THEN
    said = "".join(capsys.readouterr())
    secrets = [made.seal_key.read_text(), *(file.read_bytes().hex() for file in keys(made).older.glob("*.key"))]
    assert [secret for secret in secrets if secret in said] == []


def test_an_older_key_that_is_gone_is_named(made: Estate) -> None:
    first = taking.kept(store_of(made.paths, made.file))[-1].key
    kept = keys(made).older / "1.key"
    content = kept.read_bytes()
    kept.unlink()

    with pytest.raises(EstateError, match=r"key 1 of the seal isn't in .*/seal-keys; expected it there"):
        restore(made, first)
    kept.write_bytes(content)


def test_status_tells_of_a_move_that_was_killed(made: Estate) -> None:
    platform = platform_of(made.paths, stack_file.read(made.paths, "local"))
    warning = "the seal has two keys, since its move was killed: ./estate move-seal-key local"
    assert warning not in ends.look(platform, None).warnings
    keys(made).prepare()
    platform.seal_key_mark.write_text('{"new": "x", "old": "y"}')

    assert warning in ends.look(platform, None).warnings
    move(made)
    assert warning not in ends.look(platform, None).warnings


@pytest.mark.parametrize(
    ("node", "refused"),
    [("estate@node", "--node is 'estate@node'; expected none: stack 'local' has its seal's keys on this machine")],
)
def test_a_node_has_no_place_here(made: Estate, node: str, refused: str) -> None:
    with pytest.raises(EstateError, match=refused):
        seal_key_moves.move(made.paths, "local", made.console, node=node, sandbox=False)


def test_a_key_that_opens_nothing_by_itself_gets_the_one_before_it_back(made: Estate) -> None:
    own, old = keys(made), made.seal_key.read_bytes()
    before = held(made)
    made.platform.stop()
    own.previous.write_bytes(old)
    made.seal_key.write_bytes(new_key())  # the server was never started with both

    with pytest.raises(EstateError, match="openbao stays sealed"):
        own.alone()

    assert own.state().previous == key_id(old)
    assert held(made) == before, "it opened by the old key, and wrapped everything anew"
    own.alone()
    assert held(made) == before
