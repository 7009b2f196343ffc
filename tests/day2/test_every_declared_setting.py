"""Every setting that only a node, a cloud or another flavour has: what the preview of `dev` shows of it.

Not proven: what Hetzner, AWS and HashiCorp's server make of what is declared.
"""

import base64
import copy
import functools
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from composition import hetzner
from settings import parse
from settings.hetzner import HetznerPlatform
from tests.day2.every_setting import DECLARED, Change, changed
from tests.support.declare import declare
from tests.unit.golden import local
from tests.unit.render.nodes import files

pytestmark = pytest.mark.no_cover
"""Counting lines takes as long as running them, and other tests run the same."""
PASSWORDS = ("database-password", "other-password", "oidc-secret")
AGE = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
"""Letters that an age key may have."""


def content(kind: str, name: str) -> str:
    """A file of its kind with its own name in it."""
    body = base64.b64encode(f"<{kind} {name}>".encode()).decode()
    if kind == "ssh":
        return f"ssh-ed25519 {body} ada@example.com\n"
    if kind == "age":
        letters = "".join(AGE[ord(letter) % 32] for letter in f"{name:q<58}"[:58])
        return f"age1{letters}\n"
    label = {"certificate": "CERTIFICATE", "pgp": "PGP PUBLIC KEY BLOCK"}[kind]
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def written(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The files that settings name, and what is in each."""
    platform, snapshots = settings["platform"], settings["snapshots"]
    for operator in settings["bootstrap"]["operators"]:
        yield operator["pgp_key"], content("pgp", operator["pgp_key"])
    named = [
        settings["bootstrap"]["administrator"].get("certificate"),
        platform["tls"].get("ca_certificate_file"),
        platform["tls"].get("certificate_file"),
        snapshots["certificate"],
        snapshots["node_certificate"],
        settings.get("people", {}).get("oidc", {}).get("ca_certificate_file"),
    ]
    yield from ((name, content("certificate", name)) for name in named if name)
    yield from ((name, content("ssh", name)) for name in platform["ssh"]["public_keys"])
    yield from ((name, content("age", name)) for name in snapshots["recipients"])
    if key := platform["download"].get("signing_key"):
        yield key, content("pgp", key)


@contextmanager
def inside(settings: dict[str, Any]) -> Iterator[None]:
    """In a project folder of these settings."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        secrets = {f"vault-estate:{name}": f"<{name}>" for name in PASSWORDS}
        patch.setattr(local, "stack_config", lambda _: {**secrets, "vault-estate:estate": settings})
        patch.setattr(local, "_write_public_keys", lambda _: None)
        for name, text in written(settings):
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_text(text)
        with local.running("dev", Path(folder)):
            yield


@functools.cache
def shown(way: str) -> str:
    """What is declared of settings, given as JSON, and every file of the node."""
    settings = json.loads(way)
    with inside(settings):
        resources = local.text(declare(local.program))
        parsed = parse(settings)
        assert isinstance(parsed.platform, HetznerPlatform)
        node = hetzner.node(parsed, parsed.platform, "vault-dev")
        texts = [f"{path}\n{text}" for path, (text, _) in files(node).items()]
    for name, text in written(settings):
        key = (
            text.split()[-2] if text.startswith("ssh") else text.strip().splitlines()[-2 if "\n" in text.strip() else 0]
        )
        kind = name_of(text)
        resources = resources.replace(key, f"<{kind} {name}>")
        texts = [one.replace(key, f"<{kind} {name}>") for one in texts]
    return "\n".join([resources, *texts])


def name_of(text: str) -> str:
    """The kind of a file."""
    kinds = {"ssh-": "ssh", "age1": "age", "-----BEGIN CERT": "certificate", "-----BEGIN PGP": "pgp"}
    return next(kind for begin, kind in kinds.items() if text.startswith(begin))


def settings_with(change: Change) -> dict[str, Any]:
    """The committed file's, changed."""
    base = local.stack_config("dev")["vault-estate:estate"]
    return changed(copy.deepcopy(base), change)


@pytest.mark.parametrize("setting", DECLARED)
def test_the_preview_shows_it(setting: str) -> None:
    case = DECLARED[setting]
    before, after = (shown(json.dumps(settings_with(one))) for one in (case.first, [*case.first, *case.change]))
    assert case.says in after
    assert case.says not in before
    assert before != after
