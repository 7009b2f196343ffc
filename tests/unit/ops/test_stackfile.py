"""A stack's file: every way it can be wrong, and the one line an operator reads."""

import textwrap
from pathlib import Path

import pytest

from ops import stack_file
from ops.errors import EstateError
from ops.paths import Paths
from tests.unit.ops.fakes import SETTINGS, checkout


def _refusal(paths: Paths, stack: str = "local") -> str:
    with pytest.raises(EstateError) as caught:
        stack_file.read(paths, stack)
    return str(caught.value)


def _file(folder: Path, text: str) -> Paths:
    return checkout(folder, textwrap.dedent(text))


def test_a_right_file_is_read(tmp_path: Path) -> None:
    file = stack_file.read(checkout(tmp_path), "local")

    assert (file.stack, file.path) == ("local", tmp_path / "Pulumi.local.yaml")
    assert file.settings.environment == "development"
    assert len(file.settings.applications) == 7


@pytest.mark.parametrize("name", ["", ".", "../local", "a/b", "-x", "a b", "x" * 101, "local\n"])
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    assert _refusal(checkout(tmp_path), name) == (
        f"stack {name!r} is not a valid stack name; expected letters, digits, '.', '_' or '-'"
    )


def test_a_missing_file_names_those_there_are(tmp_path: Path) -> None:
    paths = checkout(tmp_path)
    checkout(tmp_path, stack="eu.production")

    assert _refusal(paths, "staging") == (
        "stack 'staging' has no file Pulumi.staging.yaml; expected one of: eu.production, local"
    )


def test_a_folder_without_any_stack(tmp_path: Path) -> None:
    assert _refusal(Paths(project=tmp_path)) == (
        "stack 'local' has no file Pulumi.local.yaml; expected one of: none is here"
    )


BAD_YAML = {
    "not closed": (
        "config:\n  vault-estate:estate: [1\n",
        "Pulumi.local.yaml line 3: expected ',' or ']', but got '<stream end>'",
    ),
    "a tab": ("config:\n\tx: 1\n", "Pulumi.local.yaml line 2: found character '\\t' that cannot start any token"),
    "a tag": (
        "config: !!python/object:os.system {}\n",
        (
            "Pulumi.local.yaml line 1: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'"
        ),
    ),
    "a control character": (
        "config: \x01\n",
        (
            "Pulumi.local.yaml is not YAML: unacceptable character #x0001: special characters are not allowed in "
            '"<unicode string>", position 8; expected a stack\'s file'
        ),
    ),
    "a key twice": (
        "config:\n  vault-estate:estate:\n    kv: {}\n    protect: true\n    kv: {}\n",
        "Pulumi.local.yaml line 5: 'kv' stands twice; expected it once",
    ),
    "an application twice": (
        "config:\n  vault-estate:estate:\n    applications:\n      aos: {}\n      dagster: {}\n      aos: {}\n",
        "Pulumi.local.yaml line 6: 'aos' stands twice; expected it once",
    ),
    "a list as key": (
        "config:\n  ? [a, b]\n  : 1\n",
        "Pulumi.local.yaml line 2: a list or a mapping is used as a key; expected text",
    ),
    "a number with a line below": (
        "config:\n  vault-estate:estate:\n    size: 1_000\n",
        (
            "Pulumi.local.yaml line 3: a value is read otherwise by other programs; expected a number of digits only, "
            "or text in quotes"
        ),
    ),
    "yes": (
        "config:\n  vault-estate:estate:\n    protect: yes\n",
        (
            "Pulumi.local.yaml line 3: a value is read otherwise by other programs; expected true or false, or text in "
            "quotes"
        ),
    ),
    "an infinite number": (
        "config:\n  vault-estate:estate:\n    rate: .inf\n",
        (
            "Pulumi.local.yaml line 3: a value is read otherwise by other programs; expected a number such as 0.5, or "
            "text in quotes"
        ),
    ),
    "nothing": ("", "Pulumi.local.yaml has no mapping 'config'; expected vault-estate:estate in it"),
    "words": ("just words\n", "Pulumi.local.yaml has no mapping 'config'; expected vault-estate:estate in it"),
    "no config": ("settings: {}\n", "Pulumi.local.yaml has no mapping 'config'; expected vault-estate:estate in it"),
    "a list": ("config: [1]\n", "Pulumi.local.yaml has no mapping 'config'; expected vault-estate:estate in it"),
    "no estate": (
        "config: {}\n",
        (
            "Pulumi.local.yaml: vault-estate:estate is missing; expected the stack's settings, "
            "as Pulumi.local.yaml shows "
            "them"
        ),
    ),
    "another setting": (
        "config:\n  vault-estate:state: {}\n",
        "Pulumi.local.yaml: vault-estate:state is not a setting; expected vault-estate:estate or a secret",
    ),
    "a secret in plain": (
        "config:\n  vault-estate:database-password: plain\n",
        "Pulumi.local.yaml: vault-estate:database-password is not a setting; expected vault-estate:estate or a secret",
    ),
}


