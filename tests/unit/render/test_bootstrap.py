"""The bootstrap script and its parameters as text. What the script does is proven by the live tests."""

import ast
import json
from dataclasses import replace
from typing import Any

import pytest

from components.render.bootstrap import (
    Administrator,
    Bootstrap,
    BootstrapRun,
    Operator,
    SharesSecret,
    parameters,
    program,
    programs_of_a_job,
)

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
TEXTS = {"ada.asc": "A", "bob.asc": "B", "administrator.crt": CERTIFICATE}
ADA, BOB = (Operator(name=name, pgp_key=f"{name}.asc") for name in ("ada", "bob"))
ADMINISTRATOR = Administrator(certificate="administrator.crt", private_key="administrator.key")
ONE = BootstrapRun(
    bootstrap=Bootstrap(operators=(ADA,), threshold=1, administrator=ADMINISTRATOR),
    texts=TEXTS,
    address="https://127.0.0.1:8200",
    ca_file="/srv/ca.crt",
    auto_unseal=True,
    shares_file="/srv/custody.json",
    policy='path "*" {}',
)
SECRET = SharesSecret(name="vault/staging/key-shares", region="eu-central-1", kms_key_arn="arn:aws:kms:key", kept="{}")
STANDARD_LIBRARY_AND_OURS = {
    "__future__",
    "base64",
    "binascii",
    "contextlib",
    "fcntl",
    "functools",
    "hashlib",
    "http.client",
    "importlib",
    "json",
    "os",
    "pathlib",
    "re",
    "shutil",
    "signal",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "time",
    "typing",
    "urllib.parse",
}


def test_the_script_is_python_3_9_and_needs_nothing_installed() -> None:
    tree = ast.parse(program(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == STANDARD_LIBRARY_AND_OURS
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "zip" not in calls  # its `strict` came with 3.10, and without it the linter complains
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match)]


def test_every_parameter_arrives() -> None:
    administrator = Administrator(certificate_pem=CERTIFICATE, private_key_secret="key", token_ttl=600)
    wanted = BootstrapRun(
        bootstrap=Bootstrap(operators=(ADA, BOB), threshold=2, administrator=administrator),
        texts=TEXTS,
        address="https://vault:8200",
        ca_file="/ca",
        auto_unseal=False,
        shares_file="/custody",
        snapshot="/snapshot",
        policy="text",
        token_bound_cidrs=("10.0.0.0/8",),
        wait_seconds=5,
        unseal_wait_seconds=6,
    )
    assert json.loads(parameters(wanted)) == {
        "address": "https://vault:8200",
        "ca_file": "/ca",
        "auto_unseal": False,
        "threshold": 2,
        "operators": [{"name": "ada", "public_key": "A"}, {"name": "bob", "public_key": "B"}],
        "servers": 1,
        "custody": {"kind": "file", "path": "/custody"},
        "snapshot": "/snapshot",
        "wait_seconds": 5,
        "unseal_wait_seconds": 6,
        "administrator": {
            "mount": "cert",
            "policy_name": "administrator",
            "policy": "text",
            "role_name": "administrator",
            "role": {
                "certificate": CERTIFICATE,
                "display_name": "administrator",
                "token_policies": ["administrator"],
                "token_ttl": 600,
                "token_max_ttl": 600,
                "token_bound_cidrs": ["10.0.0.0/8"],
            },
        },
    }


def test_key_shares_in_a_secret_of_aws() -> None:
    told = json.loads(parameters(replace(ONE, shares_file=None, shares_secret=SECRET, servers=3)))

    assert told["custody"] == {
        "kind": "secrets_manager",
        "name": "vault/staging/key-shares",
        "region": "eu-central-1",
        "kms_key_arn": "arn:aws:kms:key",
        "kept": "{}",
    }
    assert told["servers"] == 3
    assert program() == programs_of_a_job()["bootstrap.py"]


def test_the_defaults() -> None:
    told = json.loads(parameters(ONE))
    assert (told["wait_seconds"], told["unseal_wait_seconds"], told["snapshot"]) == (120, 86_400, None)
    role = told["administrator"]
    assert (role["mount"], role["policy_name"], role["role_name"]) == ("cert", "administrator", "administrator")
    assert role["role"]["token_ttl"] == 3600
    assert role["role"]["token_bound_cidrs"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address": "http://127.0.0.1"}, "address is 'http://127.0.0.1'; expected one that begins with https://"),
        ({"policy": " \n"}, "policy is empty; expected rules"),
        ({"shares_file": None}, "shares_file is missing; expected either this or shares_secret"),
        ({"shares_secret": SECRET}, "shares_file is given beside shares_secret; expected either"),
        (
            {"shares_file": None, "shares_secret": SECRET, "auto_unseal": False},
            "auto_unseal is false; expected true where key shares are kept in a secret of AWS",
        ),
    ],
)
def test_what_cant_work_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(ONE, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"operators": ()}, "at least 1 item"),
        ({"operators": (ADA, ADA), "threshold": 2}, "is 'ada'; expected each name once"),
        ({"threshold": 0}, "greater than or equal to 1"),
        ({"threshold": 2}, "threshold is 2; expected at most the number of operators, which is 1"),
        ({"operators": (ADA, BOB)}, "threshold is 1; expected at least 2 for several operators"),
    ],
)
def test_shares_that_cant_be_dealt_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Bootstrap(**{"operators": (ADA,), "threshold": 1, "administrator": ADMINISTRATOR, **change})
