"""Rotation on a real OpenBao, by the login and the document that settings give, and the commands and the program of
docs/rotation.md, in order.

A real process is killed once in each phase here; between any two requests: `tests/unit/vault_estate/test_rotation.py`.
Not proven: HashiCorp's server.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.render.acl import render
from ops.paths import ROOT
from settings import parse
from settings.client_manifest import client_manifest
from settings.rotator_policies import rotator_policies
from tests.support.documents import blocks
from tests.support.estates import MOUNT, PATIENT, TRANSIT_KEY, ApplicationEstate, application_estate
from tests.support.servers import VaultServer, call
from tests.unit.settings.samples import MINIMAL
from vault_estate import origins
from vault_estate.rotation.record import FOLDER, RotationNote
from vault_estate.rotation.record import MOUNT as OWN_MOUNT

PAGE = ROOT / "docs" / "rotation.md"
ROLE = "rotator-aos"
KEYS = ("MACHINE_SECRET_TOKEN", "WEBHOOK_KEY")
SETTINGS = parse(
    {
        **MINIMAL,
        "layout": "{mount}/{name}",
        "kv": {MOUNT: {}},
        "approle": {},
        "password_policies": {"strong": {"length": 24}},
        "applications": {
            "aos": {
                "login": {"kind": "approle"},
                "rotator": {"kind": "approle", "renews_secret_id": True},
                "mount": MOUNT,
                "secrets": {
                    "app-prod": {
                        "keys": KEYS,
                        "seed": "random",
                        "rotation": {"keys": KEYS[:1], "password_policy": "strong"},
                    },
                    "shop": {"keys": ["API_KEY"], "rotation": {"by": "hook:shop", "grace": 1}},
                    "stall": {"keys": ["API_KEY"], "rotation": {"by": "hook:shop", "grace": 0}},
                },
            }
        },
    }
)
"""Of which the login's ACL policy, the password policy and the document are rendered."""
_KILLED = """
import os, signal, sys
import shop_rotator
from vault_estate.cli import main
from vault_estate.kept_secret import KeptSecret
from vault_estate.rotation import record, steps

steps.HELD_SECONDS = 0  # so that nobody has to wait until the run may be taken over
what, which = sys.argv[1:3]
owner, name = {
    "record": (record.RecordEntry, "write"), "secret": (KeptSecret, "write"), "program": (shop_rotator.ShopKey, which)
}[what]
act = getattr(owner, name)


def acted(self, *given, **more):
    done = act(self, *given, **more)
    if what != "record" or given[0].phase == which:
        os.kill(os.getpid(), signal.SIGKILL)
    return done


setattr(owner, name, acted)
sys.exit(main.main(sys.argv[3:]))
"""
"""The command, which is killed after one step: what is written, or what the program does."""
_MOMENTS = (
    ("record", "creating"),
    ("program", "create"),
    ("record", "pending"),
    ("program", "test"),
    ("record", "promoting"),
    ("secret", "version"),
    ("record", "grace"),
    ("program", "revoke"),
    ("record", "idle"),
)
_TRANSIT = "".join(
    f'path "transit/{path}" {{ capabilities = ["update"] }}\n'
    for path in (f"keys/{TRANSIT_KEY}/rotate", f"rewrap/{TRANSIT_KEY}")
)


@pytest.fixture(scope="module")
def estate(vault_server: VaultServer) -> ApplicationEstate:
    """One application, and the login that rotates its secrets."""
    made = application_estate(vault_server)
    call(made.root, "POST", f"sys/mounts/{OWN_MOUNT}", {"type": "kv", "options": {"version": "2"}})
    for name, password_policy in SETTINGS.password_policies.items():
        call(made.root, "PUT", f"sys/policies/password/{name}", {"policy": password_policy.render()})
    policy = render(rotator_policies(SETTINGS)[ROLE])
    call(made.root, "PUT", f"sys/policies/acl/{ROLE}", {"policy": policy + _TRANSIT})
    call(made.root, "POST", f"auth/approle/role/{ROLE}", {"token_policies": [ROLE], "token_ttl": "1h"})
    return made


