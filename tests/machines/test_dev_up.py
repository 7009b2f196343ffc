"""`./estate up dev --sandbox` as a user runs it: a real Debian boots, with the certificate and name its file declares.

Tests of one module on one world, in the order of a stack's life. Not proven: Hetzner's own API, its images and its
network; Let's Encrypt. The engine's faults are in `tests/engine/test_dev_stack.py`.
"""

import datetime
import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.access_checks import amiss
from tests.support.booting import first_secret_limit, keep_journal, last_words
from tests.support.dev_checkouts import STACK, DevCheckout, dev_checkout
from tests.support.servers import eventually

NAME = "vault-dev.example.com"
ADDRESS = f"https://{NAME}:8200"
REFRESH = """
from ops import stack_file
from ops.console import Console
from ops.commands import session
from ops.paths import Paths
from ops.platforms.registry import platform_of
paths, console, choices = Paths(), Console(), session.Choices(sandbox=True)
with (
    platform_of(paths, stack_file.read(paths, "dev"), sandbox=True).ready("preview", console) as platform,
    session.opened(platform, console, "preview", choices) as opened,
    console.stage("refreshing") as steps,
):
    print(dict(opened.run.operate("refresh", steps).counts))
"""


@pytest.fixture(scope="module")
def dev(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCheckout]:
    """A copy whose world ends with the module."""
    with dev_checkout(tmp_path_factory.mktemp("dev")) as made:
        yield made


@pytest.fixture(scope="module")
def built(dev: DevCheckout) -> Mapping[str, Any]:
    """What the first `up` said."""
    return dev.answered("up", STACK)


def test_every_access_check_passes(built: Mapping[str, Any]) -> None:
    assert built["passed"] is True
    assert built["changes"].keys() == {"create"}
    assert built["exports"]["address"] == ADDRESS
    columns = {name: row for name, row in built["access_checks"].items() if name != "dagster"}
    assert columns.keys() == {"bike-data-flow", "aos"}
    assert amiss(columns) == {f"{name}, certificate": "not granted" for name in columns}


def test_what_was_replaced_is_told(built: Mapping[str, Any]) -> None:
    replaced = {one["setting"] for one in built["replaced"]}
    assert {"server.version", "protect", "platform.api_cidrs", "platform.download.source"} < replaced
    assert "platform.tls.directory" in replaced
    assert not {one for one in replaced if one.startswith(("applications", "kv", "bootstrap", "platform.dns"))}
    assert built["fake_providers"] == "asked for with --sandbox"


def _secret(dev: DevCheckout) -> dict[str, Any]:
    return dev.secret("aos", "agenticverz", "app-prod")


