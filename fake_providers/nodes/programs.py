"""What a cluster is made of: programs of Kubernetes and images, compiled and packed once, and kept in a cache.

Owns which modules there are, the Debian packages that building and running need, and whether a cluster can run on this
host at all. The modules' `go.sum` pin every source. Refuses half of a build: a killed one is done again.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fake_providers.machines import MachineError
from fake_providers.machines import roots as machine_roots
from fake_providers.machines.commands import environment, run
from fake_providers.nodes import images, roots
from fake_providers.nodes.images import ClusterImage
from fake_providers.shared_file import locked

Say = Callable[[str], None]

VERSION = "1.36.3"
"""Of Kubernetes, as `cluster_module/go.mod` pins it."""
_HERE = Path(__file__).parent
_SAY_SECONDS = 15.0
_HASHICORP = "vault.tar"
_STORE, _STORE_SCRIPT = "store", _HERE / "store.sh"
_PACKAGES = {
    "ip": "iproute2",
    "ipset": "ipset",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "unshare": "util-linux",
}
"""What nodes need of the host, and the Debian package that has it."""
_BUILD_PACKAGES = {
    "/usr/include/seccomp.h": "libseccomp-dev",
    "/usr/bin/pkg-config": "pkg-config",
    "/usr/bin/gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
}
"""What building runc needs. Without seccomp it refuses pods whose profile is RuntimeDefault."""
PACKAGES = tuple(sorted({*_PACKAGES.values(), *_BUILD_PACKAGES.values()}))
"""Of Debian, everything that clusters need."""
_KUBERNETES = "k8s.io/kubernetes/cmd/"
_CONTAINERD = "github.com/containerd/containerd/v2/cmd/"
_PLUGINS = "github.com/containernetworking/plugins/plugins/"


@dataclass(frozen=True, kw_only=True)
class _Build:
    """One run of the compiler."""

    module: str
    packages: tuple[str, ...]
    output: str
    """Below the programs' folder: a folder if it ends with a slash."""
    stamp: str = ""
    """What is said to the linker."""
    compiler: tuple[str, ...] = ()
    """More arguments."""
    with_c: bool = False


def _stamp(version: str) -> str:
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())


