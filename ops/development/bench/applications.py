"""Makes the settings of a synthetic estate: as many applications as wanted, each with everything one usually has.

Owns what a typical application is. Refuses to write files: see `ops.development.bench.project`.
"""

import copy
from collections.abc import Mapping
from typing import Any

MOST_APPLICATIONS = 99_999
"""Names have five digits, so that they sort by number."""
_SECRETS = ("database", "api-keys/provider")


def name(number: int) -> str:
    """Name of the application with this number, counted from 1."""
    return f"application-{number:05d}"


def with_ports(base: Mapping[str, Any], ports: tuple[int, int, int]) -> dict[str, Any]:
    """Take a local estate's plain settings and move its servers, so that no other estate is in the way.

    Args:
        base: plain settings as a stack file holds them, of a local estate.
        ports: of the API, of the cluster and of PostgreSQL; free ones.

    Raises:
        ValueError: the estate isn't a local one.
    """
    kind = base.get("platform", {}).get("kind")
    if kind != "local":
        msg = f"platform.kind is {kind!r}; expected 'local': nothing else can be measured on one machine"
        raise ValueError(msg)
    settings = copy.deepcopy(dict(base))
    api, cluster, postgres = ports
    settings["platform"] |= {"api_port": api, "cluster_port": cluster, "postgres_port": postgres}
    for connection in settings.get("database", {}).get("connections", {}).values():
        connection["port"] = postgres
    return settings


def with_applications(base: Mapping[str, Any], count: int, ports: tuple[int, int, int]) -> dict[str, Any]:
    """As `with_ports`, and with `count` synthetic applications in place of the estate's own.

    Raises:
        ValueError: as there, or `count` is not between 1 and `MOST_APPLICATIONS`.
    """
    if not 1 <= count <= MOST_APPLICATIONS:
        msg = f"count is {count}; expected 1 to {MOST_APPLICATIONS}"
        raise ValueError(msg)
    settings = with_ports(base, ports)
    settings["applications"] = {name(number): _application(settings, number) for number in range(1, count + 1)}
    return settings


def _application(settings: Mapping[str, Any], number: int) -> dict[str, Any]:
    """One application: a login, two secrets of its own, a look into its neighbour's, and one of each engine's roles."""
    application: dict[str, Any] = {
        "login": {"kind": "approle", "token_ttl": "1h", "token_max_ttl": "4h"},
        "mount": next(iter(settings["kv"])),
        "secrets": {secret: {"keys": ["value"]} for secret in _SECRETS},
    }
    if number > 1:
        application["reads"] = [{"application": name(number - 1), "secrets": [_SECRETS[0]]}]
    for field, section, choices in (
        ("database_roles", "database", "roles"),
        ("transit_keys", "transit", "keys"),
        ("pki_roles", "pki", "roles"),
    ):
        names = list(settings.get(section, {}).get(choices, {}))
        if names:
            application[field] = [names[number % len(names)]]
    return application
