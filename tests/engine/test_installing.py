"""What a checkout that nobody used before installs for which command, by the real launcher and installer.

Doesn't prove that packages can be downloaded: this Python's are shared, so there is nothing left to fetch.
"""

import shutil
import subprocess
from pathlib import Path

from ops import installing
from ops.paths import ROOT
from tests.support.checkouts import add_launcher, checkout


def test_only_a_local_server_is_a_reason_to_install_one(tmp_path: Path) -> None:
    with checkout(tmp_path) as made:
        environment = add_launcher(made, [installing.BASE])
        shutil.copy(ROOT / "Pulumi.dev.yaml", made.directory)

        def preview(*arguments: str) -> set[str]:
            command = ["./estate", "preview", *arguments]
            done = subprocess.run(
                command, cwd=made.directory, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            return {file.name for file in (made.directory / ".venv").glob(".installed-*")}

        assert preview("dev", "--sandbox") == {".installed-base"}
        assert preview("local") == {".installed-base", ".installed-servers"}
