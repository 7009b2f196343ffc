"""A port of this machine that is forwarded to a pod of a cluster's servers, for as long as a command works.

Owns the programs that do it, `aws` and `kubectl`, and the certificate of the servers' authority, which is fetched once
and never replaced: a server that another one signed is refused by whoever connects. It ends at the server that leads,
which is asked whether it still does, wherever one leads. Refuses to end what somebody else forwards, and to wait for a
cluster that isn't there: it tries again.
"""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import Event, Thread

from components.render.chart.jobs import AUTHORITY
from components.render.chart.names import ACTIVE, JOBS_NAMESPACE, NAMESPACE, RELEASE
from components.render.traffic import API_PORT
from composition.private_files import create_private, private_directory

RETRY_SECONDS = 5.0
COMMAND_SECONDS = 60
"""For one question to AWS or to the cluster."""
READY_SECONDS = 30.0
"""How long a command waits for the port, in a cluster that is there."""
LEADER_SECONDS = 15.0
"""How long a command waits for a server that leads, where they say that they are looking for one: a lost one was seen
to be replaced within 2 s, and the cluster to know it within 10 s. After that a command that asks how the servers are
has to go on."""
LEADER_PAUSE_SECONDS = 0.5
_OPEN_SECONDS = 5.0
"""How long `kubectl` may take to open the port."""
_ANSWER_SECONDS = 0.2
_ASKED_SECONDS = 5.0
INVALID = re.compile(r'The \w+ "[^"]*" is invalid: .*')
"""How kubectl begins to tell that an object would be invalid."""
_HEADER = "-----BEGIN CERTIFICATE-----\n"


