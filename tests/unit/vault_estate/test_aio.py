"""The client for asyncio, against a fake Vault in memory. Not proven: what a thread costs."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.support.scripted_vault import ADDRESS, ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.aio import AsyncVaultClient

ENVIRON = {"VAULT_ADDR": ADDRESS, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> ScriptedVault:
    vault = ScriptedVault()
    vault.write("app", a="b")
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: vault.transport())
    return vault


def _held(vault: ScriptedVault) -> Callable[[], None]:
    """The first read waits until this is called."""
    free = threading.Event()

    def hold(call: object) -> None:
        if "secret/data" in repr(call):
            assert free.wait(10)

    vault.before = hold
    return free.set


def test_what_is_in_memory_is_given_without_a_thread(vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        async with AsyncVaultClient(environ=ENVIRON) as client:
            first = await client.get_secret("app")
            monkeypatch.setattr(asyncio, "to_thread", None)
            assert await client.get_secret("app") is first
            assert await client.get_secret("app", min_version=1) is first
            monkeypatch.undo()

    asyncio.run(use())
    assert vault.tokens == {}


def test_fifty_tasks_and_threads_ask_once(vault: ScriptedVault) -> None:
    async def use() -> None:
        free = _held(vault)
        client = AsyncVaultClient(environ=ENVIRON)
        loop = asyncio.get_running_loop()
        threads = [loop.run_in_executor(None, client.sync.get_secret, "app") for _ in range(4)]
        tasks = [asyncio.create_task(client.get_secret("app")) for _ in range(50)]
        await asyncio.sleep(0)
        loop.call_later(0.01, free)
        assert {one["a"] for one in await asyncio.gather(*threads, *tasks)} == {"b"}

    asyncio.run(use())
    assert vault.count("secret/data/app") == 1


def test_while_one_task_reads_ahead_others_have_the_old_value(vault: ScriptedVault) -> None:
    async def use() -> None:
        client = AsyncVaultClient(environ=ENVIRON)
        first = await client.get_secret("app")
        vault.clock.advance(250)
        free = _held(vault)
        try:
            reads = asyncio.create_task(client.get_secret("app"))
            await asyncio.sleep(0)
            assert await asyncio.wait_for(client.get_secret("app"), 5) is first
            vault.clock.advance(51)
            waits = asyncio.create_task(client.get_secret("app"))
            await asyncio.sleep(0)
            assert not waits.done(), "it is at its end"
        finally:
            free()
        assert await waits is await reads

    asyncio.run(use())
    assert vault.count("secret/data/app") == 2


def test_a_cancelled_task_leaves_the_question_to_the_others(vault: ScriptedVault) -> None:
    async def use() -> None:
        free = _held(vault)
        client = AsyncVaultClient(environ=ENVIRON)
        first, second = (asyncio.create_task(client.get_secret("app")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        asyncio.get_running_loop().call_later(0.01, free)
        assert (await second)["a"] == "b"
        assert client._asked == {}

    asyncio.run(use())


def test_who_is_not_cancelled_asks_again_where_the_question_was(vault: ScriptedVault) -> None:
    """As where a program cancels whatever runs, and reads a secret to end well."""

    async def use() -> None:
        free = _held(vault)
        client = AsyncVaultClient(environ=ENVIRON)
        asks = asyncio.create_task(client.get_secret("app"))
        await asyncio.sleep(0)
        waits = asyncio.create_task(client.get_secret("app"))
        await asyncio.sleep(0)
        (question,) = client._asked.values()
        for one in (question, asks):  # the question before it has begun
            one.cancel()
        asyncio.get_running_loop().call_later(0.01, free)
        assert (await waits)["a"] == "b"
        assert (await client.get_secret("app"))["a"] == "b"
        with pytest.raises(asyncio.CancelledError):
            await asks
        assert client._asked == {}

    asyncio.run(use())


def test_each_task_has_its_own_error(vault: ScriptedVault) -> None:
    async def use() -> list[BaseException]:
        client = AsyncVaultClient(environ=ENVIRON)
        asked = [client.get_secret("nope") for _ in range(3)]
        return [one for one in await asyncio.gather(*asked, return_exceptions=True) if isinstance(one, BaseException)]

    raised = asyncio.run(use())
    assert {type(one) for one in raised} == {errors.SecretNotFound}
    assert len({id(one) for one in raised}) == 3


def test_all_else_is_the_clients(vault: ScriptedVault) -> None:
    async def use() -> None:
        async with AsyncVaultClient(environ=ENVIRON) as client:
            assert (await client.health()).ok
            assert (await client.refresh("app")).version == 1
            assert len(await client.accepted("app")) == 1
            async with client.database("aos") as login:
                asked = len(vault.asked)
                assert login.credentials.username.startswith("user-")
                assert len(vault.asked) == asked
            client.invalidate()
            assert client.sync.peek("app") is None
            for call in (client.encrypt("k", b""), client.decrypt("k", "c"), client.certificate("r", "n")):
                with pytest.raises(errors.SecretNotFound):
                    await call
            assert client.hvac.url == ADDRESS
            assert repr(client) == f"AsyncVaultClient(no manifest, {ADDRESS}, approle)"

    asyncio.run(use())
