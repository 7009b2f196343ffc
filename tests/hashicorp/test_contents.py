"""What `local` declares, in HashiCorp's server: `up` by the real engine, first boot and access checks included.

The server has another Vault for its seal, since it lacks the static one. Doesn't prove the official plugin where the
fake provider takes its place, nor audit devices: this stack's settings are OpenBao's, which takes none from settings.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hvac
import pytest
from hvac.exceptions import Forbidden, InternalServerError

from components.render.seals import TransitSeal
from ops.building.compiled import HASHICORP_SERVER
from ops.console import Console
from ops.errors import EstateError
from ops.local.postgres import ROOT_ROLE
from ops.people import leaving, logging_in, session
from ops.people.logging_in import Way
from tests.support.access_checks import amiss
from tests.support.checkouts import Checkout, checkout
from tests.support.issuers import Issuer, issuer
from tests.support.limits import retry_after
from tests.support.sealed import sealed
from tests.support.servers import VaultServer, call, free_ports, local_platform, postgres_template, vault_server
from tests.support.tenants import (
    AUDIENCE,
    DENIED,
    ODD_NAMES,
    has_its_own_folder_and_no_other,
    one_person_stays_in_each,
    section,
    tenants_of,
)
from tests.support.tokens import Issuer as TokenIssuer

__all__ = ["local_platform", "postgres_template", "vault_server"]


ISSUER = TokenIssuer()
PASSWORD = "-".join(("canary", "own", "password"))
UP = """
import json, sys
from dataclasses import replace
from components.render.seals import TransitSeal
from ops.cli import main
from ops.local import openbao

program, environment, address = json.loads(sys.argv[1])

class HashiCorp(openbao.ServerHcl):
    def __init__(self, **given):
        seal = TransitSeal(address=address, key="unseal")
        super().__init__(**given | {"flavor": "vault", "audit_devices": {}, "regain_socket": None, "seal": seal})

as_openbao = openbao.OpenBao.child
def child(self):
    spec = as_openbao(self)
    argv = [*program, *spec.argv[1:]]
    return replace(spec, argv=argv, environment={**spec.environment, **environment}, logs=spec.logs[:1])

openbao.ServerHcl, openbao.OpenBao.child = HashiCorp, child
sys.exit(main.main(sys.argv[2:]))
"""
"""A command whose server is another program, under another seal. All else is its own."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A copy of the project, and how a server is run there that another Vault unseals."""

    copy: Checkout
    server: str

    def run(self, *arguments: str, given: str = "") -> dict[str, Any]:
        """One command that succeeds, given this on standard input: its document."""
        answer = subprocess.run(
            [sys.executable, "-c", UP, self.server, *arguments, "--json"],
            cwd=self.copy.directory,
            env=self.copy.environment(),
            input=given,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        document: dict[str, Any] = json.loads(answer.stdout)
        return document


@pytest.fixture(scope="module")
def its_issuer(vault_server: VaultServer) -> Issuer:
    """Lin is in the team there."""
    (port,) = free_ports(1)
    return issuer(vault_server, f"http://localhost:{port}/oidc/callback", {"aos-team": ["lin"]})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, its_issuer: Issuer) -> Iterator[Made]:
    """Nothing is up in it."""
    folder = tmp_path_factory.mktemp("hashicorp")
    with sealed(folder / "node", "vault", "transit") as server, checkout(folder) as copy:
        server.stop()  # the other Vault and its token are what is wanted
        assert isinstance(server.seal, TransitSeal)
        settings = copy.settings()
        settings["people"]["groups"]["aos-owners"]["claims"] = ["aos-team"]
        settings["people"]["oidc"] = its_issuer.section(copy.directory)
        copy.write({**settings, "tenants": section(ISSUER, ids=["a", "b"])})
        yield Made(copy=copy, server=json.dumps([server.program, dict(server.environment), server.seal.address]))


@pytest.fixture(scope="module")
def first(made: Made) -> dict[str, Any]:
    """What the first `up` said."""
    return made.run("up")


def test_first_boot_contents_and_access_checks_pass(made: Made, first: dict[str, Any]) -> None:
    assert first["changes"].keys() == {"create"}
    assert first["passed"] is True
    assert set(first["access_checks"]) == set(made.copy.settings()["applications"])
    assert amiss(first["access_checks"]) == {}


@pytest.mark.usefixtures("first")
def test_it_is_hashicorps_server_under_another_vaults_seal(made: Made) -> None:
    with made.copy.administering() as client:
        status = call(client, "get", "sys/seal-status")
    assert (status["type"], status["sealed"], status["version"]) == ("transit", False, HASHICORP_SERVER.version)


@pytest.mark.usefixtures("first")
def test_a_second_up_changes_nothing(made: Made) -> None:
    again = made.run("up")
    assert (again["changed"], again["passed"]) == (0, True)


