"""What ends soon and what is overdue is told, of a real server with short-lived things of each kind.

Doesn't prove: that a machine at Hetzner renews its listener's certificate (`tests/machines/test_certificate_drill.py`).
"""

import datetime
import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from pysequoia import Tsk

from ops import stack_file
from ops.commands import ends
from ops.keys.certificates import ADMINISTRATOR_DAYS, new_administrator
from ops.paths import ROOT, Paths
from ops.platforms.local import Local
from ops.platforms.registry import platform_of
from ops.snapshots import drilling, taking
from ops.vault import issued, status
from tests.support.certificates import issue
from tests.support.checkouts import KEY
from tests.support.hetzner_samples import NODE
from tests.support.nodes import write_stack
from tests.support.servers import call, eventually
from tests.support.snapshotting import Estate, estate
from tests.unit.settings.samples import FULL

SOME_APPLICATION = {"shop": {"login": {"kind": "approle"}, "secrets": {"a": {"keys": ["b"]}}}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate with an authority, whose own things last for years."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        client = one.client
        for mount in ("pki", "pki_int"):
            call(client, "post", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
        sign(one, "87600h", "43800h")
        yield one


@pytest.fixture(autouse=True)
def _files_as_before(made: Estate) -> Iterator[None]:
    """Whatever a test put in a file's place is gone afterwards."""
    before = {file: file.read_bytes() for file in made.paths.own.rglob("*") if file.suffix in (".crt", ".key", ".asc")}
    yield
    changed = {file for file, content in before.items() if file.read_bytes() != content}
    for file in changed:
        file.write_bytes(before[file])
    if any(file.name == "server.crt" for file in changed):
        read_again(made)


def read_again(made: Estate) -> None:
    """Let the server have its certificate as it is now."""
    certificate = x509.load_pem_x509_certificate((made.platform.directory / "tls" / "server.crt").read_bytes())
    ends = certificate.not_valid_after_utc.strftime(status.TIME)
    os.kill(made.platform.status().openbao.pid or 0, signal.SIGHUP)
    assert eventually(lambda: status.ask(made.where).certificate_ends == ends)


def sign(made: Estate, root_ttl: str, intermediate_ttl: str) -> None:
    """Another root and another intermediate, which are the defaults from now on."""
    client = made.client
    root = call(client, "post", "pki/root/generate/internal", {"common_name": "r", "ttl": root_ttl})["data"]
    call(client, "post", "pki/config/issuers", {"default": root["issuer_id"]})
    csr = call(client, "post", "pki_int/intermediate/generate/internal", {"common_name": "i"})["data"]["csr"]
    signed = call(client, "post", "pki/root/sign-intermediate", {"csr": csr, "ttl": intermediate_ttl})["data"]
    imported = call(client, "post", "pki_int/intermediate/set-signed", {"certificate": signed["certificate"]})["data"]
    call(client, "post", "pki_int/config/issuers", {"default": imported["imported_issuers"][0]})


def found(made: Estate, snapshots: Mapping[str, Any] | None = None, *, missed: bool = False) -> ends.Ends:
    """What is found by the estate's settings and an authority beside them."""
    document = yaml.safe_load((made.paths.project / "Pulumi.local.yaml").read_text())
    settings = document["config"][KEY]
    settings |= {"pki": {**FULL["pki"], "roles": {}}, "approle": {}, "applications": SOME_APPLICATION}
    settings["snapshots"] = {**settings["snapshots"], **(snapshots or {})}
    (made.paths.project / "Pulumi.local.yaml").write_text(yaml.safe_dump(document))
    platform = Local(paths=made.paths, file=stack_file.read(made.paths, "local"))
    return ends.look(platform, status.ask(made.where), missed=missed)


def told(made: Estate) -> str:
    """The one warning there is."""
    (warning,) = found(made).warnings
    return warning


def short(pair: Path, **left: int) -> None:
    """Put a client certificate in a pair's place that ends in so many days or seconds."""
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=ADMINISTRATOR_DAYS)
    certificate, key = new_administrator(begin + datetime.timedelta(**left))
    pair.write_bytes(certificate)
    pair.with_suffix(".key").write_bytes(key)


def test_what_lasts_is_listed_and_not_told(made: Estate) -> None:
    all_of_it = found(made)
    assert all_of_it.warnings == ()
    assert [one.what.partition(" (")[0] for one in all_of_it.ends] == [
        "the administrator's certificate",
        "the operator's certificate for snapshots",
        "who vouches for the listener",
        "the listener's certificate",
        "the root certificate",
        "the intermediate certificate",
    ]
    assert all(one.days > 300 for one in all_of_it.ends)


def test_the_administrators_certificate(made: Estate) -> None:
    short(made.platform.administrator_certificate, days=20)
    said = told(made)
    assert said.startswith("the administrator's certificate (.estate/local/administrator.crt) ends in 19d, on 2")
    assert said.endswith(" UTC: ./estate regain local --new-pair")
    short(made.platform.administrator_certificate, seconds=45)
    assert " ends in 4" in told(made)
    short(made.platform.administrator_certificate, seconds=-45)
    assert "the administrator's certificate (.estate/local/administrator.crt) ended on 2" in told(made)
    short(made.platform.administrator_certificate, days=31)
    assert found(made).warnings == ()


@pytest.mark.parametrize("in_the_file", [True, False])
def test_the_administrators_certificate_of_a_cloud_stack(tmp_path: Path, *, in_the_file: bool) -> None:
    certificate, first = tmp_path / "administrator.crt", "" if in_the_file else "./estate keys dev, then "
    said = {}
    for left in (20, -1):
        short(certificate, days=left)
        held = {"certificate_pem": certificate.read_text(), "private_key_secret": "administrator-key"}
        named = {"certificate": certificate.name, "private_key": "administrator.key"}
        administrator = held if in_the_file else named
        write_stack(tmp_path, {**NODE, "bootstrap": {**NODE["bootstrap"], "administrator": administrator}})
        paths = Paths(project=tmp_path)
        (said[left],) = ends.look(platform_of(paths, stack_file.read(paths, "dev")), None).warnings

    assert said[20].endswith(f": {first}./estate keys dev --rotate")
    assert said[-1].endswith(f": {first}./estate regain dev --new-pair")


def test_the_page_has_every_way(made: Estate) -> None:
    page = " ".join((ROOT / "docs/ends.md").read_text().split())
    others = ["./estate keys STACK --rotate", "./estate keys STACK", "./estate renew-shares STACK"]
    ways = {word for one in found(made).ends for word in re.findall(r"\./estate [^:]+|pki\.\w+", one.way)}
    assert ways == {"./estate regain local --new-pair", "pki.root_generation", "pki.intermediate_generation"}
    assert [way for way in (*ways, *others) if f"`{way.replace('local', 'STACK')}`" not in page] == []


def test_a_certificate_for_snapshots(made: Estate) -> None:
    short(made.paths.local / "snapshots" / "operator.crt", days=29)
    assert told(made).startswith("the operator's certificate for snapshots (.estate/local/snapshots/operator.crt) ends")


@pytest.mark.parametrize(("age", "left", "is_told"), [(80, 20, True), (80, 35, False), (3, 2, False), (5, 1, True)])
def test_the_listeners_certificate(made: Estate, age: int, left: int, *, is_told: bool) -> None:
    """One that lives for days only is told in the last third."""
    tls = made.platform.directory / "tls"
    days = datetime.timedelta(days=age)
    begin = datetime.datetime.now(datetime.UTC) - days
    new = issue(tls, begin=begin, lifetime=days + datetime.timedelta(days=left, hours=1))
    (tls / "server.crt").write_bytes(new.certificate)
    (tls / "server.key").write_bytes(new.key)
    read_again(made)
    assert status.ask(made.where).certificate_days == left

    assert [said.startswith("the listener's certificate ends in") for said in found(made).warnings] == [True] * is_told


def test_an_operators_pgp_key(made: Estate) -> None:
    (operator,) = stack_file.read(made.paths, "local").settings.bootstrap.operators
    public = made.paths.project / operator.pgp_key
    pair = Tsk.generate("ada <ada@example.com>")
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=12, hours=1)
    public.parent.mkdir(parents=True, exist_ok=True)
    public.write_text(str(pair.extract_certificate().set_expiration(soon, pair.certifier())))
    try:
        said = told(made)
        assert said.startswith(f"the PGP key of operator {operator.name} ({operator.pgp_key}) ends in 12d")
        assert said.endswith(": its holder prolongs it, or has another: ./estate renew-shares local")
    finally:
        public.unlink()


