"""What the server has and no state knows, for every type that an estate is made of: the next `up` ends well.

One estate with everything in it goes through all of it. Proven with fake providers, which ask what the official one
asks (tests/engine/fake_providers/test_vault_requests.py). Not proven: audit devices, which OpenBao takes from its own
file.
"""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import errors

from fake_providers.vault.table import TABLE
from tests.support.checkouts import Checkout, checkout
from tests.support.killed_runs import accessors, finished, killed_at, under_way

pytestmark = pytest.mark.timeout(600)

KINDS = {f"vault:{kind}" for kind in TABLE} - {"vault:index/audit:Audit"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A copy whose settings have every kind of object."""
    with checkout(tmp_path_factory.mktemp("whole")) as made:
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
    assert under_way(whole) == []
    again = finished(whole, "--sandbox")
    assert (again["changed"], again["adopted"], again["passed"]) == (0, 0, True)
