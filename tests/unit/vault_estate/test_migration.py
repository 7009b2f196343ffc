"""Plan and apply, in memory: what is compared, what is written once, and how a run that was ended goes on.

Not proven: what a real server answers (`tests/live/vault_estate/test_migration.py`).
"""

import errno
import logging
import os
import ssl
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.migrating import (
    AOS_KEYS,
    MOUNT,
    PAKE_KEYS,
    PAKE_MAP,
    Ends,
    Killed,
    Move,
    ScriptedKv,
    aos_env,
    canary,
    manifest,
    pake_env,
)
from vault_estate import origins
from vault_estate.errors import ConfigurationError, MigrationError, VaultEstateError, VaultUnavailable
from vault_estate.migration import applying, dotenv_file, journal, mapping, plans, status
from vault_estate.migration.journal import Journal
from vault_estate.tls import Trust


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest is slow on purpose, and who vouches for a server that isn't there takes long to be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(plans, "_COST", 2)
    monkeypatch.setattr(Trust, "context", lambda _: context)


@pytest.fixture
def aos(tmp_path: Path) -> Move:
    """AOS's, before anything was done."""
    (tmp_path / ".env").write_text(aos_env())
    return Move(vault=ScriptedKv(), folder=tmp_path, known=manifest())


@pytest.fixture
def small(tmp_path: Path) -> Move:
    """Two secrets, one of them with a value of its own and one that the estate chose."""
    keys = {"app-prod": AOS_KEYS["app-prod"][:2], "external-apis": AOS_KEYS["external-apis"]}
    lines = [f"{name}={canary(name)}\n" for one in keys.values() for name in one]
    (tmp_path / ".env").write_text("".join(lines))
    vault = ScriptedKv()
    vault.put("app-prod", {"AOS_API_KEY": "chosen", "OTHER": "kept"}, noted("AOS_API_KEY", "generated", 1))
    return Move(vault=vault, folder=tmp_path, known=manifest(keys))


def noted(key: str, origin: str, version: int) -> dict[str, str]:
    """Notes as `up` and `./estate secret put` leave them."""
    note = f"{origin} 2026-11-26T21:57:00Z version {version} by up"
    return {key: note, origins.WRITERS: f"{version} up"}


def test_aos_goes_in_whole_one_version_each(aos: Move) -> None:
    assert set(aos.plan().model_dump()["variables"][0]) == {
        *("name", "secret", "key", "state", "version", "length", "fingerprint", "looks"),
    }
    assert set(aos.states().values()) == {"new"}
    done = aos.apply()
    assert [(one.secret, one.version, one.is_written) for one in done] == [(name, 1, True) for name in AOS_KEYS]
    assert {name: aos.vault.versions(name) for name in AOS_KEYS} == {
        name: [{key: canary(key) for key in keys}] for name, keys in AOS_KEYS.items()
    }
    assert set(aos.states().values()) == {"same"}
    assert [one.is_written for one in aos.apply()] == [False] * 4
    assert len(aos.records("held")) == 4


