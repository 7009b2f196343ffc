"""A collector of logs: a double of what takes syslog over TLS (RFC 5425), for what a node sends it."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NAME = "logs.example.com"
PORT = 6514


@dataclass
class Collected:
    """What has arrived."""

    messages: list[str] = field(default_factory=list)

    def having(self, text: str) -> list[str]:
        """The messages with a text in them."""
        return [message for message in list(self.messages) if text in message]


@contextmanager
def collecting(address: str, certificate: Path, key: Path) -> Iterator[Collected]:
    """Listen on an address until the block ends."""
    collected = Collected()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    class Connection(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def handle(self) -> None:
            # Each message is its length in bytes, a blank, and itself (RFC 5425, 4.3).
            while length := self._length():
                collected.messages.append(self.rfile.read(length).decode(errors="replace"))

        def _length(self) -> int:
            digits = b""
            while (one := self.rfile.read(1)) not in {b"", b" "}:
                digits += one
            return int(digits or b"0")

    class Listener(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing: a node that is taken away breaks its connection."""

    with Listener((address, PORT), Connection) as server, served(server):
        yield collected


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve in a thread until the block ends."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
