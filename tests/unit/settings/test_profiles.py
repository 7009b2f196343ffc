"""Which defaults an environment's profile brings, who overrides them, and that none stands anywhere else."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from components.model import Profile, Section, by_profile, told_by_profile
from components.vault.database import DatabaseRole
from docs import reference
from ops import stack_file
from ops.paths import ROOT, Paths
from settings import Settings, SettingsError, parse, read
from settings.eks import EksPlatform
from tests.support.eks_samples import POSTGRES, cluster
from tests.unit.settings.samples import FULL

DEFAULTS: Mapping[str, tuple[object, object, object]] = {
    "Bootstrap.threshold": (1, 3, 3),
    "Client.refresh": (60, 30, 15),
    "DatabaseRole.max_ttl": (86_400, 43_200, 21_600),
    "DatabaseStaticRole.rotation_period": (604_800, 86_400, 43_200),
    "Settings.audit_retention": (7 * 86_400, 30 * 86_400, 365 * 86_400),
    "Rotation.every": (604_800, 86_400, 43_200),
    "EksSite.endpoints": ("none", "none", "all"),
    "EksSite.log_days": (30, 30, 365),
    "EksSite.nat_gateways": ("one", "one", "each_zone"),
    "EksSite.system_nodes": (2, 2, 3),
    "ServerPods.replicas": (1, 3, 5),
    "ClusterPostgres.backup_days": (7, 7, 35),
}
"""Written by hand: for development, staging and production."""
PROFILES = get_args(Profile)
FIVE = [{"name": name, "pgp_key": f"{name}.asc"} for name in ("ada", "bob", "cyd", "dan", "eve")]


def plain(**settings: Any) -> dict[str, Any]:
    """`FULL` with as many operators as the profile expects, and no threshold of its own."""
    alone = "development" in (settings.get("profile"), settings.get("environment"))
    first = {"operators": FIVE[: 1 if alone else 5], "administrator": FULL["bootstrap"]["administrator"]}
    return {**FULL, "bootstrap": first, **settings}


def found(settings: Settings) -> tuple[object, ...]:
    assert settings.database is not None
    return (
        settings.bootstrap.threshold,
        settings.client.refresh,
        settings.database.roles["app-read"].max_ttl,
        settings.database.static_roles["app-legacy"].rotation_period,
        settings.audit_retention,
        settings.rotation.every,
    )


def found_of_a_cluster(settings: Settings) -> tuple[object, ...]:
    platform = settings.platform
    assert isinstance(platform, EksPlatform)
    assert platform.postgres is not None
    return (
        platform.endpoints,
        platform.log_days,
        platform.nat_gateways,
        platform.system_nodes,
        platform.pods.replicas,
        platform.postgres.backup_days,
    )


@pytest.mark.parametrize("number", range(3))
def test_each_profile_has_its_defaults(number: int) -> None:
    settings = parse(plain(profile=PROFILES[number]))

    first = plain(profile=PROFILES[number])["bootstrap"]
    of_cluster = parse({**cluster(postgres=POSTGRES), "profile": PROFILES[number], "bootstrap": first})
    assert found(settings) + found_of_a_cluster(of_cluster) == tuple(values[number] for values in DEFAULTS.values())


@pytest.mark.parametrize(
    ("environment", "profile"),
    [(name, name) for name in PROFILES] + [("prod-eu", "production"), ("dev", "production"), ("test", "production")],
)
def test_an_environment_called_as_a_profile_has_it_and_any_other_the_strictest(environment: str, profile: str) -> None:
    settings = parse(plain(environment=environment))

    assert (settings.environment, settings.profile) == (environment, profile)
    assert found(settings) == found(parse(plain(environment="elsewhere", profile=profile)))


def test_a_profile_is_no_part_of_a_path() -> None:
    settings = parse(plain(environment="prod-eu", profile="staging"))

    assert settings.secret_path("app", "database") == ("secret", "app/prod-eu/database")


def test_a_stack_overrides_a_default_and_the_override_is_known() -> None:
    roles = {"app-read": {"connection": "main", "access": "readonly", "max_ttl": "2h"}}
    given = plain(profile="staging", database={**FULL["database"], "roles": roles})

    told = read(given)

    said = told.layers.said["database", "roles", "app-read", "max_ttl"]
    assert told.settings.database is not None
    assert told.settings.database.roles["app-read"].max_ttl == 7_200
    assert (said.value, said.source, said.instead and (said.instead.value, said.instead.source)) == (
        "2h",
        "stack",
        ("12h", "profile"),
    )
    threshold = told.layers.said["bootstrap", "threshold"]
    assert (threshold.value, threshold.source, threshold.instead) == (3, "profile", None)


def test_a_default_is_held_to_what_is_given_beside_it() -> None:
    roles = {"app-read": {"connection": "main", "access": "readonly", "ttl": "8h"}}
    given = {**FULL["database"], "roles": roles}

    assert parse(plain(profile="staging", database=given))
    with pytest.raises(SettingsError) as caught:
        parse(plain(profile="production", database=given))
    assert str(caught.value) == (
        "vault-estate:estate.database.roles.app-read.ttl is 8h; expected at most max_ttl, which is 6h"
    )


@pytest.mark.parametrize(("count", "words"), [(1, "1 entry"), (4, "4 entries")])
@pytest.mark.parametrize("profile", ["staging", "production"])
def test_fewer_operators_than_the_profile_expects_say_their_threshold(profile: str, count: int, words: str) -> None:
    first = {**plain()["bootstrap"], "operators": FIVE[:count]}

    with pytest.raises(SettingsError) as caught:
        parse(plain(profile=profile, bootstrap=first))

    assert str(caught.value) == (
        f"vault-estate:estate.bootstrap.operators is {words}; expected at least 5, which profile {profile!r} has, or "
        "bootstrap.threshold beside them"
    )
    threshold = min(2, count)
    assert parse(plain(profile=profile, bootstrap={**first, "threshold": threshold})).bootstrap.threshold == threshold


@pytest.mark.parametrize("wrong", ["Development", "a/b", "x" * 37, "", True, 5, None, []])
def test_a_wrong_environment_is_told_before_its_profile_is_judged(wrong: object) -> None:
    """Nothing is told that only some profile's defaults make wrong: operators, or a lease longer than production's."""
    roles = {"app-read": {"connection": "main", "access": "readonly", "ttl": "8h"}}
    first = {**plain()["bootstrap"], "operators": FIVE[:1]}
    given = plain(environment=wrong, bootstrap=first, database={**FULL["database"], "roles": roles})

    with pytest.raises(SettingsError) as caught:
        parse(given)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("vault-estate:estate.environment is ")

    with pytest.raises(SettingsError) as caught:
        parse({**given, "protect": "no", "profile": "production"})
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["vault-estate:estate.bootstrap.operators"]


def test_one_operator_is_enough_for_development() -> None:
    first = {**plain()["bootstrap"], "operators": FIVE[:1]}

    assert parse(plain(profile="development", bootstrap=first)).bootstrap.threshold == 1


@pytest.mark.parametrize("wrong", ["prod", "", 3, ["staging"]])
def test_another_profile_is_refused(wrong: object) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(plain(profile=wrong))

    (line,) = str(caught.value).splitlines()
    assert line.startswith("vault-estate:estate.profile is ")
    assert line.endswith("expected 'development', 'staging' or 'production'")


def told(models: Iterable[type[BaseModel]]) -> dict[str, set[str]]:
    """The models that say what a profile brings, by the setting, which a derived model has under its base's name."""
    saying: dict[str, set[str]] = {}
    for model in models:
        for one in (base for base in model.__mro__ if issubclass(base, BaseModel)):
            for name in set(vars(one).get("__annotations__", {})) & set(one.model_fields):
                if told_by_profile(one.model_fields[name]) and name in model.model_fields:
                    first = next(base for base in model.__mro__[::-1] if name in vars(base).get("__annotations__", {}))
                    saying.setdefault(f"{first.__name__}.{name}", set()).add(one.__name__)
    return saying


