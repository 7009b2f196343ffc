"""A header is read as http.client reads it, or refused."""

import http.client
import io
from typing import Any

import pytest

from tests.support.clocks import SetClock
from vault_estate.http_response import QuickResponse

READ = ("status", "reason", "version", "length", "chunked", "will_close")
CHUNKED = b"Transfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"
SAME = {
    "a document": b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 2\r\nDate: Fri, 27 Nov 2026 21:30:50 GMT\r\n\r\n{}",
    "no body": b"HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks and a length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n" + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    "up to its end": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "closed afterwards": b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    "of the older protocol": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "kept open by the older protocol": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
    "put off first": b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a header twice": b"HTTP/1.1 200 OK\r\nWarning: a\r\nwarning: b\r\nContent-Length: 2\r\n\r\n{}",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "spaces around a value": b"HTTP/1.1 200 OK\r\nContent-Length:   2  \r\n\r\n{}",
    "lines without a return": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "nothing after the status": b"HTTP/1.1 200 OK\r\n",
    "a colon in a value": b"HTTP/1.1 307 Moved\r\nLocation: https://a:8200/v1/x\r\nContent-Length: 0\r\n\r\n",
}
REFUSED = {
    "no name": b"HTTP/1.1 200 OK\r\n: value\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
    "a continued line": b"HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}",
    "a long line": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
    "many lines": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "another protocol": b"HTTP/2 200 OK\r\n\r\n",
    "the oldest protocol": b"HTTP/0.9 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "put off for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 11,
    "nothing": b"",
}


class Wire:
    """A connection's end with an answer on it."""

    def __init__(self, answer: bytes, timeout: float | None = None) -> None:
        self._answer = answer
        self.timeout = timeout

    def makefile(self, _: str) -> io.BufferedReader:
        """The answer, as a file."""
        return io.BufferedReader(io.BytesIO(self._answer))

    def gettimeout(self) -> float | None:
        """As a socket's."""
        return self.timeout

    def settimeout(self, seconds: float | None) -> None:
        """As a socket's."""
        self.timeout = seconds


class Dripping(io.RawIOBase):
    """An answer that comes byte by byte, each `seconds` after the one before, by a clock that is set."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self._bytes = iter(answer)
        self._seconds = seconds
        self.clock = SetClock()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.clock.advance(self._seconds)
        for one in self._bytes:
            buffer[0] = one
            return 1
        return 0


class DrippingWire(Wire):
    """Its connection's end."""

    def __init__(self, stream: Dripping, timeout: float) -> None:
        super().__init__(b"", timeout)
        self.stream = stream

    def makefile(self, _: str) -> io.BufferedReader:
        """The answer, as a file."""
        return io.BufferedReader(self.stream)


def begun(kind: type[http.client.HTTPResponse], answer: bytes, method: str = "GET") -> http.client.HTTPResponse:
    response = kind(Wire(answer), method=method)  # type: ignore[arg-type]  # makefile is all that is asked of it
    response.begin()
    return response


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_is_read_as_http_client_reads_it(name: str, method: str) -> None:
    quick, usual = begun(QuickResponse, SAME[name], method), begun(http.client.HTTPResponse, SAME[name], method)

    assert [getattr(quick, one) for one in READ] == [getattr(usual, one) for one in READ]
    assert quick.headers.items() == [(key, value.strip()) for key, value in usual.headers.items()]
    quick.begin()
    assert quick.read() == usual.read()


@pytest.mark.parametrize("name", SAME)
def test_an_answer_that_comes_in_bits_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = begun(http.client.HTTPResponse, SAME[name])
    wire = DrippingWire(Dripping(SAME[name], 0.001), timeout=2.0)
    monkeypatch.setattr(QuickResponse, "now", wire.stream.clock.now)
    quick = QuickResponse(wire, method="GET")
    quick.begin()

    assert [getattr(quick, one) for one in READ] == [getattr(usual, one) for one in READ]
    assert quick.read() == usual.read()
    assert wire.timeout == 2.0


def test_a_header_has_the_connections_timeout_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time for http.client, which would wait for 300 of them."""
    wire = DrippingWire(Dripping(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 300, 0.9), timeout=2.0)
    begun_at = wire.stream.clock.now()
    monkeypatch.setattr(QuickResponse, "now", wire.stream.clock.now)
    with pytest.raises(TimeoutError):
        QuickResponse(wire, method="GET").begin()

    assert wire.stream.clock.now() - begun_at <= 3.0
    assert wire.timeout == 2.0, "the next answer has all of it"


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_answer_of_vaults_is_refused(name: str) -> None:
    with pytest.raises(http.client.HTTPException):
        begun(QuickResponse, REFUSED[name])
