"""Which engine is taken, and why the others were not. No engine runs here: executables and downloads are fakes."""

import hashlib
import http.client
import io
import os
import subprocess
import sys
import tarfile
import urllib.error
from pathlib import Path

import pytest
from filelock import FileLock

from ops.engine import finding
from ops.engine.finding import UnavailableError
from ops.errors import EstateError
from ops.paths import ROOT
from tests.unit.ops.fakes import Said, fake_program

NAME = f"pulumi-v{finding.VERSION}-linux-x64.tar.gz"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a machine an archive is published for, no network, no compiler."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.platform", "linux")

    def unreachable(url: str) -> bytes:
        raise urllib.error.URLError("Name or service not known")

    def unbuildable(*_: object) -> None:
        raise UnavailableError("no Go compiler of 1.25 or later")

    monkeypatch.setattr(finding, "fetch", unreachable)
    monkeypatch.setattr(finding, "build", unbuildable)
    return tmp_path / "cache" / "vault-estate" / "engine" / finding.VERSION


def _pulumi(folder: Path, *lines: str) -> str:
    fake_program(folder / "pulumi", *lines)
    return str(folder)


def _archive() -> bytes:
    """A tiny release: a fake engine with its language host beside it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("pulumi/pulumi", "pulumi/pulumi-language-python"):
            content = f"#!/bin/sh\necho {name}\n".encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _publish(monkeypatch: pytest.MonkeyPatch, archive: bytes, sums: str) -> list[str]:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return sums.encode() if url.endswith("checksums.txt") else archive

    monkeypatch.setattr(finding, "fetch", fetch)
    return fetched


def _build_a_fake(scratch: Path, say: finding.Say) -> None:
    fake_program(scratch / "pulumi", "echo built")


@pytest.mark.parametrize("version", [finding.VERSION, "3.260.0", "4.0.0", "3.1000.0"])
def test_the_one_on_path_is_taken_when_it_is_new_enough(tmp_path: Path, version: str) -> None:
    search = _pulumi(tmp_path / "bin", f"echo v{version}")

    engine = finding.find(Said().say, search_path=search)

    assert (engine.executable, engine.version, engine.source) == (tmp_path / "bin" / "pulumi", version, "PATH")
    assert engine.passed_over == ()


def test_a_development_version_on_path_counts_by_its_number(tmp_path: Path) -> None:
    search = _pulumi(tmp_path / "bin", f"echo v{finding.VERSION}-alpha.x123+dirty")

    assert finding.find(Said().say, search_path=search).version == finding.VERSION


UNFIT = {
    "old": (("echo v3.258.9",), "{} is 3.258.9, older than 3.259.0"),
    "older by a digit": (("echo v3.99.0",), "{} is 3.99.0, older than 3.259.0"),
    "silent": (("exit 0",), "{} does not tell its version"),
    "words": (("echo hello there",), "{} does not tell its version"),
    "failing": (("echo broken >&2", "exit 3"), "{} does not tell its version"),
}


@pytest.mark.parametrize(("lines", "reason"), UNFIT.values(), ids=UNFIT.keys())
def test_an_unfit_one_on_path_is_passed_over(tmp_path: Path, lines: tuple[str, ...], reason: str) -> None:
    passed_over: list[str] = []

    assert finding.on_path(_pulumi(tmp_path / "bin", *lines), passed_over) is None
    assert passed_over == ["PATH: " + reason.format(tmp_path / "bin" / "pulumi")]


def test_one_on_path_that_is_no_program_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pulumi").write_bytes(b"\x7fELF, but not really")
    (tmp_path / "pulumi").chmod(0o755)
    passed_over: list[str] = []

    assert finding.on_path(str(tmp_path), passed_over) is None
    assert passed_over == [f"PATH: {tmp_path / 'pulumi'} does not tell its version"]


def test_one_on_path_that_hangs_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.engine.finding._VERSION_SECONDS", 0.2)
    passed_over: list[str] = []

    assert finding.on_path(_pulumi(tmp_path / "bin", "exec sleep 5"), passed_over) is None
    assert passed_over == [f"PATH: {tmp_path / 'bin' / 'pulumi'} does not tell its version"]


def test_no_engine_at_all_says_why_for_each(tmp_path: Path) -> None:
    with pytest.raises(EstateError) as caught:
        finding.find(Said().say, search_path=str(tmp_path))

    assert str(caught.value) == (
        "no Pulumi engine: PATH: no pulumi there; official release: not reachable (Name or service not known); "
        "built from its Go module: no Go compiler of 1.25 or later. "
        "Install Pulumi 3.259.0 or later, or Go 1.25 or later"
    )


def test_the_official_release_is_taken_when_its_sum_is_right(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = _archive()
    sums = f"{hashlib.sha256(archive).hexdigest()}  {NAME}\n0000  other.tar.gz\n"
    fetched = _publish(monkeypatch, archive, sums)
    said = Said()

    engine = finding.find(said.say, search_path=str(tmp_path))

    assert (engine.source, engine.version) == ("official release", finding.VERSION)
    assert engine.executable == cache / "official" / "pulumi"
    assert subprocess.check_output([engine.executable], text=True) == "pulumi/pulumi\n"
    assert engine.passed_over == ("PATH: no pulumi there",)
    assert fetched == [
        "https://github.com/pulumi/pulumi/releases/download/v3.259.0/pulumi-3.259.0-checksums.txt",
        f"https://github.com/pulumi/pulumi/releases/download/v3.259.0/{NAME}",
    ]
    assert said == ["downloading the Pulumi engine 3.259.0"]
    assert [path.name for path in engine.executable.parent.iterdir()] == ["pulumi"]


@pytest.mark.parametrize(
    ("sums", "published"),
    [(f"{'0' * 64}  {NAME}\n", "0" * 64), ("", "none"), ("garbage\n", "none"), (f"{'0' * 64} a {NAME}\n", "none")],
)
def test_a_release_with_another_sum_is_not_unpacked(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, sums: str, published: str
) -> None:
    archive = _archive()
    _publish(monkeypatch, archive, sums)
    monkeypatch.setattr(finding, "build", _build_a_fake)

    engine = finding.find(Said().say, search_path=str(tmp_path))

    assert engine.source == "built from its Go module"
    assert engine.passed_over[1] == (
        f"official release: {NAME} has SHA-256 {hashlib.sha256(archive).hexdigest()}, published is {published}"
    )
    assert not (cache / "official" / "pulumi").exists()
    assert list((cache / "official").iterdir()) == []


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (TimeoutError("timed out"), "timed out"),
        (ConnectionResetError(104, "Connection reset by peer"), "[Errno 104] Connection reset by peer"),
        (http.client.IncompleteRead(b"abc"), "IncompleteRead(3 bytes read)"),
        (urllib.error.HTTPError("https://x", 404, "Not Found", http.client.HTTPMessage(), None), "Not Found"),
    ],
)
def test_a_network_in_trouble_falls_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception, reason: str
) -> None:
    def fetch(url: str) -> bytes:
        raise trouble

    monkeypatch.setattr(finding, "fetch", fetch)
    monkeypatch.setattr(finding, "build", _build_a_fake)

    engine = finding.find(Said().say, search_path=str(tmp_path))

    assert engine.source == "built from its Go module"
    assert engine.passed_over == ("PATH: no pulumi there", f"official release: not reachable ({reason})")


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", NAME),
        ("linux", "AMD64", NAME),
        ("linux", "aarch64", f"pulumi-v{finding.VERSION}-linux-arm64.tar.gz"),
        ("darwin", "arm64", f"pulumi-v{finding.VERSION}-darwin-arm64.tar.gz"),
    ],
)
def test_archives_by_machine(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, name: str) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("sys.platform", system)

    assert finding.archive_name() == name


@pytest.mark.parametrize(("system", "machine"), [("linux", "riscv64"), ("freebsd14", "x86_64")])
def test_a_machine_nothing_is_published_for(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("sys.platform", system)

    with pytest.raises(UnavailableError, match=f"none is published for {system} on {machine}"):
        finding.archive_name()


@pytest.mark.parametrize(("kept", "source"), [("official", "official release"), ("built", "built from its Go module")])
def test_what_is_in_the_cache_comes_first_and_nothing_is_fetched(
    tmp_path: Path, cache: Path, kept: str, source: str
) -> None:
    fake_program(cache / kept / "pulumi", "echo kept")
    said = Said()

    engine = finding.find(said.say, search_path=str(tmp_path))

    assert (engine.executable, engine.source) == (cache / kept / "pulumi", source)
    assert engine.passed_over == ("PATH: no pulumi there",)
    assert said == []


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(scratch: Path, say: finding.Say) -> None:
        (scratch / "pulumi").write_text("half of it")
        raise UnavailableError("go build failed: disk full")

    monkeypatch.setattr(finding, "build", half)

    with pytest.raises(EstateError, match="built from its Go module: go build failed: disk full"):
        finding.find(Said().say, search_path=str(tmp_path))
    assert list((cache / "built").iterdir()) == []


def test_a_cache_that_cannot_be_written_to_says_how_to_name_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(
        EstateError, match=r"can't be written to: Not a directory; XDG_CACHE_HOME may name another folder"
    ):
        finding.find(Said().say, search_path=str(tmp_path))


def test_waiting_for_another_first_run_has_an_end(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_LOCK_SECONDS", 0.1)
    cache.mkdir(parents=True)
    said = Said()

    with FileLock(cache / "lock"), pytest.raises(EstateError, match="another run has been getting the Pulumi engine"):
        finding.find(said.say, search_path=str(tmp_path))
    assert said == [f"waiting for another run that is getting the Pulumi engine, in {cache}"]


FIRST_RUN = """
import pathlib, sys, time
from ops.engine import finding

