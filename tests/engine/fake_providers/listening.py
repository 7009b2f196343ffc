"""A listener between a provider and its Vault: passes every request on, and writes down what was asked to change."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from tests.support.servers import VaultServer

WRITES = {"PUT": "write", "POST": "write", "PATCH": "patch", "DELETE": "delete"}
_PASSED_ON = ("X-Vault-Token", "X-Vault-Request", "Content-Type", "Accept")
_SECONDS = 60


@dataclass
class Heard:
    """Where the listener is, and what it heard."""

    address: str
    changes: list[list[Any]] = field(default_factory=list)
    """Verb, path and body of each request that changes something, in their order."""
    reads: list[str] = field(default_factory=list)
    """Paths that were read."""

    def take(self) -> list[list[Any]]:
        """The changes since the last time."""
        taken, self.changes[:] = list(self.changes), []
        return taken


@contextmanager
def listening(server: VaultServer) -> Iterator[Heard]:
    """Listen on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.removeprefix("/v1/").split("?")[0].strip("/")
            if self.command in WRITES:
                heard.changes.append([WRITES[self.command], path, json.loads(text) if text.strip() else {}])
            else:
                heard.reads.append(path)
            given = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            told = requests.request(
                self.command,
                f"{server.address}{self.path}",
                data=text,
                headers=given,
                verify=str(server.ca_file),
                timeout=_SECONDS,
            )
            self.send_response(told.status_code)
            self.send_header("Content-Type", told.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(told.content)))
            self.end_headers()
            self.wfile.write(told.content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Nothing on the test's error output."""

    for verb in ("GET", "LIST", *WRITES):
        setattr(Handler, f"do_{verb}", Handler.pass_on)
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard = Heard(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
