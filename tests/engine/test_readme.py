"""The documents' own commands, run as a new user would: in order, in one shell, in a fresh copy of the project.

Not proven: the blocks in `NOT_RUN`, which need what can't be had on every machine.
"""

import functools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from ops.paths import ROOT
from tests.support.checkouts import Checkout, add_launcher, checkout
from tests.support.documents import DOCUMENTS, Block, blocks

NOT_RUN = {
    ("README.md", "needs the official Python language host and plugins"): (
        "pulumi preview -s local --policy-pack policies\npulumi up -s local --policy-pack policies\n"
    ),
    ("README.md", "needs root, run by tests/machines/test_dev_up.py"): (
        "./estate up dev --sandbox\n./estate status dev --sandbox\n"
        "./estate secret-id aos --stack dev --sandbox\n./estate down dev --sandbox\n"
    ),
    ("docs/eks.md", "needs root, run by tests/clusters/test_staging_up.py"): (
        "./estate up staging --sandbox\n./estate status staging --sandbox\n./estate down staging --sandbox\n"
    ),
    ("docs/eks.md", "needs root, run by tests/clusters/test_prod_up.py"): "./estate up prod --sandbox --hashicorp\n",
    ("docs/eks.md", "needs a cluster"): (
        "aws eks update-kubeconfig --region eu-central-1 --name vault-staging --kubeconfig .estate/staging/kubeconfig\n"
        "export KUBECONFIG=.estate/staging/kubeconfig\n"
        "kubectl get configmap vault-authority --namespace vault-jobs --output 'jsonpath={.data.ca\\.crt}' "
        ">.estate/staging/authority.crt\n"
        "kubectl port-forward --namespace vault service/vault 8210:8200\n"
    ),
    ("docs/eks.md", "needs a cluster that is behind; with --sandbox, run by tests/clusters/test_staging_up.py"): (
        "./estate login staging grace\n./estate up staging\n./estate upgrade staging\n"
    ),
    ("docs/eks.md", "needs a cluster that lost a server; with --sandbox, run by tests/clusters/test_staging_up.py"): (
        "./estate status staging\n./estate rejoin staging vault-2\n"
    ),
    ("docs/eks.md", "needs a registry"): (
        "docker buildx imagetools inspect docker.io/library/python:3.13-slim\n"
        "docker build --build-arg BASE=docker.io/library/python@sha256:... --tag registry.example.com/tools:1 "
        "components/payloads/tools_image\n"
        "docker push registry.example.com/tools:1\n"
    ),
    (
        "docs/eks.md",
        "needs a cluster with snapshots; with --sandbox, run by tests/clusters/test_staging_up.py",
    ): "./estate restore staging\n",
    ("docs/eks.md", "needs a cluster of five"): "./estate scale prod 3\n",
    ("docs/hetzner.md", "needs root, run by tests/machines/test_hetzner_page.py"): (
        "./estate up dev --sandbox\n./estate status dev --sandbox\n./estate down dev --sandbox\n"
    ),
    ("docs/hetzner.md", "needs an account at Hetzner; with --sandbox, run by tests/machines/test_hetzner_page.py"): (
        "./estate keys dev\n./estate preview dev\n./estate up dev\n./estate status dev\n"
    ),
    ("docs/hetzner.md", "needs a server to rebuild; with --sandbox, run by tests/machines/test_hetzner_page.py"): (
        "./estate preview dev --replace platform-server\n./estate up dev --replace platform-server\n"
    ),
    ("docs/hetzner.md", "on the node with a new pair, run by tests/machines/test_hetzner_page.py"): (
        "install -o root -g vault -m 0640 server.key /var/lib/vault/tls/server.key\n"
        "install -o root -g vault -m 0644 server.crt /var/lib/vault/tls/server.crt\n"
        "systemctl reload vault.service\n"
    ),
    ("docs/hetzner.md", "on the node, run by tests/machines/test_hetzner_page.py"): (
        "openssl x509 -in /var/lib/vault/tls/server.crt -noout -fingerprint -sha256\n"
        "rm /var/lib/vault/tls/server.crt /var/lib/vault/tls/server.key\n"
        "/usr/local/lib/vault-estate/certificate\n"
        "systemctl reload vault.service\n"
    ),
    ("docs/hetzner.md", "needs a node, run by tests/machines/test_hetzner_page.py"): (
        "ssh estate@NODE sudo cat /var/lib/vault/custody/shares.json >shares.json\n"
        "python3 -c 'import json\n"
        'for one in json.load(open("shares.json"))["shares"]:\n'
        '    if one["operator"] == "ada":\n'
        """        print(one["encrypted_share"])' | base64 -d | gpg --quiet --batch --decrypt\n"""
    ),
    ("docs/migration.md", "in an application's folder, run by tests/live/vault_estate/test_migration.py"): (
        "cat >migration.yaml <<'END'\n"
        "DATABASE_URL: database#url\n"
        "REDIS_URL: redis#url\n"
        "SECRET_KEY: security#secret_key\n"
        "FIRECRAWL_API_KEY: api_keys#firecrawl_api_key\n"
        "PAKE_DEBUG: stays\n"
        "USE_VAULT: stays\n"
        "VAULT_URL: stays\n"
        "END\n"
        'vault-estate migrate scan --login "$LOGIN"\n'
        'vault-estate migrate plan --login "$LOGIN"\n'
        'vault-estate migrate apply --login "$LOGIN"\n'
        "vault-estate migrate verify\n"
        "vault-estate migrate redact\n"
        "vault-estate migrate status\n"
    ),
    ("docs/renewal.md", "as root on the application's machine, run by tests/machines/test_dev_up.py"): (
        "sh aos-login/install.sh\n"
    ),
    ("docs/renewal.md", "a part of what tests/machines/test_dev_up.py runs"): (
        "./estate secret-id aos --install aos-login --user aos\nsh aos-login/install.sh\n"
    ),
    ("docs/renewal.md", "needs a machine that takes it; the first command is README's"): (
        "./estate secret-id pake-system --wrap-ttl 5m | sed -n 's/^wrapping token: //p' |\n"
        "    ssh pake@APPLICATION 'umask 077 && cat >wrapping-token.new && mv wrapping-token.new wrapping-token'\n"
    ),
    ("docs/reviewing.md", "needs a repository with history, run by tests/engine/test_diff.py"): (
        "./estate diff main\n./estate diff main dev --markdown\n./estate diff v0.1.0 dev --to v0.2.0 --json\n"
    ),
    ("docs/rotation.md", "in a folder with ciphertexts, run by tests/live/vault_estate/test_rotation.py"): (
        "vault-estate rewrap --versions kept.txt\nvault-estate rewrap data-encryption-key kept.txt > rewrapped.txt\n"
    ),
    ("docs/rotation.md", "in an application's folder, run by tests/live/vault_estate/test_rotation.py"): (
        "vault-estate rotate status\nvault-estate rotate --due\nvault-estate rotate app-prod MACHINE_SECRET_TOKEN\n"
        """printf '%s\\n' "$WEBHOOK_KEY" | vault-estate rotate app-prod WEBHOOK_KEY --value-stdin\n"""
        "vault-estate rotate schedule\nvault-estate rotate status --json\n"
    ),
    ("docs/snapshots.md", "needs a user's systemd, its command is run by tests/engine/test_drill_timer.py"): (
        "./estate drill dev --schedule --metrics /var/lib/prometheus/node-exporter/drill-dev.prom\n"
        "systemctl --user daemon-reload\n"
        "systemctl --user enable --now vault-estate-drill-dev.timer\n"
        "loginctl enable-linger\n"
    ),
    ("docs/snapshots.md", "needs a node at Hetzner, its like is run by tests/machines/test_snapshot_on_node.py"): (
        "cat .estate/dev/snapshots/node.crt .estate/dev/snapshots/node.key | ssh estate@NODE \\\n"
        "  sudo systemd-creds encrypt --with-key=host --name=snapshot-login - "
        "/var/lib/vault/credentials/snapshot-login\n"
        "ssh estate@NODE \\\n"
        "  sudo systemd-creds encrypt --with-key=host --name=snapshot-bucket - "
        "/var/lib/vault/credentials/snapshot-bucket <snapshot-bucket\n"
        "ssh estate@NODE sudo systemctl start vault-snapshot.service\n"
    ),
    ("docs/snapshots.md", "needs a node that was lost, run by tests/machines/test_snapshot_disaster.py"): (
        "./estate seal-key dev --node estate@NODE\n./estate restore dev\n./estate up dev\n"
    ),
}
"""Blocks that stay out, by document and reason. `test_plain_pulumi.py` runs README's with doubles."""
REPLACED = {"./estate test\n": "./estate test --help\n"}
"""The tests would otherwise run inside one of them."""
LANGUAGES = {"sh", "text", "yaml", "mermaid", "diff"}
"""Commands stand in `sh` blocks only, so that none can hide behind another word."""
RUN_ELSEWHERE = {
    ("docs/client.md", "python"),
    *(("docs/rotation.md", language) for language in ("json", "python", "toml")),
}
"""Pages, and the languages of their blocks, that tests/live/vault_estate runs."""
ITS_LIKE = ".estate/local/supervisor."
"""Files of which README names one."""
_END = "=== end of block ==="