@pytest.mark.parametrize(("text", "line"), BAD_YAML.values(), ids=BAD_YAML.keys())
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str, line: str) -> None:
    assert _refusal(checkout(tmp_path, text)) == line


@pytest.mark.parametrize(
    "value", ["0x1F", "017", "0o17", "0b11", "1e3", "1.5e3", "1:30", "+1_0", ".5", "1.", "Yes", "OFF"]
)
def test_a_value_of_which_yaml_has_two_readings(tmp_path: Path, value: str) -> None:
    assert "line 1: a value is read otherwise by other programs" in _refusal(checkout(tmp_path, f"config: [{value}]\n"))


@pytest.mark.parametrize("value", ["0", "-17", "0.5", "true", "'017'", '"yes"', "1h30m", "10.0.0.0/8", "1e3x", "~"])
def test_a_value_of_which_yaml_has_one_reading(tmp_path: Path, value: str) -> None:
    assert "has no mapping 'config'" in _refusal(checkout(tmp_path, f"config: [{value}]\n"))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    paths = checkout(tmp_path)
    (tmp_path / "Pulumi.local.yaml").write_bytes(b"config: \xff\n")

    line = _refusal(paths)

    assert line.startswith("Pulumi.local.yaml is not YAML: 'utf-8' codec can't decode byte 0xff")
    assert "\n" not in line


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is a fake: tests may run as root, who may read everything."""
    paths = checkout(tmp_path)

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)

    assert _refusal(paths) == "Pulumi.local.yaml can't be read: Permission denied; expected one that you may read"


def test_every_wrong_setting_is_a_line_with_the_files_name(tmp_path: Path) -> None:
    paths = checkout(tmp_path, SETTINGS.replace("protect: false", "protect: maybe").replace("2.7.2", "newest"))

    assert _refusal(paths).splitlines() == [
        "Pulumi.local.yaml: vault-estate:estate.protect is 'maybe'; expected true or false",
        "Pulumi.local.yaml: vault-estate:estate.server.version is 'newest'; expected an exact version such as 2.7.2",
    ]


def test_encrypted_secrets_and_others_settings_may_stand_beside(tmp_path: Path) -> None:
    beside = "  vault-estate:database-password:\n    secure: v1:abc\n  aws:region: eu-central-1\n"
    paths = checkout(tmp_path, SETTINGS.replace("config:\n", f"config:\n{beside}", 1))

    assert stack_file.read(paths, "local").settings.environment == "development"


def test_anchors_and_merges_are_no_doubles(tmp_path: Path) -> None:
    merged = SETTINGS.replace(
        "aos-readwrite: { connection: postgresql, access: readwrite }",
        "aos-readwrite: &role { connection: postgresql, access: readwrite }\n        more: { <<: *role, ttl: 2h }",
    )

    database = stack_file.read(checkout(tmp_path, merged), "local").settings.database

    assert database is not None
    assert (database.roles["more"].access, database.roles["more"].ttl) == ("readwrite", 7_200)
