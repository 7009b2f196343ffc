"""Whether the first passwords that settings name are there and can be worth something, before anything begins.

Owns that look. Refuses to say which name was given: a password that was pasted there by mistake would be shown.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from ops.engine import connections
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.stack_file import PROJECT, StackFile

_MADE_HERE = ".estate/local/postgres/"
"""Where the local server's own first password comes to be with it."""


def refuse_missing(paths: Paths, file: StackFile) -> None:
    """Raises EstateError: a `password_secret` or a connection's `password_file` names nothing that is there."""
    config = yaml.safe_load(file.path.read_text(encoding="utf-8"))["config"]
    for setting, secret in file.settings.first_passwords.items():
        if f"{PROJECT}:{secret}" not in config:
            raise EstateError(
                f"{file.named(setting)} names no setting of this file; expected the name of an encrypted one: "
                f"pulumi config set --secret NAME -s {file.stack}"
            )
    database = file.settings.database
    for name, connection in database.connections.items() if database else ():
        where, given = file.named(f"database.connections.{name}"), connection.password_file
        if given and not given.startswith(_MADE_HERE) and not (paths.project / given).is_file():
            raise EstateError(f"{where}.password_file names no file that is there; expected one with the password")


def refuse_worthless(platform: PlatformDriver, deployment: Mapping[str, Any]) -> None:
    """Raises EstateError: a connection would log in by a password that another user has, or that Vault has replaced."""
    database, built = platform.file.settings.database, connections.built(deployment)
    for name, wanted in database.connections.items() if database else ():
        there, raised = built.get(name), f"password_version: {wanted.password_version + 1}"
        where = platform.file.named(f"database.connections.{name}")
        if there and there.username != wanted.username and there.password_version == wanted.password_version:
            raise EstateError(
                f"{where}.username is {wanted.username!r}; expected {there.username!r}, whose password Vault has, or "
                f"{raised} beside it and the first password of the other"
            )
        if there or platform.gives_first_password(wanted):
            continue
        for other, one in built.items():
            same_user = (one.server, one.username) == (wanted.server, wanted.username)
            if same_user and one.is_rotated and one.password_version == wanted.password_version:
                raise EstateError(
                    f"{where} is new and logs in as {wanted.username!r}, whose password Vault replaced; expected its "
                    f"name as before, {other!r}, or {raised} and a password that the database was given since"
                )