def fetch(url):
    raise OSError("no network in this test")

def build(scratch, say):
    executable = scratch / "pulumi"
    log = pathlib.Path(sys.argv[1])
    with log.open("a") as out:
        out.write("begin\\n")
    executable.write_text("#!/bin/sh\\n")
    time.sleep(0.5)
    with executable.open("a") as out:
        out.write("echo whole\\n")
    executable.chmod(0o755)
    with log.open("a") as out:
        out.write("end\\n")

finding.fetch, finding.build = fetch, build
print(finding.find(print, search_path="/nowhere").executable)
"""
"""A first run with a fake, slow compiler."""


def test_two_first_runs_at_once_build_one_whole_engine(tmp_path: Path, cache: Path) -> None:
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_RUN, str(log)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [run.communicate(timeout=60)[0].splitlines()[-1] for run in runs]

    assert [run.returncode for run in runs] == [0, 0]
    assert answers == [str(cache / "built" / "pulumi")] * 2
    assert log.read_text() == "begin\nend\n"
    assert subprocess.check_output([answers[0]], text=True) == "whole\n"


def test_a_killed_first_run_leaves_none_that_is_half_there(tmp_path: Path, cache: Path) -> None:
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", FIRST_RUN, str(log)], env=environment) as run:
        while not log.is_file():
            assert run.poll() is None
        run.kill()

    assert not (cache / "built" / "pulumi").exists()
    again = subprocess.run(
        [sys.executable, "-c", FIRST_RUN, str(log)], env=environment, check=True, capture_output=True, text=True
    )
    assert subprocess.check_output([again.stdout.splitlines()[-1]], text=True) == "whole\n"


def test_the_engine_is_put_in_place_in_one_step(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the very file that was built, renamed: a copy could be cut short."""
    built: list[int] = []

    def build(scratch: Path, say: finding.Say) -> None:
        assert scratch.parent == cache / "built"
        built.append(fake_program(scratch / "pulumi").stat().st_ino)

    monkeypatch.setattr(finding, "build", build)

    engine = finding.find(Said().say, search_path=str(tmp_path))

    assert [engine.executable.stat().st_ino] == built


def test_fetch_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    asked: list[tuple[str, float]] = []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append((url, timeout))
        return io.BytesIO(b"content")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)

    assert finding.fetch("https://example.invalid/x") == b"content"
    assert asked == [("https://example.invalid/x", 10.0)]


def test_the_engine_and_the_shims_come_first_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    engine = finding.Engine(executable=tmp_path / "bin" / "pulumi", version="1", source="PATH")

    assert finding.search_path_with(engine, tmp_path / "shims") == f"{tmp_path}/shims:{tmp_path}/bin:/usr/bin"
