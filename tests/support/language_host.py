"""A double of Pulumi's Python language host, for machines where the real one can't be had.

The engine starts it as `pulumi-language-python`, reads its port and has it run the program of the current folder, as it
would the real one. It stands in for nothing else: no dependencies are installed, no plugins are named. It imports
nothing of this project, so that a program of another one sees none of it.
"""

import asyncio
import runpy
import stat
import sys
from concurrent import futures
from pathlib import Path

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc


def _program() -> None:
    runpy.run_path("__main__.py", run_name="__main__")


def main() -> None:
    """Serve until the engine ends this process."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    server = grpc.server(futures.ThreadPoolExecutor(4))
    host = LanguageServer(_program)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


def install(folder: Path, python: str = sys.executable) -> None:
    """Put the double into a folder for PATH; it runs programs by this Python."""
    script = folder / "pulumi-language-python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="$PWD" exec {python} -P -u {Path(__file__).resolve()}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


if __name__ == "__main__":
    main()
