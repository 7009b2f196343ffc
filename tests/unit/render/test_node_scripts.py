"""A node's scripts, run whole on this machine: their paths moved into a folder, and Debian's programs replaced by
doubles that tell what they were asked.

Not proven: that the real programs do what the doubles say; `tests/machines` boots them.
"""

import datetime
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components.render import cloud_init
from ops.keys.certificates import ensure_authority
from tests.support.certificates import Pair, issue

SCRIPTS = Path(cloud_init.__file__).parents[1] / "payloads"
DIRECTORY = "https://acme.example.com/directory"
DAY = datetime.timedelta(days=1)


@dataclass
class Host:
    """Where a script runs, and what its doubles do."""

    folder: Path
    doubles: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The volume."""
        return self.folder / "volume"

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a script to its end."""
        programs = self.folder / "programs"
        programs.mkdir(exist_ok=True)
        for name, body in self.doubles.items():
            (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{self.folder}/told\n{body}\n')
            (programs / name).chmod(0o755)
        (self.folder / "node.env").write_text("".join(f"{name}={text}\n" for name, text in self.environment.items()))
        text = (SCRIPTS / f"{script}.sh").read_text()
        for path, moved in {
            "/etc/vault-estate/node.env": self.folder / "node.env",
            "/usr/local/lib/vault-estate": programs,
            "/var/lib/vault": self.home,
            "/proc/swaps": self.folder / "swaps",
            "-o root -g vault": "",
        }.items():
            text = text.replace(path, str(moved))
        environment = {"PATH": f"{programs}:{os.defpath}:/usr/bin:/bin", "RENEWED_LINEAGE": str(self.home / "live")}
        return subprocess.run(
            ["sh", "-c", text], env=environment, capture_output=True, text=True, check=False, timeout=30
        )

    def told(self) -> list[str]:
        """What the doubles were called with since the last look."""
        file = self.folder / "told"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines


def pair(host: Host, *, age: datetime.timedelta = DAY, lifetime: datetime.timedelta = 90 * DAY) -> Pair:
    """A certificate for 127.0.0.1."""
    authority = host.folder / "authority"
    authority.mkdir(exist_ok=True)
    ensure_authority(authority)
    return issue(authority, begin=datetime.datetime.now(datetime.UTC) - age, lifetime=lifetime)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    (made.home / "tls").mkdir(parents=True)
    return made


# acme.sh


def lineage(host: Host, of: Pair, *, server: str = DIRECTORY) -> None:
    """What certbot leaves on the volume."""
    home = host.home / "letsencrypt"
    for folder in ("live/vault", "renewal"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "live/vault/fullchain.pem").write_bytes(of.certificate)
    (home / "live/vault/privkey.pem").write_bytes(of.key)
    (home / "renewal/vault.conf").write_text(f"version = 2.1.0\n[renewalparams]\nserver = {server}\n")


@pytest.fixture
def acme(host: Host) -> Host:
    """A node that is to have a certificate for its name."""
    host.environment = {"NODE": "vault.example.com", "ACME_DIRECTORY": DIRECTORY}
    # The certificates of this file are for an address; what else is looked at is looked at by openssl itself.
    host.doubles = {
        "openssl": 'case "$*" in *checkhost*) [ ! -e "$0.other" ] && echo "does match" ;;'
        ' *) exec /usr/bin/openssl "$@" ;; esac',
        "deploy-certificate": "",
        "sleep": "",
    }
    return host


def certbot(host: Host, *, fails: int) -> str:
    """A certbot that fails some times and then leaves a certificate."""
    lineage(host, pair(host))
    finished = host.folder / "finished"
    (host.home / "letsencrypt").rename(finished)
    count = host.folder / "count"
    return (
        f'echo x >>{count}; [ "$(wc -l <{count})" -gt {fails} ] || {{ echo "certbot: no such record" >&2; exit 1; }}; '
        f"rm -rf {host.home}/letsencrypt {host.folder}/programs/openssl.other; "
        f"cp -R {finished} {host.home}/letsencrypt"
    )


def calls(told: list[str], name: str) -> list[str]:
    return [line.partition(" ")[2].strip() for line in told if line.startswith(f"{name} ")]


def test_a_first_certificate_is_fetched_and_deployed(acme: Host) -> None:
    acme.doubles["certbot"] = certbot(acme, fails=0)

    answer = acme.run("acme")

    told = acme.told()
    assert (answer.returncode, answer.stderr) == (0, "")
    assert calls(told, "certbot") == [
        "certonly --cert-name vault --domain vault.example.com --renew-with-new-domains --force-renewal"
    ]
    assert calls(told, "sleep") == []
    assert told[-1].startswith("deploy-certificate")


def test_without_a_record_it_waits_longer_and_longer_and_says_so(acme: Host) -> None:
    acme.doubles["certbot"] = certbot(acme, fails=8)

    answer = acme.run("acme")

    told = acme.told()
    pauses = [int(pause) for pause in calls(told, "sleep")]
    assert answer.returncode == 0
    assert pauses == [120, 240, 480, 960, 1920, 3600, 3600, 3600]
    within_an_hour = [sum(pauses[:count]) for count in range(len(pauses)) if sum(pauses[:count]) < 3_600]
    assert len(within_an_hour) == 5  # Let's Encrypt's limit of failures
    assert "certbot: no such record\n" in answer.stderr
    assert "acme: no certificate for vault.example.com yet; " in answer.stderr
    assert "next try in 120 s\n" in answer.stderr
    assert [line for line in told if line.startswith("deploy-certificate")] == [told[-1]]


def test_after_a_rebuild_nothing_is_asked_of_the_authority(acme: Host) -> None:
    acme.doubles["certbot"] = "exit 1"
    lineage(acme, pair(acme))

    assert acme.run("acme").returncode == 0
    told = acme.told()
    assert calls(told, "certbot") == []
    assert told[-1].startswith("deploy-certificate")


@pytest.mark.parametrize("why", ["ended", "another authority's", "another name's"])
def test_a_certificate_that_does_not_fit_is_replaced(acme: Host, why: str) -> None:
    acme.doubles["certbot"] = certbot(acme, fails=0)
    old = pair(acme, age=100 * DAY) if why == "ended" else pair(acme)
    lineage(acme, old, server="https://staging.example.com" if why == "another authority's" else DIRECTORY)
    if why == "another name's":
        (acme.folder / "programs").mkdir()
        (acme.folder / "programs/openssl.other").touch()

    assert acme.run("acme").returncode == 0
    assert len(calls(acme.told(), "certbot")) == 1


# certificate.sh


@pytest.mark.parametrize(("name", "subject"), [("vault.internal", "DNS:vault.internal"), ("127.0.0.1", "IP:127.0.0.1")])
def test_the_nodes_own_certificate_is_made_once_and_for_its_name(host: Host, name: str, subject: str) -> None:
    host.environment = {"NODE": name, "NODE_SUBJECT": subject, "TLS": "internal"}
    certificate, key = host.home / "tls/server.crt", host.home / "tls/server.key"

    assert host.run("certificate").returncode == 0
    first = certificate.read_bytes()
    assert (certificate.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o644, 0o640)
    assert host.run("certificate").returncode == 0
    assert certificate.read_bytes() == first

    host.environment |= {"NODE": "other.internal", "NODE_SUBJECT": "DNS:other.internal"}
    assert host.run("certificate").returncode == 0
    assert certificate.read_bytes() != first


@pytest.mark.parametrize("tls", ["acme", "provided"])
def test_no_certificate_is_made_where_another_is_to_come(host: Host, tls: str) -> None:
    host.environment = {"NODE": "vault.internal", "NODE_SUBJECT": "DNS:vault.internal", "TLS": tls}

    assert host.run("certificate").returncode == 0
    assert list((host.home / "tls").iterdir()) == []


# alarm.sh

TRACKING = "0A500105,10.80.1.5,3,1795467600.1,{offset},0.0001,0.0002,1.0,0.0,0.1,0.01,0.01,64.2,{leap}"
SWAPS = "Filename Type Size Used Priority\n"


def watched(host: Host, *, full: int = 20, offset: str = "0.000012", leap: str = "Normal", swaps: str = SWAPS) -> Host:
    """A node that is well but for what is given."""
    host.doubles = {
        "df": f"printf 'Use%%\\n {full}%%\\n'",
        "chronyc": f"echo '{TRACKING.format(offset=offset, leap=leap)}'",
        "logger": "",
    }
    (host.folder / "swaps").write_text(swaps)
    return host


def alarms(host: Host) -> list[str]:
    """What a look ends in."""
    answer = host.run("alarm")
    said = [
        line.partition("vault-alarm ")[2] for line in host.told() if line.startswith("logger --priority daemon.alert")
    ]
    assert answer.returncode == (1 if said else 0), answer.stderr
    return said


def test_a_node_that_is_well_says_nothing(host: Host) -> None:
    (host.home / "tls/server.crt").write_bytes(pair(host).certificate)

    assert alarms(watched(host)) == []


UNWELL: list[tuple[Mapping[str, object], list[str]]] = [
    ({"full": 64}, []),
    ({"full": 65}, [f"{place} is 65 % full; expected less than 65 %" for place in ("/", "/var/log", "VOLUME")]),
    ({"offset": "-0.99"}, []),
    ({"offset": "-1.5"}, ["the clock is -1.5 s off; expected less than 1 s"]),
    ({"leap": "Not synchronised"}, ["the clock is not synchronised; expected less than 1 s"]),
    (
        {"swaps": f"{SWAPS}/swapfile file 1024 0 -2\n"},
        ["swap is in use; expected none, since the server's memory must not reach a disk"],
    ),
]


@pytest.mark.parametrize(("state", "said"), UNWELL)
def test_the_watcher_reports_each_fault(host: Host, state: dict[str, object], said: list[str]) -> None:
    found = alarms(watched(host, **state))  # type: ignore[arg-type]  # a table of keywords of different types

    assert found == [line.replace("VOLUME", str(host.home)) for line in said]


@pytest.mark.parametrize(("age", "rings"), [(80, False), (82, True)])
def test_a_certificate_that_nobody_renewed(host: Host, age: int, rings: bool) -> None:
    (host.home / "tls/server.crt").write_bytes(pair(host, age=age * DAY).certificate)

    said = alarms(watched(host))

    assert len(said) == (1 if rings else 0)
    assert all(line.startswith("the certificate ends in ") for line in said)
