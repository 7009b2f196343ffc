"""A server that is far away: its address on loopback, where each answer comes later."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def delayed(address: str, seconds: float) -> Iterator[str]:
    """An address by which a server answers so much later; connections end with it."""
    there = urlsplit(address)
    assert there.hostname
    assert there.port
    target = (there.hostname, there.port)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_accept, args=(listening, target, seconds), daemon=True)
        thread.start()
        try:
            yield f"{there.scheme}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listening: socket.socket, target: tuple[str, int], seconds: float) -> None:
    while True:
        try:
            near, _ = listening.accept()
        except OSError:
            return
        far = socket.create_connection(target)
        for source, sink, wait in ((near, far, 0.0), (far, near, seconds)):
            threading.Thread(target=_pass_on, args=(source, sink, wait), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, seconds: float) -> None:
    """What comes, until one of the two ends."""
    with suppress(OSError):
        while part := source.recv(65_536):
            time.sleep(seconds)
            sink.sendall(part)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
