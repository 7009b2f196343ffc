"""The local platform on a full disk: it says so, leaves nothing running, and goes on once there is room.

Mounting a disk of its own takes root. Without, only the limit on file sizes stands in for it: writes fail in the same
places, but the file system has room for everything else.
"""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.errors import EstateError
from ops.local.bootstrap import bootstrap
from ops.local.servers import LocalServers
from tests.support.servers import ADMINISTRATOR_POLICY, new_platform, processes_of

LEFT_BYTES = [0, 256 << 10] if os.geteuid() == 0 else []
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 MiB."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(small)], check=True)
    try:
        yield small
    finally:
        subprocess.run(["umount", str(small)], check=True)


def start_and_bootstrap(platform: LocalServers) -> bool:
    platform.start()
    return bootstrap(platform, policy=ADMINISTRATOR_POLICY)


if LEFT_BYTES:

    @pytest.mark.parametrize("left_bytes", LEFT_BYTES)
    def test_a_full_disk_is_told_and_once_freed_all_goes_on(
        disk: Path, postgres_template: Path, left_bytes: int
    ) -> None:
        platform = new_platform(disk / "estate", postgres_template)
        filler = disk / "filler"
        filler.write_bytes(b"x" * (shutil.disk_usage(disk).free - left_bytes))
        try:
            with pytest.raises(EstateError, match=r"(?i)no space left on device"):
                start_and_bootstrap(platform)
            platform.stop()
            assert processes_of(platform) == []
            filler.unlink()
            assert start_and_bootstrap(platform) is True
        finally:
            platform.stop()


def test_a_file_that_may_not_grow_is_told_and_once_it_may_all_goes_on(platform: LocalServers) -> None:
    code = (
        "import sys; from pathlib import Path; from ops.local.servers import LocalServers;"
        "LocalServers(Path(sys.argv[1]), api_port=int(sys.argv[2]), cluster_port=int(sys.argv[3]),"
        " postgres_port=int(sys.argv[4])).start()"
    )
    ports = [str(port) for port in (platform.api_port, platform.cluster_port, platform.postgres_port)]
    limit = 1 << 20
    done = subprocess.run(
        [sys.executable, "-c", code, str(platform.directory), *ports],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),  # no thread here
    )
    assert "EstateError" in done.stderr.splitlines()[-1]
    assert "file too large" in done.stderr.splitlines()[-1].lower()
    assert processes_of(platform) == []
    assert start_and_bootstrap(platform) is True
