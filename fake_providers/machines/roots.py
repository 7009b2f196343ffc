"""The root filesystem every machine starts from: made once by debootstrap and apt for each image, and kept in a cache.

Owns which images there are, which packages are in them, and whether a machine can boot on this host at all. Refuses an
image whose packages can't be had, and packages at boot that weren't put in: a booted machine has no package source but
an empty one, so that `apt-get update` is instant and honest where there is no network.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from fake_providers.machines.commands import MachineError, environment, run, works
from fake_providers.shared_file import locked


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the root of one image is made from."""

    suite: str
    archive: str
    """Last part of its mirrors' addresses: a mirror of one distribution often has the other's beside it."""
    script: str
    """debootstrap's, of the distribution: an older debootstrap knows no newer suite by name."""
    sources: tuple[str, ...]
    """Lines of sources.list, with `{mirror}`."""
    keyring: str | None = None
    """Public key of the archive, a file beside this module; None: the one debootstrap finds on this host."""
    packages: tuple[str, ...] = ()
    """What a cloud's image of it has beside `PACKAGES`."""


IMAGES = {
    "debian-12": Image(
        suite="bookworm",
        archive="debian",
        script="sid",
        sources=(
            "deb {mirror} bookworm main",
            "deb {mirror} bookworm-updates main",
            "deb {mirror}-security bookworm-security main",
        ),
    ),
    "ubuntu-24.04": Image(
        suite="noble",
        archive="ubuntu",
        script="gutsy",
        sources=tuple(
            f"deb {{mirror}} {suite} main universe" for suite in ("noble", "noble-updates", "noble-security")
        ),
        keyring="ubuntu-archive.gpg",
        packages=("apport", "locales", "systemd-resolved"),
    ),
}
"""By the name that Hetzner has for it."""
_HOST_PROGRAMS = {"systemd-nspawn": "systemd-container", "debootstrap": "debootstrap", "ip": "iproute2"}
"""What the host needs, and the Debian package that has it. `losetup`, `mount`, `nsenter` and `unshare` are in every
Debian (util-linux)."""
_FIRST_PACKAGES = ("systemd", "systemd-sysv", "dbus", "ca-certificates")
PACKAGES = (
    # What a cloud's image has.
    *("cloud-init", "openssh-server", "sudo", "e2fsprogs", "iproute2", "procps", "udev", "cron", "less", "apparmor"),
    # What first boots install from the distribution.
    *("age", "certbot", "chrony", "curl", "gnupg", "logrotate", "nftables", "openssl"),
    *("python3-boto3", "rsyslog", "rsyslog-gnutls", "unattended-upgrades"),
)
"""Installed by apt inside the root: debootstrap can't resolve cloud-init's virtual packages.
"""
_FILES = {
    "etc/apt/sources.list": "deb [trusted=yes] file:/var/lib/empty-repository ./\n",
    "var/lib/empty-repository/Packages": "",
    # The network is there before the machine starts; nobody speaks DHCP here.
    "etc/cloud/cloud.cfg.d/99-machine.cfg": (
        "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: C.UTF-8\napt: {preserve_sources_list: true}\n"
    ),
    # The clock is the host's, and stays so: chronyd runs and asks its servers, but never sets it.
    "etc/systemd/system/chrony.service.d/machine.conf": (
        '[Unit]\nConditionCapability=\n[Service]\nEnvironmentFile=\nEnvironment="DAEMON_OPTS=-x"\n'
    ),
    # Each machine makes its own.
    "etc/machine-id": "",
    "etc/hostname": "machine\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    # Nobody answers there: without a route every look-up ends at once.
    "etc/resolv.conf": "nameserver 185.12.64.1\nnameserver 185.12.64.2\n",
}
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27}
"""Numbers of linux/capability.h."""


