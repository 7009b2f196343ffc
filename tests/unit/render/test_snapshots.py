"""What a node takes snapshots with: files, sandbox, and the arithmetic of retention.

Doesn't prove that systemd and age take them: `tests/machines` does on a booted node.
"""

import ast
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pysequoia import Profile, Tsk

from components.payloads import snapshot as program
from components.render import acl
from components.render import snapshots as rendering
from components.render.administrator import administrator_policy
from components.render.cloud_init import MAXIMUM_BYTES
from components.render.node import snapshots
from components.render.seals import StaticSeal
from components.render.shortened import without_comments
from ops.keys.certificates import new_administrator
from tests.unit.render.nodes import COMBINATIONS, NODE, SEALS, files, node, of, operators, render
from tests.unit.render.nodes import SNAPSHOTS as STANDARD

WANTED = STANDARD.model_copy(update={"schedule": "*-*-* 00/4:15"})
NODE_WITH = node(snapshots=WANTED)


def test_only_a_node_with_snapshots_has_what_they_need() -> None:
    added = set(files(NODE_WITH)) - set(files(NODE))

    assert added == {
        snapshots.PROGRAM,
        snapshots.PARAMETERS,
        "/etc/systemd/system/vault-snapshot.service",
        "/etc/systemd/system/vault-snapshot.timer",
        "/etc/sysusers.d/vault-snapshot.conf",
    }
    assert "SNAPSHOTS=yes\n" in files(NODE_WITH)["/etc/vault-estate/node.env"][0]
    assert "\n- age\n" in render(NODE_WITH)
    assert "\n- python3-boto3\n" in render(NODE_WITH)
    assert "boto3" not in render(NODE)


def test_parameters_hold_no_secret_and_name_the_nodes_own_address() -> None:
    told = json.loads(files(NODE_WITH)[snapshots.PARAMETERS][0])

    assert told["address"] == "https://vault.example.com:8200"
    assert told["bucket"] == {
        "name": "vault-snapshots",
        "endpoint": "https://fsn1.your-objectstorage.com",
        "region": "fsn1",
    }
    assert set(told["keep"]) == set(program.PERIODS)
    assert told["credentials"] == "/run/credentials/vault-snapshot.service"
    assert told["metrics"].startswith("/var/lib/vault-snapshots/")


def test_the_unit_waits_for_its_credentials_and_sees_nothing_of_the_server() -> None:
    unit = files(NODE_WITH)["/etc/systemd/system/vault-snapshot.service"][0].splitlines()

    for name in snapshots.CREDENTIALS:
        assert f"LoadCredentialEncrypted={name}:/var/lib/vault/credentials/{name}" in unit
        assert f"ConditionPathExists=/var/lib/vault/credentials/{name}" in unit
    assert "User=vault-snapshot" in unit
    hidden = " ".join(line for line in unit if line.startswith("InaccessiblePaths="))
    for path in ("raft", "custody", "credentials", "tls/server.key"):
        assert f"-/var/lib/vault/{path}" in hidden
    assert "CapabilityBoundingSet=" in unit
    timer = files(NODE_WITH)["/etc/systemd/system/vault-snapshot.timer"][0]
    assert "OnCalendar=*-*-* 00/4:15\n" in timer
    assert "Persistent=yes\n" in timer


ESCROW = node(
    snapshots=WANTED.model_copy(update={"recipients": ("age.pub", "other.pub")}), seal=StaticSeal(escrow=True)
)
HANDED = "LoadCredential="


def test_with_escrow_the_program_gets_what_goes_with_the_snapshots_and_without_it_nothing() -> None:
    unit = files(ESCROW)["/etc/systemd/system/vault-snapshot.service"][0].splitlines()

    assert [line.removeprefix(HANDED) for line in unit if line.startswith(HANDED)] == [
        "escrow:/var/lib/vault/credentials/escrow",
        "shares:/var/lib/vault/custody/shares.json",
        "complete:/var/lib/vault/custody/shares.json.complete",
    ]
    assert json.loads(files(ESCROW)[snapshots.PARAMETERS][0])["escrow"] is True
    assert f"ESCROW='age1{'q' * 58} age1{'p' * 58}'\n" in files(ESCROW)["/etc/vault-estate/node.env"][0]

    assert HANDED not in files(NODE_WITH)["/etc/systemd/system/vault-snapshot.service"][0]
    assert "escrow" not in json.loads(files(NODE_WITH)[snapshots.PARAMETERS][0])
    assert "ESCROW" not in files(NODE_WITH)["/etc/vault-estate/node.env"][0]


def test_only_a_static_seal_has_a_key_that_can_be_in_escrow() -> None:
    assert {kind: seal.key_in_escrow for kind, seal in SEALS.items()} == dict.fromkeys(SEALS, False)
    assert StaticSeal(escrow=True).key_in_escrow