def test_a_secret_id_that_was_issued_here(made: Estate) -> None:
    issued.note(made.paths, "local", "shop", 86_400)
    assert found(made).warnings == (), "a third of its time is not over"
    issued.note(made.paths, "local", "shop", -1)
    assert told(made).startswith("the SecretID of shop that was issued from here ended on 2")
    assert told(made).endswith("./estate secret-id shop --stack local issues another")
    issued.note(made.paths, "local", "gone", -1)
    assert "gone" not in "".join(found(made).warnings)
    issued.note(made.paths, "local", "shop", -31 * 86_400)
    assert found(made).warnings == (), "nobody missed it for a month"


def test_every_issuer_and_not_only_the_default(made: Estate) -> None:
    sign(made, "240h", "72h")
    root, intermediate = sorted(found(made).warnings, reverse=True)
    assert root.startswith("the root certificate (pki) ends in 9d")
    assert root.endswith(": raise pki.root_generation, as docs/certificates.md tells")
    assert intermediate.startswith("the intermediate certificate (pki_int) ends in 2d")
    assert intermediate.endswith(": raise pki.intermediate_generation, as docs/certificates.md tells")

    sign(made, "87600h", "43800h")
    root, intermediate = sorted(found(made).warnings, reverse=True)
    assert root.startswith("an older root certificate (pki) ends in 9d")
    assert intermediate.startswith("an older intermediate certificate (pki_int) ends in 2d")


