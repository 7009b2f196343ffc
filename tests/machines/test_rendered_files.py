"""Every rendered file of every node, judged by the programs of the Debian or Ubuntu that will read it.

Nothing boots here, so this doesn't prove that a file does what it is for. Of AppArmor's profiles only the grammar, and
what they come to, is judged: this host's kernel may have no AppArmor.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.render import cloud_init
from components.render.cloud_init import SSHD
from fake_providers.machines import IMAGES
from tests.machines.inspection import Answer, answers, root
from tests.machines.rendered import BROKEN, JUDGED, NODES, SERVICES, SETS, SHAPES, everything, variants
from tests.unit.render.nodes import files

pytestmark = pytest.mark.timeout(1_800)  # the machines' root may have to be made first

LIMITS = {"vault.service": 1.5, "vault-certificate.service": 3.0, "vault-upkeep.service": 3.0}
"""Highest exposure, from 0 to 10, that `systemd-analyze security` may give. certbot's needs root and port 80; upkeep's
root, the log's owner and the volume."""
LIMIT = 2.0
"""Of every other service of the estate's own: root without any capability, which reads what only root may."""
SCRIPTS = sorted((Path(cloud_init.__file__).parents[1] / "payloads").glob("*.sh"))


@pytest.fixture(scope="module", params=IMAGES)
def said(request: pytest.FixtureRequest) -> Mapping[str, Answer]:
    """All that an image's programs said, asked at once: each question by itself would take a layer of its own."""
    return answers(root(request.param), *everything())


def test_every_kind_of_node_is_asked_about() -> None:
    assert len(NODES) == 79
    assert len(SETS) >= 21
    assert len(SHAPES) == 7
    assert {kind: len(variants(path)) for kind, (path, _) in JUDGED.items()} == {
        "nft": 2,
        "logrotate": 1,
        "apparmor": 5,
        "certbot": 2,
    }


@pytest.mark.parametrize("name", SHAPES)
def test_the_user_data_is_cloud_inits(said: Mapping[str, Answer], name: str) -> None:
    answer = said[f"schema-{name}"]

    file = f"/checks/user-data/{name}.yaml"
    assert answer.code == 0, answer.output
    # Older ones have the first word for it.
    assert answer.output.splitlines()[-1] in {f"Valid cloud-config: {file}", f"Valid schema {file}"}
    assert "deprecated" not in answer.output.lower()


@pytest.mark.parametrize("name", ["closed", "ssh"])
def test_the_nodes_own_command_unpacks_the_files(said: Mapping[str, Answer], name: str) -> None:
    wanted = NODES[f"openbao-static-acme-amd64-{name}"]
    expected = [
        f"{int(permissions, 8):o} root:root {len(content.encode())} {path}"
        for path, (content, permissions) in sorted(files(wanted).items())
        if path != SSHD
    ]

    assert (said[f"unpack-{name}"].code, said[f"unpack-{name}"].output.splitlines()) == (0, expected)


@pytest.mark.parametrize("name", SETS)
def test_units_are_right(said: Mapping[str, Answer], name: str) -> None:
    answer = said[f"verify-{name}"]

    assert (answer.code, answer.output) == (0, "")


@pytest.mark.parametrize(("name", "unit"), SERVICES)
def test_services_are_fenced_in(said: Mapping[str, Answer], name: str, unit: str) -> None:
    answer = said[f"security-{name}-{unit}"]
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", answer.output)

    assert found, answer.output
    assert float(found[1]) <= LIMITS.get(unit, LIMIT)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (path, _) in JUDGED.items() for name in variants(path)]
)
def test_each_program_takes_its_file(said: Mapping[str, Answer], kind: str, name: str) -> None:
    answer = said[f"{kind}-{name}"]

    assert answer.code == 0, answer.output
    assert "error" not in answer.output.lower()


@pytest.mark.parametrize("kind", BROKEN)
def test_each_program_refuses_what_is_wrong(said: Mapping[str, Answer], kind: str) -> None:
    assert said[f"broken-{kind}"].code != 0, said[f"broken-{kind}"].output


SSH = {
    "permitrootlogin no",
    "passwordauthentication no",
    "kbdinteractiveauthentication no",
    "allowusers estate",
    "x11forwarding no",
    "allowagentforwarding no",
    "allowtcpforwarding no",
}


def test_sshd_takes_what_it_is_told(said: Mapping[str, Answer]) -> None:
    assert said["sshd"].code == 0, said["sshd"].output
    assert SSH - set(said["sshd"].output.splitlines()) == set()


def test_apt_and_chrony_take_what_they_are_told(said: Mapping[str, Answer]) -> None:
    apt, chrony = said["apt"], said["chrony"]

    assert 'Unattended-Upgrade::Automatic-Reboot "true";' in apt.output
    assert 'DPkg::Options:: "--force-confold";' in apt.output
    assert 'APT::Periodic::Unattended-Upgrade "1";' in apt.output
    assert chrony.code == 0
    assert "sourcedir /etc/chrony/sources.d" in chrony.output


def test_rsyslogd_may_read_the_authorities_it_verifies_its_collector_by(said: Mapping[str, Answer]) -> None:
    """Where the distribution confines it, as Ubuntu does."""
    assert said["rsyslogd"].code == 0, said["rsyslogd"].output
    assert "ssl/certs/{,**} r," in said["rsyslogd"].output or said["rsyslogd"].output == "unconfined\n"


def test_the_programs_are_programs_there(said: Mapping[str, Answer]) -> None:
    assert (said["python"].code, said["python"].output) == (0, "")
    assert (said["shell"].code, said["shell"].output) == (0, "")


def test_shellcheck_finds_nothing() -> None:
    program = shutil.which("shellcheck")

    assert program, "shellcheck is missing; ./estate test --all installs it"
    answer = subprocess.run([program, *SCRIPTS], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert len(SCRIPTS) >= 10
