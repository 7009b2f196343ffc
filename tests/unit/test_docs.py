"""What the documents say is so: settings, commands, examples, links, names of tests.

README's commands are run by `tests/engine/test_readme.py`. Not proven: prose.
"""

import importlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel

import settings
import vault_estate
from components.render.aws import role_policies
from docs import iam, library, reference
from ops.cli.main import app
from ops.paths import ROOT
from policies.rules import RULES
from settings import Settings
from tests.support.aws_samples import by_tokens, cluster, computed, site
from tests.support.checkouts import base_settings
from tests.support.declare import declare
from tests.support.documents import DOCUMENTS, blocks
from tests.unit.golden import local
from vault_estate import dagster, errors

README = (ROOT / "README.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def _section(heading: str) -> str:
    """The text of one section of README."""
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def _first_cells(heading: str) -> list[str]:
    """What stands in code in the first column of a section's tables, in order."""
    rows = [line.split("|")[1] for line in _section(heading).splitlines() if line.startswith("| `")]
    return [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]


def test_the_page_of_settings_is_current() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == reference.settings_page(), "run: python -m docs.reference"
    assert written.startswith("# Settings\n\n"), "its introduction is nobody's but its own; expected it to stay"


def test_the_page_of_components_is_current() -> None:
    written = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
    assert written == reference.components_page(), "run: python -m docs.reference"
    assert written.startswith("# Components\n\n"), "its introduction is nobody's but its own; expected it to stay"


def test_the_page_of_the_library_is_current_and_has_every_public_name() -> None:
    written = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == reference.library_page(), "run: python -m docs.reference"
    headings = set(re.findall(r"^### `(\w+)`$", written, re.MULTILINE))
    assert {name for name in vault_estate.__all__ if not name.startswith("_")} <= headings
    assert {"vault", "live_vault", "VaultSettings", "VaultSecretsResource", "JwtAuth", "PrometheusObserver"} <= headings
    for module in library.PUBLIC:
        assert importlib.util.find_spec(module) is not None


def test_a_public_name_without_words_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "vault_estate"
    package.mkdir()
    (package / "__init__.py").write_text(
        '"""A library."""\n__all__ = ["said", "silent"]\ndef said(): "Something."\ndef silent(): pass\n'
    )
    monkeypatch.setattr(library, "PAGE", tmp_path / "docs" / "api.md")
    monkeypatch.setattr(library, "PUBLIC", {"vault_estate": ()})
    with pytest.raises(ValueError, match=r"vault_estate\.silent says nothing; expected what it is, below it"):
        library.lines()
    monkeypatch.setattr(library, "PUBLIC", {"vault_estate": ("said",)})
    assert library.lines()[4:] == ["### `said`", "", "```text", "said()", "```", "", "Something.", ""]


def test_the_page_of_iam_is_current_and_has_what_a_cluster_declares() -> None:
    written = iam.PAGE.read_text(encoding="utf-8")
    assert written == reference.iam_page(), "run: python -m docs.reference"
    place = site(endpoints="all")
    by_token = by_tokens(endpoints="all")
    declared = [
        one for where in (place, by_token) for one in declare(partial(cluster, where), outputs=computed).records
    ]
    found = {_shape(one.inputs[name]) for one in declared for name in _OF_IAM if name in one.inputs}
    # First boot gives that one to the secrets it makes; nobody else knows their names.
    given_by_first_boot = _shape(role_policies.kept_secret(place))
    assert found | {given_by_first_boot} == {_shape(text) for text in iam.documents().values()}


_OF_IAM = ("policy", "assumeRolePolicy")


def _shape(text: str) -> tuple[tuple[str, ...], ...]:
    """What a document says beside its names: each statement with its effect and its actions."""
    return tuple((one["Sid"], one["Effect"], *one["Action"]) for one in json.loads(text)["Statement"])


def test_every_setting_is_on_the_page_with_its_default() -> None:
    page = reference.settings_page()
    for part in reference.parts(Settings):
        assert f"\n## `{part.location}`\n" in page
        for name in part.model.model_fields:
            assert f"\n| `{name}` | " in page
    assert "| `lockout_duration` | How long it stays locked out. Vault's default. | duration | `15m` |" in page
    assert (
        "| `environment` | Name of the environment; the `{environment}` of path layouts. | "
        "up to 36 lower-case letters, digits or '-', as in a host name | **required** |" in page
    )


def test_a_setting_without_a_meaning_is_refused() -> None:
    class Bare(BaseModel):
        silent: int = 1

    with pytest.raises(ValueError, match=r"Bare\.silent has no meaning"):
        reference.meaning(Bare, "silent")


def test_the_readme_names_every_section() -> None:
    assert sorted(_first_cells("A tour of settings")) == sorted(Settings.model_fields)


def test_the_readme_names_every_command() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group, which typer doesn't type
    assert sorted(cell.split()[0] for cell in _first_cells("Commands")) == sorted(commands)


def test_the_readme_names_every_export() -> None:
    assert sorted(_first_cells("Plain Pulumi")) == sorted(local.declared("local").exports)


def test_settings_in_an_example_are_settings() -> None:
    """An example is sections, or else applications. Jobs of CI need the issuer of the teams' page."""
    examples = [block for document in DOCUMENTS for block in blocks(document) if block.language == "yaml"]
    (issuer,) = (one.text for one in examples if one.document == "docs/teams/README.md")
    assert len(examples) > 7
    for example in examples:
        written = yaml.safe_load(example.text)
        sections = written if written.keys() <= Settings.model_fields.keys() else {"applications": written}
        settings.parse(_laid_over({**base_settings(), **yaml.safe_load(issuer)}, sections))


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: _laid_over(below[name], above[name]) for name in above if isinstance(below.get(name), Mapping)}
    return {**below, **above, **both}