@pytest.mark.usefixtures("first")
def test_who_is_over_a_limit_is_told_when_to_come_again(made: Made) -> None:
    with made.copy.administering() as client:
        assert 0 < retry_after(client) <= 60


@pytest.mark.usefixtures("first")
def test_each_tenant_has_its_own_folder_whoever_it_is(made: Made) -> None:
    with tenants_of(made.copy, ISSUER) as estate:
        has_its_own_folder_and_no_other(estate)
        one_person_stays_in_each(estate)
        assert [name for name in ODD_NAMES if estate.log_in(ISSUER.sign(aud=AUDIENCE, tenant_id=name)).ok] == []


@pytest.mark.usefixtures("first")
def test_a_tenant_called_as_a_wildcard_or_as_anothers_folder_gets_that_there(made: Made) -> None:
    """Which is why settings want the tenants listed for this flavour."""
    listed = made.copy.settings()
    made.copy.write({**listed, "tenants": section(ISSUER)})
    made.run("up")
    try:
        with tenants_of(made.copy, ISSUER) as estate:
            assert estate.reads(estate.tenant("+"), "a/key") == "of a"
            within = estate.tenant("a/b")
            written = estate.asks(within, "POST", "secret/data/tenants/a/b/key", {"data": {"value": "of a/b"}})
            assert (written.ok, estate.reads(within, "a/key")) == (True, DENIED)
    finally:
        made.copy.write(listed)
        made.run("up")


def _works_with_aos_alone(made: Made) -> None:
    """Whoever is logged in, who is logged out with it."""
    login = session.kept(made.copy.local)
    assert login is not None
    client = hvac.Client(url=login.address, token=login.token, verify=str(made.copy.local.authority_file))
    try:
        written = made.run("secret", "put", "aos", "external-apis", "ANTHROPIC_API_KEY", given="of a person")
        (last, *_) = made.run("secret", "history", "aos", "external-apis")["versions"]
        assert (last["number"], last["by"]) == (written["version"], written["who"])
        with pytest.raises(Forbidden):
            call(client, "get", "secret/data/greenlang/database/redis")
        with pytest.raises(Forbidden):
            call(client, "put", "agenticverz/destroy/external-apis", {"versions": [1]})
    finally:
        logging_in.log_out(made.copy.paths, "local", Console())


@pytest.mark.usefixtures("first")
def test_an_owner_who_was_invited_works_with_their_own_secrets(made: Made) -> None:
    token = made.run("invite", "local", "ada")["wrapping_token"]
    assert made.run("login", "local", "ada", "--first", given=f"{token}\n{PASSWORD}\n{PASSWORD}\n")["name"] == "ada"
    _works_with_aos_alone(made)


@pytest.mark.usefixtures("first")
def test_whom_the_issuer_puts_into_a_group_may_what_it_may(
    made: Made, its_issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: its_issuer.browse(url).ok)
    its_issuer.person = "lin"
    logging_in.log_in(made.copy.paths, "local", None, Way(ask=lambda _: ""), Console())
    _works_with_aos_alone(made)

    assert leaving.off_board(made.copy.paths, "local", "lin", Console()).done
    with pytest.raises(EstateError, match=r"^Vault refuses what the issuer says"):
        logging_in.log_in(made.copy.paths, "local", None, Way(ask=lambda _: ""), Console())


@pytest.mark.usefixtures("first")
def test_a_databases_root_password_that_was_lost_is_set_anew(made: Made) -> None:
    with made.copy.local.servers.postgres.maintenance() as session:
        session.execute(f"alter role {ROOT_ROLE} password 'another-one'")
        session.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [ROOT_ROLE])
    with made.copy.administering() as client, pytest.raises(InternalServerError):
        call(client, "post", "database/rotate-root/postgresql")

    assert made.run("database-password", "local", "postgresql")["password"] == "set anew"

    with made.copy.administering() as client:
        call(client, "post", "database/rotate-root/postgresql")


@pytest.mark.usefixtures("first")
def test_a_restore_into_the_same_server_and_into_an_empty_one(made: Made) -> None:
    made.run("snapshot")
    with made.copy.administering() as client:
        call(client, "post", "database/rotate-root/postgresql")
    renewed = {"pair": "as it was", "passwords": {"postgresql": "renewed"}, "shares": "as they were"}

    same = made.run("restore")
    servers = made.copy.local.servers
    servers.stop()
    shutil.rmtree(servers.openbao.home / "data")
    empty = made.run("restore")

    assert (same["canary"], same["turned_back"]) == (empty["canary"], empty["turned_back"]) == (True, renewed)
    # Each object is looked at, and is as the state describes it.
    again = made.run("up", "--refresh")
    assert (again["changed"], again["passed"]) == (0, True)
