"""What a tracker of errors keeps of one: each frame's variables, with mappings opened, along every error before it.

The server is the fake. Not looked at: frames of whoever called, of hvac, and of the fake, which stands for a server.
"""

import asyncio
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import hvac
import pytest
from pydantic import SecretStr, field_validator

import vault_estate
from tests.support.scripted_vault import ADDRESS, ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.aio import AsyncVaultClient
from vault_estate.client import VaultClient
from vault_estate.environment import load_secrets_to_env
from vault_estate.events import Event, EventKind
from vault_estate.hiding import hides_values
from vault_estate.models import Secret
from vault_estate.settings_source import VaultField, VaultSettings, given

CANARY = "canary-" + "Zq7" * 6
NUMBER = 739_182_645
ENVIRON = {"VAULT_ADDR": ADDRESS, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}
LIBRARY = Path(vault_estate.__file__).parent
NOT_LOOKED_AT = (Path(__file__).parents[2], Path(hvac.__file__).parent, LIBRARY / "testing")


def _kept(error: BaseException) -> Iterator[str]:
    """Of all frames but those that aren't looked at; of errors that Python hides behind another one, too."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield f"{one!r} {one} {vars(one)}"
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if not any(Path(frame.f_code.co_filename).is_relative_to(folder) for folder in NOT_LOOKED_AT):
                yield " ".join(
                    f"{frame.f_code.co_qualname} {name}={_opened(value)}" for name, value in frame.f_locals.items()
                )
        left += [other for other in (one.__cause__, one.__context__) if other is not None]


def _opened(value: object) -> str:
    """As Sentry has it."""
    if isinstance(value, Mapping) and not callable(getattr(type(value), "__sentry_repr__", None)):
        return f"{dict(value)!r}"
    return repr(value)


def _found(error: BaseException) -> list[str]:
    kept = "\n".join(_kept(error))
    assert kept
    return [one for one in (CANARY, SECRET_ID, "fake-token-", "fake-password-", str(NUMBER)) if one in kept]


class Settings(VaultSettings):
    """Of which one can't be what it is."""

    key: SecretStr = VaultField("app", "KEY")
    port: int = VaultField("app", "KEY")

    @field_validator("key")
    @classmethod
    def _refused(cls, value: SecretStr) -> SecretStr:
        raise ValueError(value.get_secret_value())


def _interrupted(client: VaultClient, vault: ScriptedVault) -> None:
    def before(_: object) -> None:
        raise KeyboardInterrupt

    vault.before = before
    client.encrypt("key", CANARY.encode())


def _refused(client: VaultClient, vault: ScriptedVault) -> None:
    vault.secret_ids = set()
    client.get_secret("app")


def _in_a_loop(act: Callable[[AsyncVaultClient], Any]) -> None:
    async def use() -> None:
        async with AsyncVaultClient(environ=ENVIRON) as client:
            await act(client)

    asyncio.run(use())