def test_pake_goes_in_by_its_map(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(pake_env().encode())
    map_file = tmp_path / "migration.yaml"
    map_file.write_text(PAKE_MAP + "NOT_THERE: stays\n")
    pake = Move(vault=ScriptedKv(), folder=tmp_path, known=manifest(PAKE_KEYS), map_file=map_file)
    assert pake.states() == {
        "USE_VAULT": "stays",
        "VAULT_URL": "stays",
        "SECRET_KEY": "new",
        "DATABASE_URL": "new",
        "REDIS_URL": "new",
        "FIRECRAWL_API_KEY": "empty",
        "PAKE_DEBUG": "stays",
    }
    pake.apply()
    assert pake.vault.versions("security") == [{"secret_key": canary("SECRET_KEY")}]
    assert pake.vault.versions("redis") == [{"url": f"redis://:{canary('REDIS_URL')}@localhost:6379/1"}]
    assert pake.vault.versions("api_keys") == []
    assert {one.name: one.looks for one in pake.plan().variables} == {
        **dict.fromkeys(("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "FIRECRAWL_API_KEY"), "secret"),
        **dict.fromkeys(("USE_VAULT", "VAULT_URL", "PAKE_DEBUG"), "config"),
    }


def test_what_nobody_mapped_is_not_guessed(aos: Move) -> None:
    with aos.env.open("a") as stream:
        stream.write(f"SHARED=x\nAOS_API_KEYS={canary('other')}\n")
    with pytest.raises(
        mapping.UnmappedError, match=r"^SHARED, AOS_API_KEYS of the file: not mapped; expected"
    ) as caught:
        aos.plan()
    assert caught.value.names == ("SHARED", "AOS_API_KEYS")
    assert not aos.own.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A: app-prod#AOS_API_KEY\nA: stays", "each name once"),
        ("A: app-prod#NONE", "A is not shown; expected stays, or one of: app-prod#AOS_API_KEY, "),
        ("A: other/shared#SHARED", "A is not shown; expected"),
        ("a-b: stays", "a name is not shown"),
        ("[A", "no mapping"),
        ("A: 1", "no mapping"),
        ("A: !!python/name:os.system", "no mapping"),
        ("AOS_API_KEY: database#DATABASE_URL", "is where AOS_API_KEY, DATABASE_URL go"),
    ],
)
def test_a_map_that_can_not_be_is_refused(text: str, words: str, aos: Move) -> None:
    aos.map_file = aos.folder / "migration.yaml"
    aos.map_file.write_text(text)
    with pytest.raises(ConfigurationError, match="; expected ") as caught:
        aos.plan()
    assert words in str(caught.value)


def test_a_key_that_two_secrets_have_is_mapped_by_a_person(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=x\n")
    move = Move(vault=ScriptedKv(), folder=tmp_path, known=manifest({"a": ("TOKEN",), "b": ("TOKEN",)}))
    with pytest.raises(mapping.UnmappedError):
        move.plan()


def test_a_value_that_was_rotated_is_not_replaced_unasked(small: Move) -> None:
    """A value of before would be good again."""
    notes = {"AOS_API_KEY": "generated 2026-11-26T21:57:00Z version 2 by rotator", origins.WRITERS: "1 up, 2 rotator"}
    small.vault.put("app-prod", {"AOS_API_KEY": "rotated", "OTHER": "kept"}, notes)
    assert small.states()["AOS_API_KEY"] == "differs"


def test_other_keys_stay_and_generated_ones_are_replaced_and_noted(small: Move) -> None:
    assert small.states() == {"AOS_API_KEY": "generated", "MACHINE_SECRET_TOKEN": "new", "ANTHROPIC_API_KEY": "new"}
    small.apply()
    assert small.vault.versions("app-prod")[1] == {
        "AOS_API_KEY": canary("AOS_API_KEY"),
        "MACHINE_SECRET_TOKEN": canary("MACHINE_SECRET_TOKEN"),
        "OTHER": "kept",
    }
    notes = small.vault.notes[f"{MOUNT}/app-prod"]
    metadata = {"current_version": 2, "custom_metadata": notes}
    found = {key: (one.origin, one.version, one.who) for key, one in origins.read(metadata).values.items()}
    assert found == {
        "AOS_API_KEY": ("given", 2, "ada"),
        "MACHINE_SECRET_TOKEN": ("given", 2, "ada"),
        "OTHER": ("given", 2, "another client"),
    }
    assert notes[origins.WRITERS] == "1 up, 2 ada"


def test_a_given_value_is_replaced_only_if_it_is_named(small: Move) -> None:
    small.vault.put("app-prod", {"AOS_API_KEY": "given", "MACHINE_SECRET_TOKEN": "given"})
    before = len(small.vault.asked)
    assert small.states()["AOS_API_KEY"] == "differs"
    for named in ([], ["AOS_API_KEY"]):
        with pytest.raises(MigrationError, match="given, and another value; expected --replace") as caught:
            small.apply(*named)
        assert ("AOS_API_KEY" in str(caught.value)) is (named == [])
    assert small.vault.versions("external-apis") == []
    assert not [one for one in small.vault.asked[before:] if one.startswith(("POST agent", "PATCH"))]
    small.apply("AOS_API_KEY", "MACHINE_SECRET_TOKEN")
    assert small.vault.versions("app-prod")[-1]["AOS_API_KEY"] == canary("AOS_API_KEY")
    with pytest.raises(ConfigurationError, match=r"^--replace names none of the plan's"):
        small.apply(canary("x"))


def test_a_deleted_version_is_written_after(small: Move) -> None:
    small.vault.deleted.add((f"{MOUNT}/app-prod", 1))
    assert small.states()["AOS_API_KEY"] == "new"
    small.apply()
    assert len(small.vault.versions("app-prod")) == 2
    assert "OTHER" not in small.vault.versions("app-prod")[1]


def test_who_writes_meanwhile_is_not_overwritten(small: Move) -> None:
    small.plan()
    writes = iter(({"OTHER": "newer"}, {"OTHER": "newest", "AOS_API_KEY": canary("AOS_API_KEY")}))
    run = Ends()

    def step(what: str) -> None:
        if what == f"before POST {MOUNT}/data/app-prod" and (values := next(writes, None)):
            small.vault.put("app-prod", values)

    run.step = step  # type: ignore[method-assign]
    small.apply(ends=run)
    assert small.vault.versions("app-prod")[1:] == [
        {"OTHER": "newer"},
        {"OTHER": "newest", "AOS_API_KEY": canary("AOS_API_KEY")},
        {
            "OTHER": "newest",
            "AOS_API_KEY": canary("AOS_API_KEY"),
            "MACHINE_SECRET_TOKEN": canary("MACHINE_SECRET_TOKEN"),
        },
    ]


def test_who_gives_another_value_meanwhile_is_not_overwritten(small: Move) -> None:
    small.plan()
    run = Ends()
    run.step = lambda what: (  # type: ignore[method-assign]
        small.vault.put("app-prod", {"AOS_API_KEY": "given"})
        if what == f"before POST {MOUNT}/data/app-prod" and len(small.vault.versions("app-prod")) == 1
        else None
    )
    with pytest.raises(MigrationError, match="AOS_API_KEY in version 2 of agenticverz/app-prod: given"):
        small.apply(ends=run)
    assert len(small.vault.versions("app-prod")) == 2


def steps_of(move: Move) -> list[str]:
    """Every step of a run that nobody ends."""
    run = Ends()
    move.plan()
    move.apply(ends=run)
    return run.steps


def test_ended_anywhere_and_run_again_there_is_one_version_each(
    small: Move, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of a run is where it ends once: before and after each request, and around each line of the journal."""
    monkeypatch.setattr(
        plans, "digest", lambda salt, content: f"{salt}{hash(content)}"
    )  # fast: it runs a hundred times
    monkeypatch.setattr(applying, "digest", plans.digest)
    steps = steps_of(small)
    assert len(steps) > 12 * 2
    expected = None
    for at in range(1, len(steps) + 1):
        folder = tmp_path_factory.mktemp("ended")
        (folder / ".env").write_text(small.env.read_text())
        vault = ScriptedKv()
        vault.put("app-prod", {"AOS_API_KEY": "chosen", "OTHER": "kept"}, noted("AOS_API_KEY", "generated", 1))
        move = Move(vault=vault, folder=folder, known=small.known)
        move.plan()
        with pytest.raises(Killed):
            move.apply(ends=Ends(at))
        move.apply()
        held = [(one["secret"], one["version"]) for one in move.records("held")]
        assert held == [("app-prod", 2), ("external-apis", 1)], steps[at - 1]
        found = ({name: vault.versions(name) for name in move.known.secrets}, _without_times(vault.notes))
        expected = expected or found
        assert found == expected, steps[at - 1]
    assert expected is not None
    assert [len(one) for one in expected[0].values()][:2] == [2, 1]


def _without_times(notes: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, list[str]]]:
    return {
        name: {key: [word for word in text.split() if "T" not in word] for key, text in one.items()}
        for name, one in notes.items()
    }


def test_an_answer_that_is_lost_is_found_by_the_next_run(small: Move) -> None:
    small.plan()
    run = Ends()

    def step(what: str) -> None:
        if what == f"after POST {MOUNT}/data/app-prod" and not small.vault.gone:
            small.vault.gone = True
            raise _lost()

    run.step = step  # type: ignore[method-assign]
    with pytest.raises(VaultUnavailable):
        small.apply(ends=run)
    small.vault.gone = False
    small.apply()
    assert [len(small.vault.versions(name)) for name in ("app-prod", "external-apis")] == [2, 1]


def _lost() -> Exception:
    from vault_estate.transport import _LostError

    return _LostError(VaultUnavailable("the answer was lost"), taken=True)


@pytest.mark.parametrize("what", ["fewer versions", "other values"])
def test_a_vault_that_went_back_is_seen_and_left_alone(what: str, small: Move) -> None:
    small.plan()
    small.apply()
    versions = small.vault.kv[f"{MOUNT}/app-prod"]
    del versions[1:]
    if what == "other values":
        versions.append({"AOS_API_KEY": "another history"})
    with pytest.raises(MigrationError, match="moved away, once it is known why"):
        small.apply()
    assert len(versions) == (1 if what == "fewer versions" else 2)


def test_a_full_disk_writes_nothing_to_vault(small: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    small.plan()
    small.apply(ends=Ends())
    (small.own / journal.FILE).unlink()
    small.vault.kv.clear()
    real = os.fsync

    def full(descriptor: int) -> None:
        if b"intended" in (small.own / journal.FILE).read_bytes():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as caught:
            small.apply()
    assert caught.value.filename == str(small.own / journal.FILE)
    assert small.vault.kv == {}
    assert [one.version for one in small.apply()] == [1, 1]


def test_a_file_that_was_changed_is_planned_anew(small: Move) -> None:
    small.plan()
    with small.env.open("a") as stream:
        stream.write("# changed\n")
    with pytest.raises(ConfigurationError, match="is not as it was planned"):
        small.apply()


def test_a_journal_is_of_one_file_one_application_and_one_process(small: Move) -> None:
    small.plan()
    small.apply()
    whose: dict[str, Any] = {"application": "aos", "environment": "production", "env_file": small.env}
    with Journal(small.own, **whose), pytest.raises(ConfigurationError, match="written by another process"):
        Journal(small.own, **whose)
    with pytest.raises(ConfigurationError, match="expected a folder of its own"):
        Journal(small.own, **{**whose, "environment": "staging"})
    file = small.own / journal.FILE
    file.write_text(file.read_text().replace('"event": "held"', '"event": "hold"', 1))
    with pytest.raises(ConfigurationError, match="line 3, is damaged"):
        journal.load(small.own)


def test_who_may_not_write_or_note_is_told_so(small: Move) -> None:
    small.plan()
    small.vault.denied = {f"PATCH {MOUNT}/metadata"}
    done = small.apply()
    assert "could not be noted" in done[0].warning
    small.vault.put("external-apis", {})
    small.plan()
    small.vault.denied = {f"POST {MOUNT}/data"}
    with pytest.raises(VaultEstateError, match="permission denied"):
        small.apply()


def test_how_far_each_has_come(small: Move) -> None:
    with small.env.open("a") as stream:
        stream.write("EMPTY=\nDEBUG=1\n")
    small.map_file = small.folder / "migration.yaml"
    small.map_file.write_text("EMPTY: stays\nDEBUG: stays\n")
    plan = small.plan()
    assert {one.stage for one in status.look(plan, journal.load(small.own))} == {"planned", "stays"}
    small.apply()
    found = status.look(plan, journal.load(small.own))
    assert [(one.name, one.place, one.version, one.stage) for one in found] == [
        ("AOS_API_KEY", f"{MOUNT}/app-prod#AOS_API_KEY", 2, "held"),
        ("MACHINE_SECRET_TOKEN", f"{MOUNT}/app-prod#MACHINE_SECRET_TOKEN", 2, "held"),
        ("ANTHROPIC_API_KEY", f"{MOUNT}/external-apis#ANTHROPIC_API_KEY", 1, "held"),
        ("EMPTY", "", 0, "stays"),
        ("DEBUG", "", 0, "stays"),
    ]


def test_no_value_is_in_a_file_a_log_a_repr_or_an_error(
    small: Move, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    env = dotenv_file.load(small.env)
    shown = [repr(env), repr(env.lines[0]), repr(small.plan())]
    for moment in ("POST agenticverz/data", "PATCH agenticverz/metadata"):
        small.vault.denied = {moment}
        try:
            shown += map(repr, small.apply())
        except VaultEstateError as error:
            frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
            ours = [str(one.locals) for one in frames if "/vault_estate/migration/" in one.filename]
            shown += [str(error), *ours]
    small.vault.denied = set()
    shown += [repr(small.vault.session()), caplog.text, *(file.read_text() for file in small.own.iterdir())]
    assert [text for text in shown if "q7Zq7Z" in text] == []
    assert len(shown) > 6
    assert [oct(file.stat().st_mode & 0o777) for file in small.own.iterdir()] == ["0o600"] * 2
    assert oct(small.own.stat().st_mode & 0o777) == "0o700"


def test_a_plan_is_none_without_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected vault-estate migrate plan first"):
        plans.load(tmp_path)
    (tmp_path / plans.FILE).write_text('{"schema_version": 1}')
    with pytest.raises(ConfigurationError, match="is no plan"):
        plans.load(tmp_path)
