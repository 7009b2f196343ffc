"""What a read by the library takes, beside others' on the same server, and the report `benchmarks/client.md`.

Owns the cases and their targets. The server is a real OpenBao of its own on this machine, with TLS. Each reader's time
and CPU are this process's own; the agent's CPU is what its process takes besides. The cache's hit ratio is counted on a
trace, by a clock that is set, and a Vault in memory.
"""

import json
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import hvac
import psutil
import urllib3

from composition.private_files import write_private
from ops.development.bench import suite
from ops.development.bench.client_trace import readings
from ops.errors import EstateError
from ops.local.openbao import wheel_binary
from ops.processes.ports import LOOPBACK, free_ports
from vault_estate.testing.double import ROLE
from vault_estate.testing.fake import FakeVault
from vault_estate.testing.live import LiveServer, LiveVault

HIT, MISS, HVAC, HTTPX, AGENT = "a hit", "a miss", "plain hvac", "plain httpx", "the agent, by urllib3"
NAME = "app-prod"
_VALUES = {"DATABASE_URL": "postgresql://estate@127.0.0.1:5432/estate", "API_KEY": "x" * 40}
_SLOW_SECONDS = 0.2
"""What the trace's Vault takes for each answer: acceptance test F 4 of the library's design."""
_AGENT_SECONDS = 20.0
_ROUND = 20
"""Reads in a row."""


class Read(NamedTuple):
    """What one way to read a secret took; all of it in seconds a read."""

    p50: float
    p95: float
    cpu: float
    """Of the best round: others make a round dearer, never cheaper."""
    besides: float = 0.0
    """CPU of another process."""


class Traced(NamedTuple):
    """What the trace found."""

    reads: int
    hit_ratio: float
    p95: float
    """In seconds of the clock that is set, as the next."""
    longest: float


class _Reader:
    """One way to read, and what its reads took."""

    def __init__(self, name: str, ask: Callable[[], Mapping[str, str]], other: psutil.Process | None = None) -> None:
        self.name, self.ask, self._other = name, ask, other
        self._took: list[float] = []
        self._cpu: list[float] = []
        self._besides = 0.0

    def go(self) -> None:
        """Read for one round."""
        besides, cpu = self._of_other(), time.process_time()
        for _ in range(_ROUND):
            begun = time.perf_counter()
            self.ask()
            self._took.append(time.perf_counter() - begun)
        self._cpu.append((time.process_time() - cpu) / _ROUND)
        self._besides += self._of_other() - besides

    def sum(self) -> Read:
        """Of all rounds."""
        return Read(median(self._took), _p95(self._took), min(self._cpu), self._besides / len(self._took))

    def _of_other(self) -> float:
        return sum(self._other.cpu_times()[:2]) if self._other else 0.0


class Found(NamedTuple):
    """Everything one run found."""

    reads: Mapping[str, Read]
    traced: Traced


