"""The rules of Hetzner's that the stand-in keeps, without machines: what has a server, and what nobody knows of."""

from pathlib import Path
from typing import Any

import pytest

from fake_providers.envelope import UNKNOWN
from fake_providers.hcloud import HcloudProvider
from fake_providers.servicer import Found, RefusedError

INDEX = "hcloud:index/"
SERVER, VOLUME, ATTACHMENT = (
    f"{INDEX}server:Server",
    f"{INDEX}volume:Volume",
    f"{INDEX}volumeAttachment:VolumeAttachment",
)
ADDRESS = f"{INDEX}primaryIp:PrimaryIp"
SUBNET, MEMBER = f"{INDEX}networkSubnet:NetworkSubnet", f"{INDEX}serverNetwork:ServerNetwork"


@pytest.fixture
def cloud(tmp_path: Path) -> HcloudProvider:
    """One in memory."""
    return HcloudProvider(tmp_path / "world.json", None)


def make(cloud: HcloudProvider, token: str, **inputs: Any) -> Found:
    return cloud.create(None, token, inputs)


def test_a_volume_has_one_server(cloud: HcloudProvider) -> None:
    volume = make(cloud, VOLUME, size=10).identity
    first, second = (make(cloud, SERVER, name=name, serverType="cx23").identity for name in "ab")
    attached = make(cloud, ATTACHMENT, serverId=int(first), volumeId=int(volume))

    with pytest.raises(RefusedError, match=rf"volume {volume} is attached already \(volume_already_attached\)"):
        make(cloud, ATTACHMENT, serverId=int(second), volumeId=int(volume))

    cloud.delete(None, ATTACHMENT, attached)
    assert make(cloud, ATTACHMENT, serverId=int(second), volumeId=int(volume))


@pytest.mark.parametrize(("token", "name"), [(ADDRESS, "ipAddress"), (VOLUME, "linuxDevice")])
def test_what_user_data_is_made_of_is_known_in_a_preview(cloud: HcloudProvider, token: str, name: str) -> None:
    """So that the policy pack judges user-data in a pull request."""
    assert cloud.planned(token, {}, {})[name] != UNKNOWN


def test_a_server_lets_go_when_it_is_deleted(cloud: HcloudProvider) -> None:
    volume, subnet = make(cloud, VOLUME, size=10).identity, make(cloud, SUBNET, type="cloud")
    server = make(cloud, SERVER, name="a", serverType="cx23")
    attached = make(cloud, ATTACHMENT, serverId=int(server.identity), volumeId=int(volume))
    member = make(cloud, MEMBER, serverId=int(server.identity), subnetId=subnet.identity)
    with pytest.raises(RefusedError, match="still has a server in it"):
        cloud.delete(None, SUBNET, subnet)

    cloud.delete(None, SERVER, server)

    assert cloud.read(None, ATTACHMENT, attached) is None
    assert cloud.read(None, MEMBER, member) is None
    cloud.delete(None, SUBNET, subnet)
    assert cloud.read(None, SUBNET, subnet) is None


def test_objects_in_no_state_are_dropped(cloud: HcloudProvider) -> None:
    kept = make(cloud, VOLUME, size=10)
    lost = make(cloud, SUBNET, type="cloud")
    server = make(cloud, SERVER, name="a", serverType="cx23")
    make(cloud, MEMBER, serverId=int(server.identity), subnetId=lost.identity)

    dropped = cloud.drop_unknown(None, {(VOLUME, kept.identity)})

    assert dropped == [MEMBER, SERVER, SUBNET]
    assert cloud.read(None, VOLUME, kept) is not None
    assert cloud.read(None, SERVER, server) is None
    assert cloud.drop_unknown(None, {(VOLUME, kept.identity)}) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"location": "fsn1", "assigneeType": "server"}, "assigneeType is given; expected assigneeId with it"),
        ({"assigneeId": 7}, "assigneeId is given; expected assigneeType with it"),
        ({"location": "fsn1", "assigneeId": 7, "assigneeType": "server"}, "location and assigneeId of location and"),
        ({}, "expected exactly one of them"),
    ],
)
def test_half_an_assignee_is_refused(cloud: HcloudProvider, given: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        cloud.check(ADDRESS, {"name": "front", "type": "ipv4"} | given)


@pytest.mark.parametrize("given", [{"location": "fsn1"}, {"assigneeId": 7, "assigneeType": "server"}])
def test_a_place_or_a_whole_assignee_will_do(cloud: HcloudProvider, given: dict[str, Any]) -> None:
    inputs = {"name": "front", "type": "ipv4"} | given
    assert cloud.check(ADDRESS, inputs) == inputs
