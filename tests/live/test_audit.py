"""The audit log of a real server answers who did what; no value that passed through it is shown.

Doesn't prove: a node's log, which has the same form.
"""

import json
from collections.abc import Iterator

import hvac
import pytest

from ops.cli import main
from ops.vault import audit_log
from ops.vault.audit_log import LoggedRequest, Unread
from tests.support.servers import VaultServer, call

CANARY = "-".join(("canary", "of", "a", "value"))


@pytest.fixture
def acted(vault_server: VaultServer) -> Iterator[None]:
    """Ada logged in, wrote a secret, read it, and was denied another's."""
    client = vault_server.client
    call(client, "post", "sys/mounts/audited", {"type": "kv", "options": {"version": "2"}})
    call(client, "post", "sys/auth/people", {"type": "userpass"})
    rule = 'path "audited/data/ada" {\n  capabilities = ["create", "read", "update"]\n}\n'
    call(client, "post", "sys/policies/acl/ada", {"policy": rule})
    call(client, "post", "auth/people/users/ada", {"password": CANARY, "token_policies": ["ada"]})
    person = hvac.Client(url=vault_server.address, verify=str(vault_server.ca_file))
    person.token = call(person, "post", "auth/people/login/ada", {"password": CANARY})["auth"]["client_token"]
    call(person, "post", "audited/data/ada", {"data": {"key": CANARY}})
    call(person, "get", "audited/data/ada")
    with pytest.raises(hvac.exceptions.Forbidden):
        call(person, "get", "audited/data/bob")
    yield
    call(client, "delete", "sys/mounts/audited")
    call(client, "delete", "sys/auth/people")


@pytest.mark.usefixtures("acted")
def test_it_answers_who_did_what(vault_server: VaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    log = vault_server.platform.openbao.audit_logs[0]
    assert main.main(["audit", "--file", str(log), "--who", "ada", "--json"]) == 0
    text = capsys.readouterr().out
    assert CANARY not in text
    told = [(one["operation"], one["path"], one["result"]) for one in json.loads(text)["entries"]]
    assert told == [
        ("login", "auth/people/login/ada", ""),
        ("create", "audited/data/ada", ""),
        ("read", "audited/data/ada", ""),
        ("read", "audited/data/bob", "denied"),
    ]


@pytest.mark.usefixtures("acted")
def test_every_line_of_a_server_can_be_read(vault_server: VaultServer) -> None:
    unread = Unread()
    lines = list(audit_log.lines(audit_log.rotated(vault_server.platform.openbao.audit_logs[0])))
    found: list[LoggedRequest] = list(audit_log.entries(lines, unread))
    assert unread.count == 0
    assert len(found) > len(lines) / 3
    assert {"certificate administrator", "userpass ada"} <= {one.who for one in found}
