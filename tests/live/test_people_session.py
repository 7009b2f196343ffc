"""A person's login, kept on this machine, against a real server: used, refused, ended.

Doesn't prove how one comes by a login (`tests/engine/test_people.py`).
"""

import hvac
import pytest

from ops.console import Console
from ops.errors import EstateError
from ops.local.bootstrap import bootstrap
from ops.people import session
from ops.people.session import KeptLogin, keep, person, who
from tests.support.checkouts import Checkout, local_checkout
from tests.support.servers import ADMINISTRATOR_POLICY, administrator_client, call, seal

__all__ = ["local_checkout"]


@pytest.fixture(scope="module")
def administrator(local_checkout: Checkout) -> hvac.Client:
    servers = local_checkout.local.servers
    servers.start()
    bootstrap(servers, policy=ADMINISTRATOR_POLICY)
    client = administrator_client(servers)
    call(client, "post", "sys/auth/people", {"type": "userpass"})
    call(client, "post", "auth/people/users/ada", {"password": "of-ada"})
    return client


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in session._TOKEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def login(administrator: hvac.Client, local_checkout: Checkout) -> KeptLogin:
    made = call(administrator, "post", "auth/people/login/ada", {"password": "of-ada"})["auth"]
    login = KeptLogin(address=local_checkout.local.servers.address, token=made["client_token"])
    keep(local_checkout.local, login)
    return login


def test_a_kept_login_says_who_works(local_checkout: Checkout, login: KeptLogin) -> None:
    with person(local_checkout.paths, "local", Console()) as client:
        assert client.token == login.token
        assert who(client) == "ada"
    assert login.token not in repr(login)
    assert local_checkout.local.login_file.stat().st_mode & 0o777 == 0o600


def test_a_persons_entity_names_them(
    local_checkout: Checkout, administrator: hvac.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    entity = call(administrator, "post", "identity/entity", {"name": "Grace"})["data"]["id"]
    mount = call(administrator, "get", "sys/auth")["data"]["people/"]["accessor"]
    alias = {"name": "grace", "mount_accessor": mount, "canonical_id": entity}
    call(administrator, "post", "identity/entity-alias", alias)
    call(administrator, "post", "auth/people/users/grace", {"password": "of-grace"})
    token = call(administrator, "post", "auth/people/login/grace", {"password": "of-grace"})["auth"]["client_token"]
    monkeypatch.setenv("VAULT_TOKEN", token)
    with person(local_checkout.paths, "local", Console()) as client:
        assert who(client) == "Grace"


@pytest.mark.usefixtures("administrator")
def test_nobody_is_told_to_log_in(local_checkout: Checkout) -> None:
    session.forget(local_checkout.local)
    with (
        pytest.raises(
            EstateError, match=r"^nobody is logged in .*; expected a login first: \./estate login local NAME"
        ),
        person(local_checkout.paths, "local", Console()),
    ):
        pass


def test_one_that_was_revoked_is_told_so(
    local_checkout: Checkout, administrator: hvac.Client, login: KeptLogin
) -> None:
    call(administrator, "post", "auth/token/revoke", {"token": login.token})
    with (
        pytest.raises(EstateError, match=r"^the login of stack 'local' has ended, or was revoked; expected"),
        person(local_checkout.paths, "local", Console()),
    ):
        pass


@pytest.mark.usefixtures("login")
def test_one_that_others_can_read_is_refused(local_checkout: Checkout) -> None:
    file = local_checkout.local.login_file
    for opened in (file, file.parent):
        before = opened.stat().st_mode
        opened.chmod(before | 0o044)
        with (
            pytest.raises(
                EstateError, match=r"open to others \(file mode 06\d\d\); expected both closed: \./estate logout"
            ),
            person(local_checkout.paths, "local", Console()),
        ):
            pass
        opened.chmod(before)


@pytest.mark.usefixtures("login")
def test_what_is_no_login_is_refused(local_checkout: Checkout) -> None:
    file = local_checkout.local.login_file
    for text in ("", "[]", '{"token": 1}', "hvs.text"):
        file.write_text(text)
        with (
            pytest.raises(EstateError, match=r"is no login; expected a login first"),
            person(local_checkout.paths, "local", Console()),
        ):
            pass


@pytest.mark.usefixtures("login")
def test_a_server_that_refuses_or_is_sealed_is_one_line(
    local_checkout: Checkout, administrator: hvac.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(EstateError, match=r"^Vault at https://\S+ refused a step: .*permission denied at sys/auth$"),
        person(local_checkout.paths, "local", Console()) as client,
    ):
        call(client, "get", "sys/auth")
    seal(administrator, local_checkout.local.servers)
    with (
        pytest.raises(EstateError, match=r"^Vault at https://\S+ is sealed; expected it unsealed$"),
        person(local_checkout.paths, "local", Console()),
    ):
        pass
    assert capfd.readouterr().out == ""
