"""`python -P -m ops.sandbox.serving FOLDER GATEWAY`: what a sandbox's machines are served and fits no other program.

Owns four small servers on the gateway's address: the release mirror over HTTPS, TLS in front of PostgreSQL (whose
packaged build has none), and the records that the stack declared, told by DNS and by a proxy. This machine's own name
resolution stays as it is: a command of `./estate` reaches the sandbox's names through the proxy, as it would a network
behind one. Refuses to reach anything but its own sandbox, and every name that no record of it has. Runs under the
supervisor until it is told to end.
"""

import asyncio
import contextlib
import functools
import http.server
import ipaddress
import json
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PREFIX_LENGTH = 24
"""Of a sandbox's network, as `fake_providers.machines` makes it."""
DNS_PORT = 53
PROXY_PORT = 3128
_HEADER = struct.Struct("!HHHHHH")
_ANSWERED, _NO_SUCH_NAME = 0x8580, 0x8583
"""Flags of an authoritative answer, and of one that says there is no such name (RFC 1035, 4.1.1)."""
_POINTER_TO_QUESTION = 0xC00C
_ADDRESS_RECORD, _INTERNET = 1, 1
_HEAD_SECONDS = 30.0
MIRROR_PORT = 443
POSTGRES_PORT = 5432
PLAIN_POSTGRES_PORT = 5433
"""Where PostgreSQL itself listens, for this process only: its own access rules say so."""
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""A client's wish for TLS (postgresql.org, Message Formats, SSLRequest)."""
_IDLE_SECONDS = 30.0
"""How long a client may take to ask for TLS."""


@dataclass(frozen=True)
class Names:
    """The records in the file of a sandbox's fake cloud, read anew each time: the stack may have changed them."""

    objects: Path

    def address(self, name: str) -> str | None:
        """The IPv4 address of a name; None where no record has it."""
        try:
            content = json.loads(self.objects.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        for key, held in content.items():
            if "index/zoneRrset:ZoneRrset " not in key:
                continue
            record = held["inputs"]
            if record["type"] == "A" and f"{record['name']}.{record['zone']}" == name.lower().rstrip("."):
                return str(record["records"][0]["value"])
        return None


async def answer(questions: socket.socket, names: Names) -> None:
    """Answer questions for addresses (RFC 1035), one to a datagram; what is no question gets no answer."""
    loop = asyncio.get_running_loop()
    while True:
        question, asker = await loop.sock_recvfrom(questions, 4_096)
        if told := answered(question, names):
            with contextlib.suppress(OSError):  # whoever asked is gone
                await loop.sock_sendto(questions, told, asker)


def answered(question: bytes, names: Names) -> bytes | None:
    """The answer to a DNS query; None for what is none."""
    try:
        identity, _, count, *_ = _HEADER.unpack_from(question)
        labels, position = [], _HEADER.size
        while length := question[position]:
            labels.append(question[position + 1 : position + 1 + length].decode("ascii"))
            position += 1 + length
        kind, of = struct.unpack_from("!HH", question, position + 1)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    if count != 1:
        return None
    asked = question[_HEADER.size : position + 5]
    address = names.address(".".join(labels))
    if address is None or (kind, of) != (_ADDRESS_RECORD, _INTERNET):
        return _HEADER.pack(identity, _ANSWERED if address else _NO_SUCH_NAME, 1, 0, 0, 0) + asked
    content = ipaddress.IPv4Address(address).packed
    record = struct.pack("!HHHIH", _POINTER_TO_QUESTION, _ADDRESS_RECORD, _INTERNET, 1, len(content)) + content
    return _HEADER.pack(identity, _ANSWERED, 1, 1, 0, 0) + asked + record


class _Proxy:
    """CONNECT (RFC 9110, 9.3.6) to the sandbox's names and addresses, and to nothing else."""

    def __init__(self, gateway: str, names: Names) -> None:
        self.network, self.names = ipaddress.IPv4Network(f"{gateway}/{PREFIX_LENGTH}", strict=False), names

    def _address(self, host: str) -> str | None:
        try:
            given = ipaddress.IPv4Address(host)
        except ValueError:
            return self.names.address(host)
        return host if given in self.network else None

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
            there, back = await self._connected(head.split(b"\r\n", 1)[0].decode("ascii", errors="replace"))
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
            writer.write(f"HTTP/1.1 502 {type(error).__name__}\r\n\r\n".encode())
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 connected\r\n\r\n")
        await asyncio.gather(relay(reader, back), relay(there, writer))

    async def _connected(self, line: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        method, target, _ = line.split(" ")
        host, _, port = target.rpartition(":")
        address = self._address(host)
        if method != "CONNECT" or address is None:
            raise ValueError(line)
        return await asyncio.open_connection(address, int(port))


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side ends, then end the other."""
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return  # the other side is gone, which ends the session; TLS's errors are OSErrors too
    finally:
        writer.close()


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


async def tls_for_postgres(
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
    names = Names(sandbox / "world.json")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as questions:
        questions.setblocking(False)
        questions.bind((gateway, DNS_PORT))
        await asyncio.start_server(functools.partial(tls_for_postgres, gateway, context), gateway, POSTGRES_PORT)
        await asyncio.start_server(_Proxy(gateway, names).session, gateway, PROXY_PORT)
        await answer(questions, names)


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends the process."""
    sandbox, gateway = Path(arguments[0]), str(ipaddress.IPv4Address(arguments[1]))
    asyncio.run(_serve(sandbox, gateway))


if __name__ == "__main__":
    main(sys.argv[1:])
