"""Synthetic estates are estates: the settings' own checks accept them, and they are as large as asked for."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from ops.development.bench.applications import MOST_APPLICATIONS, name, with_applications

PORTS = (21_001, 21_002, 21_003)


@pytest.fixture
def base() -> dict[str, Any]:
    """The local stack's plain settings."""
    document = yaml.safe_load((Path(__file__).parents[3] / "Pulumi.local.yaml").read_text())
    found = document["config"]["vault-estate:estate"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_settings_accept_them(base: dict[str, Any], count: int) -> None:
    parsed = settings.parse(with_applications(base, count, PORTS))
    assert list(parsed.applications) == [name(number) for number in range(1, count + 1)]
    assert (parsed.local.api_port, parsed.local.cluster_port, parsed.local.postgres_port) == PORTS
    assert parsed.database is not None
    assert {connection.port for connection in parsed.database.connections.values()} == {PORTS[2]}


def test_each_uses_one_of_everything(base: dict[str, Any]) -> None:
    parsed = settings.parse(with_applications(base, 12, PORTS))
    for number, application in enumerate(parsed.applications.values(), start=1):
        assert len(application.secrets) == 2
        assert len(application.reads) == (number > 1)
        assert len(application.database_roles) == len(application.transit_keys) == len(application.pki_roles) == 1
    assert parsed.database is not None
    assert {role for one in parsed.applications.values() for role in one.database_roles} == set(parsed.database.roles)


def test_everything_but_applications_and_ports_stays(base: dict[str, Any]) -> None:
    before = copy.deepcopy(base)
    made = with_applications(base, 3, PORTS)
    assert base == before
    changed = {key for key in made if made[key] != base[key]}
    assert changed == {"applications", "platform", "database"}


def test_an_estate_without_engines_gets_plain_applications(base: dict[str, Any]) -> None:
    for section in ("database", "transit", "pki"):
        del base[section]
    parsed = settings.parse(with_applications(base, 2, PORTS))
    assert all(not application.transit_keys for application in parsed.applications.values())


@pytest.mark.parametrize("count", [0, -1, MOST_APPLICATIONS + 1])
def test_a_size_that_cannot_be_made_is_refused(base: dict[str, Any], count: int) -> None:
    with pytest.raises(ValueError, match=f"count is {count}; expected 1 to"):
        with_applications(base, count, PORTS)


def test_a_cloud_estate_is_refused(base: dict[str, Any]) -> None:
    base["platform"] = {"kind": "hetzner"}
    with pytest.raises(ValueError, match=r"platform\.kind is 'hetzner'; expected 'local'"):
        with_applications(base, 1, PORTS)