COMMANDS: Mapping[str, Sequence[Block]] = {
    block.document: [one for one in blocks(document) if one.language == "sh" and not one.note]
    for document in DOCUMENTS
    if document.parent.name != "teams"
    for block in blocks(document)
}
"""Apart from the teams' pages, which test_teams.py runs."""
WITH_COMMANDS = [document for document, found in COMMANDS.items() if found]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One block that was run."""

    block: Block
    passed: bool
    output: str
    left: frozenset[str]
    """Files and folders in the copy afterwards, two levels deep below `.estate`."""


@contextmanager
def _shell(made: Checkout) -> Iterator[subprocess.Popen[str]]:
    """One shell for all blocks of a document: what one block sets, the next one has."""
    process = subprocess.Popen(
        ["sh", "-eu"],
        cwd=made.directory,
        env=add_launcher(made),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        yield process
        process.kill()


def _run(made: Checkout, shell: subprocess.Popen[str], block: Block) -> Ran:
    assert shell.stdin is not None
    assert shell.stdout is not None
    script = made.directory.parent / f"block-{block.line}.sh"
    script.write_text(REPLACED.get(block.text, block.text))
    shell.stdin.write(f"export COLUMNS=80\n. {script} </dev/null\nprintf '\\n%s\\n' '{_END}'\n")
    shell.stdin.flush()
    said: list[str] = []
    for line in shell.stdout:
        if line.strip() == _END:
            break
        said.append(line)
    else:
        return Ran(block=block, passed=False, output="".join(said), left=frozenset())
    left = {str(path.relative_to(made.directory)) for path in made.paths.own.glob("**/*")}
    return Ran(block=block, passed=True, output="".join(said), left=frozenset(left))


def _run_all(made: Checkout, commands: Sequence[Block]) -> list[Ran]:
    ran: list[Ran] = []
    with _shell(made) as shell:
        for block in commands:
            ran.append(_run(made, shell, block))
            if not ran[-1].passed:
                break
    return ran


Done = Callable[[str], Sequence[Ran]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The commands of a document, run once, in a copy of its own."""

    @functools.cache
    def run(document: str) -> Sequence[Ran]:
        with checkout(tmp_path_factory.mktemp("document")) as made:
            for stack in ("dev", "staging"):
                shutil.copy(ROOT / f"Pulumi.{stack}.yaml", made.directory)
            return _run_all(made, COMMANDS[document])

    return run