def test_a_snapshot_and_a_drill(made: Estate) -> None:
    near = found(made).warnings
    assert found(made, missed=True).warnings == (
        *near,
        "no snapshot is there: ./estate snapshot local",
        "no drill was ever done: ./estate drill local",
    )
    taking.take(made.paths, made.file, made.where, made.console)
    drilling.drill(made.paths, made.file, made.console, made.identity, made.seal_key)
    assert found(made, missed=True).warnings == near

    store = made.paths.local / "snapshots" / "store"
    (drill,) = store.glob("drills/*/*.json")
    drill.rename(drill.with_name("20250101T000000Z.json"))
    (archive,) = store.glob("raft/*/*.age")
    for end in ("", ".json"):
        archive.with_name(archive.name + end).rename(archive.with_name(f"20250101T000000Z.age{end}"))
    again = found(made)
    assert len(again.warnings) == len(near) + 2
    assert again.document["drill_age_seconds"] > 365 * 86_400
    snapshot, last = again.warnings[-2:]
    assert snapshot.startswith("the newest snapshot is ")
    assert snapshot.endswith(" old, which is too old: ./estate snapshot local")
    assert last.startswith("the last drill was ")
    assert last.endswith(" ago, which is too long: ./estate drill local")


def test_a_server_that_is_away_leaves_the_files(made: Estate) -> None:
    platform = Local(paths=made.paths, file=stack_file.read(made.paths, "local"))
    away = replace(status.ask(made.where), reachable=False, certificate_ends=None)
    assert "the administrator's certificate (.estate/local/administrator.crt)" in [
        one.what for one in ends.look(platform, away).ends
    ]