def measured(count: int, say: Callable[[str], None]) -> Found:
    """Read one secret `count` times each way, and go through the trace. Leaves nothing behind.
    Raises EstateError: a reader read something else, or the agent doesn't start."""
    with tempfile.TemporaryDirectory(prefix="estate-bench-") as folder, ExitStack() as ended:
        server = LiveServer(Path(folder))
        ended.callback(server.close)
        vault = LiveVault(server)
        ended.callback(vault.close)
        vault.put(NAME, _VALUES)
        readers = list(_readers(vault, server, Path(folder), ended))
        for reader in readers:
            if dict(reader.ask()) != _VALUES:
                raise EstateError(f"{reader.name} read something else; expected what was written, nothing is reported")
        say(f"reading one secret {count:,} times each way")
        # In turns, so that what else the machine does concerns each of them.
        for _ in range(max(count // _ROUND, 1)):
            for reader in readers:
                reader.go()
        found = {reader.name: reader.sum() for reader in readers}
    return Found(found, traced())


def traced() -> Traced:
    """Go through the trace with a Vault that takes 0.2 s for each answer."""
    vault = FakeVault()
    read = readings()
    for secret in {one.secret for one in read}:
        vault.put(secret, _VALUES)
    client = vault.client()
    vault.slow(_SLOW_SECONDS)
    took, passed = [], 0.0
    for one in read:
        vault.clock.advance(max(one.at - passed, 0.0))
        begun = vault.clock.now()
        client.get_secret(one.secret)
        took.append(vault.clock.now() - begun)
        passed = max(one.at, passed) + took[-1]
    ratio = client.health().cache_hit_ratio
    vault.close()
    return Traced(len(read), ratio or 0.0, _p95(took), max(took))


def _readers(vault: LiveVault, server: LiveServer, folder: Path, ended: ExitStack) -> Iterator[_Reader]:
    import httpx  # noqa: PLC0415 - only the project's developers have it

    client = vault.client()
    yield _Reader(HIT, lambda: client.get_secret(NAME))
    yield _Reader(MISS, lambda: client.refresh(NAME))
    authority = str(folder / "vault-ca.pem")
    # Its login is the client's own: the same policies are looked through.
    token = client.hvac.token
    kv = hvac.Client(url=server.address, verify=authority, token=token).secrets.kv.v2
    yield _Reader(HVAC, lambda: kv.read_secret_version(NAME, raise_on_deleted_version=True)["data"]["data"])
    trust = ssl.create_default_context(cafile=authority)
    plain = ended.enter_context(httpx.Client(verify=trust, headers={"X-Vault-Token": token}, trust_env=False))
    url = f"{server.address}/v1/secret/data/{NAME}"
    yield _Reader(HTTPX, lambda: plain.get(url).json()["data"]["data"])
    address, process = ended.enter_context(_agent(vault, server, folder))
    pool = urllib3.connection_from_url(address)
    headers = {"X-Vault-Request": "true"}
    asked = f"/v1/secret/data/{NAME}"
    yield _Reader(AGENT, lambda: pool.request("GET", asked, headers=headers).json()["data"]["data"], process)


@contextmanager
def _agent(vault: LiveVault, server: LiveServer, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The server's own proxy, which logs in for whoever asks it."""
    role = f"auth/approle/role/{ROLE}"
    login = {
        "role-id": vault.administer("GET", f"{role}/role-id")["data"]["role_id"],
        "secret-id": vault.administer("POST", f"{role}/secret-id", {})["data"]["secret_id"],
    }
    for name, content in login.items():
        write_private(folder / name, content.encode())
    place = f"{LOOPBACK}:{free_ports(1)[0]}"
    method = {"role_id_file_path": str(folder / "role-id"), "secret_id_file_path": str(folder / "secret-id")}
    settings = {
        "vault": {"address": server.address, "ca_cert": str(folder / "vault-ca.pem")},
        "auto_auth": {"method": [{"type": "approle", "config": method}]},
        "api_proxy": {"use_auto_auth_token": True},
        "cache": {},
        "listener": [{"tcp": {"address": place, "tls_disable": True}}],
    }
    (folder / "agent.json").write_text(json.dumps(settings))
    with (folder / "agent.log").open("wb") as log:
        process = subprocess.Popen(
            [str(wheel_binary()), "proxy", f"-config={folder / 'agent.json'}"],
            env={"HOME": str(folder), "PATH": os.environ.get("PATH", "")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(f"http://{place}/v1/auth/token/lookup-self", process)
        yield f"http://{place}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _AGENT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if urllib3.request("GET", url, headers={"X-Vault-Request": "true"}, retries=False).status == HTTPStatus.OK:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.05)
    raise EstateError("the agent did not start; expected it to log in")


def _p95(took: Sequence[float]) -> float:
    return quantiles(took, n=20)[-1]


def verdicts(found: Found) -> Iterator[tuple[str, str, bool]]:
    """Every target: its words, what was measured, whether it is met."""
    hit, miss, plain = found.reads[HIT], found.reads[MISS], found.reads[HVAC]
    times = miss.p50 / hit.p50
    yield "a miss to a hit: at least 100 times", f"{times:,.0f}", times >= 100
    share = miss.cpu / plain.cpu
    yield "CPU of a miss to plain hvac's: at most 0.5", f"{share:.2f}", share <= 0.5
    each_second = 1 / (0.8 * hit.cpu + 0.2 * miss.cpu)
    yield "reads a second of CPU, 80 % hits: 1,000", f"{each_second:,.0f}", each_second >= 1_000
    ratio = found.traced.hit_ratio
    yield "hits on the trace: more than 80 %", f"{ratio:.1%}", ratio > 0.8
    p95 = found.traced.p95
    yield "95 % of the trace's reads: within 0.5 s", f"{p95:.3f} s", p95 < 0.5


def tables(found: Found, facts: Mapping[str, str]) -> list[str]:
    """Those of the report, in its order."""
    rows = [
        (name, *(f"{1_000 * seconds:.4f} ms" if seconds else "" for seconds in one))
        for name, one in found.reads.items()
    ]
    trace = found.traced
    counted = [(f"{trace.reads:,}", f"{trace.hit_ratio:.1%}", f"{trace.p95:.3f} s", f"{trace.longest:.3f} s")]
    return [
        suite.table("what | value", facts.items()),
        suite.targets(verdicts(found)),
        suite.table("read | median | 95 % within | CPU | CPU of the agent's process", rows),
        suite.table("reads | hits | 95 % within | longest", counted),
    ]