_BUILDS = (
    _Build(
        module="cluster_module",
        packages=(
            *(
                f"{_KUBERNETES}{name}"
                for name in (
                    *("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl"),
                    "kubelet",
                )
            ),
            *(f"{_CONTAINERD}{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
            "./agent",
            "./coredns",
        ),
        output="./",
        stamp=_stamp(VERSION),
    ),
    _Build(module="cluster_module", packages=("go.etcd.io/etcd/server/v3",), output="etcd"),
    _Build(
        module="cluster_module",
        packages=tuple(f"{_PLUGINS}{name}" for name in ("main/bridge", "main/loopback", "ipam/host-local")),
        output="cni/",
    ),
    _Build(
        module="cluster_module",
        packages=("github.com/opencontainers/runc",),
        output="runc",
        compiler=("-tags", "seccomp"),
        with_c=True,
    ),
    _Build(
        module="policies_module", packages=("github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",), output="./"
    ),
    _Build(module="certificates_module", packages=(".",), output="cert-manager"),
)


@dataclass(frozen=True, kw_only=True)
class ClusterPrograms:
    """Where the programs are, and the images."""

    bin: Path
    """Programs; those of the pods' network in `cni/`."""
    server: ClusterImage
    """OpenBao, as both charts expect a server."""
    tools: ClusterImage
    """Python with what the Jobs' programs import."""
    busybox: ClusterImage
    """A shell and its tools."""
    coredns: ClusterImage
    pause: ClusterImage
    """What holds a pod's namespaces."""
    certificates: ClusterImage
    """cert-manager's controller."""

    @property
    def images(self) -> tuple[ClusterImage, ...]:
        """All of them."""
        return (self.pause, self.coredns, self.busybox, self.server, self.tools, self.certificates)

    @property
    def store(self) -> Path:
        """The container runtime's folder with all of them in it, which nodes begin with."""
        return self.pause.archive.parent / _STORE

    @property
    def path(self) -> str:
        """PATH with the programs first."""
        return f"{self.bin}:{environment()['PATH']}"


def why_not() -> str | None:
    """One phrase why no cluster can run here; None when one can, as far as that can be told without trying."""
    reason = machine_roots.lacking_rights() or machine_roots.lacking_kernel()
    if reason:
        return reason
    missing = _missing()
    if missing and shutil.which("apt-get") is None:
        return f"of Debian's packages {', '.join(missing)} are missing, and there is no apt-get to install them with"
    return None


def prepare(cache: Path, say: Say, go: str = "go") -> ClusterPrograms:
    """Programs and images; built within about ten minutes on two cores if they aren't in the cache. `go` is the
    compiler, 1.26.8 or later.

    Two processes build once. Raises MachineError: no cluster can run here, or something can't be built.
    """
    reason = why_not()
    if reason:
        raise MachineError(f"no cluster can run here: {reason}")
    missing = _missing()
    if missing:
        machine_roots.install(missing, say)
    home = cache / "clusters"
    with locked(home / "lock", lambda: say("waiting for another process that builds the cluster's programs")):
        programs = home / f"programs-{_fingerprint()}"
        if not programs.is_dir():
            make_whole(programs, lambda fresh: _build_all(fresh, go, say))
        return _with_images(home, programs, say)


def hashicorp_image(cache: Path, program: Path, say: Say) -> ClusterImage:
    """An image of HashiCorp's server, of this program; made anew for another one. `prepare` was before it."""
    home = cache / "clusters"
    recipe = hashlib.sha256(program.read_bytes())
    for file in (Path(roots.__file__), Path(images.__file__)):
        recipe.update(file.read_bytes())
    with locked(home / "lock", lambda: say("waiting for another process that builds the cluster's programs")):
        place = home / f"hashicorp-{recipe.hexdigest()[:16]}"
        if not place.is_dir():
            make_whole(place, lambda fresh: _pack_hashicorp(fresh / _HASHICORP, _busybox(home, say), program))
        return images.read(place / _HASHICORP)


def _pack_hashicorp(archive: Path, busybox: Path, program: Path) -> None:
    settings = {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["server", "-dev"], "User": "100:1000"}
    path = {"Env": ["PATH=/usr/local/bin:/bin"]}
    images.write(archive, "vault", [roots.shell(busybox), roots.hashicorp(program)], {**path, **settings})


def _missing() -> list[str]:
    """Debian packages that this host needs."""
    path = environment()["PATH"]
    programs = {package for program, package in _PACKAGES.items() if shutil.which(program, path=path) is None}
    return sorted(programs | {package for file, package in _BUILD_PACKAGES.items() if not Path(file).exists()})


def _fingerprint() -> str:
    """Of everything the programs are built from."""
    found = hashlib.sha256(repr(_BUILDS).encode())
    for module in sorted({one.module for one in _BUILDS}):
        for file in sorted(path for path in (_HERE / module).rglob("*") if path.is_file()):
            found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()[:16]


def make_whole(place: Path, make: Callable[[Path], None]) -> None:
    """Make a folder in one step, alone. A killed run leaves none that is half there, but one that the next run empties
    and takes."""
    fresh = place.with_name("unfinished")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(parents=True)
    make(fresh)
    fresh.rename(place)


def _build_all(out: Path, go: str, say: Say) -> None:
    say(f"building Kubernetes {VERSION} from its Go modules, once: about 10 minutes on 2 cores")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        # Go may touch the folder it builds in; a copy keeps the checkout clean.
        for module in sorted({one.module for one in _BUILDS}):
            shutil.copytree(_HERE / module, Path(scratch) / module)
        for build in _BUILDS:
            _compile(build, Path(scratch) / build.module, out, go, lambda line: say(f"{line}, {_since(started)}"))
        listed = [go, "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager"]
        inside = ["sh", "-c", 'cd "$0" && "$@"', str(Path(scratch) / "certificates_module")]
        found = Path(run([*inside, *listed], more={"GOTOOLCHAIN": "local"}).strip())
        shutil.copytree(found / "deploy" / "crds", out / "certificates")


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"


def _compile(build: _Build, module: Path, out: Path, go: str, say: Say) -> None:
    target = out / build.output
    (target if build.output.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
    place = f"{target}/" if build.output.endswith("/") else str(target)
    command = [go, "build", "-v", "-mod=readonly", "-trimpath", *build.compiler]
    command += [f"-ldflags=-s -w {build.stamp}".strip(), "-o", place, *build.packages]
    quiet = {"GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1" if build.with_c else "0"}
    last: list[str] = []
    try:
        compiling = subprocess.Popen(
            command, cwd=module, env={**os.environ, **quiet}, text=True,
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise MachineError(f"{go} is missing; expected a Go compiler of 1.26.8 or later") from None
    with compiling:
        assert compiling.stderr is not None  # noqa: S101 - PIPE was asked for
        told = time.monotonic()
        for number, line in enumerate(compiling.stderr, 1):
            last = [*last[-4:], line.strip()]
            if time.monotonic() - told > _SAY_SECONDS:
                told = time.monotonic()
                say(f"  {number} packages of {build.module} read or compiled")
    if compiling.returncode != 0:
        raise MachineError(f"go build of {build.module} failed: {' | '.join(last)}")


def _with_images(home: Path, programs: Path, say: Say) -> ClusterPrograms:
    """The images, made anew where what they are made of has changed."""
    busybox = _busybox(home, say)
    recipe = hashlib.sha256()
    for file in (Path(roots.__file__), Path(images.__file__), _STORE_SCRIPT):
        recipe.update(file.read_bytes())
    recipe.update(programs.name.encode() + _locked_packages().encode())
    place = home / f"images-{recipe.hexdigest()[:16]}"
    if not place.is_dir():
        say("making the cluster's images: about 20 seconds, once")
        make_whole(place, lambda fresh: _pack(fresh, busybox, programs))
    found = {archive.stem: images.read(archive) for archive in place.glob("*.tar")}
    return ClusterPrograms(bin=programs, **found)


def _locked_packages() -> str:
    """What the images take of this machine's Python: it may be another in the next virtual environment."""
    return " ".join([roots.server_version(), *roots.described()])


def _pack(out: Path, busybox: Path, programs: Path) -> None:
    path = {"Env": ["PATH=/usr/local/bin:/bin"]}
    shell = roots.shell(busybox)
    images.write(
        out / "pause.tar", "pause", [shell], {**path, "Cmd": ["/bin/sleep", "infinity"], "User": "65534:65534"}
    )
    images.write(out / "busybox.tar", "busybox", [shell], {**path, "Cmd": ["/bin/sh"]})
    coredns = [shell, roots.program(programs / "coredns")]
    images.write(out / "coredns.tar", "coredns", coredns, {**path, "Entrypoint": ["/bin/coredns"]})
    controller = [shell, roots.program(programs / "cert-manager")]
    images.write(out / "certificates.tar", "cert-manager", controller, {**path, "Entrypoint": ["/bin/cert-manager"]})
    server = {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["bao", "server", "-dev"], "User": "100:1000"}
    images.write(out / "server.tar", "openbao", [shell, roots.server()], {**path, **server})
    images.write(out / "tools.tar", "tools", [shell, roots.python()], {**path, "Cmd": ["python3"]})
    archives = [str(archive) for archive in sorted(out.glob("*.tar"))]
    apart = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    run([*apart, "bash", str(_STORE_SCRIPT), str(programs), str(out / _STORE), *archives], timeout=300)


def _busybox(home: Path, say: Say) -> Path:
    """A shell that needs no library, from its Debian package, which isn't installed on this host."""
    place = home / "busybox"
    if not place.is_dir():
        say("fetching busybox-static")
        make_whole(place, _fetch_busybox)
    return place / "bin" / "busybox"


def _fetch_busybox(fresh: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        run(["apt-get", "update", "--quiet"], timeout=300)
        run(["sh", "-c", 'cd "$0" && apt-get download --quiet busybox-static', scratch], timeout=300)
        package = next(Path(scratch).glob("busybox-static_*.deb"))
        run(["dpkg", "--extract", str(package), scratch])
        found: Sequence[Path] = [path for path in Path(scratch).rglob("busybox") if path.is_file()]
        binaries = [path for path in found if re.search(r"(^|/)bin/busybox$", path.as_posix())]
        (fresh / "bin").mkdir()
        shutil.copy(binaries[0], fresh / "bin" / "busybox")
