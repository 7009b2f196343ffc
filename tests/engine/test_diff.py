"""`./estate diff` on clones of this project, as a reviewer runs it: real programs of two commits, no engine, no server.

Doesn't prove: that the comment is posted (tests/unit/test_workflows.py reads the workflow).
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.paths import ROOT
from tests.support.checkouts import copy_code

ROLES = ("bike-data-flow-readonly", "bike-data-flow-readwrite", "aos-readwrite")
STACKS = ("Pulumi.local.yaml", "Pulumi.dev.yaml")


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A repository whose one commit is this project's program and stacks."""

    directory: Path

    def git(self, *words: str) -> None:
        """One command of git's."""
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *words], cwd=self.directory, check=True, capture_output=True)

    def edit(self, file: str, *changes: tuple[str, str]) -> None:
        """Replace text that is there, once each."""
        path = self.directory / file
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    def diff(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command."""
        command = [sys.executable, "-m", "ops", "diff", *words]
        return subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False, timeout=480)

    def found(self, *words: str) -> dict[str, Any]:
        """The document of a comparison with the first commit, by stack."""
        stacks: dict[str, Any] = json.loads(self.diff("main", *words, "--json").stdout)["stacks"]
        return stacks


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that each test copies."""
    directory = tmp_path_factory.mktemp("first") / "project"
    copy_code(directory)
    for name in (*STACKS, ".gitignore"):
        shutil.copyfile(ROOT / name, directory / name)
    clone = Clone(directory=directory)
    clone.git("init", "--initial-branch=main")
    clone.git("add", "--all")
    clone.git("commit", "--message", "First")
    return directory


@pytest.fixture
def clone(first: Path, tmp_path: Path) -> Clone:
    """A copy to change."""
    shutil.copytree(first, tmp_path / "project", symlinks=True)
    return Clone(directory=tmp_path / "project")


def dagster_and_a_wider_network(clone: Clone) -> None:
    """Two more roles, a /8 in place of a /24, one application less with its owners, one key under another name."""
    clone.edit(
        "Pulumi.dev.yaml",
        ("api_cidrs: [203.0.113.0/24]", "api_cidrs: [203.0.0.0/8]"),
        (
            "dagster: { transit_keys: [], pki_roles: [] }",
            f"dagster: {{ transit_keys: [], pki_roles: [], database_roles: [{', '.join(ROLES)}] }}",
        ),
        (".estate/dev/operator/public.asc", ".estate/dev/another/public.asc"),
        ("      aos: { pki_roles: [] }\n", ""),
        ("bike-data-flow-owners, aos-owners, operators", "bike-data-flow-owners, operators"),
        ("members: [ada, alan]", "members: [alan]"),
    )


WIDENED = [
    "approle dagster may read database/creds/aos-readwrite",
    "approle dagster may read database/creds/bike-data-flow-readwrite",
    "tcp port 8200 from outside (network-firewall) is open to 203.0.0.0/8",
    "use of tokens of administrator-login is open to 203.0.0.0/8",
    "use of tokens of snapshots-operator is open to 203.0.0.0/8",
]


def test_a_change_is_told_by_what_it_does(clone: Clone) -> None:
    dagster_and_a_wider_network(clone)
    run = clone.diff("main", "--json")
    assert run.returncode == 3
    assert "estate: 5 lines allow more than before; expected who and why in widenings.yaml:" in run.stderr
    stacks = json.loads(run.stdout)["stacks"]
    assert stacks["local"]["resources"] == stacks["local"]["capabilities"] == stacks["local"]["exposure"] == []
    dev = stacks["dev"]
    assert {(one["kind"], one["name"]) for one in dev["resources"]} == {
        ("removed", "approle-role-aos"),
        ("removed", "application-policies-aos"),
        ("removed", "login-limits-aos"),
        ("removed", "people-group-aos-owners"),
        ("removed", "people-login-ada"),
        ("removed", "people-person-ada"),
        ("removed", "people-policies-group-aos-owners"),
        ("removed", "people-policies-person-ada"),
        ("changed", "application-policies-dagster"),
        ("changed", "people-policies-group-auditors"),
        ("changed", "people-policies-group-operators"),
        ("changed", "network-firewall"),
        ("changed", "administrator-login"),
        ("changed", "snapshots-operator"),
        ("replaced", "platform-server"),
    }
    assert dev["widenings"] == dev["unacknowledged"] == WIDENED
    fewer = {"approle aos", "group aos-owners", "group auditors", "group operators", "person ada"}
    assert {one["who"] for one in dev["capabilities"]} == {"approle dagster", *fewer}
    assert all(one["lost"] and not one["gained"] for one in dev["capabilities"] if one["who"] in fewer)
    (server,) = (one for one in dev["resources"] if one["name"] == "platform-server")
    assert [one["name"] for one in server["properties"]] == [
        "userData: /etc/nftables.conf",
        "userData: /etc/vault-estate/bootstrap.json",
    ]


def test_the_comment_is_what_docs_show(clone: Clone) -> None:
    dagster_and_a_wider_network(clone)
    run = clone.diff("main", "dev", "--markdown")
    page = (ROOT / "docs" / "reviewing.md").read_text(encoding="utf-8")
    assert run.returncode == 3
    assert run.stdout.strip() in page


def test_who_answers_for_it_lets_it_pass(clone: Clone) -> None:
    dagster_and_a_wider_network(clone)
    lines = "".join(f"      - {line}\n" for line in WIDENED)
    entry = "widenings:\n  - stack: dev\n    who: Ada Lovelace\n    why: dagster loads two more tables\n    allows:\n"
    (clone.directory / "widenings.yaml").write_text(entry + lines)
    run = clone.diff("main", "dev")
    assert (run.returncode, "expected who and why" in run.stderr) == (0, False)

    clone.git("add", "--all")
    clone.git("commit", "--message", "Widen")
    clone.edit("Pulumi.dev.yaml", ("api_cidrs: [203.0.0.0/8]", "api_cidrs: [203.0.113.0/24]"))
    clone.git("commit", "--all", "--message", "Narrow")
    assert clone.diff("main~1", "dev", "--to", "main").returncode == 0
    assert clone.diff("main", "dev", "--to", "main~1").returncode == 3, (
        "what was said of an earlier change holds no more"
    )


def _reordered(clone: Clone) -> None:
    clone.edit("Pulumi.dev.yaml", ("kv: [secret, agenticverz]", "kv: [agenticverz, secret]"))
    clone.edit(
        "estate.base.yaml",
        ("approle: {}\nuserpass:\n", "userpass:\n"),
        ("  lockout_duration: 15m\n", "  lockout_duration: 15m\napprole: {}\n"),
        ("keys: [access_key_id, secret_access_key]", "keys: [secret_access_key, access_key_id]"),
        ("secrets: [database-url, api-keys/provider-a,", "secrets: [api-keys/provider-a, database-url,"),
    )


def _key_moved(clone: Clone) -> None:
    clone.edit("Pulumi.dev.yaml", (".estate/dev/operator/public.asc", ".estate/dev/another/public.asc"))


def _other_words(clone: Clone) -> None:
    clone.edit("Pulumi.dev.yaml", ("# who may reach port 8200", "# whoever needs it"))
    clone.edit("composition/estate.py", ("Declare the whole estate of one stack;", "Declare one stack's estate;"))


@pytest.mark.parametrize("change", [_reordered, _key_moved, _other_words])
def test_what_changes_nothing_shows_nothing(clone: Clone, change: Callable[[Clone], None]) -> None:
    change(clone)
    run = clone.diff("main")
    assert (run.returncode, run.stdout) == (0, "dev: nothing changes\nlocal: nothing changes\n")


def test_a_stack_that_comes_and_one_that_goes(clone: Clone) -> None:
    shutil.move(clone.directory / "Pulumi.dev.yaml", clone.directory / "Pulumi.staging.yaml")
    stacks = clone.found()
    assert {one["kind"] for one in stacks["dev"]["resources"]} == {"removed"}
    assert {one["kind"] for one in stacks["staging"]["resources"]} == {"added"}
    assert stacks["dev"]["widenings"] == []
    assert "approle dagster may read database/creds/bike-data-flow-readonly" in stacks["staging"]["widenings"]


def test_a_secret_of_the_stack_file_is_told_and_never_shown(clone: Clone) -> None:
    path = clone.directory / "Pulumi.dev.yaml"
    committed = path.read_text()
    canaries = ("v1:first-canary", "v1:second-canary")
    for text in canaries:
        path.write_text(f"{committed}  vault-estate:database-password:\n    secure: {text}\n")
        clone.git("commit", "--all", "--message", text)
    for form in ("--json", "--markdown"):
        run = clone.diff("main~1", "dev", form)
        assert run.returncode == 0
        assert "passwordWo" in run.stdout
        assert not any(text in run.stdout + run.stderr for text in canaries)


def test_what_a_base_file_says_is_that_of_its_commit(clone: Clone) -> None:
    roles = ("database_roles: [bike-data-flow-readonly]", "database_roles: [bike-data-flow-readwrite]")
    clone.edit("estate.base.yaml", roles)
    shutil.move(clone.directory / "estate.base.yaml", clone.directory / "shared.yaml")
    for stack in STACKS:
        clone.edit(stack, ("base: estate.base.yaml", "base: shared.yaml"))
    clone.edit(
        "Pulumi.dev.yaml",
        ("aos: { pki_roles: [] }", "aos: { pki_roles: [], transit_keys: [] }"),
        ("connection: postgresql, access: readonly", "connection: postgresql, access: readwrite"),
    )

    stacks = clone.found()

    assert (
        'database role bike-data-flow-readonly may INSERT on ALL TABLES IN SCHEMA "public"'
        in (stacks["dev"]["unacknowledged"])
    )

    changed = {
        (name, one["who"], one["path"], *one["gained"], *one["lost"])
        for name, stack in stacks.items()
        for one in stack["capabilities"]
    }
    read = {("read", "database/creds/bike-data-flow-readonly"), ("read", "database/creds/bike-data-flow-readwrite")}
    dagster = {(stack, "approle dagster", path, word) for stack in ("dev", "local") for word, path in read}
    uses = {
        ("dev", "approle aos", f"transit/{use}/data-encryption-key", "update")
        for use in ("encrypt", "decrypt", "rewrap")
    }
    assert changed == dagster | uses


def test_a_mistake_in_a_base_file_is_told_with_both_names(clone: Clone) -> None:
    clone.edit("estate.base.yaml", ("lockout_threshold: 5", "lockout_threshold: many"))
    run = clone.diff("main", "dev")
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()[-1:]
    assert line == (
        "estate: estate.base.yaml of the working tree: vault-estate:estate.userpass.lockout_threshold is 'many'; "
        "expected a whole number"
    )
    (clone.directory / "estate.base.yaml").unlink()
    line = clone.diff("main", "dev").stderr.splitlines()[-1]
    assert line == (
        "estate: the working tree: Pulumi.dev.yaml: vault-estate:estate.base is 'estate.base.yaml', which isn't there; "
        "expected a file of settings in this project"
    )


WRONG = [
    (["no-such-commit"], "estate: BASE is 'no-such-commit'; expected a commit, branch or tag of this repository"),
    (["--", "--output=x"], "estate: BASE is '--output=x'; expected a commit, branch or tag of this repository"),
    (["main", "--to", "nowhere"], "estate: --to is 'nowhere'; expected a commit, branch or tag of this repository"),
    (["main", "stage"], "estate: stack 'stage' has no file in either commit; expected one of: dev, local"),
]


@pytest.mark.parametrize(("words", "expected"), WRONG)
def test_what_isnt_there_is_told_in_one_line(clone: Clone, words: list[str], expected: str) -> None:
    run = clone.diff(*words)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith(expected)


def test_a_broken_file_is_told_with_its_commit(clone: Clone) -> None:
    clone.edit("Pulumi.dev.yaml", ("config:\n", "config: [\n"))
    clone.git("commit", "--all", "--message", "Break")
    run = clone.diff("main", "dev", "--to", "main~1")
    assert (run.returncode, run.stderr.splitlines()[-1].startswith("estate: main: Pulumi.dev.yaml line")) == (2, True)


def test_settings_that_are_wrong_are_told_with_their_commit(clone: Clone) -> None:
    clone.edit("Pulumi.dev.yaml", ("kind: hetzner", "kind: mars"))
    run = clone.diff("main", "dev")
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()[-1:]
    assert line.startswith("estate: Pulumi.dev.yaml of the working tree: vault-estate:estate.platform.kind is 'mars'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("widenings: [", "widenings.yaml is not YAML"),
        ("widenings: [{stack: dev, who: Ada, why: it must, allows: []}]", "widenings.yaml: widenings[0].allows"),
        (
            "widenings: [{stack: nosuch, who: Ada, why: it must, allows: [x]}]",
            "widenings[0].stack is 'nosuch'",
        ),
        ("[]", "widenings.yaml"),
        ("widenings: []\nwidenings: []", "'widenings' stands twice; expected it once"),
        ("others: []", "widenings.yaml: others is not a setting"),
    ],
)
def test_a_word_that_cant_be_read_is_refused(clone: Clone, text: str, expected: str) -> None:
    (clone.directory / "widenings.yaml").write_text(text)
    run = clone.diff("main", "local")
    assert (run.returncode, expected in run.stderr) == (2, True), run.stderr


def test_a_folder_without_history_is_refused(first: Path, tmp_path: Path) -> None:
    shutil.copytree(first, tmp_path / "project", ignore=shutil.ignore_patterns(".git"))
    run = Clone(directory=tmp_path / "project").diff("main")
    assert run.returncode == 2
    assert "estate: BASE is 'main'; expected a commit" in run.stderr
