"""Values are looked for wherever they could come out of a process that reads them, kind by kind; each of these looks is
tried with one that is planted.

The server is the fake. A real one: `tests/live/vault_estate/test_client.py`. What Dagster keeps:
`tests/live/vault_estate/test_processes.py`. What a migration and a rotation keep has tests of its own.
"""

import copy
import cProfile
import logging
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, Counter, generate_latest

import vault_estate
from vault_estate import errors
from vault_estate.client import VaultClient
from vault_estate.events import Event
from vault_estate.metrics import PrometheusObserver
from vault_estate.testing import FakeVault
from vault_estate.tracing import TracingObserver

pytest_plugins = ("vault_estate.testing.plugin",)

CANARY = "canary-" + "Zq7" * 6
PLANTED = "planted_" + "Kx5" * 6
LIBRARY = Path(vault_estate.__file__).parent


@dataclass(kw_only=True)
class Run:
    """An application that does everything with its client, and all that is left of that."""

    client: VaultClient
    folder: Path
    objects: list[object] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    provider: TracerProvider = field(default_factory=TracerProvider)
    profile: cProfile.Profile = field(default_factory=cProfile.Profile)
    secrets: list[str] = field(default_factory=list)
    """What nothing may show."""

    def work(self, vault: FakeVault) -> None:
        """Reads, a login, a lease, ciphertexts, refusals, an outage."""
        secret, login = self.client.get_secret("app"), self.client.database("aos")
        ciphertext = self.client.encrypt("key", CANARY.encode())
        self.objects += [secret, login, login.credentials, self.client.health(), self.client, self.client.chosen]
        self.objects += [self.client._session, self.client._session._current().token, self.client.config]
        self.secrets += [CANARY, login.credentials.password, self.client._session.token(), vault._secret_id]
        assert self.client.decrypt("key", ciphertext).decode() == CANARY
        assert self.client.accepts("app", "KEY", CANARY)
        assert not self.client.accepts("app", "KEY", f"{CANARY}-of-somebody-else")
        self._fails(lambda: self.client.get_secret("denied"))
        self._fails(lambda: self.client.get_secret("absent"))
        self._fails(lambda: secret["nope"])
        self._fails(lambda: self.client.decrypt("key", ciphertext[:-4]))
        vault.seal()
        self._fails(lambda: self.client.refresh("app"))
        vault.unseal()
        vault.clock.advance(6)  # whether a token is dead is asked each 5 s at most
        vault.expire()
        self.client.refresh("app")
        self.secrets.append(self.client._session.token())

    def _fails(self, act: Callable[[], object]) -> None:
        with pytest.raises(errors.VaultEstateError) as raised:
            act()
        self.errors.append(raised.value)


@pytest.fixture
def run(vault: FakeVault, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    """It has run."""
    caplog.set_level(logging.DEBUG)
    for name in ("app", "denied"):
        vault.put(name, KEY=CANARY)
    vault.deny("denied")
    here = Run(client=vault.client(), folder=tmp_path)
    here.provider.add_span_processor(SimpleSpanProcessor(here.spans))
    tracing = TracingObserver(record_names=True, tracer_provider=here.provider)
    counting = PrometheusObserver(registry=here.registry)
    here.client.close()
    here.client = VaultClient(observers=[here.told.append, tracing, counting])
    here.profile.enable()
    try:
        here.work(vault)
    finally:
        here.profile.disable()
    yield here
    here.client.close()


def _reprs(run: Run) -> str:
    return " ".join(f"{one!r} {one} {one:}" for one in [*run.objects, *run.told])


def _exceptions(run: Run) -> str:
    """As trackers of errors keep them: with the variables of each of the library's frames."""
    texts = []
    for error in run.errors:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [one for one in told.stack if _is_ours(Path(one.filename))]
        texts += [f"{error} {error!r} {vars(error)}", *(f"{one.name} {one.locals}" for one in ours)]
    return " ".join(texts)


def _is_ours(file: Path) -> bool:
    return file.is_relative_to(LIBRARY) and not file.is_relative_to(LIBRARY / "testing")


def _itself(one: object) -> object:
    return one


def _pickles(run: Run) -> str:
    """Of what can be pickled or copied: the errors, and what says itself that it has no secret."""
    kept = []
    for one in [*run.objects, *run.errors, *run.told]:
        for take in (_itself, copy.copy):
            with suppress(TypeError):
                kept.append(pickle.dumps(take(one)).decode("latin-1"))
    assert len(kept) >= 2 * len(run.errors)
    return " ".join(kept)


def _profiles(run: Run) -> str:
    file = run.folder / "run.prof"
    run.profile.dump_stats(file)
    return file.read_bytes().decode("latin-1")


def _arguments(_: Run) -> str:
    return " ".join([*sys.argv, *psutil.Process().cmdline()])


def _environment(_: Run) -> str:
    return " ".join([*os.environ.values(), *psutil.Process().environ().values()])


KINDS: dict[str, Callable[[Run], str]] = {
    "reprs": _reprs,
    "exceptions": _exceptions,
    "pickles": _pickles,
    "events": lambda run: " ".join(map(str, run.told)),
    "traces": lambda run: " ".join(one.to_json() for one in run.spans.get_finished_spans()),
    "metrics": lambda run: generate_latest(run.registry).decode(),
    "profiles": _profiles,
    "arguments": _arguments,
    "environment": _environment,
}
"""Where it is looked, but for logs. What each finds there."""


class _Shown:
    def __repr__(self) -> str:
        return PLANTED


def _raised() -> BaseException:
    """An error of the library with the value in a variable of one of its frames."""
    scope: dict[str, Any] = {"PLANTED": PLANTED}
    code = "def inner(value):\n    raise KeyError\ninner(PLANTED)"
    try:
        exec(compile(code, str(LIBRARY / "client.py"), "exec"), scope)  # noqa: S102 - to have such a frame
    except KeyError as error:
        return error
    raise AssertionError


def _profiled(run: Run) -> None:
    scope: dict[str, Any] = {}
    exec(f"def {PLANTED}(): pass", scope)  # noqa: S102 - names are all that a profile has
    run.profile.runcall(scope[PLANTED])


def _traced(run: Run) -> None:
    with run.provider.get_tracer("x").start_as_current_span("x", attributes={"x": PLANTED}):
        pass


PLANTS: dict[str, Callable[[Run, pytest.MonkeyPatch], object]] = {
    "reprs": lambda run, _: run.objects.append(_Shown()),
    "exceptions": lambda run, _: run.errors.append(_raised()),
    "pickles": lambda run, _: run.errors.append(errors.VaultSealed(PLANTED)),
    "events": lambda run, _: run.told.append(_Shown()),  # type: ignore[arg-type]  # that is planted
    "traces": lambda run, _: _traced(run),
    "metrics": lambda run, _: Counter("x", "x", ["y"], registry=run.registry).labels(PLANTED).inc(),
    "profiles": lambda run, _: _profiled(run),
    "arguments": lambda _, patch: patch.setattr(sys, "argv", [PLANTED]),
    "environment": lambda _, patch: patch.setenv("X", PLANTED),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_found(kind: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = KINDS[kind](run)
    assert found.strip()
    assert len(set(run.secrets)) == len(run.secrets) == 5
    assert [one[:6] for one in run.secrets if one in found] == []
    PLANTS[kind](run, monkeypatch)
    assert PLANTED in KINDS[kind](run), "it looks where it says"


def test_nothing_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    assert [one[:6] for one in run.secrets if one in caplog.text] == []
    logging.getLogger("vault_estate.x").debug(PLANTED)
    assert PLANTED in caplog.text