def _links() -> Iterator[tuple[Path, str]]:
    for document in DOCUMENTS:
        for target in _LINK.findall(document.read_text(encoding="utf-8")):
            if "://" not in target:
                yield document, target


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document, target in _links()
        if not (document.parent / target.partition("#")[0]).exists()
    ]
    assert broken == []


def test_every_anchor_is_a_heading() -> None:
    wrong: list[str] = []
    for document, target in _links():
        file, _, anchor = target.partition("#")
        text = (document.parent / file if file else document).read_text(encoding="utf-8") if anchor else ""
        if anchor and anchor not in {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}:
            wrong.append(f"{document.name}: {target}")
    assert wrong == []


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_test_that_is_named_is_there() -> None:
    named = {match for document in DOCUMENTS for match in _TEST.findall(document.read_text(encoding="utf-8"))}
    assert len(named) > 40
    missing = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_the_page_of_policies_is_current() -> None:
    written = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    assert written == reference.policies_page(), "run: python -m docs.reference"
    assert [rule.name for rule in RULES if f"\n### `{rule.name}`\n" not in written] == []


RUNNABLE = (
    "docs/certificates.md",
    "docs/hetzner.md",
    "docs/migration.md",
    "docs/operators.md",
    "docs/people.md",
    "docs/rotation.md",
    "docs/snapshots.md",
)
"""Pages of which every command is run by some test."""
_RUN_BY = re.compile(r"no-run: .+ run by (tests/\S+\.py)")


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_block_of_a_page_is_run_by_a_test(name: str) -> None:
    """A block without a note is run by `tests/engine/test_readme.py`; another names its test, which reads the page."""
    commands = [block for block in blocks(ROOT / name) if block.language == "sh"]
    assert commands
    wrong: list[str] = []
    for block in commands:
        found = _RUN_BY.fullmatch(block.note)
        test = ROOT / found[1] if found else None
        is_run = test is not None and test.is_file() and Path(name).name in test.read_text(encoding="utf-8")
        if block.note and not is_run:
            wrong.append(f"{name}:{block.line}: {block.note}")
    assert wrong == []


def test_the_changelog_says_what_breaks() -> None:
    releases = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## [")[1:]
    assert releases
    for release in releases:
        assert "### Breaking\n\n- " in release, release.splitlines()[0]


def _rows(page: str) -> list[list[str]]:
    """Cells of all tables of a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:3] == "| `"]


def test_the_contract_of_dagsters_resource_has_every_field_and_every_error() -> None:
    rows = {row[0].strip("| `"): row[1:] for row in _rows("dagster-resource.md")}
    sections: list[Any] = [
        *(dagster.VaultSecretsResource, dagster.LoginByEnvironment, dagster.LoginByAppRole, dagster.LoginByKubernetes),
        *(dagster.LoginByJwt, dagster.LoginByToken, dagster.LoginByUserpass),
    ]
    for section in sections:
        wanted = [name for name in section.model_fields if name != "auth_type"]
        assert sorted(re.findall(r"`(\w+)`", rows[section.__name__][0])) == sorted(wanted)
    found = {name: re.findall(r"`(\w+)`", cells[0])[0] for name, cells in rows.items() if name in vars(errors)}
    raised = [
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.VaultEstateError)
    ]
    assert found == {one.__name__: one.__bases__[0].__name__ for one in raised if one is not errors.VaultEstateError}


def test_the_data_model_names_what_there_is() -> None:
    text = (ROOT / "docs" / "data-model.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| [A-Z]\w+ \| `", line)]
    assert len(rows) == 7
    for _, named, fields, _ in rows:
        module, _, name = named.strip("`").rpartition(".")
        kept = getattr(importlib.import_module(module), name)
        said = re.findall(r"`(\w+)`", fields.partition(";")[0])
        there = {*dir(kept), *getattr(kept, "__dataclass_fields__", ()), *getattr(kept, "model_fields", ())}
        assert set(said) <= there, named


def test_what_to_do_is_said_of_errors_that_there_are() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z]\w*[a-z]\w*)`", text))
    assert len(named) > 8
    assert named <= set(vars(errors))
