"""The archive of a flavour's official chart, fetched from where its publisher has it.

Owns where that is, and that nothing is kept whose checksum isn't the settings'. Who has the archive beside the project,
as in a closed network, is asked nothing.
"""

import hashlib
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path

from components.render.chart.names import NAMES
from components.render.release import Flavor
from composition.private_files import write_private
from ops.engine.finding import fetch
from ops.errors import EstateError
from ops.stack_file import StackFile
from settings.eks import EksPlatform

_PUBLISHED: Mapping[Flavor, str] = {
    "vault": "https://helm.releases.hashicorp.com/vault-{version}.tgz",
    "openbao": "https://github.com/openbao/openbao-helm/releases/download/openbao-{version}/openbao-{version}.tgz",
}
"""By flavour, as the publishers' own `index.yaml` have it."""


def ensure(project: Path, file: StackFile, platform: EksPlatform, say: Callable[[str], None]) -> None:
    """Have the archive there, where the stack's settings say. One that is there isn't looked at: `up` verifies it.
    Raises EstateError: it can't be fetched, or is another one than the settings'."""
    archive = project / platform.chart.file
    if archive.is_file():
        return
    flavor = file.settings.server.flavor
    address = _PUBLISHED[flavor].format(version=NAMES[flavor].version)
    say(f"fetching the chart from {address}")
    try:
        content = fetch(address)
    except (OSError, HTTPException) as error:
        raise EstateError(
            f"{file.named('platform.chart.file')} is {platform.chart.file!r}, which isn't there, and can't be fetched "
            f"({getattr(error, 'reason', error)}); expected it, as docs/eks.md tells"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != platform.chart.checksum:
        raise EstateError(
            f"{file.named('platform.chart.checksum')} is {platform.chart.checksum!r}; expected {found!r}, which "
            f"{address} has, if that is the one you want"
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    write_private(archive, content, 0o644)
