"""Programs whose engine is gone: they end, and what they leave behind reaches no later operation."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from pulumi.runtime.settings import Settings

from ops.engine import inline_program
from ops.engine.inline_program import InlineProgram


@contextmanager
def running(program: Callable[[], None], then: Callable[[], Any]) -> Iterator[threading.Thread]:
    """A program in the loop of a thread, as the SDK runs it; `then` makes what is awaited after it."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def run() -> None:
        program()
        started.set()
        await then()

    def body() -> None:
        try:
            loop.run_until_complete(run())
        except (asyncio.CancelledError, RuntimeError):
            return

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    assert started.wait(5)
    yield thread


def test_a_program_that_waits_for_ever_is_ended() -> None:
    program = InlineProgram(lambda: None)
    with running(program, lambda: asyncio.get_running_loop().create_future()) as thread:
        program.end()
        thread.join(5)
    assert not thread.is_alive()


def test_a_loop_that_was_left_with_tasks_is_closed() -> None:
    program = InlineProgram(lambda: None)
    left: list[asyncio.Task[None]] = []

    async def stop() -> None:
        left.append(asyncio.ensure_future(asyncio.sleep(3600)))
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.stop)
        await asyncio.sleep(3600)

    with running(program, stop) as thread:
        thread.join(5)
        left[0].get_loop().stop()  # as the SDK's exception handler does for a failure that comes late
        program.end()
    (task,) = left
    assert task.cancelled()
    assert task.get_loop().is_closed()


def test_a_program_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_program, "_END_SECONDS", 0.3)
    program = InlineProgram(lambda: None)
    release = threading.Event()

    async def busy() -> None:
        release.wait(30)

    with running(program, busy) as thread:
        with pytest.raises(TimeoutError, match="the stack's program still runs"):
            program.end()
        release.set()
        thread.join(5)


def test_it_runs_in_an_operation_only() -> None:
    with pytest.raises(RuntimeError):
        InlineProgram(lambda: None)()


class _Engine(engine_pb2_grpc.EngineServicer):
    def Log(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: ARG002, N802 - as the protocol has it
        return empty_pb2.Empty()


def test_an_engine_on_a_dead_ones_port_is_reached_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dead = Settings(project="trial", stack="one", engine=f"127.0.0.1:{port}")
    with pytest.raises(grpc.RpcError):
        dead.engine.Log(engine_pb2.LogRequest())

    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), server)
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    try:
        time.sleep(0.1)
        Settings(project="trial", stack="one", engine=f"127.0.0.1:{port}").engine.Log(engine_pb2.LogRequest())
    finally:
        server.stop(None)
