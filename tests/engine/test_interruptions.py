"""Runs that are killed, interrupted or doubled: nothing may be lost, and the same command goes on from there."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import psutil
import pytest

from ops.stack_file import read
from tests.support.checkouts import Checkout, checkout
from tests.support.killed_runs import accessors, asked, finished, recorded


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A copy whose servers run, with nothing in them yet but the administrator."""
    with checkout(tmp_path_factory.mktemp("fresh")) as made:
        yield made


def mounts(made: Checkout) -> set[str]:
    """Paths of the engines mounted now."""
    return set(asked(made, "sys/mounts"))


@contextmanager
def held_at(running: subprocess.Popen[str], reached: Callable[[], object]) -> Iterator[None]:
    """Hold a run that is under way at a point: it stands still at each look, so that it can't get past unseen."""
    deadline = time.monotonic() + 120
    while True:
        os.killpg(running.pid, signal.SIGSTOP)
        try:
            if reached():
                yield
                return
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGCONT)
        assert time.monotonic() < deadline
        time.sleep(0.05)


POINTS: dict[str, Callable[[Checkout], object]] = {
    "a mount": lambda made: {"secret/", "pki/", "database/"} & mounts(made),
    "an authority": lambda made: "pki/" in mounts(made) and asked(made, "pki/issuers", listing=True),
    "a database connection": lambda made: "database/" in mounts(made) and asked(made, "database/config/postgresql"),
}


FIRST_BOOT = (
    "keys tried",
    "key shares reserved",
    "initialised",
    "key shares written",
    "root token dead",
    "login enabled",
)
"""Steps of the first boot after which `up` is killed here, as it prints them."""


def test_killed_ten_times_from_the_first_boot_on_the_last_one_ends_whole(fresh: Checkout) -> None:
    reached = []
    for step in FIRST_BOOT:
        running = fresh.begin("up")
        for line in running.stdout or ():
            if line.strip() == f"first boot: {step}":
                reached.append(step)
                break
        fresh.kill(running)
    assert reached == list(FIRST_BOOT)
    made: dict[str, str] = {}
    for reached_in in POINTS.values():
        running = fresh.begin("up")
        with held_at(running, partial(reached_in, fresh)):
            fresh.kill(running)
        made |= accessors(fresh)
    running = fresh.begin("up")
    assert next(line for line in running.stdout or () if "access checks" in line or " unchanged)" in line)
    fresh.kill(running)

    assert finished(fresh)["passed"] is True

    # None was made anew: what the killed runs had made is still the same.
    assert accessors(fresh).items() >= made.items()
    again = finished(fresh)
    assert (again["changed"], again["adopted"], again["passed"]) == (0, 0, True)


def test_settings_changed_after_a_kill_are_applied_to_what_was_adopted(fresh: Checkout) -> None:
    running = fresh.begin("up")
    with held_at(running, partial(POINTS["a mount"], fresh)):
        fresh.kill(running)
    settings = fresh.settings()
    for mount in settings["kv"].values():
        mount["description"] = "changed in between"
    fresh.write(settings)

    assert finished(fresh)["passed"] is True

    assert asked(fresh, "sys/mounts")["secret/"]["description"] == "changed in between"
    assert finished(fresh)["changed"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_ends_in_order_and_can_be_run_again(fresh: Checkout, number: signal.Signals) -> None:
    running = fresh.begin("up")
    with held_at(running, partial(POINTS["a mount"], fresh)):
        running.send_signal(number)
    said, _ = running.communicate(timeout=300)

    assert running.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert finished(fresh)["passed"] is True
    assert finished(fresh)["changed"] == 0


def test_a_command_whose_engine_dies_ends_and_can_be_run_again(fresh: Checkout) -> None:
    running = fresh.begin("up")
    with held_at(running, partial(POINTS["a mount"], fresh)):
        for child in psutil.Process(running.pid).children(recursive=True):
            if child.name() == "pulumi":
                child.kill()
    said, _ = running.communicate(timeout=600)

    assert running.returncode == 2, said
    assert said.endswith("estate: up failed:\n  the engine was ended by SIGKILL; run the command again\n")
    assert unfinished(fresh)
    assert finished(fresh)["passed"] is True
    assert not unfinished(fresh)
    assert finished(fresh)["changed"] == 0


def unfinished(made: Checkout) -> bool:
    """What `status` says of it, and says again after a preview."""
    first = json.loads(made.run("status", "--json").stdout)["unfinished"]
    made.run("preview")
    assert json.loads(made.run("status", "--json").stdout)["unfinished"] is first
    return bool(first)


def test_a_second_up_at_the_same_time_is_told_to_wait(fresh: Checkout) -> None:
    running = fresh.begin("up")
    with held_at(running, partial(POINTS["a mount"], fresh)):
        second = fresh.run("up")

    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert f"process {running.pid}" in second.stderr
    said, _ = running.communicate(timeout=600)
    assert running.returncode == 0, said


def test_an_interrupted_down_can_be_followed_by_either(fresh: Checkout) -> None:
    made = finished(fresh)["changed"]
    running = fresh.begin("down")
    # By then logins, people, roles and connections are out of the state, and on the server.
    with held_at(running, lambda: len(recorded(fresh).get("resources") or ()) < made // 2):
        fresh.kill(running)
    assert recorded(fresh)["resources"]

    answer = fresh.run("up", "--json")

    assert answer.returncode == 0, answer.stderr
    assert "the last `down` didn't end: what it left is taken over" in answer.stderr
    assert json.loads(answer.stdout)["passed"] is True
    again = finished(fresh)
    assert (again["changed"], again["passed"]) == (0, True)

    assert fresh.run("down").returncode == 0
    assert not fresh.paths.state.exists()


def test_a_state_from_another_version_is_refused_in_one_line(fresh: Checkout) -> None:
    finished(fresh)
    (state,) = fresh.paths.state.glob(".pulumi/stacks/**/local.json")
    content = json.loads(state.read_text())
    content["version"] = 99
    state.write_text(json.dumps(content))

    answer = fresh.run("preview")

    assert answer.returncode == 2
    assert "version" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_server_that_hangs_is_named(fresh: Checkout) -> None:
    finished(fresh)
    settings = read(fresh.paths, "local").settings
    stopped = [process for process in psutil.process_iter(["cmdline"]) if _is_server(process, fresh)]
    assert len(stopped) == 1
    stopped[0].suspend()
    try:
        answer = fresh.run("secret-id", "aos", timeout=300)
    finally:
        stopped[0].resume()
    assert answer.returncode == 2
    assert f"https://127.0.0.1:{settings.local.api_port} does not answer" in answer.stderr


def _is_server(process: psutil.Process, made: Checkout) -> bool:
    line = process.info["cmdline"] or []
    return bool(line) and line[0].endswith("/bao") and str(made.directory) in " ".join(line)
