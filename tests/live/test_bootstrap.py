"""The bootstrap script against a real server: what it does, what it refuses, and what is left when it is killed.

Doesn't prove: the script on another machine than this one, or custody anywhere but in a file.
"""

import base64
import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import hvac
import pytest
from hvac.exceptions import Forbidden

from components.payloads import bootstrap as bootstrap_script
from ops.errors import EstateError
from ops.local.bootstrap import bootstrap, run_script, write_files
from ops.local.servers import LocalServers
from tests.support.bootstrapping import parameters, run
from tests.support.servers import ADMINISTRATOR_POLICY, administrator_client, call, living_tokens, new_platform
from tests.support.shares import open_share


@pytest.fixture
def platform(platform: LocalServers) -> LocalServers:
    """A running server nobody has initialised."""
    platform.start()
    return platform


def test_a_fresh_server_is_initialised_and_its_root_token_is_dead(platform: LocalServers) -> None:
    code, steps, said = run(platform, parameters(platform))
    assert (code, said) == (0, "")
    assert steps == [
        "keys-tried",
        "server-answers",
        "key-shares-reserved",
        "initialised",
        "key-shares-written",
        "root-token-dead",
        "read-back",
        "login-enabled",
        "token-dead",
        "done",
    ]
    assert root_tokens(platform) == []


def root_tokens(platform: LocalServers) -> list[dict[str, Any]]:
    """Every token that is alive and isn't the administrator's."""
    tokens = living_tokens(administrator_client(platform))
    assert tokens
    return [one for one in tokens if one["policies"] != ["administrator", "default"]]


def test_a_second_run_changes_nothing(platform: LocalServers) -> None:
    assert bootstrap(platform, policy=ADMINISTRATOR_POLICY) is True
    before = {path: path.read_bytes() for path in platform.directory.glob("custody*")}
    assert bootstrap(platform, policy=ADMINISTRATOR_POLICY) is False
    assert {path: path.read_bytes() for path in platform.directory.glob("custody*")} == before
    assert len(before) == 2


def test_each_share_opens_with_its_operators_key_only(platform: LocalServers) -> None:
    assert run(platform, parameters(platform, operators=3))[::2] == (0, "")
    custody = json.loads(platform.custody.read_text())
    assert custody["threshold"] == 2
    assert len({share["fingerprint"] for share in custody["shares"]}) == 3
    opened = set()
    for number, share in enumerate(custody["shares"]):
        encrypted = base64.b64decode(share["encrypted_share"])
        opened.add(open_share(platform.directory / f"operator-{number}" / "private.asc", encrypted))
        with pytest.raises(RuntimeError):
            open_share(platform.directory / f"operator-{(number + 1) % 3}" / "private.asc", encrypted)
    assert [len(bytes.fromhex(share.decode())) for share in opened] == [33, 33, 33]


@pytest.mark.parametrize("step", ["keys-tried", "server-answers", "key-shares-reserved", "done"])
def test_killed_before_the_init_or_at_the_end_the_next_run_goes_on(platform: LocalServers, step: str) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted, kill_at=step)[0] == -9
    assert run(platform, wanted)[0] == 0
    assert root_tokens(platform) == []


@pytest.mark.parametrize("step", ["initialised", "key-shares-written", "root-token-dead", "read-back"])
def test_killed_before_anybody_could_log_in_the_server_is_emptied_and_begun_anew(
    platform: LocalServers, step: str
) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted, kill_at=step)[0] == -9
    first = platform.openbao.health()

    code, steps, said = run(platform, wanted)
    assert (code, steps[-1]) == (10, "server-answers")
    assert "stopped before anybody could log in: it holds nothing; empty its storage and run this again" in said
    assert run(platform, wanted)[0] == 10  # nothing was emptied yet

    told: list[str] = []
    assert bootstrap(platform, policy=ADMINISTRATOR_POLICY, told=told.append) is True
    assert told[-1] == "first boot: done"
    assert (platform.openbao.health() or {})["cluster_id"] != (first or {})["cluster_id"]
    assert root_tokens(platform) == []


@pytest.mark.parametrize("step", ["login-enabled", "token-dead"])
def test_killed_when_the_administrator_could_log_in_the_next_run_finishes(platform: LocalServers, step: str) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted, kill_at=step)[0] == -9
    before = platform.openbao.health()
    token_ends = json.loads(platform.custody.read_text())["token_ends"]
    assert all(datetime.fromisoformat(one["expire_time"]).timestamp() <= token_ends for one in root_tokens(platform))

    code, steps, said = run(platform, wanted)

    assert (code, said, steps[1:]) == (0, "", ["server-answers", "waiting-for-the-token-to-end", "done"])
    assert (platform.openbao.health() or {})["cluster_id"] == (before or {})["cluster_id"]
    assert root_tokens(platform) == []
    assert run(platform, wanted)[1][-1] == "nothing-to-do"


