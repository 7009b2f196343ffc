"""The repository's own program on the settings of `Pulumi.local.yaml`, under the recorder, and its graph as text."""

import json
import os
import runpy
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pulumi.runtime import config as runtime_config

from ops.paths import Paths
from ops.stack_file import PROJECT, config_of, read
from settings import SETTING
from tests.support.declare import Declared, Options, Record, Secret, declare

ROOT = Path(__file__).resolve().parents[3]
FILE = Path(__file__).with_name("local.json")
AGAIN = "python -m tests.unit.golden.write"
"""The command that writes the file anew, after which `git diff` shows what changed."""

FIRST_PASSWORD = "-".join(("canary", "first", "password"))
CONFIG_CANARY = "-".join(("canary", "config", "secret"))
PASSWORD_FILE = Path(".estate/local/postgres/initial-password")
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
PUBLIC_KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAA==\n-----END PGP PUBLIC KEY BLOCK-----\n"
RECIPIENT = f"age1{'q' * 58}\n"
SSH_KEY = "ssh-ed25519 AAAA ada@example.com\n"
_CODE = "__provider"
"""Input of the one dynamic resource: its code, pickled, which differs from one Python to the next."""


def stack_config(stack: str) -> dict[str, Any]:
    """The `config` of a committed stack file, its base's settings among them."""
    paths = Paths(project=ROOT)
    whole = {f"{PROJECT}:{SETTING}": read(paths, stack).written}
    return {**config_of(paths.stack_file(stack)), **whole}


@contextmanager
def running(stack: str, folder: Path) -> Iterator[None]:
    """As if the engine ran the program: its config set, its working folder with the files the settings name."""
    content = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in stack_config(stack).items()
    }
    content["vault-estate:database-password"] = CONFIG_CANARY
    before = Path.cwd()
    token = runtime_config.CONFIG.set(content)
    os.chdir(folder)
    try:
        PASSWORD_FILE.parent.mkdir(parents=True, exist_ok=True)
        PASSWORD_FILE.write_text(f"{FIRST_PASSWORD}\n", encoding="utf-8")
        _write_public_keys(stack)
        yield
    finally:
        os.chdir(before)
        runtime_config.CONFIG.reset(token)


def _write_public_keys(stack: str) -> None:
    """What a node's first boot is rendered from, and who may take snapshots. The local server's first boot is the
    command's, not the program's."""
    whole = stack_config(stack)["vault-estate:estate"]
    first, snapshots = whole["bootstrap"], whole.get("snapshots", {})
    contents = {snapshots[name]: CERTIFICATE for name in ("certificate", "node_certificate") if name in snapshots}
    contents |= dict.fromkeys(snapshots.get("recipients", ()), RECIPIENT)
    contents |= dict.fromkeys(whole["platform"].get("ssh", {}).get("public_keys", ()), SSH_KEY)
    if stack != "local":
        contents |= {first["administrator"]["certificate"]: CERTIFICATE}
        contents |= {
            operator["pgp_key"]: PUBLIC_KEY.replace("AA==", f"AA{number}=") if number else PUBLIC_KEY
            for number, operator in enumerate(first["operators"])
        }
    for file, content in contents.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(content, encoding="utf-8")


def program() -> None:
    """`__main__.py`, as `pulumi up` runs it."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


def declared(stack: str = "local", *, preview: bool = False) -> Declared:
    """What the program of a committed stack declares."""
    with tempfile.TemporaryDirectory() as folder, running(stack, Path(folder)):
        return declare(program, preview=preview)


def text(whole: Declared) -> str:
    """Every resource with its inputs and options, and the exports, as JSON that compares line by line."""
    content = {
        "exports": {name: _plain(value) for name, value in whole.exports.items()},
        "resources": [_resource(record) for record in whole.records],
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _resource(record: Record) -> dict[str, Any]:
    inputs = {name: "<code>" if name == _CODE else _plain(value) for name, value in record.inputs.items()}
    standard = asdict(Options())
    options = {name: _short(value) for name, value in asdict(record.options).items() if value != standard[name]}
    content: dict[str, Any] = {"type": record.type, "name": record.name, "parent": _name(record.parent)}
    if record.provider:
        content["provider"] = _name(record.provider.rsplit("::", 1)[0])
    return {**content, "inputs": inputs, "options": options}


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return {"secret": _plain(value.value)}
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(below) for below in value]
    if isinstance(value, str) and "\n" in value:
        return value.split("\n")
    return value


def _short(value: object) -> object:
    if isinstance(value, (frozenset, tuple)):
        return sorted(_name(item) for item in value)
    return _name(value) if isinstance(value, str) else value


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]