@pytest.fixture(scope="module")
def readme(ran: Done) -> Sequence[Ran]:
    """README's commands."""
    return ran("README.md")


@pytest.mark.parametrize("document", WITH_COMMANDS)
def test_every_command_runs(ran: Done, document: str) -> None:
    last = ran(document)[-1]
    assert last.passed, f"{document}:{last.block.line}:\n{last.block.text}\nprinted:\n{last.output}"
    assert [one.block for one in ran(document)] == COMMANDS[document]


def test_only_these_blocks_are_left_out() -> None:
    marked = {
        (block.document, block.note.removeprefix("no-run: ")): block.text
        for document in DOCUMENTS
        for block in blocks(document)
        if block.language == "sh" and block.note
    }
    assert marked == NOT_RUN


def test_commands_stand_in_blocks_that_are_run() -> None:
    others = {
        f"{block.document}:{block.line}": block.language
        for document in DOCUMENTS
        for block in blocks(document)
        if block.language not in LANGUAGES and (block.document, block.language) not in RUN_ELSEWHERE
    }
    assert others == {}


def test_nothing_is_replaced_that_is_not_there() -> None:
    assert REPLACED.keys() <= {block.text for found in COMMANDS.values() for block in found}


def _of(readme: Sequence[Ran], command: str) -> Ran:
    return next(ran for ran in readme if command in ran.block.text)


