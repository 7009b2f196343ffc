"""The Hetzner platform through the real engine: up, no change, refresh, replace, destroy, and what goes wrong there.

The cloud's objects are in memory; the Vault that is waited for is a real one on this machine.
"""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_hcloud as hcloud
import pytest
from pulumi import automation

from components.hetzner.network import HetznerNetwork, HetznerNetworkArgs
from components.hetzner.server import HetznerServer, HetznerServerArgs
from components.hetzner.site import HetznerSite
from components.render.login import CertificateLogin
from components.render.tls import ProvidedTls
from fake_providers.attach import attach_apart
from ops.engine.environment import Backend, environment
from ops.engine.finding import Engine, find
from ops.engine.inline_program import InlineProgram
from ops.paths import ROOT
from tests.support.faults import Fault, faulty
from tests.support.lines import Line
from tests.support.servers import VaultServer, local_platform, postgres_template, vault_server
from tests.unit.render.nodes import TEXTS, node

__all__ = ["local_platform", "postgres_template", "vault_server"]

_INDEX = "hcloud:index/"
NETWORK, SUBNET = f"{_INDEX}network:Network", f"{_INDEX}networkSubnet:NetworkSubnet"
FIREWALL, PLACEMENT = f"{_INDEX}firewall:Firewall", f"{_INDEX}placementGroup:PlacementGroup"
ADDRESS, VOLUME = f"{_INDEX}primaryIp:PrimaryIp", f"{_INDEX}volume:Volume"
SERVER, ATTACHMENT = f"{_INDEX}server:Server", f"{_INDEX}volumeAttachment:VolumeAttachment"
MEMBER = f"{_INDEX}serverNetwork:ServerNetwork"
OBJECTS = {NETWORK, SUBNET, FIREWALL, PLACEMENT, ADDRESS, VOLUME, SERVER, ATTACHMENT, MEMBER}
READY = "pulumi-python:dynamic:Resource"
EVERYTHING = len(OBJECTS) + 5
"""With the stack, the provider, two components and the resource that waits."""
RATE_LIMIT = "hcloud: request limit exceeded (rate_limit_exceeded)"
LOCKED = "hcloud: server is locked by another action (locked)"
"""What hcloud-go says, whose retries are over by then (docs.hetzner.cloud, errors 429 and 423)."""


