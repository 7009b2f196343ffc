"""`python -P -m ops.sandbox.serving_audit ADDRESS`: takes the audit lines of HashiCorp's server in a sandbox.

Owns one port of that address, by UDP and by TCP. A fake of a collector: it keeps nothing, and says of each sender
once that it heard from it. Runs under the supervisor until it is told to end.
"""

import asyncio
import ipaddress
import sys
from collections.abc import Sequence

AUDIT_PORT = 5514
_LONGEST_BYTES = 65_536


class Heard:
    """Who sent lines so far."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def note(self, sender: str) -> None:
        """Say it of a sender that is new."""
        if sender not in self._seen:
            self._seen.add(sender)
            print(f"audit lines of {sender}", file=sys.stderr, flush=True)


class Datagrams(asyncio.DatagramProtocol):
    """By UDP."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - nothing is kept
        """One line, or a part of one."""
        self._heard.note(addr[0])


async def serve(address: str, port: int = AUDIT_PORT) -> None:
    """Take lines until it is cancelled."""
    heard = Heard()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(_LONGEST_BYTES):
            heard.note(str(writer.get_extra_info("peername")[0]))
        writer.close()

    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Datagrams(heard), local_addr=(address, port))
    server = await asyncio.start_server(taken, address, port)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends the process."""
    asyncio.run(serve(str(ipaddress.IPv4Address(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
