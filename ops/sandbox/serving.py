"""`python -P -m ops.sandbox.serving FOLDER GATEWAY`: what a sandbox's machines are served and fits no other program.

Owns three small servers on the gateway's address: the release mirror over HTTPS, TLS in front of PostgreSQL (whose
packaged build has none), and the sandbox's names. Refuses to reach anything but its own sandbox. Runs under the
supervisor until it is told to end.
"""

import asyncio
import functools
import http.server
import ipaddress
import ssl
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ops.sandbox.names import Names, relay, serve_names

MIRROR_PORT = 443
POSTGRES_PORT = 5432
PLAIN_POSTGRES_PORT = 5433
"""Where PostgreSQL itself listens, for this process only: its own access rules say so."""
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""A client's wish for TLS (postgresql.org, Message Formats, SSLRequest)."""
_IDLE_SECONDS = 30.0
"""How long a client may take to ask for TLS."""


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, nothing else."""

    def list_directory(self, path: object) -> None:  # noqa: ARG002 - the signature is the standard library's
        """Refuse to list: a mirror's files are asked for by name."""
        self.send_error(404)


def _serve_mirror(gateway: str, mirror: Path, context: ssl.SSLContext) -> None:
    server = http.server.ThreadingHTTPServer(
        (gateway, MIRROR_PORT), functools.partial(_Files, directory=str(mirror)), bind_and_activate=True
    )
    # The handshake is each connection's own thread's: one that hangs holds up nobody.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


async def _tls_for_postgres(
    gateway: str, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One client: TLS on the outside, which it must ask for first, PostgreSQL's plain protocol on the inside."""
    try:
        asked = await asyncio.wait_for(reader.readexactly(len(_SSL_REQUEST)), _IDLE_SECONDS)
        if asked != _SSL_REQUEST:
            writer.close()
            return
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(context)
        inside, inner = await asyncio.open_connection(gateway, PLAIN_POSTGRES_PORT)
    except (OSError, EOFError):  # a timeout and TLS's errors are OSErrors too
        writer.close()
        return
    await asyncio.gather(relay(reader, inner), relay(inside, writer))


async def _serve(sandbox: Path, gateway: str) -> None:
    tls = sandbox / "servers" / "tls"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    _serve_mirror(gateway, sandbox / "servers" / "mirror", context)
    session = functools.partial(_tls_for_postgres, gateway, context)
    postgres = await asyncio.start_server(session, gateway, POSTGRES_PORT)
    async with postgres:
        await serve_names(gateway, Names(sandbox / "world.json"))


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends the process."""
    sandbox, gateway = Path(arguments[0]), str(ipaddress.IPv4Address(arguments[1]))
    asyncio.run(_serve(sandbox, gateway))


if __name__ == "__main__":
    main(sys.argv[1:])