def test_scripts_travel_without_comments_and_are_the_same_scripts() -> None:
    library, source = "/usr/local/lib/vault-estate/", Path(rendering.__file__).parents[1] / "payloads"
    sent = {path.removeprefix(library): text for path, (text, mode) in files(ESCROW).items() if mode == "0755"}
    scripts = {name: text for name, text in sent.items() if not name.startswith("/")}
    assert len(scripts) > 7
    for name, text in scripts.items():
        whole = (source / f"{name.replace('-', '_')}.sh").read_text(encoding="utf-8").splitlines()
        assert text.splitlines() == [
            one for one in whole if one == "#!/bin/sh" or (one.strip() and one.strip()[0] != "#")
        ]
    # What begins so inside of a here-document, or of a quoted text over lines, would be no comment.
    texts = [file.read_text(encoding="utf-8") for file in source.glob("*.sh")]
    documents = [part.split("\nEND\n")[0] for text in texts for part in text.split("<<END\n")[1:]]
    assert documents
    assert not [line for document in documents for line in document.splitlines() if line.lstrip().startswith("#")]


def test_the_program_travels_without_comments_and_is_the_same_program() -> None:
    whole = rendering._PROGRAM.read_text(encoding="utf-8")

    def bare(text: str) -> str:
        tree = ast.parse(text)
        for one in ast.walk(tree):
            body = getattr(one, "body", None)
            first = body[0] if isinstance(body, list) and len(body) > 1 else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del one.body[0]  # type: ignore[attr-defined]  # it has one, as was just seen
        return ast.dump(tree)

    short = rendering.program()
    assert bare(short) == bare(whole)
    assert len(short) < 0.85 * len(whole)


def test_a_block_that_is_only_a_docstring_keeps_it() -> None:
    assert "nothing else" in without_comments('class Error(Exception):\n    """nothing else"""\n', "x.py")


def test_five_operators_and_snapshots_fit() -> None:
    keys = [Tsk.generate(f"operator {number} <{number}@example.com>", profile=Profile.RFC4880) for number in range(5)]
    holders, texts = operators([str(key.extract_certificate()) for key in keys])
    texts["administrator.crt"] = new_administrator(datetime.now(UTC))[0].decode()
    parts: dict[str, Any] = {
        "bootstrap": NODE.bootstrap.model_copy(update={"operators": holders, "threshold": 3}),
        "texts": texts,
        "policy": acl.render(administrator_policy()),
        "snapshots": WANTED,
    }

    for flavor, seal, tls in COMBINATIONS:
        wanted = of(flavor, seal, tls, **parts)
        if seal == "static":
            wanted = replace(wanted, seal=StaticSeal(escrow=True))
        # Of forty drawings of the keys most took 32,344 to 32,374 bytes, and the largest 32,579.
        size = len(render(wanted).encode())
        assert size <= MAXIMUM_BYTES - 100, (flavor, seal, tls)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"age1{'q' * 58}\nage1{'q' * 58}\n",
        "age1short\n",
        "-".join(("AGE", "SECRET", "KEY", "1QQQ")) + "\n",
        f"one age1{'q' * 58}\n",
    ],
)
def test_a_recipient_is_one_public_key(text: str) -> None:
    assert not re.fullmatch(rendering.AGE_KEY.pattern, text.strip())


@pytest.mark.parametrize("text", ["{}", "# public key\n{}\n", "\n# a\n\n# b\n {}\n# c\n", "# a\r\n{}\r\n"])
def test_a_recipient_may_have_comments(text: str) -> None:
    key = f"age1{'q' * 58}"

    assert re.fullmatch(rendering.AGE_KEY.pattern, text.format(key).strip())
    assert rendering.recipient(text.format(key)) == key


def keep(**counts: int) -> dict[str, Any]:
    """What is kept, none where nothing is said."""
    return {period: counts.get(period, 0) for period in program.PERIODS}


def stamps(start: str, step: timedelta, count: int) -> list[str]:
    """Times at a distance."""
    first = datetime.strptime(start, program.STAMP)
    return [(first + step * number).strftime(program.STAMP) for number in range(count)]


def test_the_newest_of_each_hour_day_and_week_stays() -> None:
    taken = stamps("20260101T003000Z", timedelta(minutes=30), 48 * 40)

    assert len(program.keeps(taken, keep(hourly=24))) == 24
    daily = program.keeps(taken, keep(daily=3))
    assert sorted(daily) == ["20260208T233000Z", "20260209T233000Z", "20260210T000000Z"]
    weekly = sorted(program.keeps(taken, keep(weekly=2)))
    assert weekly == ["20260208T233000Z", "20260210T000000Z"]
    assert program.keeps(taken, keep(hourly=24, daily=3, weekly=2)) >= {*daily, *weekly}


def test_nothing_is_pruned_when_no_snapshot_was_taken_for_long() -> None:
    old = stamps("20200101T000000Z", timedelta(days=400), 3)

    assert program.keeps(old, keep(hourly=3)) == set(old)


def test_the_newest_stays_whatever_is_asked_for() -> None:
    assert program.keeps(["20260101T000000Z"], keep()) == {"20260101T000000Z"}
    assert program.keeps([], keep(hourly=1)) == set()


def test_a_week_across_new_year_is_one() -> None:
    taken = ["20251229T000000Z", "20260104T000000Z"]  # Monday and Sunday of ISO week 2026-W01

    assert program.keeps(taken, keep(weekly=5)) == {"20260104T000000Z"}
