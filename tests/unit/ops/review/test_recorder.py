"""Declaring a program under recording mocks, whatever its thread did before."""

import asyncio

import pulumi

from ops.review import recorder


def test_a_program_is_declared_in_a_thread_that_ran_something_before() -> None:
    asyncio.run(asyncio.sleep(0))

    for _ in range(2):
        declared = recorder.declare(lambda: pulumi.export("one", pulumi.Output.from_input(1)), "other")
        assert declared.exports == {"one": 1}