@dataclass
class Estate:
    """A Hetzner platform as a stack of its own, and the cloud it is built in."""

    folder: Path
    engine: Engine
    vault: VaultServer
    node_id: str = "node-1"
    """A part of user-data."""
    api_port: int = 0
    boot_timeout: int = 30

    def __post_init__(self) -> None:
        self.api_port = self.vault.platform.api_port
        (self.folder / "state").mkdir(parents=True)
        (self.folder / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
        (self.folder / "passphrase").write_text("trial")

    @property
    def world(self) -> dict[str, Any]:
        """The cloud's objects by type and id."""
        file = self.folder / "world.json"
        held: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return {key: value for key, value in held.items() if key != "count"}

    def of(self, token: str) -> list[str]:
        """Ids of the cloud's objects of a type."""
        return [key.split()[1] for key in self.world if key.split()[0] == token]

    def forget(self, token: str) -> None:
        """Delete objects by hand, as one does in Hetzner's console."""
        file = self.folder / "world.json"
        held = json.loads(file.read_text())
        file.write_text(json.dumps({key: value for key, value in held.items() if key.split()[0] != token}))

    def program(self) -> None:
        """The platform, declared as `estate_platform` does."""
        options = pulumi.ResourceOptions(providers=[hcloud.Provider("hcloud", token="-".join(["no", "token"]))])
        authority = str(self.vault.ca_file)
        wanted = node(
            tls=ProvidedTls(ca_certificate_file=authority),
            texts={**TEXTS, authority: self.vault.ca_file.read_text()},
            node_id=self.node_id,
            api_port=self.api_port,
        )
        site = HetznerSite(
            location="fsn1", server_type="cx23", volume_size_gb=10, domain="127.0.0.1", boot_timeout=self.boot_timeout
        )
        network = HetznerNetwork(
            "network",
            HetznerNetworkArgs(physical_name="vault-trial", site=site, flows=wanted.flows, labels={}),
            options,
        )
        HetznerServer(
            "platform",
            HetznerServerArgs(
                physical_name="vault-trial",
                site=site,
                node=wanted,
                subnet_id=network.subnet_id,
                firewall_id=network.firewall_id,
                labels={},
                protect=False,
                login=CertificateLogin(
                    certificate_file=str(self.vault.admin_certificate), private_key_file=str(self.vault.admin_key)
                ),
            ),
            options,
        )

    def do(self, operation: str, *faults: Fault) -> dict[str, int]:
        """One operation of the engine; what it changed. Raises automation's CommandError."""
        backend = Backend(state=self.folder / "state", passphrase_file=self.folder / "passphrase")
        with (
            pytest.MonkeyPatch.context() as patch,
            attach_apart(["hcloud"], world=self.folder / "world.json") as providers,
            faulty(providers, faults) as attached,
        ):
            variables = environment(self.engine, backend, self.folder / "shims", attached)
            # Where the resource that waits finds its code.
            variables["PYTHONPATH"] = str(ROOT)
            for name, value in variables.items():
                patch.setenv(name, value)
            workspace = automation.LocalWorkspaceOptions(work_dir=str(self.folder), env_vars=variables)
            program = InlineProgram(self.program)
            stack = automation.create_or_select_stack("one", project_name="trial", program=program, opts=workspace)
            # One at a time where the connection is lost: others' answers would be lost with it.
            together = 1 if any(fault.kind == "drop" for fault in faults) else None
            try:
                result = getattr(stack, operation)(parallel=together)
            finally:
                program.end()
        counted = result.change_summary if operation == "preview" else result.summary.resource_changes or {}
        return {str(getattr(kind, "value", kind)): count for kind, count in counted.items()}

    def fails(self, operation: str, *faults: Fault) -> str:
        """One operation that has to fail; what was said."""
        with pytest.raises(automation.CommandError) as caught:
            self.do(operation, *faults)
        return str(caught.value)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The engine."""
    return find(lambda _: None)


@pytest.fixture
def estate(tmp_path: Path, engine: Engine, vault_server: VaultServer) -> Iterator[Estate]:
    """A platform nothing of which is built yet."""
    before = Path.cwd()
    yield Estate(tmp_path / "estate", engine, vault_server)
    os.chdir(before)


def whole(estate: Estate) -> None:
    """Everything is there, once, and the engine finds nothing to do."""
    assert {key.split()[0] for key in estate.world} == OBJECTS
    assert len(estate.world) == len(OBJECTS)
    (attachment,) = (held for key, held in estate.world.items() if key.split()[0] == ATTACHMENT)
    assert [str(attachment["inputs"]["serverId"])] == estate.of(SERVER)
    assert estate.do("up") == {"same": EVERYTHING}


def test_the_whole_life(estate: Estate) -> None:
    assert estate.do("preview") == {"create": EVERYTHING}
    assert estate.world == {}
    assert estate.do("up") == {"create": EVERYTHING}
    whole(estate)
    assert set(estate.do("refresh")) <= {"same"}
    assert estate.do("preview") == {"same": EVERYTHING}

    kept = {token: estate.of(token) for token in OBJECTS - {SERVER, ATTACHMENT, MEMBER}}
    server = estate.of(SERVER)
    estate.node_id = "node-2"
    changed = estate.do("up")
    assert changed == {"same": EVERYTHING - 4, "replace": 3, "update": 1}
    assert estate.of(SERVER) != server
    assert {token: estate.of(token) for token in kept} == kept
    whole(estate)

    assert estate.do("destroy") == {"delete": EVERYTHING}
    assert estate.world == {}


STAGES = [(NETWORK, VOLUME), (SUBNET, SERVER), (MEMBER, ATTACHMENT)]
"""Each needs something of the one before, so that three runs fail one after the other."""


def test_a_rate_limit_stops_an_up_which_the_next_one_goes_on_with(estate: Estate) -> None:
    for tokens in STAGES:
        limits = [Fault(package="hcloud", type_token=token, message=RATE_LIMIT) for token in tokens]
        assert "rate_limit_exceeded" in estate.fails("up", *limits)
        assert [estate.of(token) for token in tokens] == [[], []]
    assert estate.do("up")["create"] == 3
    whole(estate)


def test_a_connection_that_is_lost_before_an_object_is_made(estate: Estate) -> None:
    for token in (VOLUME, SERVER, ATTACHMENT):
        estate.fails("up", Fault(package="hcloud", type_token=token, kind="drop"))
        assert estate.of(token) == []
    estate.do("up")
    whole(estate)


def test_a_server_locked_while_the_volume_is_attached(estate: Estate) -> None:
    said = estate.fails("up", Fault(package="hcloud", type_token=ATTACHMENT, message=LOCKED))
    assert "locked" in said
    (server,) = estate.of(SERVER)
    estate.do("up")
    assert estate.of(SERVER) == [server]
    whole(estate)


def test_a_server_made_while_the_connection_was_lost_is_never_made_twice(estate: Estate) -> None:
    estate.fails("up", Fault(package="hcloud", type_token=SERVER, kind="drop", after=True))
    (server,) = estate.of(SERVER)
    said = estate.fails("up")
    assert "server name 'vault-trial' is already used (uniqueness_error)" in said
    assert estate.of(SERVER) == [server]
    estate.forget(SERVER)  # it holds nothing: its volume was not attached yet
    estate.do("up")
    whole(estate)


def test_a_server_that_never_gets_ready(estate: Estate) -> None:
    line = Line(target=("127.0.0.1", estate.api_port), up=False)
    threading.Thread(target=line.serve, daemon=True).start()
    estate.api_port, estate.boot_timeout = line.port, 2
    said = estate.fails("up")
    assert line.address in said
    (server,) = estate.of(SERVER)
    line.up, estate.boot_timeout = True, 30
    changed = estate.do("up")
    assert changed["create"] == 1
    assert estate.of(SERVER) == [server]
    whole(estate)
    line.listener.close()


def test_a_replacement_that_stops_half_way_goes_on(estate: Estate) -> None:
    estate.do("up")
    volume, address = estate.of(VOLUME), estate.of(ADDRESS)
    estate.node_id = "node-2"
    said = estate.fails("up", Fault(package="hcloud", type_token=SERVER, message=RATE_LIMIT))
    assert "rate_limit_exceeded" in said
    assert estate.of(SERVER) == []
    estate.do("up")
    assert (estate.of(VOLUME), estate.of(ADDRESS)) == (volume, address)
    whole(estate)


def refused(call: str, token: str) -> Fault:
    """The next call of a kind fails; a test that orders one in vain proves that there was none."""
    return Fault(package="hcloud", call=call, type_token=token, message=RATE_LIMIT)


def test_a_replaced_server_ends_with_its_volume_and_network(estate: Estate) -> None:
    """Until its server is shut down and deleted, nothing is taken from a Vault at work."""
    estate.do("up")
    server, followers = estate.of(SERVER), (estate.of(ATTACHMENT), estate.of(MEMBER))
    estate.node_id = "node-2"

    assert "rate_limit_exceeded" in estate.fails("up", refused("Delete", SERVER))

    assert (estate.of(SERVER), (estate.of(ATTACHMENT), estate.of(MEMBER))) == (server, followers)
    assert all(followers)
    estate.do("up")
    assert estate.of(SERVER) != server
    whole(estate)


def test_a_destroyed_server_ends_with_its_volume(estate: Estate) -> None:
    estate.do("up")

    assert estate.do("destroy", refused("Delete", ATTACHMENT)) == {"delete": EVERYTHING}
    assert estate.world == {}


def test_a_replacement_that_is_taken_back_after_it_failed(estate: Estate) -> None:
    estate.do("up")
    server, before = estate.of(SERVER), estate.node_id
    estate.node_id = "node-2"
    estate.fails("up", refused("Delete", SERVER))
    estate.node_id = before

    estate.do("up")

    assert estate.of(SERVER) == server
    whole(estate)


def test_a_state_of_before_goes_over_without_a_replacement(estate: Estate) -> None:
    """A state in which followers are bound to their server by an input, and none goes with it."""
    estate.do("up")
    server, followers = estate.of(SERVER), (estate.of(ATTACHMENT), estate.of(MEMBER))
    (file,) = (estate.folder / "state/.pulumi/stacks").rglob("one.json")
    state = json.loads(file.read_text())
    resources = state["checkpoint"]["latest"]["resources"]
    (urn,) = (one["urn"] for one in resources if one["type"] == SERVER)
    for one in resources:
        if one["type"] in {ATTACHMENT, MEMBER}:
            one["propertyDependencies"]["serverId"] = [urn]
            one.pop("deletedWith", None)
    file.write_text(json.dumps(state))

    assert estate.do("preview") == {"same": EVERYTHING}
    whole(estate)

    assert (estate.of(SERVER), (estate.of(ATTACHMENT), estate.of(MEMBER))) == (server, followers)
    estate.node_id = "node-2"
    estate.fails("up", refused("Delete", SERVER))
    assert (estate.of(ATTACHMENT), estate.of(MEMBER)) == followers


def test_a_subnet_stays_as_long_as_a_server_is_in_it(estate: Estate) -> None:
    estate.do("up")

    estate.fails("destroy", refused("Delete", MEMBER))

    assert len(estate.of(SUBNET)) == len(estate.of(SERVER)) == 1
    estate.do("destroy")
    assert estate.world == {}


def test_a_destroy_that_is_stopped_goes_on(estate: Estate) -> None:
    estate.do("up")
    for token in (SERVER, VOLUME):
        limit = Fault(package="hcloud", call="Delete", type_token=token, message=RATE_LIMIT)
        assert "rate_limit_exceeded" in estate.fails("destroy", limit)
        assert len(estate.of(token)) == 1
    estate.do("destroy")
    assert estate.world == {}