@dataclass(frozen=True, kw_only=True)
class ForwardedPort:
    """Which port of which cluster."""

    cluster: str
    """The cluster's name."""
    region: str
    """Where it is."""
    profile: str | None
    """Profile in AWS' files; none: whatever else AWS' tools find."""
    port: int
    """On 127.0.0.1."""
    kubeconfig: Path
    """Where the cluster's address is written. It holds no credential: each is asked for by `aws`."""
    authority: Path
    """Where the certificate of the servers' authority is put."""

    @property
    def finds(self) -> list[list[str]]:
        """Writes the cluster's address, and what else comes before the cluster is asked."""
        where = ["--region", self.region, "--name", self.cluster, "--kubeconfig", str(self.kubeconfig)]
        return [["aws", "eks", "update-kubeconfig", *where, *(["--profile", self.profile] if self.profile else [])]]

    @property
    def asks(self) -> list[str]:
        """Prints the authority's certificate."""
        what = ["get", "configmap", AUTHORITY, "--namespace", JOBS_NAMESPACE, "--output", r"jsonpath={.data.ca\.crt}"]
        return [*self.kubectl, *what]

    @property
    def leads(self) -> list[str]:
        """Prints the address of the active server's pod, if there is one."""
        which = ["--namespace", NAMESPACE, "--selector", f"kubernetes.io/service-name={ACTIVE}"]
        return [
            *self.kubectl,
            "get",
            "endpointslices",
            *which,
            "--output",
            "jsonpath={.items[*].endpoints[*].addresses}",
        ]

    def forwards(self, service: str) -> list[str]:
        """Forwards the port to a pod of a service until it is ended, or that pod is."""
        to = ["--namespace", NAMESPACE, "--address", "127.0.0.1", f"service/{service}", f"{self.port}:{API_PORT}"]
        return [*self.kubectl, "port-forward", *to]

    @property
    def kubectl(self) -> list[str]:
        """What a question to the cluster begins with."""
        return ["kubectl", "--kubeconfig", str(self.kubeconfig)]

    def answers(self) -> bool:
        """Whether somebody takes connections there."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=_ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def ask_end(self) -> "End":
        """What the server that the port ends at says of itself. One of another authority is left to whoever connects,
        who refuses it."""
        try:
            context = ssl.create_default_context(cafile=str(self.authority))
            asked = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=_ASKED_SECONDS, context=context)
            asked.request("GET", "/v1/sys/leader")
            answer = asked.getresponse()
            said = json.loads(answer.read())
        except ssl.SSLCertVerificationError:
            return End.LEADS
        except (OSError, ValueError, http.client.HTTPException):
            return End.SILENT
        if answer.status != http.client.OK:
            return End.CLOSED
        return End.LEADS if said.get("is_self") or not said.get("ha_enabled") else End.FOLLOWS


class End(Enum):
    """What a forwarded port ends at."""

    LEADS = "a server that leads"
    FOLLOWS = "a server that another one leads, or none as yet"
    CLOSED = "a server that is sealed or not initialised, and knows of none that leads"
    SILENT = "nobody who answers"


@dataclass(kw_only=True)
class Programs:
    """The programs, as they are started."""

    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    needed: tuple[str, ...] = ("aws", "kubectl")

    def missing(self) -> list[str]:
        """Which of them aren't here."""
        return [name for name in self.needed if shutil.which(name, path=self.environ.get("PATH")) is None]

    def ask(self, command: Sequence[str], given: str = "") -> tuple[str, str]:
        """Its output, and why there is none. It reads what is given, and nothing of the terminal."""
        try:
            done = subprocess.run(
                command,
                env=self.environ,
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return "", f"{command[0]} didn't end within {COMMAND_SECONDS} s"
        return (done.stdout, "") if done.returncode == 0 else ("", f"{command[0]}: {_reason(done.stderr)}")

    def start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        """One that runs until it is ended. An interrupt isn't meant for it: the engine goes on for a while."""
        return subprocess.Popen(
            command,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )


def _reason(text: str) -> str:
    """The line that says why; programs say so last, but kubectl prints the fields of an invalid object below it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if INVALID.match(line)), lines[-1] if lines else "said nothing")


class Forwarding:
    """Keeps the port forwarded, from the moment on when there is a cluster to forward it to."""

    def __init__(
        self,
        wanted: ForwardedPort,
        programs: Programs,
        *,
        leader_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted, self.programs, self.leader_only, self.clock = wanted, programs, leader_only, clock
        self.reason = ""
        """Why it isn't forwarded, as far as is known."""
        self.settled = Event()
        """Set while it ends where it should."""
        self._anyone_from = clock() + LEADER_SECONDS
        self._again_after = RETRY_SECONDS
        self._stopped = Event()
        self._process: subprocess.Popen[str] | None = None

    def attempt(self) -> bool:
        """Fetch what is missing and forward the port, until that ends. False where the cluster, its authority or a
        server that leads isn't there yet; `reason` tells."""
        wanted, programs = self.wanted, self.programs
        self._again_after = RETRY_SECONDS
        private_directory(wanted.kubeconfig.parent)
        for step in wanted.finds:
            _, self.reason = programs.ask(step)
            if self.reason:
                return False
        if not wanted.authority.exists():
            certificate, self.reason = programs.ask(wanted.asks)
            if not certificate.startswith(_HEADER):
                self.reason = self.reason or f"ConfigMap {AUTHORITY} is empty yet"
                return False
            create_private(wanted.authority, certificate.encode())
        # The active server by itself: OpenBao's standbys answer from what they have heard so far, so that what was just
        # written isn't there; and who takes a snapshot of one is sent on to where nobody here gets.
        found, _ = programs.ask(wanted.leads)
        led = bool(found.strip())
        if not led and self.leader_only:
            self.reason = "no server leads yet"
            return False
        self._process = programs.start(wanted.forwards(ACTIVE if led else RELEASE))
        if self._stopped.is_set():  # it was, before there was a process to end
            self._process.terminate()
        # The cluster hears of a change later than the servers do.
        elif not self._is_good_end():
            self._process.terminate()
            self._process.wait()
            self._again_after, self.reason = LEADER_PAUSE_SECONDS, "no server leads any more"
            return False
        else:
            self.settled.set()
        self._process.wait()
        self.settled.clear()
        self.reason = "kubectl ended"
        return True

    def _is_good_end(self) -> bool:
        until = self.clock() + _OPEN_SECONDS
        while (end := self.wanted.ask_end()) is End.SILENT and self.clock() < until:
            if self._stopped.wait(_ANSWER_SECONDS):
                break
        if self.leader_only:
            return end is End.LEADS
        return end is not End.FOLLOWS or self.clock() >= self._anyone_from

    def keep(self) -> None:
        """Attempt it again and again until `stop`."""
        while not self._stopped.is_set():
            self.attempt()
            self._stopped.wait(self._again_after)

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        if self._process is not None:
            self._process.terminate()


@contextmanager
def forwarded(
    wanted: ForwardedPort,
    *,
    waits: bool,
    say: Callable[[str], None],
    programs: Programs | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[None]:
    """The port is forwarded meanwhile, unless somebody does so already. `waits` for it, where the cluster is there.

    Where a program is missing, or it can't be had in time, `say` is told what to do, and what needs the port says
    itself that nobody answers.
    """
    programs = programs or Programs()
    if wanted.answers():
        yield
        return
    if missing := programs.missing():
        say(f"{' and '.join(missing)} not found; expected here, or port {wanted.port} forwarded as docs/eks.md tells")
        yield
        return
    # Who doesn't wait for it is an `up`, whose first boot makes the first leader.
    keeping = Forwarding(wanted, programs, leader_only=not waits)
    thread = Thread(target=keeping.keep, name="forwarded-port", daemon=True)
    thread.start()
    try:
        if waits:
            _wait(wanted, keeping, say, pause)
        yield
    finally:
        keeping.stop()
        thread.join(RETRY_SECONDS)  # it may be waiting for an answer, after which it does nothing more


def _wait(
    wanted: ForwardedPort, keeping: Forwarding, say: Callable[[str], None], pause: Callable[[float], object]
) -> None:
    waited = 0.0
    while not (keeping.settled.is_set() and wanted.answers()):
        if waited >= READY_SECONDS:
            say(f"port {wanted.port} isn't forwarded to the cluster: {keeping.reason or 'it takes long'}")
            return
        pause(_ANSWER_SECONDS)
        waited += _ANSWER_SECONDS
