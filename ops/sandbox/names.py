"""The names of a sandbox: the records its stack declared, told by DNS and by a proxy.

Owns the answer to one question: which address a name has in this sandbox. This machine's own name resolution stays as
it is: a command of `./estate` reaches the sandbox's names through the proxy, as it would a network behind one. Refuses
every name that no record of the sandbox has.
"""

import asyncio
import ipaddress
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import cast

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


async def serve_names(gateway: str, names: Names) -> None:
    """Serve DNS and the proxy until the task is cancelled."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Dns(names), local_addr=(gateway, DNS_PORT))
    proxy = await asyncio.start_server(_Proxy(gateway, names).session, gateway, PROXY_PORT)
    async with proxy:
        await proxy.serve_forever()


class _Dns(asyncio.DatagramProtocol):
    """Answers questions for addresses (RFC 1035), one to a datagram."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are sent by."""
        # A datagram's endpoint has no other, though Python 3.11's own isn't declared as one.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """Answer one question; what is no question gets no answer."""
        answer = answered(data, self.names)
        if answer is not None and self.transport is not None:
            self.transport.sendto(answer, addr)


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
