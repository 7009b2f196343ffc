"""What a command says before it does anything: input that would fail later, or for ever, gets its line at once."""

import json
from pathlib import Path

import pytest

from ops import stack_file
from ops.cli import main
from ops.commands import lifecycle
from ops.commands.session import Choices
from ops.console import Console
from ops.errors import EstateError
from tests.unit.ops.fakes import SETTINGS, checkout
from tests.unit.settings.samples import changed, refusal


def refused(folder: Path, text: str) -> str:
    with pytest.raises(EstateError) as caught:
        stack_file.read(checkout(folder, text), "local")
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("approle", "{} to switch it on with its defaults, or no line to leave it off"),
        ("transit", "a mapping with keys, or no line to leave it off"),
        ("pki", "a mapping with common_name, organization, roles, or no line to leave it off"),
        ("rate_limits", "a mapping"),
        ("layout", "text"),
    ],
)
def test_an_empty_section_is_neither_on_nor_off(section: str, expected: str) -> None:
    assert refusal(changed(section, None)) == [f"vault-estate:estate.{section} is empty; expected {expected}"]


def test_an_alias_inside_what_it_repeats_is_refused(tmp_path: Path) -> None:
    text = SETTINGS.replace("    pki:\n", "    approle: &all\n      path: *all\n    pki:\n")
    assert text != SETTINGS

    assert refused(tmp_path, text) == (
        "Pulumi.local.yaml: an alias stands inside what it repeats; expected values that end"
    )


def test_the_ports_of_one_server_agree(tmp_path: Path) -> None:
    line = refused(tmp_path, SETTINGS.replace("          port: 15432\n", "          port: 15433\n"))

    assert line == (
        "Pulumi.local.yaml: vault-estate:estate.database.connections.postgresql.port is 15433; "
        "expected platform.postgres_port, which is 15432"
    )


@pytest.mark.parametrize("wrap_ttl", ["2d", "86401s"])
def test_a_wrapping_token_waits_a_day_at_most(tmp_path: Path, wrap_ttl: str) -> None:
    with pytest.raises(EstateError) as caught:
        lifecycle.secret_id(checkout(tmp_path), "local", "aos", wrap_ttl, Console(), choices=Choices())

    assert str(caught.value) == f"--wrap-ttl is {wrap_ttl!r}; expected at most 1d"


def test_a_preview_looks_at_what_the_first_boot_takes(tmp_path: Path) -> None:
    wrong = checkout(tmp_path, SETTINGS.replace("version: 2.7.2", "version: 2.7.1"))
    with pytest.raises(
        EstateError,
        match=r"^Pulumi\.local\.yaml: .*\.server\.version is '2\.7\.1'; expected '2\.7\.2', which",
    ):
        lifecycle.preview(wrong, "local", Console(), Choices())
    (tmp_path / "ada.asc").write_text("no key")
    wrong = checkout(tmp_path, SETTINGS.replace(".estate/local/operator/public.asc", "ada.asc"))
    with pytest.raises(EstateError, match=r"ada\.asc holds none; expected an armored PGP public key$"):
        lifecycle.preview(wrong, "local", Console(), Choices())


def test_an_error_is_a_document_where_one_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["status", "nowhere", "--json"]) == 2
    told = capsys.readouterr()
    assert told.err == f"estate: {json.loads(told.out)['error']}\n"
    assert list(json.loads(told.out)) == ["error"]

    assert main.main(["status", "nowhere"]) == 2
    assert capsys.readouterr().out == ""