def test_a_run_that_is_still_under_way_is_not_taken_for_a_killed_one(platform: LocalServers) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted, kill_at="initialised")[0] == -9
    with platform.custody.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        code, _, said = run(platform, wanted)
    assert code == 6
    assert "are held by another bootstrap still running" in said
    assert run(platform, wanted)[0] == 10


def test_a_server_that_somebody_else_let_somebody_into_is_not_emptied(platform: LocalServers) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted)[0] == 0
    platform.custody.with_name("custody.json.complete").unlink()
    custody = json.loads(platform.custody.read_text())
    platform.custody.write_text(json.dumps(custody | {"state": "initialised"}))
    code, _, said = run(platform, wanted)
    assert code == 7
    assert "has a login auth/cert that no bootstrap of these key shares made; look at it" in said


def test_a_server_whose_init_another_began_is_not_emptied(platform: LocalServers) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted)[0] == 0
    platform.custody.with_name("custody.json.complete").unlink()
    platform.custody.unlink()
    code, _, said = run(platform, wanted)
    assert code == 5
    assert "holds no key shares: this one didn't begin it; give the file of the bootstrap that did it" in said


def test_a_snapshot_forbids_to_begin_anew(platform: LocalServers, tmp_path: Path) -> None:
    snapshot = tmp_path / "latest.snap"
    snapshot.write_bytes(b"anything")
    wanted = parameters(platform)
    assert run(platform, wanted, kill_at="initialised")[0] == -9
    code, _, said = run(platform, replace(wanted, snapshot=str(snapshot)))
    assert code == 4
    assert "latest.snap exists" in said


@pytest.mark.parametrize(("step", "code"), [("key-shares-reserved", 7), ("initialised", 0), ("login-enabled", 0)])
def test_interrupted_it_stops_before_the_init_and_finishes_after_it(
    platform: LocalServers, step: str, code: int
) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted, kill_at=step, by=signal.SIGTERM)[0] == code
    assert platform.status().initialized is (code == 0)
    assert run(platform, wanted)[0] == 0


def test_storage_that_went_missing_is_not_initialised_anew(platform: LocalServers) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted)[0] == 0
    kept = platform.custody.read_bytes()
    platform.stop()
    for path in (platform.directory / "openbao" / "data").rglob("*"):
        if path.is_file():
            path.unlink()
    platform.start()
    code, _, said = run(platform, wanted)
    assert (code, platform.status().initialized) == (4, False)
    assert "custody.json exists: its storage is missing" in said
    assert platform.custody.read_bytes() == kept


def test_a_snapshot_forbids_to_initialise(platform: LocalServers, tmp_path: Path) -> None:
    snapshot = tmp_path / "latest.snap"
    snapshot.write_bytes(b"anything")
    with pytest.raises(EstateError, match=r"a snapshot .*latest\.snap exists"):
        bootstrap(platform, policy=ADMINISTRATOR_POLICY, snapshot=snapshot)
    assert platform.status().initialized is False
    assert not platform.custody.exists()


def test_custody_that_cant_be_made_stops_it_before_the_init(platform: LocalServers, tmp_path: Path) -> None:
    wanted = parameters(platform)
    nowhere = replace(wanted, shares_file=str(tmp_path / "no-such-directory" / "custody.json"))
    code, steps, said = run(platform, nowhere)
    assert (code, steps[-1]) == (6, "server-answers")
    assert "can't be written: No such file or directory" in said
    assert platform.status().initialized is False


