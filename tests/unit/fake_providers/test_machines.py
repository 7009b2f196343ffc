"""What of the machines can be told without booting one: their packages, their refusals, their disks' lines."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pysequoia import Cert

from components.render.release import Flavor
from fake_providers import machines
from fake_providers.machines import MachineError, network, roots
from fake_providers.machines.commands import run, works
from fake_providers.machines.disks import disk_lines
from fake_providers.shared_file import locked
from tests.support.operated_machines import OperatedMachine
from tests.unit.render.nodes import COMBINATIONS, of, render


@pytest.mark.parametrize(("flavor", "seal", "tls"), COMBINATIONS)
def test_the_root_has_every_package_a_node_asks_for(flavor: Flavor, seal: str, tls: str) -> None:
    text = render(of(flavor, seal, tls))
    wanted = set(yaml.safe_load(text)["packages"])
    assert wanted - {*roots.PACKAGES, *roots._FIRST_PACKAGES} == set()


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Of those that were asked, whether each answers; this host's apt has two archives of Debian's and another's."""
    answers: dict[str, bool] = {}

    def answer(command: list[str], **_: object) -> str:
        if command[0] == "apt-get":
            return "http://host/debian/\nhttp://host/debian/\nhttp://host/debian-security/\nhttps://other/tools\n"
        assert "--print-debs" in command
        place = Path(command[-3])
        assert not any(place.iterdir()), "debootstrap refuses a place where something is"
        (place / "left").touch()
        if not answers.setdefault(command[-2], False):
            raise MachineError("debootstrap ended with 1: E: Failed getting release file")
        return ""

    monkeypatch.setattr(roots, "run", answer)
    return answers


def test_the_official_mirror_is_taken_before_the_hosts(mirrors: dict[str, bool], tmp_path: Path) -> None:
    mirrors |= {"": True, "http://host/ubuntu": True}
    assert roots._mirror(machines.IMAGES["ubuntu-24.04"], tmp_path) == ""


@pytest.mark.parametrize(
    ("image", "mirror"), [("ubuntu-24.04", "http://host/ubuntu"), ("debian-12", "http://host/debian")]
)
def test_what_is_beside_the_hosts_own_archive_is_a_mirror(
    mirrors: dict[str, bool], tmp_path: Path, image: str, mirror: str
) -> None:
    mirrors[mirror] = True
    assert roots._mirror(machines.IMAGES[image], tmp_path) == mirror
    assert mirrors == {"": False, mirror: True}


def test_an_image_whose_mirrors_are_away_is_told_in_one_line(mirrors: dict[str, bool], tmp_path: Path) -> None:
    said = "^no mirror has the packages of ubuntu noble: Failed getting release file$"
    with pytest.raises(MachineError, match=said):
        roots._mirror(machines.IMAGES["ubuntu-24.04"], tmp_path)
    assert list(mirrors) == ["", "http://host/ubuntu"]
    assert not any(tmp_path.iterdir())


def test_ubuntus_packages_are_trusted_by_the_key_its_archive_signs_with() -> None:
    """Ubuntu's "Archive Automatic Signing Key (2018)", by its fingerprint."""
    image = machines.IMAGES["ubuntu-24.04"]
    assert image.keyring is not None
    (key,) = Cert.split_bytes(Path(roots.__file__).with_name(image.keyring).read_bytes())
    assert key.fingerprint.upper() == "F6ECB3762474EDA9D21B7022871920D1991BC93C"
    assert f"--keyring={Path(roots.__file__).with_name(image.keyring)}" in roots._debootstrap(image, Path("/root"), "")


def test_whatever_a_root_is_made_from_makes_another_root(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {roots._fingerprint(image) for image in machines.IMAGES}
    assert len(made) == 2
    other = replace(machines.IMAGES["ubuntu-24.04"], packages=("snapd",))
    monkeypatch.setitem(machines.IMAGES, "ubuntu-24.04", other)
    assert roots._fingerprint("ubuntu-24.04") not in made
    assert roots._fingerprint("debian-12") in made


def test_packages_that_are_missing_are_told(tmp_path: Path) -> None:
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: chrony\nStatus: install ok installed\nVersion: 1\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    assert roots.missing_packages(tmp_path, "#cloud-config\npackages: [chrony, gone, other]\n") == ["gone", "other"]
    assert roots.missing_packages(tmp_path, "#cloud-config\nruncmd: [[true]]\n") == []
    assert roots.missing_packages(tmp_path, "#!/bin/sh\n") == []


def test_only_root_boots_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert machines.why_not() == "machines boot for root only"
    with pytest.raises(MachineError, match="no machine can boot here: machines boot for root only"):
        machines.prepare(tmp_path, "debian-12", print)
    assert not any(tmp_path.iterdir())


def test_programs_that_fail_are_told_in_one_line() -> None:
    assert run(["echo", "yes"]) == "yes\n"
    assert works(["true"])
    assert not works(["false"])
    with pytest.raises(MachineError, match=r"^no-such-program is missing"):
        run(["no-such-program"])
    with pytest.raises(MachineError, match=r"ended with 3: why$"):
        run(["sh", "-c", "echo first >&2; echo why >&2; exit 3"])
    with pytest.raises(MachineError, match=r"not done after 0\.1 s"):
        run(["sleep", "5"], timeout=0.1)


def test_disks_are_named_in_order_of_their_links() -> None:
    major, minor = os.major(Path("/dev/null").stat().st_rdev), os.minor(Path("/dev/null").stat().st_rdev)
    assert disk_lines({"volume-2": ["/dev/null"], "volume-1": ["/dev/null"], "volume-0": []}) == (
        f"volume-1 sdc {major} {minor}\nvolume-2 sdd {major} {minor}\n"
    )


def test_what_is_not_there_is_removed_and_found_without_an_error(tmp_path: Path) -> None:
    machines.remove(tmp_path / "nothing")
    assert machines.found(tmp_path) == []
    with pytest.raises(MachineError, match="there is no machine 'x'"):
        OperatedMachine.find(tmp_path, "x")


def test_this_tier_makes_no_links() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"a unit test runs: ip -4 route show 198\.18\.254\.0/24"):
        network._is_free(254)


def test_only_who_has_to_wait_for_a_file_is_told(tmp_path: Path) -> None:
    told = threading.Event()
    held = threading.Event()

    def wait() -> None:
        with locked(tmp_path / "new" / "lock", told.set):
            held.set()

    with locked(tmp_path / "new" / "lock", told.set):
        assert not told.is_set()
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert told.wait(20)
        assert not held.is_set()
    waiting.join(20)
    assert held.is_set()