def _psycopg(client: VaultClient, patch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("psycopg")
    module.OperationalError = type("OperationalError", (Exception,), {})

    def connect(**kwargs: Any) -> None:
        raise module.OperationalError(len(kwargs))

    code = "def outer(connect):\n    return lambda **kwargs: connect(**kwargs)"
    exec(compile(code, "/psycopg.py", "exec"), vars(module))  # noqa: S102 - a frame of another package's
    module.connect = module.outer(connect)
    patch.setitem(sys.modules, "psycopg", module)
    login = client.database("aos")
    login._place = type(login._place)(role="aos", path=login._place.path, connection={"host": "db"})
    login.connect()


ACTS: dict[str, Callable[[VaultClient, ScriptedVault, pytest.MonkeyPatch], object]] = {
    "no such secret": lambda client, _, __: client.get_secret("none"),
    "a newer version": lambda client, _, __: client.get_secret("app", min_version=9),
    "no such key": lambda client, _, __: client.get_secret("app")["nope"],
    "no text": lambda client, _, __: client.get_secret("app")["NUMBER"],
    "a verifier": lambda client, _, __: client.accepts("app", "nope", CANARY),
    "a verifier of a number": lambda client, _, __: client.accepts("app", "NUMBER", CANARY),
    "a refused plaintext": lambda client, _, __: client.encrypt("key", CANARY.encode()),
    "an interrupted one": lambda client, vault, _: _interrupted(client, vault),
    "a certificate": lambda client, _, __: client.certificate("role", "name"),
    "a refused login": lambda client, vault, _: _refused(client, vault),
    "hvac": lambda client, _, __: client.hvac.secrets.kv.v2.create_or_update_secret("none/x", {"KEY": CANARY}),
    "hvac without an argument": lambda client, _, __: client.hvac.adapter.request("get", "v1/x", stream=CANARY),
    "variables": lambda client, _, __: load_secrets_to_env(["app"], client=client, environ={}),
    "settings": lambda client, _, patch: [
        patch.setattr(Settings, "vault_client", staticmethod(given(client))),
        Settings(),
    ],
    "a database": lambda client, _, patch: _psycopg(client, patch),
    "an environment": lambda _, __, ___: VaultClient(environ={**ENVIRON, "VAULT_SKIP_VERIFY": "1", "OTHER": CANARY}),
    "awaited": lambda _, __, ___: _in_a_loop(lambda client: client.encrypt("key", CANARY.encode())),
    "awaited values": lambda _, __, ___: _in_a_loop(lambda client: client.accepts("app", "nope", CANARY)),
    "awaited secrets": lambda _, __, ___: _in_a_loop(lambda client: client.get_secret("app", min_version=9)),
}


RAISED: dict[str, type[BaseException]] = {
    "an interrupted one": KeyboardInterrupt,
    "hvac": hvac.exceptions.VaultError,
    "a database": Exception,
}


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> ScriptedVault:
    vault = ScriptedVault()
    vault.write("app", KEY=CANARY, NUMBER=NUMBER, NUL="a\0b")
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: vault.transport())
    monkeypatch.setattr("vault_estate.leases.Leases._run", lambda _: None)
    return vault


@pytest.mark.parametrize("act", ACTS)
def test_no_value_is_in_the_frames_of_an_error(act: str, vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch) -> None:
    client = VaultClient(environ=ENVIRON)
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - whichever it is
        ACTS[act](client, vault, monkeypatch)
    assert isinstance(raised.value, RAISED.get(act, errors.VaultEstateError))
    assert _found(raised.value) == []
    lines = [one.f_code.co_filename for one, _ in traceback.walk_tb(raised.value.__traceback__)]
    assert any(Path(one).is_relative_to(LIBRARY) for one in lines), "where it was raised is told"


def test_an_observer_that_raises_shows_nothing(vault: ScriptedVault) -> None:
    def observer(event: Event) -> None:
        if event.kind is EventKind.LOGIN:
            raise SystemExit

    client = VaultClient(environ=ENVIRON, observers=[observer])
    with pytest.raises(SystemExit) as raised:
        client.get_secret("app")
    assert _found(raised.value) == []
    assert vault.count("login") == 1


def test_it_is_found_where_it_is_not_hidden() -> None:
    def shows(secret: Secret, text: str) -> None:
        raise LookupError(len(secret) + len(text))

    namespace: dict[str, Any] = {}
    exec(compile("def other(shows, one, text):\n    shows(one, text)", str(LIBRARY / "other.py"), "exec"), namespace)  # noqa: S102 - a frame of the library's
    secret = Secret({"KEY": "x"}, name="app", path="p", version=1)
    with pytest.raises(LookupError) as raised:
        namespace["other"](shows, secret, CANARY)
    assert _found(raised.value) == [CANARY]
    with pytest.raises(LookupError) as raised:
        hides_values(namespace["other"])(shows, secret, CANARY)
    assert _found(raised.value) == []


def test_a_secret_is_not_opened_by_sentry() -> None:
    secret = Secret({"KEY": CANARY}, name="app", path="p", version=1)
    assert CANARY in f"{dict(secret)!r}"
    assert type(secret).__sentry_repr__(secret) == _opened(secret) == "Secret(app, v1, 1 key)"


def test_what_the_caller_handles_already_keeps_its_variables() -> None:
    """It is the program's own error, and its frames are the program's."""

    def programs() -> None:
        mine = "mine"
        raise LookupError(mine)

    try:
        programs()
    except LookupError as error:
        with suppress(errors.VaultEstateError):
            VaultClient(environ={"VAULT_SKIP_VERIFY": "1"})
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        assert frames[-1].f_locals == {"mine": "mine"}


def test_a_cancelled_call_shows_nothing(vault: ScriptedVault) -> None:
    async def use() -> list[str]:
        client = AsyncVaultClient(environ=ENVIRON)
        task = asyncio.create_task(client.encrypt("key", CANARY.encode()))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return _found(error)
        raise AssertionError

    assert asyncio.run(use()) == []
    assert vault.tokens is not None
