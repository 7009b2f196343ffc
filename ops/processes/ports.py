"""Loopback ports: whether one is free, and who holds it if it isn't.

Owns the question and the sentence that answers it. Refuses nothing: the platform decides.
"""

import secrets
import socket
from collections.abc import Collection

import psutil

from ops.errors import EstateError
from ops.processes.servers import eventually

LOOPBACK = "127.0.0.1"
ENDING_SECONDS = 3.0
"""How long a killed server may take to release its port; on two busy cores it held it while the next one started."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no holder
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Below those the system hands out, so that no outgoing connection takes one first."""
    found: list[int] = []
    while len(found) < count:
        port = 12_000 + secrets.randbelow(20_000)
        if port not in found and is_free(port):
            found.append(port)
    return found


def _listener(port: int) -> int | None:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS tells only root
        return None
    listening = (one for one in connections if one.status == psutil.CONN_LISTEN and one.pid)
    return next((one.pid for one in listening if one.laddr and one.laddr.port == port), None)


def holder(port: int) -> str | None:
    """Who listens on the port, in words; None if no process is known to: another user's, or one that is just ending."""
    pid = _listener(port)
    try:
        return f"process {pid} ({psutil.Process(pid).name()})" if pid else None
    except psutil.NoSuchProcess:
        return None


def require_free(setting: str, port: int, ours: Collection[int] = ()) -> None:
    """Raise EstateError naming the setting and the holder if the port can't be listened on. Where processes `ours` run,
    who can't be named may be one of them.

    A holder that can't be named is given `ENDING_SECONDS`: a killed server is no process any more before its port is
    free.
    """
    if not 1024 <= port <= 65535:
        raise EstateError(f"{setting} is {port}; expected a port between 1024 and 65535")
    if ours and _listener(port) in {None, *ours}:
        return
    eventually(lambda: is_free(port) or holder(port) is not None, ENDING_SECONDS)
    if not is_free(port):
        who = holder(port) or "a process that can't be named"
        raise EstateError(
            f"{setting} is {port}, which is held by {who}, a server that is not ours; expected a free port: stop "
            "that server or set another port"
        )
