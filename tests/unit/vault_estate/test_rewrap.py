"""Ciphertexts are rewrapped all or not at all, in requests that a server takes; the command shows nothing else.

Transit is `FakeVault`'s, which the contract suite holds equal to a server's.
"""

import base64
import io
import json
from pathlib import Path

import pytest

from vault_estate import InvalidRequest, ProtocolError, VaultClient, WrappedText
from vault_estate.cli import main
from vault_estate.rewrapping import MOST_BYTES, MOST_CIPHERTEXTS, batches
from vault_estate.testing import FakeVault

pytest_plugins = ("vault_estate.testing.plugin",)

CANARY = "canary-3b9"


def _wrapped(length: int) -> WrappedText:
    return WrappedText(ciphertext="vault:v1:" + "A" * (length - 9))


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([], []),
        ([50] * MOST_CIPHERTEXTS, [MOST_CIPHERTEXTS]),
        ([50] * (MOST_CIPHERTEXTS + 1), [MOST_CIPHERTEXTS, 1]),
        ([MOST_BYTES // 2] * 3, [2, 1]),
        ([MOST_BYTES + 1, 50, MOST_BYTES, MOST_BYTES], [1, 1, 1, 1]),
    ],
    ids=["none", "full", "one-more", "halves", "longer-than-a-request"],
)
def test_as_many_at_once_as_a_server_takes(lengths: list[int], sizes: list[int]) -> None:
    given = [_wrapped(one) for one in lengths]
    found = list(batches(given))
    assert [len(one) for one in found] == sizes
    assert [one for batch in found for one in batch] == given


@pytest.mark.parametrize(
    "text", ["", CANARY, "vault:v0:AAAA", "vault:v1:", "vault:v1:AA AA", "vault:v1:AAAA\n"], ids=repr
)
def test_other_text_is_refused_before_anything_is_asked_and_not_shown(text: str, vault: FakeVault) -> None:
    client = VaultClient()
    first = WrappedText(ciphertext=client.encrypt("key", b"x"))
    asked = len(vault.requests)
    with pytest.raises(InvalidRequest, match="ciphertext 2 is other text; expected vault:vN: and base64") as caught:
        client.rewrap("key", [first, WrappedText(ciphertext=text)])
    assert len(vault.requests) == asked
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "results", [None, [], [{}], ["text"], [{"ciphertext": CANARY}]], ids=["none", "fewer", "empty", "text", "other"]
)
def test_an_answer_that_is_none_is_told_without_it(
    results: object, vault: FakeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = VaultClient()
    assert vault.requests == []
    monkeypatch.setattr(client._session, "request", lambda *_, **__: {"data": {"batch_results": results}})
    with pytest.raises(ProtocolError) as caught:
        client.rewrap("key", [_wrapped(50)])
    assert CANARY not in str(caught.value)


def test_a_derived_keys_context_goes_along(
    vault: FakeVault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = VaultClient()
    context = b"tenant-1"
    assert vault.requests == []
    kept = tmp_path / "kept"
    told = base64.b64encode(context).decode()
    kept.write_text(f"{client.encrypt('key', b'x', context=context)}\t{told}\n")
    assert main.main(["rewrap", "key", str(kept)]) == 0
    ciphertext, tab, behind = capsys.readouterr().out.removesuffix("\n").partition("\t")
    assert (tab, behind) == ("\t", told)
    assert client.decrypt("key", ciphertext, context=context) == b"x"


def test_lines_are_replaced_in_their_order_or_none_is(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = VaultClient()
    assert vault.requests == []
    lines = [client.encrypt("key", str(number).encode()) for number in range(MOST_CIPHERTEXTS + 3)]
    for last, code in ((client.encrypt("key", b"last"), 0), (client.encrypt("another", b"last"), 2), (CANARY, 2)):
        text = "\r\n".join([*lines, last])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert main.main(["rewrap", "key"]) == code
        said = capsys.readouterr()
        if code:
            assert said.out == ""
            assert said.err.startswith("vault-estate: ")
            assert f"{len(lines) + 1} " in said.err
            assert CANARY not in said.err
        else:
            assert [client.decrypt("key", one) for one in said.out.split()][-2:] == [b"202", b"last"]
            assert said.err == "vault-estate: 204 rewrapped, of versions 1 to 1; the oldest is of 1 now\n"


def test_versions_are_told_without_asking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    kept.write_text("vault:v2:AAAA\nvault:v10:AAAA\nvault:v2:BBBB\n")
    assert main.main(["rewrap", "--versions", str(kept), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows == [{"version": 2, "ciphertexts": 2}, {"version": 10, "ciphertexts": 1}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "KEY is missing; expected the name of a transit key"),
        (("--versions", "key", "file"), "--versions is given with KEY; expected a FILE at most"),
        (("key", "--json"), "--json is given without --versions; expected both"),
        (("key", "/nowhere/kept"), "/nowhere/kept: No such file or directory"),
    ],
    ids=["key", "versions", "json", "file"],
)
def test_what_is_refused_is_one_line(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["rewrap", *words]) == 2
    assert capsys.readouterr().err == f"vault-estate: {said}\n"
