"""Carries one connection to the server's socket for key shares: standard input and output on one side, it on the other.

Run as root on a node, at the far end of SSH, by `./estate regain STACK --node`. Python 3.9 and its standard library.
Looks at nothing of what passes through.
"""

import os
import select
import socket
import sys


def main() -> None:
    """Until one side ends."""
    server = socket.socket(socket.AF_UNIX)
    server.connect(sys.argv[1])
    while True:
        ready, _, _ = select.select([0, server.fileno()], [], [])
        if 0 in ready:
            given = os.read(0, 65536)
            if not given:
                return
            server.sendall(given)
        if server.fileno() in ready:
            answered = server.recv(65536)
            if not answered:
                return
            os.write(1, answered)


if __name__ == "__main__":
    main()