def default_cache() -> Path:
    """Where roots are kept when nobody says otherwise: the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vault-estate"


def why_not() -> str | None:
    """One phrase why no machine can boot here; None when one can, as far as that can be told without booting."""
    return lacking_rights() or lacking_kernel() or _lacking_programs()


def lacking_rights() -> str | None:
    """Which rights this process lacks for namespaces, mounts and devices, in one phrase; None: none."""
    if os.geteuid() != 0:
        return "machines boot for root only"
    status = Path("/proc/self/status")
    held = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE) if status.is_file() else None
    if held is None:
        return "machines boot on Linux only"
    lacking = [name for name, number in _CAPABILITIES.items() if not int(held[1], 16) >> number & 1]
    return f"{', '.join(lacking)} is missing" if lacking else None


def lacking_kernel() -> str | None:
    """What this host's kernel lacks for containers, in one phrase; None: nothing."""
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices (/dev/loop-control is missing)"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text() and not works(["modprobe", "overlay"]):
        return "the kernel has no overlay filesystem"
    if " cgroup2 " not in Path("/proc/self/mounts").read_text():
        return "no cgroup2 hierarchy is mounted"
    return None


def _lacking_programs() -> str | None:
    missing = _missing_programs()
    if missing and shutil.which("apt-get") is None:
        return f"{', '.join(missing)} is missing, and there is no apt-get to install it with"
    return None


def prepare(cache: Path, image: str, say: Callable[[str], None]) -> Path:
    """The root of an image, e.g. `debian-12`; made within some minutes if it isn't in the cache.

    Two processes make it once. A killed one leaves nothing that is taken for a root.
    Raises MachineError: no machine can boot here, the image isn't offered, or its packages can't be had.
    """
    reason = why_not()
    if reason:
        raise MachineError(f"no machine can boot here: {reason}")
    if image not in IMAGES:
        raise MachineError(f"image {image!r}: expected {' or '.join(IMAGES)}, whose packages can be had here")
    missing = _missing_programs()
    if missing:
        install(sorted({_HOST_PROGRAMS[program] for program in missing}), say)
    home = cache / "machines"
    root = home / f"{image}-{_fingerprint(image)[:16]}"
    if root.is_dir():
        return root
    with locked(home / "lock", lambda: say("waiting for another process that makes the machines' root")):
        if not root.is_dir():
            _make(root, image, say)
    return root


def missing_packages(root: Path, user_data: str) -> list[str]:
    """The packages a user-data asks for that aren't in the root."""
    document = yaml.safe_load(user_data) if user_data.startswith("#cloud-config") else None
    wanted = document.get("packages") or [] if isinstance(document, dict) else []
    paragraphs = (root / "var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n")
    there = {
        found[1]
        for text in paragraphs
        if "\nStatus: install ok installed\n" in text and (found := re.match(r"Package: (\S+)\n", text))
    }
    return sorted({str(package) for package in wanted} - there)


def _missing_programs() -> list[str]:
    path = environment()["PATH"]
    return [program for program in _HOST_PROGRAMS if shutil.which(program, path=path) is None]


def install(packages: Sequence[str], say: Callable[[str], None]) -> None:
    """Install Debian packages on this host. Raises MachineError: apt can't."""
    say(f"installing {', '.join(packages)} on this host")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "--quiet"], more=quiet, timeout=300)
    run(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages], more=quiet, timeout=900)


def _fingerprint(image: str) -> str:
    """Of everything the root is made from, the host's own authorities included."""
    authorities = [authority.read_text() for authority in _host_authorities()]
    recipe = [image, asdict(IMAGES[image]), _FIRST_PACKAGES, PACKAGES, sorted(_FILES.items()), authorities]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()


def _host_authorities() -> list[Path]:
    return sorted(Path("/usr/local/share/ca-certificates").glob("*.crt"))


