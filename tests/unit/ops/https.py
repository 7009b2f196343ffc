"""A fake Vault on loopback: real HTTPS with certificates of its own, answers that a test chooses."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from components.render.login import CertificateLogin
from ops.keys.certificates import ensure_administrator, ensure_authority
from ops.vault.endpoint import VaultEndpoint

Answer = tuple[int, object]
LOGGED_IN: Answer = (200, {"auth": {"client_token": "-".join(("fake", "token"))}})


@dataclass(kw_only=True)
class FakeVault:
    """Where it listens, the files of its clients, and what it was asked: method, path and token."""

    address: str
    ca_file: Path
    certificate: Path
    private_key: Path
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def endpoint(self) -> VaultEndpoint:
        """As its administrator knows it."""
        login = CertificateLogin(certificate_file=str(self.certificate), private_key_file=str(self.private_key))
        return VaultEndpoint(address=self.address, ca_file=self.ca_file, login=login)


@contextmanager
def fake_vault(folder: Path, answer: Callable[[str, str], Answer]) -> Iterator[FakeVault]:
    """Serve until the block ends.

    Args:
        folder: for certificates.
        answer: status and body (JSON, or bytes as they are) by method and path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = ensure_authority(folder)
    certificate, private_key = folder / "administrator.crt", folder / "administrator.key"
    ensure_administrator(certificate, private_key)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.removeprefix("/v1/")
            server.asked.append((self.command, path, self.headers.get("X-Vault-Token")))
            status, body = answer(self.command, path)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_LIST = do_DELETE = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate_file, authority.key_file)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        server = FakeVault(
            address=f"https://127.0.0.1:{listener.server_port}",
            ca_file=authority.ca_file,
            certificate=certificate,
            private_key=private_key,
        )
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
