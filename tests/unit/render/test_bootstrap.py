"""The bootstrap script and its parameters as text. What the script does is proven by the live tests."""

import ast
import json
from dataclasses import replace
from typing import Any

import pytest

from components.render.bootstrap import (
    Administrator,
    Bootstrap,
    FileCustody,
    Operator,
    render_parameters,
    render_script,
)

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
ONE = Bootstrap(
    address="https://127.0.0.1:8200",
    ca_file="/srv/ca.crt",
    auto_unseal=True,
    threshold=1,
    operators=(Operator(name="ada", public_key="key of ada"),),
    custody=FileCustody(path="/srv/custody.json"),
    administrator=Administrator(certificate=CERTIFICATE, policy='path "*" {}'),
)
STANDARD_LIBRARY_AND_OURS = {
    "__future__",
    "base64",
    "binascii",
    "contextlib",
    "fcntl",
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
    tree = ast.parse(render_script(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == STANDARD_LIBRARY_AND_OURS
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "zip" not in calls  # its `strict` came with 3.10, and without it the linter complains
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match)]


def test_every_parameter_arrives() -> None:
    wanted = Bootstrap(
        address="https://vault:8200",
        ca_file="/ca",
        auto_unseal=False,
        threshold=2,
        operators=(Operator(name="ada", public_key="A"), Operator(name="bob", public_key="B")),
        custody=FileCustody(path="/custody"),
        snapshot="/snapshot",
        administrator=Administrator(
            certificate=CERTIFICATE,
            policy="text",
            policy_name="admins",
            role="root-less",
            mount="people",
            token_ttl_seconds=60,
            token_bound_cidrs=("10.0.0.0/8",),
        ),
        wait_seconds=5,
        unseal_wait_seconds=6,
    )
    assert json.loads(render_parameters(wanted)) == {
        "address": "https://vault:8200",
        "ca_file": "/ca",
        "auto_unseal": False,
        "threshold": 2,
        "operators": [{"name": "ada", "public_key": "A"}, {"name": "bob", "public_key": "B"}],
        "custody": {"kind": "file", "path": "/custody"},
        "snapshot": "/snapshot",
        "wait_seconds": 5,
        "unseal_wait_seconds": 6,
        "administrator": {
            "mount": "people",
            "policy_name": "admins",
            "policy": "text",
            "role_name": "root-less",
            "role": {
                "certificate": CERTIFICATE,
                "display_name": "root-less",
                "token_policies": ["admins"],
                "token_ttl": 60,
                "token_max_ttl": 60,
                "token_bound_cidrs": ["10.0.0.0/8"],
            },
        },
    }


def test_the_defaults() -> None:
    parameters = json.loads(render_parameters(ONE))
    assert (parameters["wait_seconds"], parameters["unseal_wait_seconds"], parameters["snapshot"]) == (120, 3600, None)
    role = parameters["administrator"]
    assert (role["mount"], role["policy_name"], role["role_name"]) == ("cert", "administrator", "administrator")
    assert role["role"]["token_ttl"] == 3600
    assert role["role"]["token_bound_cidrs"] == []


TWO = (Operator(name="ada", public_key="A"), Operator(name="bob", public_key="B"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"operators": ()}, "operators: expected at least one"),
        ({"operators": (TWO[0], TWO[0])}, "operators: names must differ"),
        ({"threshold": 0}, "threshold: 0 must be between 1 and the number of operators"),
        ({"threshold": 2}, "threshold: 2 must be between 1 and the number of operators"),
        ({"operators": TWO, "threshold": 1}, "threshold: 1 of several operators is no sharing"),
        ({"address": "http://127.0.0.1"}, "address: 'http://127.0.0.1' is not an https://"),
    ],
)
def test_what_cant_work_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(ONE, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token_ttl_seconds": 0}, "token_ttl_seconds: 0 must be above 0"),
        ({"certificate": "AAAA"}, "certificate: expected a PEM certificate"),
        ({"policy": " \n"}, "policy: is empty"),
    ],
)
def test_an_administrator_who_could_not_work_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(ONE.administrator, **change)
