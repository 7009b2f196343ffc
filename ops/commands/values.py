"""Which values of a stack's secrets are there, for its status.

Logs in as the administrator, where their pair is here; refuses nothing, since a status only tells.
"""

from dataclasses import replace
from pathlib import Path

from ops.errors import EstateError
from ops.platforms.driver import PlatformDriver, Status, Table
from ops.vault import values
from ops.vault.login import log_in


def in_status(platform: PlatformDriver, found: Status) -> Status:
    """A status, and the values that nobody has given yet. Of a server that can't be asked nothing is told."""
    vault = found.vault
    if vault is None or not vault.reachable or vault.sealed is not False:
        return found
    endpoint = platform.endpoint(vault.address)
    if not all(Path(needed).is_file() for needed in endpoint.login.files):
        return found
    try:
        with log_in(endpoint) as client:
            there = values.look(client, platform.file.settings)
    except EstateError as error:
        return replace(found, warnings=(*found.warnings, f"which values are missing can't be seen: {error}"))
    tables = list(found.tables)
    if missing := values.missing(there):
        tables.append(Table(title=values.TITLE, columns=values.COLUMNS, rows=missing))
    return replace(found, tables=tables, document={**found.document, "values": values.document(there)})
