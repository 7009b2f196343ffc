"""Whether the first passwords that settings name are there, before anything begins.

Owns that look. Refuses to say which name was given: a password that was pasted there by mistake would be shown.
"""

import yaml

from ops.errors import EstateError
from ops.paths import Paths
from ops.stack_file import PROJECT, StackFile

_MADE_HERE = ".estate/local/postgres/"
"""Where the local server's own first password comes to be with it."""


def refuse_missing(paths: Paths, file: StackFile) -> None:
    """Raises EstateError: a connection's `password_secret` or `password_file` names nothing that is there."""
    database = file.settings.database
    if database is None:
        return
    config = yaml.safe_load(file.path.read_text(encoding="utf-8"))["config"]
    for name, connection in database.connections.items():
        where = f"{file.path.name}: vault-estate:estate.database.connections.{name}"
        secret, given = connection.password_secret, connection.password_file
        if secret and f"{PROJECT}:{secret}" not in config:
            raise EstateError(
                f"{where}.password_secret names no setting of this file; expected the name of an encrypted one: "
                f"pulumi config set --secret NAME -s {file.stack}"
            )
        if given and not given.startswith(_MADE_HERE) and not (paths.project / given).is_file():
            raise EstateError(f"{where}.password_file names no file that is there; expected one with the password")