class Folder:
    """An application's folder, with its document, a login, and a program that is installed."""

    def __init__(self, estate: ApplicationEstate, place: Path) -> None:
        self.estate, self.place = estate, place
        known = client_manifest(
            SETTINGS,
            "aos",
            address=estate.server.address,
            ca_certificate=estate.server.ca_file.read_text(encoding="ascii"),
            role_id=call(estate.root, "GET", f"auth/approle/role/{ROLE}/role-id")["data"]["role_id"],
            rotator=True,
        )
        with_transit = json.loads(known.render()) | {"transit": estate.document()["transit"]}
        (place / "vault-estate.json").write_text(json.dumps(with_transit))
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
            **PATIENT,
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
    path, body = f"transit/encrypt/{TRANSIT_KEY}", {"plaintext": "YW55"}
    kept = [call(estate.root, "POST", path, body)["data"]["ciphertext"] for _ in range(3)]
    call(estate.root, "POST", f"transit/keys/{TRANSIT_KEY}/rotate", {})
    (tmp_path / "kept.txt").write_text("\n".join(kept))
    script = "".join(one.text for one in blocks(PAGE) if one.language == "sh")
    done = folder.run("sh", "-eu", "-c", script)
    told = "vault-estate: 3 rewrapped, of versions 1 to 1; the oldest is of 2 now\n"
    assert (done.returncode, done.stderr) == (0, told)
    newer = (tmp_path / "rewrapped.txt").read_text().splitlines()
    assert [one.partition(":v")[2][0] for one in newer] == ["2"] * 3
    values, metadata = folder.kept("app-prod")
    assert values["WEBHOOK_KEY"] == "brought-q7Zq7Z"
    assert (len(values["MACHINE_SECRET_TOKEN"]), metadata["current_version"]) == (24, 3)
    assert "q7Zq7Z" not in done.stdout
    assert values["MACHINE_SECRET_TOKEN"] not in done.stdout
    notes = origins.read(metadata)
    assert [notes.values[key].origin for key in KEYS] == ["generated", "given"]
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
    assert [one.name for one in folder.shop.iterdir()] == [values["API_KEY"]]
    assert RotationNote.of(metadata).version == 3
    assert values["API_KEY"] not in turned.stdout + ended.stdout

    assert folder.run("vault-estate", "rotate", "--transit", TRANSIT_KEY).stdout.split()[-2:] == ["version", "3"]
    record = call(estate.root, "GET", f"{OWN_MOUNT}/metadata/{FOLDER}/{MOUNT}/app-prod")["data"]
    newest = str(record["current_version"])
    assert {number for number, one in record["versions"].items() if not one["destroyed"]} == {newest}
    kept = call(estate.root, "GET", f"{OWN_MOUNT}/data/{FOLDER}/{MOUNT}/app-prod")["data"]["data"]
    assert (kept["phase"], kept["pending"], kept["previous"]) == ("idle", {}, {})


def test_a_script_that_aos_has_rotates_as_their_document_says(estate: ApplicationEstate, tmp_path: Path) -> None:
    """`aos-vault.md`'s two commands, as they are."""
    folder = Folder(estate, tmp_path)
    estate.write("app-prod", {"MACHINE_SECRET_TOKEN": "old-q7Zq7Z", "WEBHOOK_KEY": "hook-q7Zq7Z"})
    scripts = tmp_path / "scripts" / "ops" / "vault"
    scripts.mkdir(parents=True)
    shutil.copy(ROOT / "vault_estate" / "cli" / "rotate_secret.sh", scripts)
    (scripts / "rotate_secret.sh").chmod(0o755)

    for command in (
        "./scripts/ops/vault/rotate_secret.sh app-prod MACHINE_SECRET_TOKEN",
        './scripts/ops/vault/rotate_secret.sh app-prod WEBHOOK_KEY "new-key-value"',
    ):
        done = folder.run("sh", "-c", command)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("Vault verification: PASS\n")
    values, _ = folder.kept("app-prod")
    assert (len(values["MACHINE_SECRET_TOKEN"]), values["WEBHOOK_KEY"]) == (24, "new-key-value")


def test_a_killed_process_leaves_one_key_and_no_orphan_in_each_phase(estate: ApplicationEstate, tmp_path: Path) -> None:
    folder = Folder(estate, tmp_path)
    estate.write("stall", {"API_KEY": "key-by-hand"})
    (folder.shop / "key-by-hand").write_text("by hand")
    for number, moment in enumerate(_MOMENTS, 2):
        killed = folder.run(sys.executable, "-c", _KILLED, *moment, "rotate", "stall")
        assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), (moment, killed.stderr)
        assert folder.kept("stall")[0]["API_KEY"] in {one.name for one in folder.shop.iterdir()}, moment
        gone_on = folder.run("vault-estate", "rotate", "--due", "--json")
        assert (gone_on.returncode, gone_on.stderr) == (0, ""), (moment, gone_on.stdout)
        values, metadata = folder.kept("stall")
        assert [one.name for one in folder.shop.iterdir()] == [values["API_KEY"]], moment
        assert (metadata["current_version"], RotationNote.of(metadata).phase) == (number, "idle"), moment
        kept = call(estate.root, "GET", f"{OWN_MOUNT}/data/{FOLDER}/{MOUNT}/stall")["data"]["data"]
        assert (kept["phase"], kept["pending"], kept["previous"]) == ("idle", {}, {}), moment