def test_the_output_shown_is_what_up_prints(readme: Sequence[Ran]) -> None:
    (shown,) = (block for block in blocks(ROOT / "README.md") if block.language == "text")
    wanted = [_shape(line) for line in shown.text.splitlines() if line.strip() and line.strip() != "…"]
    printed = [_shape(line) for line in _of(readme, "./estate up").output.splitlines()]
    assert len(wanted) > 6
    assert [line for line in wanted if line not in printed] == []


def _shape(line: str) -> str:
    """A line without the numbers and identifiers that differ from run to run."""
    without_identifiers = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", line.rstrip())
    return re.sub(r":\d+$", ":PORT", without_identifiers)


def test_a_person_gives_a_value_and_status_stops_missing_it(readme: Sequence[Ran]) -> None:
    first, printed = _of(readme, "./estate up").output, _of(readme, "./estate secret put").output
    assert "external-apis" in first.partition("values that a person has yet to give")[2]
    missed = printed.partition("values that a person has yet to give")[2]
    assert "keycloak-admin" in missed
    assert "external-apis" not in missed
    assert "ada may not read secret/greenlang/database/redis" in printed
    assert printed.count("denied, as it must be") == 1
    assert [line.split()[:1] for line in printed.splitlines() if " there " in line] == [["2"], ["1"]]
    assert "agenticverz/external-apis is at version 3: ANTHROPIC_API_KEY by ada" in printed


def test_the_application_reads_its_own_and_is_denied_anothers(readme: Sequence[Ran]) -> None:
    """`|| echo` would hide a read that was not denied."""
    printed = _of(readme, "bao read database/creds").output
    assert "ANTHROPIC_API_KEY" in printed
    assert "-----BEGIN CERTIFICATE-----" in printed
    assert "denied, as it must be" in printed


def _table_of_paths() -> list[list[str]]:
    """The paths of each line of the table of places that lie below `.estate/`."""
    lines = (ROOT / "README.md").read_text().partition("## Where state and keys live")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in lines.splitlines() if line.startswith("| `.estate/")]
    return [re.findall(r"`([^`]+?)/?`", cell) for cell in cells]


def test_everything_is_where_the_table_says_and_nothing_more(readme: Sequence[Ran]) -> None:
    listed = {path for row in _table_of_paths() for path in row}
    there = _of(readme, "./estate up").left
    assert len(listed) > 10
    assert sorted(listed - there - _of(readme, "./estate login").left) == []
    unlisted = {
        path
        for path in there
        if path.count("/") < 3
        and not any(path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in listed)
    }
    assert {path for path in unlisted if not path.startswith(ITS_LIKE)} == set()


def test_down_leaves_what_the_readme_says(readme: Sequence[Ran]) -> None:
    stays = _table_of_paths()[-1]
    left = _of(readme, "./estate down").left
    assert {path for path in left if not path.startswith(".estate/shims/")} == set(stays)
