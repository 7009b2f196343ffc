"""Each team's page, run as its people, its application and its CI would: on one local stack that has every page's lines
in its settings. Doesn't prove a CI service: the tokens of its jobs are signed here, by a key that the settings name.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.paths import ROOT
from tests.support.checkouts import Checkout, add_launcher, local_checkout
from tests.support.documents import blocks
from tests.support.estates import PATIENT
from tests.support.tokens import Issuer

__all__ = ["local_checkout"]


FIRST = ROOT / "docs/teams/README.md"
PAGES = {page.stem: page for page in sorted(FIRST.parent.glob("*.md")) if page != FIRST}
DENIED = {"aos": 1, "bike-data-flow": 1, "dagster": 2, "greenlang": 4, "pake-system": 1}
"""How often each page shows that something is denied."""
PRINTED = {
    "aos": (
        "\n33\n",
        "no secret of its own\nok  manifest   aos-app/vault-estate.json (aos, development)\n",
        "from the manifest's RoleID, VAULT_SECRET_ID_FILE (aos-app/secret-id))\n",
        "ok  secret     external-apis (version 1)\n",
        "no  secret     app-prod (nobody gave OIDC_CLIENT_SECRET yet)\n",
        "some values are missing\n",
    ),
    "pake-system": (
        "\ntest-secret-key\n",
        "DATABASE_URL  pake_system/development/database#url  1        verified\n",
        "\nDATABASE_URL\nREDIS_URL\nexample: ",
        "\n33\n",
        "\nredis://override:6379/1\n",
    ),
}
"""What the applications' own code prints; where it is a secret, its length."""


def lines_of(page: Path) -> Mapping[str, Any]:
    """What a page has a stack's settings say."""
    found: dict[str, Any] = {}
    for block in blocks(page):
        found |= yaml.safe_load(block.text) if block.language == "yaml" else {}
    return found


def commands(page: Path) -> str:
    """What a page has its reader type."""
    return "".join(block.text for block in blocks(page) if block.language == "sh")


def run(made: Checkout, script: str, variables: Mapping[str, str]) -> str:
    """What a shell printed; it ends at the first command that fails."""
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=made.directory,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """Who signs for CI jobs."""
    return Issuer()


@pytest.fixture(scope="module")
def variables(local_checkout: Checkout, issuer: Issuer) -> Iterator[Mapping[str, str]]:
    """The environment that the commands of the first page leave to those of the others."""
    settings = local_checkout.settings()
    settings["jwt"] = {"bound_issuer": issuer.name, "jwt_validation_pubkeys": [issuer.public_key]}
    for page in PAGES.values():
        lines = lines_of(page)
        settings["applications"] |= lines["applications"]
        settings["people"]["members"] |= lines.get("people", {}).get("members", {})
    local_checkout.write(settings)
    inherited = add_launcher(local_checkout)
    shown = run(local_checkout, commands(FIRST) + "echo; env\n", inherited).splitlines()
    left = dict(line.split("=", 1) for line in shown if line.startswith(("BAO_", "PATH=")))
    yield {**inherited, **left, **PATIENT}
    shutil.rmtree(local_checkout.paths.own / "local" / "login", ignore_errors=True)


def test_the_first_page_names_every_other() -> None:
    text = FIRST.read_text(encoding="utf-8")
    assert [name for name in PAGES if f"[{name}]({name}.md)" not in text] == []
    assert set(lines_of(FIRST)["jwt"]) == {"bound_issuer", "oidc_discovery_url"}


@pytest.mark.parametrize("name", PAGES)
def test_a_team_works_as_its_page_says(
    name: str, local_checkout: Checkout, issuer: Issuer, variables: Mapping[str, str]
) -> None:
    (job,) = (one["login"] for one in lines_of(PAGES[name])["applications"].values())
    token = issuer.sign(sub="job", aud=job["audience"], **job["claims"])
    said = run(local_checkout, commands(PAGES[name]), {**variables, "JOB_TOKEN": token})
    assert said.count("denied, as it must be") == DENIED[name]
    assert [text for text in PRINTED.get(name, ()) if text not in said] == []
    kept = [path for path in local_checkout.paths.own.rglob("*.log*") if path.is_file()]
    assert [path for path in kept if b"correct-horse-battery" in path.read_bytes()] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_job_of_somebody_else_is_denied(
    name: str, local_checkout: Checkout, issuer: Issuer, variables: Mapping[str, str]
) -> None:
    ((role, application),) = lines_of(PAGES[name])["applications"].items()
    job = application["login"]
    claims = {**job["claims"], "repository": "somebody/else"}
    script = f'printf %s "$JOB_TOKEN" | bao write auth/jwt/login role={role} jwt=- || echo refused'
    token = issuer.sign(sub="job", aud=job["audience"], **claims)
    assert run(local_checkout, script, {**variables, "JOB_TOKEN": token}).endswith("refused\n")
