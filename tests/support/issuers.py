"""An issuer of OpenID Connect for tests: the provider that an OpenBao has itself, and a browser that is scripted.

The pages of the issuer's own user interface are left out: the scripted browser asks the API that they ask.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tests.support.servers import VaultServer, call

PROVIDER = "trial"
PASSWORD = "-".join(("of", "lin", "at", "the", "issuer"))


@dataclass(kw_only=True)
class Issuer:
    """An issuer, and the client it knows."""

    server: VaultServer
    callback: str
    client_id: str
    client_secret: str = field(repr=False)
    person: str = ""
    """Who sits at the browser."""

    @property
    def url(self) -> str:
        """As it calls itself."""
        return f"{self.server.address}/v1/identity/oidc/provider/{PROVIDER}"

    def section(self, folder: Path) -> dict[str, Any]:
        """`people.oidc` of a stack in a folder, where the two files that it names are written."""
        (folder / "client-secret").write_text(self.client_secret)
        (folder / "issuer.crt").write_text(self.server.ca_file.read_text())
        return {
            "discovery_url": self.url,
            "client_id": self.client_id,
            "client_secret_file": "client-secret",
            "ca_certificate_file": "issuer.crt",
            "user_claim": "name",
            "scopes": ["groups"],
            "redirect_uris": [self.callback],
        }

    def browse(self, url: str) -> requests.Response:
        """What a browser does at the issuer: log the person in there, and go where it is sent back to."""
        verify = str(self.server.ca_file)
        login = f"{self.server.address}/v1/auth/people/login/{self.person}"
        token = requests.post(login, json={"password": PASSWORD}, verify=verify, timeout=30).json()["auth"]
        asked = urlsplit(url)
        told = requests.get(
            f"{self.url}/authorize?{asked.query}",
            headers={"X-Vault-Token": token["client_token"]},
            verify=verify,
            timeout=30,
        ).json()
        back = parse_qs(asked.query)["redirect_uri"][0]
        answer = {"code": told["code"], "state": told["state"]}
        return requests.get(back, params=answer, timeout=30)


def issuer(server: VaultServer, callback: str, groups: dict[str, list[str]]) -> Issuer:
    """Make a server an issuer for people who are in groups there, by name."""
    client = server.client
    call(client, "post", "sys/auth/people", {"type": "userpass"})
    mount = call(client, "get", "sys/auth")["data"]["people/"]["accessor"]
    entities: dict[str, str] = {}
    for user in sorted({one for users in groups.values() for one in users}):
        call(client, "post", f"auth/people/users/{user}", {"password": PASSWORD})
        entities[user] = call(client, "post", "identity/entity", {"name": user})["data"]["id"]
        alias = {"name": user, "mount_accessor": mount, "canonical_id": entities[user]}
        call(client, "post", "identity/entity-alias", alias)
    for name, users in groups.items():
        members = [entities[user] for user in users]
        call(client, "post", "identity/group", {"name": name, "member_entity_ids": members})
    call(client, "post", f"identity/oidc/key/{PROVIDER}", {"allowed_client_ids": ["*"], "algorithm": "RS256"})
    template = '{"groups": {{identity.entity.groups.names}}, "name": {{identity.entity.name}}}'
    call(client, "post", "identity/oidc/scope/groups", {"template": template})
    asked: dict[str, Any] = {"redirect_uris": [callback], "assignments": ["allow_all"], "key": PROVIDER}
    call(client, "post", "identity/oidc/client/estate", asked)
    known = call(client, "get", "identity/oidc/client/estate")["data"]
    provider = {"allowed_client_ids": [known["client_id"]], "scopes_supported": ["groups"], "issuer": server.address}
    call(client, "post", f"identity/oidc/provider/{PROVIDER}", provider)
    return Issuer(server=server, callback=callback, client_id=known["client_id"], client_secret=known["client_secret"])
