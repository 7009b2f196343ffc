"""Operators come and go, and regain administration, on a real server with the shares its real first boot made.

The server is a process here; the node's side of SSH is a program on this machine that runs what it is sent.
`tests/hashicorp/test_operators.py` has HashiCorp's server.
"""

import pytest

from components.render.release import Flavor
from ops.commands.regain import regain
from ops.commands.renewal import renew
from ops.console import Console
from ops.errors import EstateError
from tests.support.operators import Operators, Stack, Typed, again, stack

__all__ = ["again", "stack"]


@pytest.fixture(scope="module")
def flavor() -> Flavor:
    """Which server."""
    return "openbao"


class TestOnOpenBao(Operators):
    """Its own names for everything, and a socket where shares alone count."""


def test_keys_that_cant_decrypt_are_found_before_anything_begins(stack: Stack) -> None:
    (stack.paths.project / "eve.asc").write_text("no key")
    stack.operators(("ada", "eve"), 2)
    with pytest.raises(EstateError, match="'eve'"):
        stack.renew()


def test_the_place_of_the_file_and_of_the_server_must_be_told(stack: Stack) -> None:
    with pytest.raises(EstateError, match=r"^--node and --share-file are both missing; expected the node as USER@HOST"):
        renew(stack.paths, "dev", Console(), Typed(stack))
    with pytest.raises(EstateError, match=r"^--node is missing; expected the node as USER@HOST: only its own socket"):
        regain(stack.paths, "dev", Console(), Typed(stack))
    with pytest.raises(EstateError, match=r"^--node is 'a b'; expected USER@HOST, as ssh takes it$"):
        regain(stack.paths, "dev", Console(), Typed(stack), node="a b")


def test_the_node_keeps_the_file_and_is_reached_by_ssh(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.commands.shares.SHARES", str(stack.custody))
    keys = [stack.key("ada"), stack.key("bob")]
    before = stack.custody.read_text()

    done = renew(stack.paths, "dev", Console(), Typed(stack), keys=keys, node="estate@vault.example.com")

    assert (done.done, done.file) == (True, f"estate@vault.example.com:{stack.custody}")
    assert stack.custody.read_text() != before


def test_where_a_root_token_is_revoked_must_answer_before_anybody_gives_a_share(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    nobody = Typed(stack)

    with pytest.raises(EstateError, match=r"^https://\S+ does not answer \(.+refused\); expected a running server$"):
        regain(stack.paths, "dev", Console(), nobody, node="estate@vault.example.com")

    assert nobody.asked == []


def test_a_pair_that_is_nowhere_is_told_before_anybody_gives_a_share(stack: Stack) -> None:
    def nobody(question: str) -> str:
        raise AssertionError(question)

    with pytest.raises(EstateError, match=r"^Pulumi\.dev\.yaml holds no pair; expected one: \./estate keys dev$"):
        regain(stack.paths, "dev", Console(), nobody, node="estate@vault.example.com", new_pair=True)
    (stack.paths.project / "administrator.key").rename(stack.paths.project / "kept")
    with pytest.raises(
        EstateError, match=r"administrator\.key is not there; expected the administrator's pair, or --n"
    ):
        regain(stack.paths, "dev", Console(), nobody, node="estate@vault.example.com")
    (stack.paths.project / "kept").rename(stack.paths.project / "administrator.key")
