"""Rotation on a real OpenBao, by a login with the rules that an estate gives, and the commands and the program of
docs/rotation.md, in order.

Not proven: HashiCorp's server, and a kill between any two steps (`tests/unit/vault_estate/test_rotation.py` has it).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.render.acl import AclPolicy, kv_rotate, merged, render
from ops.paths import ROOT
from tests.support.documents import blocks
from tests.support.estates import MOUNT, TRANSIT_KEY, ApplicationEstate, application_estate
from tests.support.servers import VaultServer, call
from vault_estate import origins
from vault_estate.manifest import ClientManifest
from vault_estate.rotation.record import FOLDER, RotationNote
from vault_estate.rotation.record import MOUNT as OWN_MOUNT

PAGE = ROOT / "docs" / "rotation.md"
ROLE = "rotator-aos"
_KEYS = {"app-prod": ["MACHINE_SECRET_TOKEN", "WEBHOOK_KEY"], "shop": ["API_KEY"]}
_ROTATIONS: dict[str, dict[str, Any]] = {
    "app-prod": {"by": "random", "every_seconds": 604_800, "grace_seconds": 600, "password_policy": "strong"},
    "shop": {"by": "hook:shop", "every_seconds": 43_200, "grace_seconds": 1},
}
_STRONG = 'length = 24\nrule "charset" { charset = "abcdefghijklmnopqrstuvwxyz" }\n'


@pytest.fixture(scope="module")
def estate(vault_server: VaultServer) -> ApplicationEstate:
    """One application, and the login that rotates its secrets: nothing of it has a wildcard."""
    made = application_estate(vault_server)
    call(made.root, "POST", f"sys/mounts/{OWN_MOUNT}", {"type": "kv", "options": {"version": "2"}})
    call(made.root, "PUT", "sys/policies/password/strong", {"policy": _STRONG})
    rules = merged(rule for name in _KEYS for rule in kv_rotate(MOUNT, name))
    others = (
        'path "sys/policies/password/strong/generate" { capabilities = ["read"] }\n'
        f'path "transit/keys/{TRANSIT_KEY}/rotate" {{ capabilities = ["update"] }}\n'
    )
    text = render(AclPolicy(name=ROLE, rules=rules)) + others
    assert "*" not in text
    assert "+" not in text
    call(made.root, "PUT", f"sys/policies/acl/{ROLE}", {"policy": text})
    call(made.root, "POST", f"auth/approle/role/{ROLE}", {"token_policies": [ROLE], "token_ttl": "1h"})
    return made


class Folder:
    """An application's folder, with its document, a login, and a program that is installed."""

    def __init__(self, estate: ApplicationEstate, place: Path) -> None:
        self.estate, self.place = estate, place
        document = estate.document()
        role_id = call(estate.root, "GET", f"auth/approle/role/{ROLE}/role-id")["data"]["role_id"]
        document["login"] |= {"role": ROLE, "role_id": role_id}
        document["secrets"] = {
            name: {
                "mount": MOUNT,
                "path": name,
                "keys": keys,
                "access": "read",
                "owner": "aos",
                "rotation": {**_ROTATIONS[name], "keys": keys[:1]},
            }
            for name, keys in _KEYS.items()
        }
        known = ClientManifest.model_validate_json(json.dumps(document))
        (place / "vault-estate.json").write_text(known.render())
        secret_id = call(estate.root, "POST", f"auth/approle/role/{ROLE}/secret-id", {})["data"]["secret_id"]
        login = place / "secret-id"
        login.touch(mode=0o600)
        login.write_text(secret_id)
        installed = place / "installed" / "shop_rotator-1.dist-info"
        installed.mkdir(parents=True)
        found = {one.language: one.text for one in blocks(PAGE)}
        (installed.parent / "shop_rotator.py").write_text(found["python"])
        declared = found["toml"].replace('[project.entry-points."vault_estate.rotators"]', "[vault_estate.rotators]")
        (installed / "entry_points.txt").write_text(declared.replace('"', ""))
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-rotator\nVersion: 1\n")
        command = place / "bin" / "vault-estate"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vault_estate "$@"\n')
        command.chmod(0o755)
        self.shop = place / "shop"
        self.shop.mkdir()
        self.environ = {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}:{installed.parent}",
            "VAULT_SECRET_ID_FILE": str(login),
            "SHOP": str(self.shop),
            "WEBHOOK_KEY": "brought-q7Zq7Z",
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the folder."""
        return subprocess.run(command, cwd=self.place, env=self.environ, capture_output=True, text=True, check=False)

    def kept(self, name: str) -> tuple[dict[str, str], dict[str, Any]]:
        """A secret's values, and its metadata."""
        found = call(self.estate.root, "GET", f"{MOUNT}/data/{name}")["data"]["data"]
        return found, call(self.estate.root, "GET", f"{MOUNT}/metadata/{name}")["data"]


def test_the_page_is_followed_and_a_key_of_two_ends_is_rotated(estate: ApplicationEstate, tmp_path: Path) -> None:
    folder = Folder(estate, tmp_path)
    estate.write("app-prod", {"MACHINE_SECRET_TOKEN": "old-q7Zq7Z", "WEBHOOK_KEY": "hook-q7Zq7Z"})
    estate.write("shop", {"API_KEY": "key-by-hand"})
    (folder.shop / "key-by-hand").write_text("by hand")
    script = "".join(one.text for one in blocks(PAGE) if one.language == "sh")
    done = folder.run("sh", "-eu", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    values, metadata = folder.kept("app-prod")
    assert values["WEBHOOK_KEY"] == "brought-q7Zq7Z"
    assert (len(values["MACHINE_SECRET_TOKEN"]), metadata["current_version"]) == (24, 3)
    assert "q7Zq7Z" not in done.stdout
    assert values["MACHINE_SECRET_TOKEN"] not in done.stdout
    notes = origins.read(metadata)
    assert [notes.values[key].origin for key in _KEYS["app-prod"]] == ["generated", "given"]
    assert notes.writers == {2: ROLE, 3: ROLE}

    turned = folder.run("vault-estate", "rotate", "shop", "--json")
    assert (turned.returncode, turned.stderr) == (0, "")
    (row,) = json.loads(turned.stdout)["rows"]
    assert (row["phase"], row["version"]) == ("grace", 2)
    assert len(list(folder.shop.iterdir())) == 2
    ended = folder.run("vault-estate", "rotate", "shop", "--now")
    assert (ended.returncode, ended.stderr) == (0, "")
    values, metadata = folder.kept("shop")
    assert (folder.shop / values["API_KEY"]).exists()
    assert not (folder.shop / "key-by-hand").exists()
    assert RotationNote.of(metadata).version == 3
    assert values["API_KEY"] not in turned.stdout + ended.stdout

    assert folder.run("vault-estate", "rotate", "--transit", TRANSIT_KEY).stdout.split()[-2:] == ["version", "2"]
    record = call(estate.root, "GET", f"{OWN_MOUNT}/metadata/{FOLDER}/{MOUNT}/app-prod")["data"]
    newest = str(record["current_version"])
    assert {number for number, one in record["versions"].items() if not one["destroyed"]} == {newest}
    kept = call(estate.root, "GET", f"{OWN_MOUNT}/data/{FOLDER}/{MOUNT}/app-prod")["data"]["data"]
    assert (kept["phase"], kept["pending"], kept["previous"]) == ("idle", {}, {})
