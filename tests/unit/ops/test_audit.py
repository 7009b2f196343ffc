"""Reading an audit log, by entries as OpenBao 2.7 writes them. A server's own is read in tests/live/test_audit.py."""

import gzip
import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.cli import main
from ops.commands import audit
from ops.errors import EstateError
from ops.vault import audit_log
from ops.vault.audit_log import LoggedRequest, Unread, Wanted

CANARY = "-".join(("canary", "value"))
Captured = pytest.CaptureFixture[str]


def entry(path: str = "secret/data/a", operation: str = "read", **more: Any) -> dict[str, Any]:
    """An answered request of the application `shop`."""
    request = {"id": "1", "operation": operation, "path": path, "remote_address": "10.0.0.7", "data": {"key": CANARY}}
    auth = {"display_name": "approle", "metadata": {"role_name": "shop"}, "client_token": CANARY}
    body = {"data": {"value": CANARY}}
    return {
        "time": "2026-11-26T15:33:23.336498833Z",
        "type": "response",
        "request": request | more.pop("request", {}),
        "auth": auth,
        "response": body,
        **more,
    }


def read(*documents: dict[str, Any]) -> list[LoggedRequest]:
    return list(audit_log.entries([json.dumps(document) for document in documents], Unread()))


def test_an_entry_says_who_did_what_and_no_value() -> None:
    (found,) = read(entry())
    assert found == LoggedRequest(
        time=datetime(2026, 11, 26, 15, 33, 23, 336498, tzinfo=UTC),
        who="approle shop",
        operation="read",
        path="secret/data/a",
        address="10.0.0.7",
        result="",
        request="1",
    )
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    ("auth", "who"),
    [
        (
            {"display_name": "cert-administrator", "metadata": {"cert_name": "administrator"}},
            "certificate administrator",
        ),
        ({"display_name": "userpass-ada", "metadata": {"username": "ada"}}, "userpass ada"),
        ({"display_name": "jwt-ci", "metadata": {"role": "deploy"}}, "role deploy"),
        ({"display_name": "token-first-boot"}, "token-first-boot"),
        ({"token_type": "default"}, "nobody"),
        (None, "nobody"),
    ],
)
def test_who_is_told_by_their_login(auth: object, who: str) -> None:
    assert read(entry(auth=auth))[0].who == who


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"traceparent": [f"00-{TRACE}-b7ad6b7169203331-01"], "x-request-id": ["r-1"]}, TRACE),
        ({"X-Request-Id": ["r-1"]}, "r-1"),
        ({"traceparent": ["forged"]}, "forged"),
        ({"user-agent": ["curl"]}, ""),
        (None, ""),
    ],
)
def test_a_request_is_followed_by_its_trace(headers: object, shown: str) -> None:
    (found,) = read(entry(request={"headers": headers}))
    assert found.traced_by == shown
    assert Wanted(trace=shown[:8].upper()).takes(found)
    assert Wanted(trace="another").takes(found) is False


def test_a_trace_is_told_below_its_path(tmp_path: Path, capsys: Captured) -> None:
    for headers, told in (({}, False), ({"x-request-id": ["r\x1b[31m-1"]}, True)):
        log = tmp_path / "audit.log"
        log.write_text(json.dumps(entry(request={"headers": headers})))
        assert main.main(["audit", "--file", str(log)]) == 0
        text = capsys.readouterr().out
        assert ("trace r" in text) is told
        assert "\x1b" not in text


