"""What is known of the official chart where a test runs: its published values and their schema, values that a real API
server admitted, and Helm with the chart's archive.

Owns where these are looked for: `../shared/data` beside the project, PATH and the user's cache, `charts/` in the
project. Refuses to fetch anything; what isn't there is told in a run's first lines, and its tests aren't collected.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from components.render.chart.names import NAMES
from ops.paths import ROOT, cache

_BESIDE = ROOT.parent / "shared" / "data"
PUBLISHED = _BESIDE / "vault-helm"
"""`values.yaml` and `values.schema.json` of vault-helm 0.34.1, as they were published."""
TRIED = _BESIDE / "eks"
"""`values-vault.yaml` and `values-bao.yaml`, which a real API server admitted under the restricted profile."""
_TRIED_FILES = {"vault": "values-vault.yaml", "openbao": "values-bao.yaml"}


def published() -> dict[str, Any]:
    """The official chart's values and their schema, as `values` and `schema`; nothing where they aren't there."""
    files = {"values": PUBLISHED / "values.yaml", "schema": PUBLISHED / "values.schema.json"}
    if not all(file.is_file() for file in files.values()):
        return {}
    return {name: yaml.safe_load(file.read_text(encoding="utf-8")) for name, file in files.items()}


def tried(flavor: str) -> dict[str, Any] | None:
    """Values of a flavour's chart that were tried; None where they aren't there."""
    file = TRIED / _TRIED_FILES[flavor]
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None


def helm() -> str | None:
    """Helm's program, on PATH or in the user's cache; None where it isn't there."""
    kept = (str(file) for place in ("*/bin/helm", "*/*/bin/helm") for file in sorted(cache().glob(place)))
    return shutil.which("helm") or next(kept, None)


def archive(flavor: str) -> Path | None:
    """The official chart of a flavour, as `docs/eks.md` has it fetched; None where it isn't there."""
    file = ROOT / "charts" / _name(flavor)
    return file if file.is_file() else None


def _name(flavor: str) -> str:
    names = next(one for known, one in NAMES.items() if known == flavor)
    return f"{names.chart}-{names.version}.tgz"


def rendered_by_helm(flavor: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Every object that Helm itself makes of a flavour's chart, without the chart's own tests."""
    program, chart = helm(), archive(flavor)
    if program is None or chart is None:
        raise LookupError(f"Helm or the chart of {flavor} isn't there")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        command = [program, "template", "vault", str(chart), "--namespace", "vault", "--skip-tests"]
        command += ["--kube-version", "1.35.0", "--values", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise ValueError(f"helm template: {done.stderr.strip()}")
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def missing() -> Iterator[str]:
    """What isn't there, and which tests therefore aren't collected."""
    if not published():
        yield "../shared/data/vault-helm isn't there: values aren't held against the official chart's schema"
    for flavor, name in _TRIED_FILES.items():
        if tried(flavor) is None:
            yield f"../shared/data/eks/{name} isn't there: values aren't held against those that were tried"
    program = helm()
    for flavor in NAMES:
        if program is None or archive(flavor) is None:
            what = "helm" if program is None else f"charts/{_name(flavor)}"
            yield f"{what} isn't there: what our values make of {flavor}'s chart is held against the fake chart only"
