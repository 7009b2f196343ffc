"""`./estate status` of a cloud stack asks the real engine what its state tells: never up, and begun but not ended."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.render.seals import ShamirSeal
from ops.paths import ROOT
from tests.support.nodes import NodeServer, write_stack


def _asked(folder: Path, **more: str) -> dict[str, Any]:
    """The command's document about a stack whose state the real engine keeps."""
    program = (
        "import sys; from pathlib import Path\n"
        "from ops.cli import main, status; from ops.paths import Paths\n"
        f"status.Paths = lambda: Paths(project=Path({str(folder)!r}))\n"
        "sys.exit(main.main(['status', 'dev', '--json']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PULUMI_BACKEND_URL": f"file://{folder / 'state'}", **more}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=480
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_engines_own_state_is_asked(tmp_path: Path) -> None:
    server = NodeServer(directory=tmp_path / "node", host="127.0.0.1", seal=ShamirSeal())
    write_stack(tmp_path, server.settings("static", ["ada"], 1))
    (tmp_path / "state").mkdir()
    assert _asked(tmp_path)["built"] is False

    urn = "urn:pulumi:dev::vault-estate::pulumi:pulumi:Stack::vault-estate-dev"
    resource = {"urn": urn, "custom": False, "type": "pulumi:pulumi:Stack", "outputs": {}}
    manifest = {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}
    latest = {
        "manifest": manifest,
        "resources": [resource],
        "pending_operations": [{"resource": {"urn": f"{urn}2", "custom": True, "type": "a:b:C"}, "type": "creating"}],
    }
    place = tmp_path / "state/.pulumi/stacks/vault-estate/dev.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "state/.pulumi/meta.yaml").write_text("version: 1\n")
    checkpoint = {"stack": "organization/vault-estate/dev", "latest": latest}
    place.write_text(json.dumps({"version": 3, "checkpoint": checkpoint}))

    found = _asked(tmp_path)

    assert (found["built"], found["vault"], found["unfinished"]) == (True, None, True)
