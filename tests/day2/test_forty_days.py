"""An application runs through forty days without a person: its SecretID is renewed by the program of its timer.

The days are scaled: one is 2 seconds, a token lives one, a SecretID three. The program is the one that `./estate
secret-id --install` writes, with its parameters, run as its unit says but from this test and not by a timer; some of
its runs are killed. Not proven: systemd, which tests/machines/test_dev_up.py has.
"""

import json
import random
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import hvac
import pytest
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from ops.vault.api import call as api_call
from tests.support.checkouts import Checkout
from tests.support.servers import call

DAY = 2.0
DAYS = 40
ROLE = "auth/approle/role/aos"


class Application(threading.Thread):
    """Reads a secret all the time. It logs in by the file before each token ends, and keeps nothing else."""

    def __init__(self, checkout: Checkout, role_id: str, file: Path) -> None:
        super().__init__(daemon=True)
        servers = checkout.local.servers
        self.client = hvac.Client(url=servers.address, verify=str(servers.ca_file))
        self.role_id, self.file = role_id, file
        self.found: Counter[str] = Counter()
        self.errors: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        ends = 0.0
        while not self.over.is_set():
            try:
                if time.monotonic() > ends:
                    ends = time.monotonic() + log_in(self.client, self.role_id, self.file.read_text()) / 2
                    self.found["logins"] += 1
                call(self.client, "get", "agenticverz/data/app-prod")
                self.found["reads"] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the application would have failed
                self.errors.append(repr(error))
            time.sleep(0.05)


def unpacked(folder: Path, to: Path) -> list[str]:
    """What `install.sh` does, without root: everything in one folder; the command of the unit."""
    parameters = json.loads((folder / "vault-renewal-aos.json").read_text())
    parameters |= {"folder": str(to), "ca_file": str(folder / "vault-renewal-aos.crt"), "grace_seconds": 0.3}
    (folder / "vault-renewal-aos.json").write_text(json.dumps(parameters))
    to.mkdir(mode=0o700)
    (folder / "wrapping-token").rename(to / "wrapping-token")
    service = (folder / "vault-renewal-aos.service").read_text()
    (command,) = (line.removeprefix("ExecStart=") for line in service.splitlines() if line.startswith("ExecStart="))
    program, *options, code, _ = shlex.split(command)
    assert (program, Path(code).name) == ("/usr/bin/python3", "renew_secret_id.py")
    return [sys.executable, *options, str(folder / "renew_secret_id.py"), str(folder / "vault-renewal-aos.json")]


def test_forty_days_without_a_person_and_without_a_failed_read(local_checkout: Checkout, tmp_path: Path) -> None:
    built = local_checkout.run("up", "--json", timeout=300)
    assert built.returncode == 0, built.stderr
    with local_checkout.administering() as client:
        before = still_good(client)
    issued = local_checkout.run("secret-id", "aos", "--install", str(tmp_path / "kit"), "--user", "aos", "--json")
    assert issued.returncode == 0, issued.stderr
    assert "wrapping_token" not in json.loads(issued.stdout), "it is in the folder"
    command, file = unpacked(tmp_path / "kit", tmp_path / "run"), tmp_path / "run" / "secret-id"
    assert subprocess.run(command, check=False).returncode == 0
    role_id = json.loads(issued.stdout)["role_id"]

    with local_checkout.administering() as client:
        call(client, "post", ROLE, {"secret_id_ttl": 3 * int(DAY), "token_ttl": int(DAY), "token_max_ttl": int(DAY)})
        assert subprocess.run(command, check=False).returncode == 0, "the first that lives so short"
        alone = api_call(client, "post", f"{ROLE}/secret-id", {}, wrap_ttl="60s")["wrap_info"]["token"]
        alone = call(client, "post", "sys/wrapping/unwrap", {"token": alone})["data"]["secret_id"]
    application = Application(local_checkout, role_id, file)
    application.start()
    ended = time.monotonic() + DAYS * DAY
    runs: Counter[str] = Counter()
    seen = set()
    dice = random.Random(11)  # noqa: S311 - the same kills in each run
    while time.monotonic() < ended:
        seen.add(file.read_text())
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if sum(runs.values()) % 3 == 1:
            with suppress(subprocess.TimeoutExpired):
                program.wait(dice.uniform(0.05, 0.6))
            program.kill()
            runs["killed" if program.wait() == -9 else "done"] += 1
        else:
            said, _ = program.communicate(timeout=600)
            assert program.returncode == 0, said
            runs["done"] += 1
        time.sleep(DAY / 4)
    application.over.set()
    application.join()

    assert application.errors == []
    assert application.found["reads"] > 200
    assert application.found["logins"] > DAYS / 2
    assert min(runs["killed"], runs["done"]) > 5
    assert len(seen) > DAYS / 3
    with pytest.raises(InvalidRequest):
        log_in(application.client, role_id, alone)

    # What a kill has lost ends by itself; all others were destroyed.
    for _ in range(4):
        assert subprocess.run(command, check=False).returncode == 0
        time.sleep(DAY)
    with local_checkout.administering() as client:
        assert len(still_good(client) - before) == 1
    log_in(application.client, role_id, file.read_text())
    with pytest.raises(Forbidden):
        call(application.client, "post", f"{ROLE}/secret-id", {})


def log_in(client: hvac.Client, role_id: str, secret_id: str) -> float:
    """Its token's life in seconds."""
    answer = call(client, "post", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id})
    client.token = answer["auth"]["client_token"]
    return float(answer["auth"]["lease_duration"])


def still_good(client: hvac.Client) -> set[str]:
    """Accessors of the role's SecretIDs that haven't ended."""
    accessors = call(client, "list", f"{ROLE}/secret-id")["data"]["keys"]
    good = set()
    for accessor in accessors:
        with suppress(InvalidPath):  # it has ended since, of which some servers answer nothing
            found = call(client, "post", f"{ROLE}/secret-id-accessor/lookup", {"secret_id_accessor": accessor})
            end = found["data"]["expiration_time"] if found.get("data") else "2001-01-01T00:00:00"
            if datetime.fromisoformat(end[:19]).replace(tzinfo=UTC) > datetime.now(UTC):
                good.add(accessor)
    return good