def test_the_first_secret_is_there_soon(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    begun = (dev.node.folder / "root").lstat().st_mtime
    made = datetime.datetime.fromisoformat(_secret(dev)["metadata"]["created_time"])
    seconds = made.timestamp() - begun
    print(f"boot to first secret: {seconds:.1f} s")
    assert 0 < seconds < first_secret_limit()


def test_a_second_up_and_a_refresh_change_nothing(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    again = dev.answered("up", STACK)
    assert (again["changed"], again["passed"]) == (0, True)
    refreshed = subprocess.run(
        [*dev.command()[:1], "-c", REFRESH],
        cwd=dev.directory,
        env=dev.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert refreshed.returncode == 0, refreshed.stderr
    assert refreshed.stdout.strip().splitlines()[-1].startswith("{'same': ")
    assert "," not in refreshed.stdout.strip().splitlines()[-1]


def test_the_other_commands_find_it(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    status = dev.answered("status", STACK)
    assert status["address"] == ADDRESS
    assert status["health"]["sealed"] is False
    assert set(status["servers"].values()) == {True}
    assert [machine["running"] for machine in status["machines"]] == [True]

    issued = dev.answered("secret-id", "aos", "--stack", STACK)
    assert issued["creation_path"] == "auth/approle/role/aos/secret-id"
    assert dev.answered("env", STACK)["PULUMI_BACKEND_URL"] == f"file://{dev.sandbox.directory / 'state'}?metadata=skip"
    preview = dev.answered("preview", STACK)
    assert preview["changed"] == 0


def test_a_machine_gets_the_next_secret_id_of_its_application(
    dev: DevCheckout, built: Mapping[str, Any], tmp_path: Path
) -> None:
    """The node stands for the application's machine, too."""
    kit = tmp_path / "aos-login"
    dev.answered("secret-id", "aos", "--stack", STACK, "--install", str(kit), "--user", "games")
    there = f"/root/{kit.name}"
    for part in kit.iterdir():
        inside(dev, f"install -d -m 0700 {there} && cat >{there}/{part.name}", part.read_text())
    file, unit = "/var/lib/vault-renewal/aos/secret-id", "vault-renewal-aos"

    assert inside(dev, f"sh {there}/install.sh").endswith(f"aos finds its SecretID in {file}\n")

    assert "wrapping-token" not in inside(dev, f"ls {there}")
    assert inside(dev, f"stat -c '%U %a' {file}") == "games 400\n"
    first = inside(dev, f"cat {file}")
    assert inside(dev, f"systemctl is-active {unit}.timer") == "active\n"
    # Known once the first run has ended.
    shown = f"systemctl show {unit}.timer --property=NextElapseUSecMonotonic --value"
    assert eventually(lambda: inside(dev, shown).strip() != "infinity")
    inside(dev, f'sed -i \'s/"grace_seconds": 60/"grace_seconds": 1/\' /etc/vault-estate/{unit}.json')
    inside(dev, f"systemctl start {unit}.service")
    assert inside(dev, f"cat {file}") != first
    assert inside(dev, "ls /var/lib/vault-renewal/aos") == "secret-id\n"
    told = inside(dev, f"journalctl --unit={unit}.service --output=cat")
    assert "the next SecretID has taken its place" in told
    assert first not in told
    assert (
        inside(dev, f"systemd-analyze verify /etc/systemd/system/{unit}.service /etc/systemd/system/{unit}.timer") == ""
    )


def inside(dev: DevCheckout, script: str, given: str | None = None) -> str:
    """What a script on the node prints, which must succeed."""
    done = dev.node.run(["sh", "-c", f"{{ {script}; }} 2>&1"], input=given)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_database_password_is_nowhere_in_the_clear(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    password = dev.sandbox.postgres.password_file.read_bytes()
    kept = [dev.sandbox.directory / "state", dev.paths.own / "stacks", dev.sandbox.file]
    files = [file for place in kept for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    assert len(files) > 3
    assert [file for file in files if password in file.read_bytes()] == []


def test_a_reboot_ends_in_an_unsealed_server_with_its_data(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    before = _secret(dev)
    begun = time.monotonic()
    dev.node.reboot()

    assert eventually(lambda: dev.answered("status", STACK)["health"].get("sealed") is False, seconds=120)
    print(f"reboot to unsealed: {time.monotonic() - begun:.1f} s")
    assert _secret(dev) == before
    assert dev.answered("up", STACK)["changed"] == 0


def test_a_machine_that_is_off_is_switched_on(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    dev.node.power_off()
    dev.sandbox.servers.stop()

    again = dev.answered("up", STACK)

    assert (again["changed"], again["passed"]) == (0, True)


def test_a_label_leaves_the_server_alone(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    platform = dev.written()["platform"]
    identity = dev.node.identity
    dev.change(platform={**platform, "labels": {"team": "estate"}})

    labelled = dev.answered("up", STACK)

    assert set(labelled["changes"]) == {"same", "update"}
    assert dev.node.identity == identity


def test_new_user_data_replaces_the_server_around_its_data(
    dev: DevCheckout, built: Mapping[str, Any], tmp_path: Path
) -> None:
    before, identity, address = _secret(dev), dev.node.identity, dev.node.address
    bootstrap = dev.written()["bootstrap"]
    administrator = {**bootstrap["administrator"], "token_ttl": "2h"}
    dev.change(bootstrap={**bootstrap, "administrator": administrator})
    journal = keep_journal(dev.node, tmp_path)
    audited = requests_of(dev)

    replaced = dev.answered("up", STACK)

    # The disk of a server that runs would have been pulled: its programs killed, and nothing unmounted.
    ended = last_words(journal).partition("Stopping vault.service")[2]
    stopped, _, after = ended.partition("Stopped vault.service")
    assert "vault.service: Deactivated successfully" in stopped
    assert "Unmounted var-lib-vault.mount" in after
    assert replaced["passed"] is True
    assert replaced["changes"]["replace"] > 0
    assert dev.node.identity != identity
    assert dev.node.address == address
    assert replaced["exports"]["cluster_id"] == built["exports"]["cluster_id"]
    assert _secret(dev) == before
    # What the old server audited up to its end is there, and the new one's goes on in the same file.
    assert len(audited) > 100
    assert audited <= requests_of(dev)
    assert inside(dev, "findmnt --noheadings --output SOURCE /var/log/vault").endswith("[/audit]\n")
    assert inside(dev, "systemctl show vault.service --property=ActiveState --value") == "active\n"
    assert dev.answered("up", STACK)["changed"] == 0


def requests_of(dev: DevCheckout) -> set[str]:
    """The id of each request in the audit log of a node, whichever file it is in."""
    return set(re.findall(r'"request":\{"id":"([0-9a-f-]+)"', inside(dev, "zcat --force /var/log/vault/audit.log*")))


PASSWORD, VALUE = "-".join(("canary", "own", "password")), "-".join(("canary", "key", "of", "today"))
OWN = ("aos", "external-apis", "ANTHROPIC_API_KEY", "--stack", STACK)


def test_a_persons_day_from_a_first_password_to_leaving(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    """After the tests that look whether an `up` changes anything: leaving changes what is on the server."""

    def refused(*arguments: str, given: str = "") -> str:
        done = dev.run(*arguments, "--sandbox", given=given)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr.splitlines()[-1]

    invited = dev.answered("invite", STACK, "ada")
    entered = dev.answered(
        "login", STACK, "ada", "--first", given=f"{invited['wrapping_token']}\n{PASSWORD}\n{PASSWORD}\n"
    )
    assert (entered["name"], entered["address"]) == ("ada", ADDRESS)
    assert not (dev.paths.own / STACK / "login").exists(), "a sandbox's login is no login to the real stack"
    assert f"./estate invite {STACK} ada --sandbox" in refused(
        "login", STACK, "ada", "--first", given=f"{invited['wrapping_token']}\n{PASSWORD}\n{PASSWORD}\n"
    )
    assert dev.answered("secret", "put", *OWN, given=f"{VALUE}\n")["who"] == "ada"
    assert dev.answered("secret", "get", *OWN)["values"] == {"ANTHROPIC_API_KEY": VALUE}
    assert "ada may not read" in refused("secret", "get", "bike-data-flow", "database-url", "url", "--stack", STACK)
    assert dev.answered("logout", STACK)["login"] == "revoked"
    assert refused("secret", "get", *OWN).endswith(f"expected a login first: ./estate login {STACK} NAME --sandbox")

    dev.answered("login", STACK, "ada", given=f"{PASSWORD}\n")
    left = dev.answered("off-board", STACK, "ada")
    assert left["done"] == ["ada is disabled: every token of theirs is denied", "user and password are removed"]
    (still,) = left["left"]
    assert still.startswith(f"Pulumi.{STACK}.yaml: vault-estate:estate.people.members.ada is still there; expected it")
    assert "has ended, or was revoked" in refused("secret", "get", *OWN)
    assert refused("login", STACK, "ada", given=f"{PASSWORD}\n").startswith("estate: ada is not let in (")

    people = dev.written()["people"]
    dev.change(people={**people, "members": {"alan": people["members"]["alan"]}})
    without = dev.answered("up", STACK)
    assert (without["passed"], without["changes"]["delete"]) == (True, 3)
    assert "'ada' is no member" in refused("login", STACK, "ada", given=f"{PASSWORD}\n")


def test_down_leaves_nothing(dev: DevCheckout, built: Mapping[str, Any]) -> None:
    gateway = dev.sandbox.gateway
    done = dev.answered("down", STACK)

    assert done["changes"].keys() == {"delete"}
    assert list((dev.paths.own / "sandbox").iterdir()) == []
    named = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    assert [line for line in named if str(dev.directory) in line] == []
    assert str(dev.directory) not in Path("/proc/self/mounts").read_text()
    loops = subprocess.run(["losetup", "--list", "--output", "BACK-FILE"], capture_output=True, text=True, check=True)
    assert str(dev.directory) not in loops.stdout
    shown = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True)
    assert gateway not in {one["local"] for link in json.loads(shown.stdout) for one in link.get("addr_info", [])}
    assert dev.answered("status", STACK)["servers"] == {}
