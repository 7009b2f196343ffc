"""The other tool gets the same policies, a login of its own, and is left alone where it can't be had.

The tool is played by a script here. Not proven: that a real one reads the configuration (`./estate bench` does that).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ops.development.bench import peer, policies
from ops.errors import EstateError

TEXTS = {"a": 'path "x" {\n  capabilities = ["read"]\n}\n', "b": "a ${template} and %{another}"}


def play(folder: Path, name: str, script: str) -> Path:
    """Put a program on PATH."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing of interest on it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def ready(tool: peer.Tool, directory: Path) -> peer.Workspace | str:
    directory.mkdir()
    secret = "-".join(["made", "up"])
    return peer.workspace(tool, directory, TEXTS, address="https://127.0.0.1:1", ca_file=Path("/ca"), token=secret)


def test_no_tool_is_said(search_path: Path) -> None:
    assert peer.find() == "not run: neither tofu nor terraform is on PATH"


def test_tofu_goes_before_terraform(search_path: Path) -> None:
    terraform = play(search_path, "terraform", "echo Terraform v1.0; echo more")
    assert peer.find() == peer.Tool(executable=terraform, version="Terraform v1.0", provider=None)
    tofu = play(search_path, "tofu", "echo OpenTofu v1.1")
    provider = play(search_path, "terraform-provider-vault", "")
    assert peer.find() == peer.Tool(executable=tofu, version="OpenTofu v1.1", provider=provider)


def test_configuration_escapes_what_the_tool_would_fill_in() -> None:
    document = json.loads(peer.configuration(TEXTS))
    assert document["resource"]["vault_policy"]["a"] == {"name": "a", "policy": TEXTS["a"]}
    assert document["resource"]["vault_policy"]["b"]["policy"] == "a $${template} and %%{another}"
    assert document["terraform"]["required_providers"] == {"vault": {"source": "hashicorp/vault"}}
    assert "provider" not in document  # address and token come from the environment


def test_both_sides_get_the_same_texts() -> None:
    wanted = policies.policies(3)
    texts = policies.texts(3)
    assert list(texts) == list(wanted) == ["application-00001", "application-00002", "application-00003"]
    assert len(set(texts.values())) == 3
    assert 'path "secret/data/application-00002/development/*"' in texts["application-00002"]


def test_a_provider_on_the_path_needs_no_installation(search_path: Path, tmp_path: Path) -> None:
    play(search_path, "tofu", 'if [ "$1" = version ]; then echo v1; else env >"env-$1"; fi; [ "$1" != init ]')
    play(search_path, "terraform-provider-vault", "")
    tool = peer.find()
    assert isinstance(tool, peer.Tool)
    made = ready(tool, tmp_path / "work")
    assert isinstance(made, peer.Workspace)
    assert f'"hashicorp/vault" = "{search_path}"' in (tmp_path / "work" / "tool.rc").read_text()
    made.operation("preview")
    made.operation("up")
    seen = (tmp_path / "work" / "env-apply").read_text()
    assert "VAULT_ADDR=https://127.0.0.1:1\n" in seen
    assert "VAULT_TOKEN=made-up\n" in seen
    assert "made-up" not in "".join(file.read_text() for file in (tmp_path / "work").glob("*.*"))


def test_a_tool_that_cannot_install_the_provider_is_left_alone(search_path: Path, tmp_path: Path) -> None:
    play(search_path, "tofu", '[ "$1" = version ] && echo v1')
    tool = peer.find()
    assert isinstance(tool, peer.Tool)
    problem = "not run: v1 can't install hashicorp/vault, and terraform-provider-vault isn't on PATH"
    assert ready(tool, tmp_path / "work") == problem


def test_a_tool_that_can_is_used(search_path: Path, tmp_path: Path) -> None:
    play(search_path, "tofu", '[ "$1" = version ] && echo v1; exit 0')
    tool = peer.find()
    assert isinstance(tool, peer.Tool)
    assert isinstance(ready(tool, tmp_path / "work"), peer.Workspace)


class Server:
    """Answers like Vault, and remembers what it was asked."""

    def __init__(self, *, role: object) -> None:
        self.written: dict[str, Any] = {}
        self.role = role

    def write_data(self, path: str, *, data: dict[str, Any]) -> object:
        self.written[path] = data
        return {"auth": {"client_token": "-".join(["a", "login"])}} if path.endswith("/login") else None

    def read(self, path: str) -> object:
        return self.role if path.endswith("/role-id") else None


def test_the_tool_gets_a_login_that_may_write_policies_only() -> None:
    server = Server(role={"data": {"role_id": "r"}})
    assert peer.make_login(server) == "a-login"  # type: ignore[arg-type]  # a server that is played
    text = server.written["sys/policies/acl/bench-tool"]["policy"]
    assert text.count("path ") == 3
    assert "sudo" not in text
    role = server.written["auth/bench-tool/role/tool"]
    assert role["token_policies"] == ["bench-tool"]
    assert role["token_bound_cidrs"] == ["127.0.0.1/32"]
    assert server.written["auth/bench-tool/login"] == {"role_id": "r"}


def test_a_server_that_says_nothing_is_an_error() -> None:
    with pytest.raises(EstateError, match="the server answered with nothing; expected a document"):
        peer.make_login(Server(role=None))  # type: ignore[arg-type]  # a server that is played
