"""Who takes audit lines in a sandbox: by UDP and by TCP, and of whom it says that it heard from them."""

import asyncio
import contextlib
import socket

import pytest

from ops.processes.ports import free_ports
from ops.sandbox import serving_audit


async def _heard(port: int) -> None:
    serving = asyncio.create_task(serving_audit.serve("127.0.0.1", port))
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            await asyncio.sleep(0.05)
        writer.write(b"line\n")
        await writer.drain()
        writer.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            # Another of this machine's addresses, so that both ways are told apart.
            sender.bind(("127.0.0.2", 0))
            for _ in range(2):
                sender.sendto(b"line\n", ("127.0.0.1", port))
        await asyncio.sleep(0.3)
    finally:
        serving.cancel()


def test_each_sender_is_told_once_and_no_line_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_heard(free_ports(1)[0]))

    assert sorted(capsys.readouterr().err.splitlines()) == ["audit lines of 127.0.0.1", "audit lines of 127.0.0.2"]
