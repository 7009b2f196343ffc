"""Secrets and unknowns survive the way into plain values and back."""

import pytest
from google.protobuf import struct_pb2

from fake_providers.envelope import SECRET, SIGNATURE, UNKNOWN, has_unknown, pack, unpack

NESTED = {"a": {"b": "hidden", "c": 1}, "list": ["x", {"y": True}], "n": None, "f": 1.5, "k.with.dots": {"z": "deep"}}


@pytest.mark.parametrize("secret", [set(), {"a.b"}, {"a", "a.b"}, {"list"}, {"k.with.dots.z"}])
def test_there_and_back(secret: set[str]) -> None:
    message = pack(NESTED, secret)
    found = unpack(message)
    assert found.values == NESTED
    assert found.secret == secret
    assert pack(found.values, found.secret) == message


def test_the_wire_holds_an_envelope() -> None:
    assert pack({"a": 1}, ["a"])["a"] == {SIGNATURE: SECRET, "value": 1}


def test_a_secret_inside_a_list_makes_the_list_secret() -> None:
    message = struct_pb2.Struct()
    message.update({"names": ["open", {SIGNATURE: SECRET, "value": "hidden"}]})
    found = unpack(message)
    assert found.values == {"names": ["open", "hidden"]}
    assert found.secret == {"names"}


def test_whole_numbers_are_int() -> None:
    assert isinstance(unpack(pack({"n": 3})).values["n"], int)


def test_what_cant_be_read_is_refused() -> None:
    message = struct_pb2.Struct()
    message.update({"file": {SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "text": "x"}})
    with pytest.raises(ValueError, match="file: a value of kind c44067f5952c0a294b673a41bacd8c17"):
        unpack(message)


def test_unknown_is_found_anywhere() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": "known"}]})


def test_texts_to_clean_a_message_of() -> None:
    hidden = {"j": '{"password": "hunter-two", "n": [1]}', "u": "postgresql://root:longpassword@host/db", "s": "abc"}
    texts = unpack(pack(hidden, hidden)).secret_texts()
    assert {"hunter-two", "longpassword", hidden["u"]} <= texts
    assert not {"password", "abc"} & texts