MODELS = [part.model for part in reference.parts(Settings)]


def test_each_setting_has_its_defaults_in_one_place() -> None:
    assert told(MODELS) == {name: {name.partition(".")[0]} for name in DEFAULTS}


def test_a_second_place_would_be_found() -> None:
    class Shorter(DatabaseRole):
        """A role with defaults of its own."""

        max_ttl: int = by_profile(development="1h", staging="1h", production="1h")

    class Another(Section):
        """A model that isn't derived."""

        threshold: int = by_profile(development=1, staging=1, production=1)

    found = told([*MODELS, Shorter, Another])

    assert found["DatabaseRole.max_ttl"] == {"DatabaseRole", "Shorter"}
    assert found.keys() - told(MODELS).keys() == {"Another.threshold"}


@pytest.mark.parametrize("setting", DEFAULTS)
def test_a_component_without_a_profile_has_productions(setting: str) -> None:
    section, name = setting.split(".")
    (model,) = {base for model in MODELS for base in model.__mro__ if base.__name__ == section}
    assert issubclass(model, BaseModel)
    field = model.model_fields[name]

    assert field.default == told_by_profile(field)["production"]


def test_the_command_shows_who_says_what() -> None:
    command = [sys.executable, "-m", "ops", "settings", "dev"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()

    assert lines[0] == "stack    profile: development"
    assert "stack    applications.aos.pki_roles: [], instead of [internal-mtls] (base)" in lines
    assert "profile  bootstrap.threshold: 1" in lines
    assert "base     approle: {}" in lines

    answer = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True)
    document = json.loads(answer.stdout)
    by_name = {one.pop("setting"): one for one in document["settings"]}
    assert (document["environment"], document["profile"]) == ("dev", "development")
    assert by_name["applications.aos.pki_roles"] == {
        "value": [],
        "from": "stack",
        "by": "Pulumi.dev.yaml",
        "instead_of": {"value": ["internal-mtls"], "from": "base", "by": "estate.base.yaml"},
    }
    assert len(by_name) == len(lines)


def test_the_committed_stacks_say_each_default_once() -> None:
    """What the profile says, no file says again."""
    for stack in ("local", "dev"):
        whole = stack_file.read(Paths(), stack).layers.said
        again = [
            way for way, said in whole.items() if said.instead and said.instead.value == said.value and said.file == ""
        ]
        assert again == []
