"""What a stack's file and its base files say together, and every way in which that is refused."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings import SettingsError, parse, read
from tests.unit.settings.samples import FULL, MINIMAL

LOCK = "userpass"
"""A section with two plain settings."""
APPLICATIONS: Mapping[str, Any] = {
    name: {"login": {"kind": "approle"}, "secrets": {"database": {"keys": ["url"]}}} for name in ("app", "other")
}
SHARED: Mapping[str, Any] = {
    "kv": {"secret": {"max_versions": 3}, "team": {}},
    "approle": {},
    "userpass": {"lockout_threshold": 7, "lockout_duration": "20m"},
    "applications": APPLICATIONS,
}
OWN: Mapping[str, Any] = {
    "base": "base.yaml",
    **{name: value for name, value in MINIMAL.items() if name not in ("kv", "applications")},
}


def written(folder: Path, **files: object) -> Path:
    """Files of settings in a project, by their names without an ending."""
    for name, content in files.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text)
    return folder


def refusal(plain: Mapping[str, Any], project: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(plain, project)
    return str(caught.value).splitlines()


def test_what_a_file_does_not_say_is_the_bases(tmp_path: Path) -> None:
    found = parse(OWN, written(tmp_path, base=SHARED))

    assert found == parse({**OWN, **SHARED}, tmp_path).model_copy(update={"base": "base.yaml"})
    assert found.base == "base.yaml"


def test_a_setting_takes_the_place_of_the_bases_and_leaves_the_others(tmp_path: Path) -> None:
    found = parse({**OWN, LOCK: {"lockout_threshold": 3}}, written(tmp_path, base=SHARED))

    assert found.userpass is not None
    assert (found.userpass.lockout_threshold, found.userpass.lockout_duration) == (3, 1_200)


def test_of_things_with_names_those_are_there_that_are_listed(tmp_path: Path) -> None:
    own = {**OWN, "kv": ["secret"], "applications": {"other": {"mount": "secret"}, "new": APPLICATIONS["app"]}}
    own["applications"]["new"] = {**APPLICATIONS["app"], "layout": "{mount}/new/{name}"}

    found = parse(own, written(tmp_path, base=SHARED))

    assert list(found.kv) == ["secret"]
    assert found.kv["secret"].max_versions == 3
    assert list(found.applications) == ["other", "new"]
    assert found.applications["other"].secrets == parse({**OWN, **SHARED}, tmp_path).applications["other"].secrets


def test_a_list_takes_the_place_of_a_list(tmp_path: Path) -> None:
    shared = {**SHARED, "applications": {"app": {**APPLICATIONS["app"], "transit_keys": ["one", "two"]}}}
    shared["transit"] = {"keys": {"one": {}, "two": {}, "three": {}}}
    own = {**OWN, "applications": {"app": {"transit_keys": ["three"]}}, "transit": {"keys": ["three"]}}

    assert parse(own, written(tmp_path, base=shared)).applications["app"].transit_keys == ("three",)


def test_another_kind_brings_none_of_the_firsts_settings(tmp_path: Path) -> None:
    login = {"kind": "jwt", "audience": "a", "claims": {"repository": "org/app"}}
    shared = copy.deepcopy(dict(SHARED))
    shared["applications"]["app"]["login"] = {"kind": "approle", "secret_id_num_uses": 3}
    own = {**OWN, "jwt": FULL["jwt"], "applications": {"app": {"login": login}}}

    assert parse(own, written(tmp_path, base=shared)).applications["app"].login.kind == "jwt"


def test_a_base_may_have_a_base(tmp_path: Path) -> None:
    middle = {"base": "base.yaml", "applications": {"app": {"mount": "team"}}}
    own = {**OWN, "base": "middle.yaml"}

    found = parse(own, written(tmp_path, base=SHARED, middle=middle))

    assert {name: one.mount for name, one in found.applications.items()} == {"app": "team"}


def test_the_same_said_again_overrides_nothing(tmp_path: Path) -> None:
    middle = {"base": "base.yaml", LOCK: {"lockout_threshold": 5}}
    own = {**OWN, "base": "middle.yaml", LOCK: {"lockout_threshold": 5}}

    found = parse(own, written(tmp_path, base=SHARED, middle=middle))

    assert found.userpass is not None
    assert found.userpass.lockout_threshold == 5


def test_who_says_what_is_known(tmp_path: Path) -> None:
    own = {**OWN, "kv": {"secret": {"max_versions": 5}}, LOCK: {"lockout_threshold": 3}}

    layers = read(own, written(tmp_path, base=SHARED)).layers

    threshold = layers.said[LOCK, "lockout_threshold"]
    assert (threshold.value, threshold.source, threshold.instead and threshold.instead.value) == (3, "stack", 7)
    assert layers.said[LOCK, "lockout_duration"].file == "base.yaml"
    assert layers.said["kv", "secret", "max_versions"].source == "stack"
    assert not [way for way in layers.said if way[:2] == ("kv", "team")]


CONTENTS: Mapping[str, tuple[Mapping[str, object], Mapping[str, Any], str]] = {
    "isn't there": (
        {},
        {},
        "vault-estate:estate.base is 'base.yaml', which isn't there; expected a file of settings in this project",
    ),
    "a folder": (
        {},
        {"base": "."},
        "vault-estate:estate.base is '.', which is a folder; expected a file of settings in this project",
    ),
    "outside": (
        {},
        {"base": "../base.yaml"},
        "vault-estate:estate.base is '../base.yaml', which is outside the project; expected a file inside it",
    ),
    "absolute": (
        {},
        {"base": "/etc/passwd"},
        "vault-estate:estate.base is '/etc/passwd', which is outside the project; expected a file inside it",
    ),
    "no name": ({}, {"base": ""}, "vault-estate:estate.base is empty; expected at least 1 character"),
    "nothing": ({}, {"base": None}, "vault-estate:estate.base is empty; expected text"),
    "several": ({}, {"base": ["base.yaml"]}, "vault-estate:estate.base is a list; expected text"),
    "the stack's own file": (
        {"Pulumi.test": {"config": {"vault-estate:estate": dict(OWN)}}},
        {"base": "Pulumi.test.yaml"},
        "vault-estate:estate.base is 'Pulumi.test.yaml', which is a stack's file; expected a base file, without config",
    ),
    "a stack's file by another name": (
        {"base": {"config": {"vault-estate:estate": dict(SHARED)}}},
        {},
        "vault-estate:estate.base is 'base.yaml', which is a stack's file; expected a base file, without config",
    ),
    "the project's file": (
        {"Pulumi": {"name": "vault-estate"}},
        {"base": "Pulumi.yaml"},
        "vault-estate:estate.base is 'Pulumi.yaml', which is the project's file; expected a base file, without config",
    ),
    "empty": (
        {"base": ""},
        {},
        "vault-estate:estate.base is 'base.yaml', which is empty; expected a mapping of sections in it",
    ),
    "a list": (
        {"base": "[1]"},
        {},
        "vault-estate:estate.base is 'base.yaml', which holds something else; expected a mapping of sections in it",
    ),
    "itself": (
        {"base": {"base": "base.yaml", "kv": {}}},
        {},
        "base.yaml: vault-estate:estate.base is 'base.yaml', which names itself; expected bases that end",
    ),
    "a circle": (
        {"base": {"base": "other.yaml"}, "other": {"base": "base.yaml"}},
        {},
        (
            "other.yaml: vault-estate:estate.base is 'base.yaml', which names itself by way of other.yaml; "
            "expected bases that end"
        ),
    ),
    "no YAML": ({"base": "kv: {"}, {}, "base.yaml line 1: expected the node content, but found '<stream end>'"),
    "a date twice": (
        {"base": "2026-01-01: 1\n2026-01-01: 2\n"},
        {},
        "base.yaml line 2: 2026-01-01 stands twice; expected it once",
    ),
    **{
        f"{odd:.12} alone": (
            {"base": f"approle: {odd}"},
            {},
            "base.yaml line 1: a value looks like a number or a time and is none; expected one, or text in quotes",
        )
        for odd in ("2026-13-45", "9" * 5_000, "!!int a", "!!float a")
    },
    "too deep": (
        {"base": f"kv: {'[' * 5_000}"},
        {},
        "base.yaml line 1: a value is more than 50 levels deep; expected fewer",
    ),
    "too deep by aliases": (
        {"base": "\n".join([f"a: &a {'[' * 40}{']' * 40}", f"b: {'[' * 40}*a{']' * 40}"])},
        {},
        "base.yaml: a value is more than 50 levels deep; expected fewer",
    ),
    "a name that is no text": (
        {"base": "kv: {true: {}}"},
        {},
        "base.yaml: vault-estate:estate.kv.true is true; expected a name that is text, in quotes",
    ),
    "an empty name": (
        {"base": SHARED},
        {"": 1},
        "vault-estate:estate.'' is not a setting; expected one of ",
    ),
    "twice in one file": ({"base": "kv: {}\nkv: {}\n"}, {}, "base.yaml line 2: 'kv' stands twice; expected it once"),
    "overridden twice": (
        {"base": SHARED, "middle": {"base": "base.yaml", LOCK: {"lockout_threshold": 5}}},
        {"base": "middle.yaml", LOCK: {"lockout_threshold": 6}},
        (
            "vault-estate:estate.userpass.lockout_threshold is given a third time, after middle.yaml and base.yaml; "
            "expected one file at most to override another"
        ),
    ),
    "a name the base hasn't": (
        {"base": SHARED},
        {"applications": ["app", "nobody"]},
        "vault-estate:estate.applications[1] is 'nobody'; expected one of applications in base.yaml: app, other",
    ),
    "a section the base hasn't": (
        {"base": SHARED},
        {"transit": {"keys": ["one"]}},
        "vault-estate:estate.transit.keys[0] is 'one'; expected one of transit.keys in base.yaml: none",
    ),
    "a name twice": (
        {"base": SHARED},
        {"applications": ["app", "app"]},
        "vault-estate:estate.applications[1] is 'app'; expected each name once",
    ),
    "more than a name": (
        {"base": SHARED},
        {"applications": [{"app": {}}]},
        "vault-estate:estate.applications[0] is a mapping; expected one of applications in base.yaml: app, other",
    ),
    "names without a base that has any": (
        {"base": {"approle": {}}},
        {"kv": {"secret": {}}, "applications": ["app"]},
        "vault-estate:estate.applications[0] is 'app'; expected one of applications in base.yaml: none",
    ),
    "protection": (
        {"base": {**SHARED, "protect": False}},
        {},
        "base.yaml: vault-estate:estate.protect is given in a base file; expected it in each stack's own",
    ),
    "a mistake of the base's": (
        {"base": {**SHARED, LOCK: {"lockout_threshold": "many"}}},
        {},
        "base.yaml: vault-estate:estate.userpass.lockout_threshold is 'many'; expected a whole number",
    ),
    "a mistake over the base": (
        {"base": SHARED},
        {LOCK: {"lockout_threshold": "many"}},
        "vault-estate:estate.userpass.lockout_threshold is 'many'; expected a whole number",
    ),
    "no setting": (
        {"base": {**SHARED, "config": {}}},
        {},
        "base.yaml: vault-estate:estate.config is not a setting; expected one of ",
    ),
}
"""The files, what the stack says beside `OWN`, the line."""


@pytest.mark.parametrize("case", CONTENTS)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, case: str) -> None:
    files, own, line = CONTENTS[case]

    (said,) = refusal({**OWN, **own}, written(tmp_path, **files))

    assert said.startswith(line) if line.endswith(" ") else said == line


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    written(tmp_path, base=SHARED)
    (project / "base.yaml").symlink_to(tmp_path / "base.yaml")

    (said,) = refusal(OWN, project)

    assert "which is outside the project" in said


def test_a_list_without_a_base_is_no_mapping(tmp_path: Path) -> None:
    (said,) = refusal({**MINIMAL, "kv": ["secret"]}, tmp_path)

    assert said == "vault-estate:estate.kv is a list; expected a mapping"


def test_people_are_shared_as_applications_are(tmp_path: Path) -> None:
    """A stack without some applications takes the groups of the others."""
    people = {
        "groups": {
            **{f"{name}-owners": {"kind": "owners", "applications": [name]} for name in APPLICATIONS},
            "auditors": {"kind": "auditors"},
        },
        "members": {
            "ada": {"groups": ["app-owners"], "login": {"kind": "userpass"}},
            "alan": {"groups": ["auditors"], "login": {"kind": "userpass"}},
        },
    }
    project = written(tmp_path, base={**SHARED, "people": people})
    own = {**OWN, "kv": ["secret"], "applications": ["other"]}
    taken = {"groups": ["other-owners", "auditors"], "members": ["alan"]}

    found = parse({**own, "people": taken}, project).people

    assert found is not None
    assert (list(found.groups), list(found.members)) == (["other-owners", "auditors"], ["alan"])
    (line,) = refusal(own, project)
    assert line.startswith(
        "base.yaml: vault-estate:estate.people.groups.app-owners.applications[0] is 'app'; expected "
    )