def _make(root: Path, image: str, say: Callable[[str], None]) -> None:
    fresh = root.with_name(f"{root.name}.new")
    if fresh.exists():
        run(["rm", "--recursive", "--force", "--one-file-system", str(fresh)])
    made = IMAGES[image]
    say(f"making the machines' root, {image}: its base (1 of 3; about 2 minutes together, once)")
    mirror = _mirror(made, fresh.parent)
    run(_debootstrap(made, fresh, mirror), timeout=1800)
    say(f"making the machines' root, {image}: its packages (2 of 3)")
    _install(fresh, made)
    say(f"making the machines' root, {image}: its settings (3 of 3)")
    for path, content in _FILES.items():
        file = fresh / path
        file.unlink(missing_ok=True)
        _folder(file.parent)
        file.write_text(content)
        file.chmod(0o644)
    # The journal outlives a boot, as on a cloud's image.
    _folder(fresh / "var/log/journal")
    _inside(fresh, ["apt-get", "update", "--quiet"])
    fresh.replace(root)


def _debootstrap(image: Image, root: Path, mirror: str, *more: str) -> list[str]:
    keyring = [f"--keyring={Path(__file__).with_name(image.keyring)}"] if image.keyring else []
    options = ["--variant=minbase", f"--include={','.join(_FIRST_PACKAGES)}", *keyring, *more]
    return ["debootstrap", *options, image.suite, str(root), mirror, f"/usr/share/debootstrap/scripts/{image.script}"]


def _mirror(image: Image, folder: Path) -> str:
    """The first mirror that gives the suite's list of packages: the official one, which debootstrap knows (`""`), or
    one beside the mirrors of this host's apt. Raises MachineError: none does; with what the last said."""
    listed = run(["apt-get", "indextargets", "--format=$(REPO_URI)", "Created-By: Packages"]).split()
    pattern = re.compile(r"(https?://.+)/(?:debian|ubuntu)/")
    beside = dict.fromkeys(f"{found[1]}/{image.archive}" for uri in listed if (found := pattern.fullmatch(uri)))
    said = ""
    for mirror in ("", *beside):
        try:
            # A place of its own for each: what a failed try leaves there makes debootstrap refuse the next.
            with tempfile.TemporaryDirectory(dir=folder) as place:
                run(_debootstrap(image, Path(place), mirror, "--print-debs"), timeout=60)
        except MachineError as error:
            said = str(error).rpartition(": ")[2]
        else:
            return mirror
    raise MachineError(f"no mirror has the packages of {image.archive} {image.suite}: {said}")


def _install(root: Path, image: Image) -> None:
    """Install the packages from the distribution, the host's authorities trusted, and take the source out again."""
    for authority in _host_authorities():
        shutil.copy(authority, root / "usr/local/share/ca-certificates" / authority.name)
    _inside(root, ["update-ca-certificates"])
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    listed = root / "etc/apt/sources.list"
    # What debootstrap took, and left there.
    mirror = listed.read_text().split()[1]
    listed.write_text("".join(f"{source.format(mirror=mirror)}\n" for source in image.sources))
    # Nothing may start while it is installed: these would be processes of the host.
    refusal = root / "usr/sbin/policy-rc.d"
    refusal.write_text("#!/bin/sh\nexit 101\n")
    refusal.chmod(0o755)
    lean = root / "etc/dpkg/dpkg.cfg.d/lean"
    lean.write_text("path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n")
    lean.chmod(0o644)
    _inside(root, ["apt-get", "update", "--quiet"])
    _inside(root, ["apt-get", "upgrade", "--quiet", "--yes"])
    _inside(root, ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *PACKAGES, *image.packages])
    _inside(root, ["apt-get", "clean"])
    refusal.unlink()
    shutil.rmtree(root / "var/lib/apt/lists")
    _folder(root / "var/lib/apt/lists/partial")


def _folder(folder: Path) -> None:
    """A folder every user of the machine may enter, with its parents."""
    run(["mkdir", "--parents", str(folder)])


def _inside(root: Path, command: Sequence[str]) -> None:
    """Run a program in the root, in a process tree of its own so that nothing it starts stays."""
    clean = ["env", "--ignore-environment", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    clean.append("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
    proxies = [f"{name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")]
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--root={root}", "--mount-proc=/proc"]
    run([*apart, *clean, *proxies, *command], timeout=1800)
