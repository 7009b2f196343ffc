"""A server on loopback that answers what a test says, over TLS: what a client does with each answer is the question.

A fake, and not Vault: it knows no path. Owns its port and its thread. It keeps what it was asked.
"""

import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ops.keys.certificates import ensure_authority

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer."""

    body: bytes = b"{}"
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    declared_length: int | None = None
    """If not the body's own."""
    drop: bool = False
    """End the connection instead."""
    wait: threading.Event | None = None
    """Answer only when it is set."""


@dataclass(kw_only=True)
class Answering:
    """What is asked and said."""

    address: str = ""
    ca_file: Path = field(default_factory=Path)
    asked: list[Asked] = field(default_factory=list)
    script: deque[Said] = field(default_factory=deque)
    """The next answers; after the last one `{}` is said."""

    def says(self, *answers: Said) -> None:
        """From now on, with nothing asked so far."""
        self.asked.clear()
        self.script = deque(answers)

    def next(self) -> Said:
        """The answer whose turn it is."""
        return self.script.popleft() if self.script else Said()


def _handler(answering: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each body waits for the header's receipt

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answering.asked.append(
                Asked(method=self.command, path=self.path, headers=dict(self.headers.items()), body=body)
            )
            said = answering.next()
            if said.wait is not None:
                said.wait.wait(10)
            if said.drop:
                self.close_connection = True
                return
            self.send_response(said.status)
            self.send_header("Content-Type", said.content_type)
            length = len(said.body) if said.declared_length is None else said.declared_length
            self.send_header("Content-Length", str(length))
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)
            if length != len(said.body):
                self.close_connection = True

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what some tests are about."""


@contextmanager
def answering(directory: Path, *, tls: bool = True) -> Iterator[Answering]:
    """A server with a certificate of an authority of its own, in this folder."""
    authority = ensure_authority(directory)
    found = Answering(ca_file=authority.ca_file)
    server = _Server(("127.0.0.1", 0), _handler(found))
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.certificate_file, authority.key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    found.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
