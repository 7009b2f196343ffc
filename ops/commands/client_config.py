"""The document that an application's library reads: what it was granted, and where and how to ask for it.

Owns what of it only a built stack tells: the address, who vouches for it, and an AppRole login's RoleID. Refuses an
application that the settings don't name, before anything is asked.
"""

import hvac
import requests
from hvac.exceptions import VaultError

from components.vault.approle import AppRoleLogin
from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.vault.api import call, reason
from ops.vault.login import log_in, refuse_without_pair
from settings.client_manifest import client_manifest
from vault_estate.manifest import ClientManifest


def describe(paths: Paths, stack: str, application: str, console: Console, *, sandbox: bool = False) -> ClientManifest:
    """The document of one application of a built stack. Nothing in it is secret.
    Raises EstateError: no such application, the stack isn't built, or its server doesn't answer."""
    file = stack_file.read(paths, stack)
    settings = file.settings
    if application not in settings.applications:
        there = ", ".join(settings.applications) or "none is there"
        raise EstateError(f"application {application!r} is unknown; expected one of: {there}")
    with platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        role_id = ""
        if isinstance(settings.applications[application].login, AppRoleLogin):
            endpoint = platform.find_administrator(console)
            refuse_without_pair(endpoint, stack)
            with log_in(endpoint) as client:
                role_id = _role_id(client, settings.auth_paths["approle"], application)
        else:
            endpoint = platform.find_endpoint(console)
        authority = endpoint.ca_file.read_text(encoding="ascii") if endpoint.ca_file else None
        address = platform.address_for_applications(endpoint.address)
    return client_manifest(settings, application, address=address, ca_certificate=authority, role_id=role_id)


def _role_id(client: hvac.Client, mount: str, role: str) -> str:
    try:
        return str(call(client, "get", f"auth/{mount}/role/{role}/role-id")["data"]["role_id"])
    except (VaultError, requests.RequestException) as error:
        raise EstateError(f"client-config: role {role!r} of auth/{mount}: {reason(error)}") from error
