"""The certificate expiry drill: a one-minute certificate is renewed, by the script that certbot calls on a node, and
served without a restart and without one failed read.

The script runs whole, with three things of a node replaced: where the server's files are, who they belong to, and
`systemctl`. certbot itself and systemd's own units are `tests/machines/test_certificate_drill.py`'s.
"""

import datetime
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest
import requests
from cryptography import x509

from components.render import cloud_init
from tests.support.certificates import Pair, issue
from tests.support.servers import VaultServer, call, eventually

SCRIPT = Path(cloud_init.__file__).parents[1] / "payloads" / "deploy_certificate.sh"
LIFETIME = datetime.timedelta(minutes=1)
SECRET = "-".join(("canary", "kept", "through", "renewals"))


@dataclass(frozen=True)
class Listener:
    """A server whose certificate is put in place as on a node."""

    server: VaultServer
    folder: Path
    pid: int
    """Of the server, which is to stay the same."""

    def issue(self, *, age: datetime.timedelta = datetime.timedelta()) -> Pair:
        """A one-minute certificate that is so old already."""
        begin = datetime.datetime.now(datetime.UTC) - age
        return issue(self.server.directory / "tls", begin=begin, lifetime=LIFETIME)

    def deploy(self, pair: Pair, *, active: bool = True) -> str:
        """Run the script as certbot does; what it told systemd."""
        lineage = self.folder / "live"
        lineage.mkdir(exist_ok=True)
        (lineage / "privkey.pem").write_bytes(pair.key)
        (lineage / "fullchain.pem").write_bytes(pair.certificate)
        told = self.folder / "told"
        told.unlink(missing_ok=True)
        program = self.folder / "systemctl"
        program.write_text(
            f'#!/bin/sh\necho "$*" >>{told}\n'
            f'case "$1" in reload) kill -HUP {self.pid} ;; is-active) exit {0 if active else 3} ;; esac\n'
        )
        program.chmod(0o755)
        script = SCRIPT.read_text().replace("/var/lib/vault/tls", str(self.server.directory / "tls"))
        script = script.replace("-o root -g vault ", "")
        environment = {"PATH": f"{self.folder}:{os.defpath}:/usr/bin:/bin", "RENEWED_LINEAGE": str(lineage)}
        subprocess.run(["sh", "-c", script], env=environment, check=True, timeout=30)
        return told.read_text() if told.exists() else ""

    def served(self) -> int:
        """Serial number of the certificate a new connection gets."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.server.platform.api_port))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number


@dataclass
class Reader:
    """Reads a secret over and over, each time by a new connection that verifies the certificate."""

    listener: Listener
    failures: list[str] = field(default_factory=list)
    reads: int = 0
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Reader":
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        assert self._thread is not None
        self._thread.join()

    def _read(self) -> None:
        while not self._end.wait(0.02):
            try:
                self.once()
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
            self.reads += 1

    def once(self) -> None:
        """One read."""
        answer = requests.get(
            f"{self.listener.server.address}/v1/renewed/it",
            headers={"X-Vault-Token": self.listener.server.client.token},
            verify=str(self.listener.server.ca_file),
            timeout=5,
        )
        assert answer.json()["data"]["value"] == SECRET


@pytest.fixture(scope="module")
def listener(vault_server: VaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """A server with a secret, which so far serves its own authority's certificate."""
    folder = tmp_path_factory.mktemp("renewal")
    call(vault_server.client, "post", "sys/mounts/renewed", {"type": "kv"})
    call(vault_server.client, "post", "renewed/it", {"value": SECRET})
    tls = vault_server.directory / "tls"
    before = {file: (tls / file).read_bytes() for file in ("server.key", "server.crt")}
    pid = vault_server.platform.status().openbao.pid
    assert pid is not None
    listener = Listener(vault_server, folder, pid)
    yield listener
    for file, content in before.items():
        (tls / file).write_bytes(content)
    os.kill(listener.pid, signal.SIGHUP)


def test_a_one_minute_certificate_is_renewed_without_a_restart_or_a_failed_read(listener: Listener) -> None:
    # Issued a while ago, so that the drill is over within the minute.
    first = listener.issue(age=datetime.timedelta(seconds=48))
    listener.deploy(first)
    assert eventually(lambda: listener.served() == first.serial)

    with Reader(listener) as reader:
        time.sleep(2)
        second = listener.issue()
        told = listener.deploy(second)
        assert eventually(lambda: listener.served() == second.serial)
        while datetime.datetime.now(datetime.UTC) < first.end + datetime.timedelta(seconds=2):
            time.sleep(0.2)

    assert reader.failures == []
    assert reader.reads > 100
    assert told.splitlines() == ["is-active --quiet vault.service", "reload vault.service"]
    assert listener.served() == second.serial
    openbao = listener.server.platform.status().openbao
    assert (openbao.pid, openbao.restarts) == (listener.pid, 0)


def test_the_same_certificate_again_is_nothing_to_tell(listener: Listener) -> None:
    pair = listener.issue()
    assert listener.deploy(pair) != ""

    assert listener.deploy(pair) == ""


def test_a_certificate_nobody_renews_is_noticed(listener: Listener) -> None:
    """Or the drill would prove nothing."""
    ended = listener.issue(age=LIFETIME + datetime.timedelta(seconds=1))
    listener.deploy(ended)
    assert eventually(lambda: listener.served() == ended.serial)

    with pytest.raises(requests.exceptions.SSLError, match="certificate has expired"):
        Reader(listener).once()


def test_half_a_renewal_leaves_the_old_one_served_and_the_next_run_ends_it(listener: Listener) -> None:
    old, new = listener.issue(), listener.issue()
    listener.deploy(old)
    assert eventually(lambda: listener.served() == old.serial)

    # The script was killed between its two renames, and something else (logrotate) has the server look.
    (listener.server.directory / "tls" / "server.key").write_bytes(new.key)
    os.kill(listener.pid, signal.SIGHUP)
    with Reader(listener) as reader:
        time.sleep(1)
    assert reader.failures == []
    assert listener.served() == old.serial

    listener.deploy(new)
    assert eventually(lambda: listener.served() == new.serial)


def test_a_server_that_waits_is_started(listener: Listener) -> None:
    """On a node whose first certificate came late."""
    told = listener.deploy(listener.issue(), active=False)

    assert told.splitlines() == ["is-active --quiet vault.service", "start --no-block vault.service"]
