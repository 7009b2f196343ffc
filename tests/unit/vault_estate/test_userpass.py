"""The login by name and password: what it sends, reads again, and says where it is refused. The server is fake."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answering import Answering, Said, answering
from tests.support.clocks import SetClock
from vault_estate.auth.userpass import UserpassAuth
from vault_estate.errors import AuthenticationError, ConfigurationError
from vault_estate.tls import Trust
from vault_estate.transport import Transport

CANARY = "canary-6c0b9e2d5a8f1374"
LOGGED_IN = Said(body=b'{"auth": {"client_token": "t", "lease_duration": 60, "renewable": true}}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """One for the module."""
    with answering(tmp_path_factory.mktemp("answering")) as found:
        yield found


@pytest.fixture
def transport(server: Answering) -> Transport:
    """A client of it."""
    return Transport([server.address], trust=Trust(ca_file=server.ca_file), clock=SetClock())


def test_a_password_in_a_file_is_read_at_each_login(server: Answering, transport: Transport, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    method = UserpassAuth(username="pipelines/a", file=file, mount="people")
    server.says(LOGGED_IN, LOGGED_IN)
    for content in ("one\n", "two"):
        file.write_text(content)
        assert method.log_in(transport).ttl_seconds == 60
    assert [(one.path, json.loads(one.body)) for one in server.asked] == [
        ("/v1/auth/people/login/pipelines%2Fa", {"password": word}) for word in ("one", "two")
    ]


def test_a_refused_password_is_not_shown(server: Answering, transport: Transport) -> None:
    method = UserpassAuth(username="ada", variable="PASSWORD", environ={"PASSWORD": CANARY})
    server.says(Said(status=400, body=json.dumps({"errors": [f"invalid username or password {CANARY}"]}).encode()))
    with pytest.raises(AuthenticationError) as caught:
        method.log_in(transport)
    assert str(caught.value) == (
        "auth/userpass/login/ada: the password in PASSWORD is refused: wrong, or the user is locked out for now"
    )
    assert CANARY not in f"{caught.value.texts} {method!r}"


def test_a_password_that_isnt_there_is_not_sent(server: Answering, transport: Transport) -> None:
    server.says()
    with pytest.raises(ConfigurationError, match="PASSWORD is empty"):
        UserpassAuth(username="ada", variable="PASSWORD").log_in(transport)
    assert server.asked == []