def test_custody_without_room_stops_it_before_the_init(platform: LocalServers) -> None:
    """The limit on file sizes (RLIMIT_FSIZE) stands in for a full disk: the write fails in the same place."""
    script, file = write_files(platform.directory / "bootstrap", parameters(platform))
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); sys.argv[:1] = []"
    done = subprocess.run(
        [sys.executable, "-c", f"{limited}; runpy.run_path(sys.argv[0], run_name='__main__')", str(script), str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert "can't be written: File too large" in done.stderr
    assert platform.status().initialized is False
    assert not platform.custody.exists()
    assert run(platform, parameters(platform))[0] == 0


def test_custody_that_was_only_just_made_is_taken_over(platform: LocalServers) -> None:
    platform.custody.touch()
    assert run(platform, parameters(platform))[0] == 0


def test_custody_that_is_damaged_is_not_touched(platform: LocalServers) -> None:
    platform.custody.write_text('{"state": "initiali')
    code, _, said = run(platform, parameters(platform))
    assert code == 6
    assert "look before removing it" in said
    assert platform.custody.read_text() == '{"state": "initiali'
    assert platform.status().initialized is False


def test_of_two_at_the_same_time_one_gives_way(platform: LocalServers) -> None:
    with platform.custody.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        code, _, said = run(platform, parameters(platform))
    assert code == 6
    assert "are held by another bootstrap still running" in said
    assert platform.status().initialized is False


def test_custody_of_another_server_is_noticed(platform: LocalServers, tmp_path: Path) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted)[0] == 0
    record = platform.custody.with_name("custody.json.complete")
    record.write_text(record.read_text().replace('"cluster_id": "', '"cluster_id": "0'))
    code, _, said = run(platform, wanted)
    assert code == 9
    assert "belong to cluster 0" in said


def test_a_lost_login_is_noticed(platform: LocalServers) -> None:
    wanted = parameters(platform)
    assert run(platform, wanted)[0] == 0
    administrator_client(platform).adapter.delete("/v1/sys/auth/cert")
    code, _, said = run(platform, wanted)
    assert code == 8
    assert "login auth/cert is gone" in said


def test_a_server_that_is_down_is_named_after_the_deadline(tmp_path: Path) -> None:
    platform = new_platform(tmp_path / "estate")
    platform.start()
    platform.stop()
    code, _, said = run(platform, replace(parameters(platform), wait_seconds=1))
    assert code == 3
    assert "Connection refused" in said


def test_a_server_that_another_authority_signed_is_not_ours(platform: LocalServers, tmp_path: Path) -> None:
    other = new_platform(tmp_path / "other")
    other.openbao.prepare()
    code, _, said = run(platform, replace(parameters(platform), ca_file=str(other.ca_file)))
    assert code == 3
    assert "is not our server" in said
    assert platform.status().initialized is False


def test_a_wrong_policy_ends_with_no_root_token_left(platform: LocalServers) -> None:
    wanted = parameters(platform)
    broken = replace(wanted, policy="path {")
    code, steps, said = run(platform, broken)
    assert code == 8
    assert "sys/policies/acl/administrator answered 400" in said
    assert steps[-1] == "token-dead"
    assert run(platform, wanted)[0] == 10


def test_a_root_token_that_survives_its_revocation_is_told(
    platform: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    must = bootstrap_script.VaultApi.must

    def forgetful(
        self: bootstrap_script.VaultApi, method: str, path: str, *more: Any, **options: Any
    ) -> dict[str, Any]:
        return {} if path == "auth/token/revoke-self" else must(self, method, path, *more, **options)

    monkeypatch.setattr(bootstrap_script.VaultApi, "must", forgetful)
    code, steps, said = run(platform, parameters(platform))
    assert code == 8
    assert "the revoked token still gets 200 instead of 403" in said
    assert "done" not in steps


def test_custody_made_by_someone_else_in_the_last_moment_is_not_taken(
    platform: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.custody.write_text('{"state": "reserved"}')
    wanted = parameters(platform)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path != platform.custody and exists(path))
    code, _, said = run(platform, wanted)
    assert code == 6
    assert "can't be written: File exists" in said
    assert platform.custody.read_text() == '{"state": "reserved"}'


def test_missing_parameters_are_named(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text("{}")
    script = tmp_path / "bootstrap.py"
    script.write_bytes((Path(__file__).parents[2] / "components/payloads/bootstrap.py").read_bytes())
    with pytest.raises(EstateError, match=r"KeyError\('administrator'\) in the parameters"):
        run_script(script, file)


# Every secret that exists while it runs, kept by the test itself: the script's own memory is the only other place.
SPY = """
import http.client, json, os, runpy, sys
kept = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
getresponse = http.client.HTTPSConnection.getresponse
def spy(self):
    response = getresponse(self)
    read = response.read
    def keep():
        body = read()
        if b"root_token" in body:
            os.write(kept, body)
        return body
    response.read = keep
    return response
http.client.HTTPSConnection.getresponse = spy
progress_lines = []
sys.argv[:2] = []
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_no_secret_is_in_argv_logs_files_or_output(platform: LocalServers, tmp_path: Path) -> None:
    script, file = write_files(platform.directory / "bootstrap", parameters(platform))
    kept = tmp_path / "kept.json"
    seen: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-c", SPY, str(kept), str(script), str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = []
    for line in process.stdout or ():
        output.append(line)
        seen += [_command_line(pid) for pid in _pids()]
    assert process.wait() == 0
    answer = json.loads(kept.read_text())
    root_token = answer["root_token"]
    custody = json.loads(platform.custody.read_text())
    encrypted = base64.b64decode(custody["shares"][0]["encrypted_share"])
    share = open_share(platform.directory / "operator-0" / "private.asc", encrypted).decode()
    texts = {"argv": "\n".join(seen), "output": "".join(output)}
    platform.stop()
    texts |= {str(path): path.read_bytes().decode("latin-1") for path in _files(platform.directory)}
    assert len(texts) > 10
    forms = [root_token, share, base64.b64encode(bytes.fromhex(share)).decode()]
    assert {where for where, text in texts.items() for form in forms if form in text} == set()
    # The search itself can find: the encrypted share is where it belongs.
    found = {where for where, text in texts.items() if custody["shares"][0]["encrypted_share"] in text}
    assert found == {str(platform.custody)}
    client = hvac.Client(url=platform.address, token=root_token, verify=str(platform.ca_file))
    platform.start()
    with pytest.raises(Forbidden):
        call(client, "get", "auth/token/lookup-self")


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and "postgres/db" not in str(path)]


def _pids() -> list[str]:
    return [entry.name for entry in os.scandir("/proc") if entry.name.isdigit()]


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return ""
