"""Settings of snapshots: what is refused, in which words, and what is taken where nothing is said."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from components.render.snapshots import Bucket, Folder
from settings import SettingsError, parse
from tests.support.hetzner_samples import BUCKET, FOLDER, SSH, node
from tests.unit.settings.samples import MINIMAL, MISSING

CANARY = "canary" * 8


def local(snapshots: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a local stack with snapshots."""
    return copy.deepcopy({**MINIMAL, "snapshots": snapshots})


def remote(snapshots: Mapping[str, Any], **platform: Any) -> dict[str, Any]:
    """Settings of a Hetzner stack with snapshots."""
    return {**node(**{"ssh": SSH, **platform}), "snapshots": copy.deepcopy(snapshots)}


def refusal(plain: Mapping[str, Any]) -> str:
    """The one line about what is wrong."""
    with pytest.raises(SettingsError) as refused:
        parse(plain)
    return str(refused.value).removeprefix("vault-estate:estate")


def test_without_the_section_no_snapshot_is_taken() -> None:
    assert parse(MINIMAL).snapshots is None


def test_the_least_that_is_right_and_what_it_comes_to() -> None:
    snapshots = parse(local(FOLDER)).snapshots

    assert snapshots is not None
    assert isinstance(snapshots.store, Folder)
    assert (snapshots.schedule, snapshots.stale_after) == ("hourly", 3 * 3600)
    assert snapshots.keep.model_dump() == {"hourly": 24, "daily": 14, "weekly": 8}

    far = parse(remote(BUCKET)).snapshots

    assert far is not None
    assert isinstance(far.store, Bucket)
    assert far.store.lock_days == 14
    assert far.store.writer is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipients": []}, ".snapshots.recipients is empty; expected at least 1 entry"),
        (
            {"keep": {"hourly": 0, "daily": 0, "weekly": 0}},
            ".snapshots.keep.hourly is 0; expected it, daily or weekly above 0",
        ),
        ({"keep": {"hourly": -1}}, ".snapshots.keep.hourly is -1; expected at least 0"),
        ({"schedule": "hourly\nExecStart=/bin/sh"}, "expected a calendar event of systemd"),
        ({"schedule": "every now and then"}, ".snapshots.schedule is 'every now and then'; expected a calendar event"),
        ({"schedule": "Mon"}, "expected a calendar event of systemd that comes again and again"),
        ({"schedule": "2030-01-01 00:00"}, "expected a calendar event of systemd that comes again and again"),
        (
            {"schedule": "weekly"},
            ".snapshots.stale_after is 3h; expected at least 7d, the longest time between two snapshots by schedule",
        ),
        ({"recipients": [f"age-secret-key-1{CANARY}"]}, "expected the name of a file, and no secret"),
        (
            {"store": {**BUCKET["store"], "endpoint": f"https://user:{CANARY}@x.example"}},
            "expected a URL that begins with https:// and holds no login",
        ),
        ({"schedule": ""}, ".snapshots.schedule is empty; expected a calendar event"),
        ({"stale_after": "0s"}, ".snapshots.stale_after is '0s'; expected more than 0s"),
        ({"certificate": None}, ".snapshots.certificate is empty; expected text"),
        (
            {"node_certificate": "n.crt"},
            ".snapshots.node_certificate is given; expected none, since platform.kind is 'local'",
        ),
        ({"store": {"kind": "tape"}}, ".snapshots.store.kind is 'tape'; expected one of 'bucket', 'folder'"),
        ({"store": {**BUCKET["store"], "endpoint": "http://x.example"}}, "expected a URL that begins with https://"),
        ({"store": {**BUCKET["store"], "name": "No_Bucket"}}, "expected a bucket's name"),
        ({"store": {**BUCKET["store"], "lock_days": 0}}, ".snapshots.store.lock_days is 0; expected at least 1"),
        ({"store": {**BUCKET["store"], "region": "a b"}}, "expected a region such as fsn1"),
        ({"store": {**BUCKET["store"], "writer": "me"}}, "expected the ARN of a user"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(change: Mapping[str, Any], words: str) -> None:
    said = refusal(local({**FOLDER, **change}))

    assert words in said
    assert len(said.splitlines()) == 1
    assert CANARY not in said


@pytest.mark.parametrize(
    "schedule",
    [
        "daily",
        "*-*-* 00/4:15",
        "*:0/15",
        "Mon..Fri 10:00",
        "Mon,Thu *-*-1..7 02:30:00 UTC",
        "*-02~01 03:00",
        "*-02-29 03:00",
    ],
)
def test_calendar_events_of_systemd_are_taken(schedule: str) -> None:
    found = parse(local({**FOLDER, "schedule": schedule, "stale_after": "1461d"})).snapshots
    assert found is not None
    assert found.schedule == schedule


def test_a_nodes_snapshots_leave_the_node() -> None:
    folder = {**FOLDER, "node_certificate": "n.crt"}

    assert (
        ".snapshots.store.kind is 'folder'; expected 'bucket', off the machine, since platform.kind is 'hetzner'"
        in refusal(remote(folder))
    )


def test_a_node_needs_a_login_of_its_own_and_a_person_who_brings_it() -> None:
    without = {name: value for name, value in BUCKET.items() if name != "node_certificate"}

    assert ".snapshots.node_certificate is missing; expected a file, since platform.kind is 'hetzner'" in refusal(
        remote(without)
    )
    assert ".platform.ssh is missing; expected it beside snapshots" in refusal(remote(BUCKET, ssh=MISSING))


@pytest.mark.parametrize("name", ["snapshots", "snapshot-operator"])
def test_no_application_takes_the_name_of_a_login_for_snapshots(name: str) -> None:
    plain = local(FOLDER)
    plain["approle"] = {}
    plain["applications"] = {name: {"login": {"kind": "approle"}, "secrets": {"x": {"keys": ["y"]}}}}

    assert f".applications.{name} is {name!r}; expected another name" in refusal(plain)


@pytest.mark.parametrize("path", ["vault-estate", "vault-estate/kv"])
def test_no_mount_takes_the_place_of_the_estates_own(path: str) -> None:
    plain = copy.deepcopy(MINIMAL)
    plain["kv"][path] = {}

    words = f".kv.{path} is {path!r}; expected a path apart from the estate's own mount, which is 'vault-estate'"
    assert words in refusal(plain)


def test_escrow_is_off_until_it_is_asked_for_and_needs_snapshots() -> None:
    assert parse(remote(BUCKET)).platform.model_dump()["seal"] == {"kind": "static", "escrow": False}
    escrow = {"kind": "static", "escrow": True}
    assert parse(remote(BUCKET, seal=escrow)).platform.model_dump()["seal"]["escrow"] is True

    assert ".platform.seal.escrow is true; expected snapshots beside it" in refusal(node(seal=escrow))
    shamir = {"kind": "shamir", "escrow": True}
    assert ".platform.seal.escrow is not a setting" in refusal(remote(BUCKET, seal=shamir))
