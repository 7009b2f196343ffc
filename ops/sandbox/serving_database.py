"""`python -P -m ops.sandbox.serving_database TLS ADDRESS`: TLS in front of a sandbox's PostgreSQL, for pods.

Owns one port of that address. Refuses a client that doesn't ask for TLS. Runs under the supervisor until it is told to
end.
"""

import asyncio
import functools
import ipaddress
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from ops.sandbox.serving import POSTGRES_PORT, tls_for_postgres


async def _serve(tls: Path, address: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    server = await asyncio.start_server(functools.partial(tls_for_postgres, address, context), address, POSTGRES_PORT)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends the process."""
    asyncio.run(_serve(Path(arguments[0]), str(ipaddress.IPv4Address(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
