"""A connection to a server that a test can cut."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field


@dataclass
class Line:
    """A connection to a server that can be cut: TLS goes through untouched."""

    target: tuple[str, int]
    up: bool = True
    cuts: int = 0
    """How many of the next connections are lost before an answer."""
    taken: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Of its near end."""
        return int(self.listener.getsockname()[1])

    @property
    def address(self) -> str:
        """URL of its near end."""
        return f"https://127.0.0.1:{self.port}"

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.taken += 1
                if not self.up or self.cuts > 0:
                    self.cuts -= self.cuts > 0
                    near.close()
                    continue
                far = socket.create_connection(self.target)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
