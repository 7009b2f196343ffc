"""The document that an application's library reads: what it was granted, and where and how to ask for it.

Owns what of it only a built stack tells: the address, who vouches for it, and an AppRole login's RoleID. Refuses an
application that the settings don't name, before anything is asked.
"""

import hvac
import requests
from hvac.exceptions import VaultError

from components.render.acl import ROTATOR_PREFIX
from components.vault.approle import AppRoleLogin
from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.stack_file import StackFile
from ops.vault.api import call, reason
from ops.vault.login import log_in, refuse_without_pair
from settings.client_manifest import client_manifest
from vault_estate.manifest import ClientManifest


def describe(
    paths: Paths, stack: str, application: str, console: Console, *, rotator: bool = False, sandbox: bool = False
) -> ClientManifest:
    """The document of one application of a built stack, or of its `rotator`. Nothing in it is secret.
    Raises EstateError: no such application, the stack isn't built, or its server doesn't answer."""
    file = stack_file.read(paths, stack)
    settings = file.settings
    if application not in settings.applications:
        there = ", ".join(settings.applications) or "none is there"
        raise EstateError(f"application {application!r} is unknown; expected one of: {there}")
    role = role_of(file, application, rotator=rotator)
    with platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        role_id = ""
        if isinstance(settings.logins[role], AppRoleLogin):
            endpoint = platform.find_administrator(console)
            refuse_without_pair(endpoint, stack)
            with log_in(endpoint) as client:
                role_id = _role_id(client, settings.auth_paths["approle"], role)
        else:
            endpoint = platform.find_endpoint(console)
        authority = endpoint.ca_file.read_text(encoding="ascii") if endpoint.ca_file else None
        address = platform.address_for_applications(endpoint.address, role)
    return client_manifest(
        settings,
        application,
        address=address,
        ca_certificate=authority,
        role_id=role_id,
        rotator=rotator,
    )


def role_of(file: StackFile, application: str, *, rotator: bool) -> str:
    """The role in Vault of an application, or of its rotator. Raises EstateError: it has none."""
    if not rotator:
        return application
    if file.settings.applications[application].rotator is None:
        setting = file.named(f"applications.{application}.rotator")
        raise EstateError(f"{setting} is missing; expected a login, and an up with it, for --rotator")
    return f"{ROTATOR_PREFIX}{application}"


def _role_id(client: hvac.Client, mount: str, role: str) -> str:
    try:
        return str(call(client, "get", f"auth/{mount}/role/{role}/role-id")["data"]["role_id"])
    except (VaultError, requests.RequestException) as error:
        raise EstateError(f"client-config: role {role!r} of auth/{mount}: {reason(error)}") from error
