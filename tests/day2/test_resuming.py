"""What the server has and no state knows, for every type that an estate is made of: the next `up` ends well, or says
which one does.

One estate with everything in it goes through all of it. Proven with fake providers, which ask what the official one
asks (tests/engine/fake_providers/test_vault_requests.py). Not proven: audit devices, which OpenBao takes from its own
file.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import errors

from fake_providers.vault.table import TABLE
from ops.commands import session
from ops.commands.session import Choices
from ops.console import Console
from tests.support.checkouts import Checkout, checkout
from tests.support.issuers import issuer
from tests.support.killed_runs import accessors, asked, finished, killed_at, recorded, under_way
from tests.support.servers import VaultServer, eventually, local_platform, postgres_template, vault_server

__all__ = ["local_platform", "postgres_template", "vault_server"]


KINDS = {f"vault:{kind}" for kind in TABLE} - {"vault:index/audit:Audit", "vault:index/raftAutopilot:RaftAutopilot"}
"""What the local stack may have: its audit devices are in its server's file, and it has one server."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, vault_server: VaultServer) -> Iterator[Checkout]:
    """A copy whose settings have every kind of object; the issuer of people is another server."""
    with checkout(tmp_path_factory.mktemp("whole")) as made:
        at = issuer(vault_server, "http://localhost:8250/oidc/callback", {"aos-team": ["lin"]})
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        public = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        settings = made.settings()
        settings["jwt"] = {"bound_issuer": "https://issuer.example", "jwt_validation_pubkeys": [public]}
        settings["kubernetes"] = {
            "host": "https://10.0.0.1:6443",
            "ca_certificate_file": ".estate/local/tls/ca.crt",
        }
        settings["database"]["static_roles"] = {"reports": {"connection": "postgresql", "username": "reports"}}
        granted = {"transit_keys": ["data-encryption-key"]}
        settings["applications"] |= {
            "job": {"login": {"kind": "jwt", "audience": "vault", "claims": {"repository": "acme/app"}}} | granted,
            "pod": {"login": {"kind": "kubernetes", "service_account": "pod", "namespace": "prod"}} | granted,
        }
        (made.directory / "client-secret").write_text(at.client_secret)
        (made.directory / "issuer.crt").write_text(at.server.ca_file.read_text())
        settings["people"]["groups"]["aos-owners"]["claims"] = ["aos-team"]
        settings["people"]["oidc"] = {
            "discovery_url": at.url,
            "client_id": at.client_id,
            "client_secret_file": "client-secret",
            "ca_certificate_file": "issuer.crt",
            "user_claim": "name",
        }
        made.write(settings)
        made.local.servers.start()
        with suppress(errors.DuplicateObject), made.local.servers.postgres.maintenance() as maintenance:
            maintenance.execute("CREATE ROLE reports LOGIN")
        yield made


def test_killed_with_an_object_of_each_type_on_the_server_and_in_no_state(whole: Checkout) -> None:
    open_kinds = set(KINDS)
    made: dict[str, str] = {}
    while open_kinds:
        open_kinds -= killed_at(whole, sorted(open_kinds))
        assert accessors(whole).items() >= made.items(), "a mount was made anew"
        made |= accessors(whole)

    document = finished(whole, "--sandbox")

    assert document["passed"] is True
    assert accessors(whole).items() >= made.items()
    assert under_way(recorded(whole)) == []
    again = finished(whole, "--sandbox")
    assert (again["changed"], again["adopted"], again["passed"]) == (0, 0, True)


def issuers(made: Checkout) -> dict[str, Any]:
    """The authorities' issuers and keys by their ids, and which is the default."""
    paths = [f"{mount}/{kind}" for mount in ("pki", "pki_int") for kind in ("issuers", "keys")]
    listed = {path: asked(made, path, listing=True) for path in paths}
    return listed | {mount: asked(made, f"{mount}/config/issuers") for mount in ("pki", "pki_int")}


def lost(made: Checkout) -> None:
    """Lose the state, and nothing else."""
    shutil.rmtree(made.paths.state)


def test_a_lost_state_is_told_and_taken_over(whole: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    before = finished(whole)
    kept = (accessors(whole), issuers(whole), asked(whole, "transit/keys/data-encryption-key"))
    with whole.administering() as client:
        client.write_data("auth/approle/role/aos", data={"token_ttl": 60, "token_bound_cidrs": ["127.0.0.0/8"]})
    lost(whole)

    previewed, refused = whole.run("preview"), whole.run("up")

    assert (previewed.returncode, refused.returncode) == (2, 2)
    assert previewed.stderr.splitlines()[-1] == refused.stderr.splitlines()[-1]
    assert refused.stderr.splitlines()[-1] == (
        "estate: the state of stack 'local' is lost or new, but its Vault holds secret/, pake_system/, agenticverz/ "
        "and 9 more; expected the state back in its place, or ./estate up local --adopt, which takes over what is "
        "there and deletes nothing"
    )
    taken = finished(whole, "--adopt")
    assert (taken["passed"], set(taken["changes"])) == (True, {"create"})
    assert taken["exports"] == before["exports"]
    assert (accessors(whole), issuers(whole), asked(whole, "transit/keys/data-encryption-key")) == kept
    role = asked(whole, "auth/approle/role/aos")
    assert (role["token_ttl"], role["token_bound_cidrs"]) == (3600, [])
    again = finished(whole)
    assert (again["changed"], again["passed"]) == (0, True)
    monkeypatch.chdir(whole.directory)
    console = Console(as_json=True)
    with session.opened(whole.local, console, "up", Choices()) as opened, console.stage("refreshing") as steps:
        assert opened.run.operate("refresh", steps).total == 0


def test_a_mount_that_no_state_knows_is_told_and_taken_over(whole: Checkout) -> None:
    with whole.administering() as client:
        client.write_data("sys/mounts/by_hand", data={"type": "kv", "options": {"version": "2"}})
    whole.write(whole.settings() | {"kv": whole.settings()["kv"] | {"by_hand": {"description": "ours now"}}})
    kept = accessors(whole)

    refused = whole.run("up")

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("estate: Vault holds what the state doesn't know (")
    assert refused.stderr.endswith("; expected ./estate up local --adopt, which takes it over\n")
    assert finished(whole, "--adopt")["passed"] is True
    assert accessors(whole) == kept
    assert asked(whole, "sys/mounts")["by_hand/"]["description"] == "ours now"
    assert finished(whole)["changed"] == 0


def test_a_killed_adoption_goes_on_and_empties_no_authority(whole: Checkout) -> None:
    kept = issuers(whole)
    lost(whole)
    running = whole.begin("up", "--adopt")
    assert eventually(lambda: len(recorded(whole).get("resources") or ()) > 15, seconds=120)
    whole.kill(running)

    refused = whole.run("up")

    assert refused.returncode == 2
    assert "`./estate up local --adopt` didn't end; expected it to be run again" in refused.stderr
    assert finished(whole, "--adopt")["passed"] is True
    assert issuers(whole) == kept
    assert finished(whole)["changed"] == 0


def test_a_protected_estate_is_not_taken_down_for_want_of_its_state(whole: Checkout) -> None:
    kept = accessors(whole)
    whole.write(whole.settings() | {"protect": True})
    lost(whole)

    refused = whole.run("down")

    assert refused.returncode == 2
    assert "estate.protect is true and the state is lost; expected ./estate up local --adopt" in refused.stderr
    assert accessors(whole) == kept
