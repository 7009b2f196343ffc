"""Connections to one address, as urllib3 keeps them.

Owns what a pool is made of. Refuses a pool that a thread waits for while it has it itself: urllib3's own queue has a
lock, which a signal handler or a finalizer that asks Vault could find taken by its own thread.
"""

import queue
import ssl
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import urllib3

from vault_estate import http_response

_CONNECTIONS = 16


class _Idle(queue.LifoQueue[Any]):
    """Those that nobody uses, the last one first. A deque's calls can't be interrupted. Nobody waits for a connection,
    as the pool makes another."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._connections: deque[Any] = deque()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ARG002 - as the base's
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        if len(self._connections) >= self.maxsize:
            raise queue.Full
        self._connections.append(item)

    def qsize(self) -> int:
        return len(self._connections)


class _Pool(urllib3.HTTPConnectionPool):
    QueueCls = _Idle
    ConnectionCls = http_response.QuickConnection


class _TLSPool(urllib3.HTTPSConnectionPool):
    QueueCls = _Idle
    ConnectionCls = http_response.QuickTLSConnection


def pool(address: str, context: ssl.SSLContext, server_name: str | None) -> urllib3.HTTPConnectionPool:
    """Connections to an address as `tls.address` gives it; none is made yet. The certificate has to be for
    `server_name`, or else for the address's host."""
    parts = urlsplit(address)
    host, port = str(parts.hostname), parts.port
    if parts.scheme == "http":
        return _Pool(host, port, maxsize=_CONNECTIONS)
    return _TLSPool(host, port, maxsize=_CONNECTIONS, ssl_context=context, server_hostname=server_name)