def test_a_path_can_be_read_on_a_narrow_terminal(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on in the next line, of a column that is no narrower than a name in it."""
    monkeypatch.setenv("COLUMNS", "80")
    path = "auth/approle/role/bike-data-flow/secret-id/destroy"
    asked = {"path": path, "remote_address": "192.168.100.107", "headers": {"traceparent": [f"00-{TRACE}-1-01"]}}
    (tmp_path / "audit.log").write_text(json.dumps(entry(request=asked, error="permission denied")))
    assert main.main(["audit", "--file", str(tmp_path / "audit.log")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("auth/approle/role/" in line for line in lines)
    begin = next(line.index("path") for line in lines if "path" in line)
    cells = [line[begin:][:20].strip() for line in lines]
    assert path in "".join(cells)
    assert TRACE in "".join(cells)


def test_a_login_is_of_whom_it_let_in() -> None:
    given = {"auth": {"metadata": {"role_name": "bank"}, "client_token": CANARY}}
    (found,) = read(entry("auth/approle/login", "update", auth={}, response=given))
    assert (found.who, found.operation) == ("approle bank", "login")


@pytest.mark.parametrize(
    ("error", "result"),
    [
        ("1 error occurred:\n\t* permission denied\n\n", "denied"),
        ("unsupported\noperation", "unsupported operation"),
        ("bad token hvs." + "a" * 30, "bad token [redacted]"),
    ],
)
def test_what_went_wrong_is_told_on_one_line(error: str, result: str) -> None:
    assert read(entry(error=error))[0].result == result


def test_it_can_be_followed_through_other_systems() -> None:
    headers = {"Traceparent": ["00-1-2-01"], "X-Request-Id": ["7"], "Cookie": [CANARY]}
    (found,) = read(entry(request={"headers": headers}))
    assert found.trace == {"traceparent": "00-1-2-01", "x-request-id": "7"}


def test_a_request_counts_once_and_what_is_cut_off_is_counted() -> None:
    unread = Unread()
    lines = [json.dumps(entry(type="request")), json.dumps(entry()), json.dumps(entry())[:-9], "5", "[]", "", "{}"]
    assert len(list(audit_log.entries(lines, unread))) == 1
    assert unread.count == 4


NOW = datetime(2026, 11, 26, 15, 33, 23, 336498, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), True),
        (Wanted(who="SHOP"), True),
        (Wanted(who="bank"), False),
        (Wanted(path="secret/*"), True),
        (Wanted(path="secret/data"), False),
        (Wanted(operation="list"), False),
        (Wanted(denied=True), False),
        (Wanted(since=NOW), True),
        (Wanted(since=NOW + timedelta(seconds=1)), False),
        (Wanted(until=NOW - timedelta(seconds=1)), False),
    ],
)
def test_what_is_asked_for_is_taken(wanted: Wanted, taken: bool) -> None:
    assert wanted.takes(read(entry())[0]) is taken


def test_older_files_are_read_first_and_compressed_ones_too(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    for age, name in ((3, "audit.log.2.gz"), (2, "audit.log.1"), (1, "audit.log"), (0, "audit.log.note")):
        text = json.dumps(entry(path=name)) + "\n"
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    found = audit_log.entries(audit_log.lines(audit_log.rotated(log)), Unread())
    assert [one.path for one in found] == ["audit.log.2.gz", "audit.log.1", "audit.log"]


def test_the_newest_are_shown(tmp_path: Path, capsys: Captured) -> None:
    times = [f"2026-11-26T15:0{minute}:00Z" for minute in (3, 1, 2)]
    log = tmp_path / "log"
    log.write_text("\n".join(json.dumps(entry(time=time)) for time in times) + "\ncut")
    assert main.main(["audit", "--file", str(log), "--most", "2", "--json"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert [one["time"][14:16] for one in document["entries"]] == ["02", "03"]
    assert (document["more"], document["unread"]) == (1, 1)
    assert "1 lines can't be read as entries" in told.err


def test_standard_input_will_do(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(entry())))
    monkeypatch.setenv("COLUMNS", "100")
    assert main.main(["audit", "dev", "--file", "-"]) == 0
    said = capsys.readouterr().out
    assert "approle shop" in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--file", "/nowhere"], "--file is '/nowhere'; expected a file, or - for standard input"),
        (["--since", "soon"], "--since is 'soon'; expected a duration such as 24h, or a time"),
        (["dev"], "stack 'dev' keeps its audit log on its node; expected --file"),
        (["stage"], "stack 'stage' has no file"),
        (["--since", "99999999999d"], "--since is '99999999999d'; expected a duration such as 24h"),
        (["--until", "9999999d"], "--until is '9999999d'; expected a duration such as 24h"),
        (["--operation", "look"], "--operation is 'look'; expected one of: login, read, list"),
        (["--file", "/etc/passwd"], "lines is an entry of an audit log; expected one, as Vault writes it"),
    ],
)
def test_what_cant_be_read_is_told_in_one_line(words: list[str], expected: str, capsys: Captured) -> None:
    assert main.main(["audit", *words]) == 2
    assert expected in capsys.readouterr().err


def test_a_caller_cant_paint_the_table(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "log").write_text(json.dumps(entry("secret/\x1b[31mred\u202e")))
    assert main.main(["audit", "--file", str(tmp_path / "log")]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "\\x1b" in said.replace("\n", "")


def test_a_moment_is_a_time_or_how_long_ago() -> None:
    assert audit.moment("--since", None) is None
    assert audit.moment("--since", "2026-11-26T08:00") == datetime(2026, 11, 26, 8, tzinfo=UTC)
    ago = audit.moment("--since", "2h")
    assert ago is not None
    assert timedelta(hours=1, minutes=59) < datetime.now(UTC) - ago < timedelta(hours=2, minutes=1)
    with pytest.raises(EstateError):
        audit.moment("--since", "2026-13-01")
