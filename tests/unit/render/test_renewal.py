"""The program that renews a SecretID goes on from wherever it was killed, and its units say when and as whom it runs.

The server here is a fake of 40 lines, so that a kill can be put before and after each of its answers and each change of
a file; a real server is in tests/day2/test_forty_days.py, and a machine's systemd in tests/machines/test_dev_up.py.
"""

import itertools
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.payloads import renew_secret_id
from components.payloads.renew_secret_id import NEXT, PRESENT, WRAPPED, Answer, Folder, Renewal, RenewalError
from components.render import renewal
from components.render.renewal import SecretIdRenewal

PATH = "auth/approle/role/aos/secret-id"
PARAMETERS = {"mount": "approle", "role": "aos", "role_id": "known", "grace_seconds": 60}
TOLD = SecretIdRenewal(
    application="aos",
    user="aos-runner",
    address="https://vault.internal:8200",
    mount="approle",
    role_id="known",
    secret_id_ttl=86_400,
)


class KilledError(Exception):
    """The program is no more."""


class Fate:
    """Kills at the n-th moment of a run."""

    def __init__(self, at: int = 10**6) -> None:
        self.at, self.moment = at, 0

    def pass_by(self) -> None:
        self.moment += 1
        if self.moment == self.at:
            raise KilledError


class FakeServer:
    """A fake of one role: which SecretIDs log in, and which wrapping tokens hold one."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.good: set[str] = set()
        self.wrapped: dict[str, str] = {}
        self.fate = Fate()
        self.made_at = PATH
        self.answers: dict[str, Answer] = {}

    def wrap(self) -> str:
        secret_id, token = f"secret-id-{next(self.numbers)}", f"wrapping-{next(self.numbers)}"
        self.good.add(secret_id)
        self.wrapped[token] = secret_id
        return token

    def ask(self, path: str, body: dict[str, Any], token: str = "", wrap: bool = False) -> Answer:
        self.fate.pass_by()
        answer = self.answers.get(path) or self._answer(path, body, token, wrap)
        self.fate.pass_by()
        return answer

    def _answer(self, path: str, body: dict[str, Any], token: str, wrap: bool) -> Answer:
        refused = Answer(400, {"errors": ["wrapping token is not valid or does not exist"]})
        match path:
            case "sys/wrapping/lookup":
                known = body["token"] in self.wrapped
                return Answer(200, {"data": {"creation_path": self.made_at}}) if known else refused
            case "sys/wrapping/unwrap":
                secret_id = self.wrapped.pop(token, "")
                return Answer(200, {"data": {"secret_id": secret_id}}) if secret_id else refused
            case "auth/approle/login":
                if body["secret_id"] not in self.good or body["role_id"] != "known":
                    return Answer(400, {"errors": ["invalid role or secret ID"]})
                return Answer(200, {"auth": {"client_token": f"token-of-{body['secret_id']}"}})
        assert token.startswith("token-of-"), path
        if path == PATH:
            assert wrap, "in the clear"
            return Answer(200, {"wrap_info": {"token": self.wrap(), "creation_path": self.made_at}})
        assert path in (f"{PATH}/destroy", "auth/token/revoke-self")
        self.good.discard(body.get("secret_id", ""))
        return Answer(204, {})


class FatefulFolder(Folder):
    """A folder where each change may be the last."""

    fate = Fate()

    def move(self, name: str, to: str) -> None:
        self.fate.pass_by()
        super().move(name, to)
        self.fate.pass_by()

    def remove(self, name: str) -> None:
        self.fate.pass_by()
        super().remove(name)
        self.fate.pass_by()


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def run(tmp_path: Path, server: FakeServer) -> Callable[..., str]:
    """One run; `at`: the moment when it is killed."""

    def once(at: int = 10**6) -> str:
        folder = FatefulFolder(tmp_path)
        server.fate = folder.fate = Fate(at)
        return Renewal(server, folder, dict(PARAMETERS), lambda _: folder.fate.pass_by()).run()  # type: ignore[arg-type]  # the fake

    return once


def deliver(server: FakeServer, folder: Path) -> None:
    """What a person does once."""
    (folder / WRAPPED).write_text(server.wrap())


def test_the_first_one_is_unwrapped_and_used(tmp_path: Path, server: FakeServer, run: Callable[..., str]) -> None:
    deliver(server, tmp_path)
    run()
    assert {file.name for file in tmp_path.iterdir()} == {PRESENT}
    assert {(tmp_path / PRESENT).read_text()} == server.good
    assert (tmp_path / PRESENT).stat().st_mode & 0o777 == 0o400


def test_each_run_leaves_one_that_is_another(tmp_path: Path, server: FakeServer, run: Callable[..., str]) -> None:
    deliver(server, tmp_path)
    seen = set()
    for _ in range(4):
        run()
        seen.add((tmp_path / PRESENT).read_text())
        assert {(tmp_path / PRESENT).read_text()} == server.good
    assert len(seen) == 4
    assert {file.name for file in tmp_path.iterdir()} == {PRESENT}


def test_one_that_is_refused_takes_no_place(tmp_path: Path, server: FakeServer, run: Callable[..., str]) -> None:
    deliver(server, tmp_path)
    run()
    (present,) = server.good
    (tmp_path / NEXT).write_text("ended-long-ago")
    server.answers[PATH] = Answer(503, {"errors": ["Vault is sealed"]})
    with pytest.raises(RenewalError):
        run()
    assert (tmp_path / PRESENT).read_text() == present
    assert not (tmp_path / NEXT).exists()


def test_an_old_one_lives_until_applications_have_read_the_new_one(tmp_path: Path, server: FakeServer) -> None:
    deliver(server, tmp_path)
    lives: list[tuple[float, set[str]]] = []
    for _ in range(2):
        both = Renewal(server, Folder(tmp_path), dict(PARAMETERS), lambda s: lives.append((s, set(server.good))))  # type: ignore[arg-type]  # the fake
        both.run()
    ((seconds, alive),) = lives
    assert (seconds, len(alive)) == (60, 2)


def moments(kills: int) -> Iterator[int]:
    return iter(range(1, kills + 1))


def test_killed_at_any_moment_it_goes_on(tmp_path: Path, server: FakeServer, run: Callable[..., str]) -> None:
    """Also when the next run is killed at any moment too. What `secret-id` holds logs in all the while."""
    deliver(server, tmp_path)
    run()
    run()
    whole = server.fate.moment
    assert whole > 20
    for first in moments(whole):
        for second in (1, 2, 5, 9, 14, first):
            for at in (first, second):
                with suppress(KilledError):
                    run(at)
                assert (tmp_path / PRESENT).read_text() in server.good, (first, second)
            run()
            assert (tmp_path / PRESENT).read_text() in server.good
            assert {file.name for file in tmp_path.iterdir()} == {PRESENT}, (first, second)


def test_what_a_kill_leaves_unknown_is_never_more_than_what_was_just_asked_for(
    tmp_path: Path, server: FakeServer, run: Callable[..., str]
) -> None:
    """Between the server's answer and the file it is lost; it ends by itself. Everything else is destroyed."""
    deliver(server, tmp_path)
    run()
    run()
    for at in moments(server.fate.moment):
        server.good &= {(tmp_path / PRESENT).read_text()}
        with pytest.raises(KilledError):
            run(at)
        run()
        assert len(server.good - {(tmp_path / PRESENT).read_text()}) <= 1, at


def test_a_delivery_takes_the_place_of_one_that_has_ended(
    tmp_path: Path, server: FakeServer, run: Callable[..., str]
) -> None:
    deliver(server, tmp_path)
    run()
    server.good.clear()
    with pytest.raises(RenewalError, match=r"^the SecretID of aos is refused: it has ended or was destroyed; expected"):
        run()
    deliver(server, tmp_path)
    run()
    assert {(tmp_path / PRESENT).read_text()} == server.good


def test_a_delivery_that_somebody_else_opened_is_told(
    tmp_path: Path, server: FakeServer, run: Callable[..., str]
) -> None:
    deliver(server, tmp_path)
    server.wrapped.clear()
    with pytest.raises(RenewalError, match="somebody else has the SecretID: destroy that, and issue another"):
        run()


def test_one_that_somebody_else_opened_is_told_also_where_there_is_another(tmp_path: Path, server: FakeServer) -> None:
    deliver(server, tmp_path)
    _renewal(tmp_path, server).run()
    deliver(server, tmp_path)
    server.wrapped.clear()
    renewal = _renewal(tmp_path, server)
    renewal.run()
    (told,) = renewal.troubles
    assert told.startswith("the wrapping token of aos has ended or was unwrapped before; expected a fresh one")
    assert not (tmp_path / WRAPPED).exists()
    assert (tmp_path / PRESENT).read_text() in server.good


@pytest.mark.parametrize("document", [{}, {"data": None}, {"auth": None}, {"auth": {"client_token": 7}}])
def test_an_answer_that_is_none_of_vaults_is_one_line(
    tmp_path: Path, server: FakeServer, run: Callable[..., str], document: dict[str, Any]
) -> None:
    (tmp_path / PRESENT).write_text("x")
    server.answers["auth/approle/login"] = Answer(200, document)
    with pytest.raises(RenewalError, match=r"^the server's answer has no auth\.client_token; expected one as Vault"):
        run()


def test_a_delivery_of_another_role_is_refused(tmp_path: Path, server: FakeServer, run: Callable[..., str]) -> None:
    deliver(server, tmp_path)
    server.made_at = "cubbyhole/forged"
    with pytest.raises(RenewalError, match=f"the wrapping token isn't of {PATH}; expected it as"):
        run()
    assert server.wrapped, "it was used"


def test_nothing_delivered_is_told(tmp_path: Path, run: Callable[..., str]) -> None:
    with pytest.raises(RenewalError, match="has no SecretID; expected secret-id, or wrapping-token with one in it"):
        run()


@pytest.mark.parametrize(
    ("path", "status"), [("auth/approle/login", 503), ("auth/approle/login", 403), (PATH, 403), (PATH, 429)]
)
def test_a_server_that_refuses_costs_nothing(
    tmp_path: Path, server: FakeServer, run: Callable[..., str], path: str, status: int
) -> None:
    deliver(server, tmp_path)
    run()
    before = (tmp_path / PRESENT).read_text()
    server.answers[path] = Answer(status, {"errors": ["not now"]})
    with pytest.raises(RenewalError, match=f"as aos: the server answered {status}, not now"):
        run()
    assert (tmp_path / PRESENT).read_text() == before
    server.answers.clear()
    run()
    assert {(tmp_path / PRESENT).read_text()} == server.good


def test_what_cant_be_destroyed_is_told_and_hinders_nothing(tmp_path: Path, server: FakeServer) -> None:
    deliver(server, tmp_path)
    server.answers[f"{PATH}/destroy"] = Answer(403, {"errors": ["permission denied"]})
    seen = set()
    for number in range(4):
        one = _renewal(tmp_path, server)
        one.run()
        seen.add((tmp_path / PRESENT).read_text())
        assert len(one.troubles) == (number > 0)
    assert len(seen) == 4


def _renewal(folder: Path, server: FakeServer) -> Renewal:
    return Renewal(server, Folder(folder), dict(PARAMETERS), lambda _: None)  # type: ignore[arg-type]  # the fake


def test_two_runs_at_once_are_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.alone(), pytest.raises(RenewalError, match="in use by another run"), Folder(tmp_path).alone():
        pytest.fail("both ran")
    with folder.alone():
        pass


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({**PARAMETERS, "address": "http://vault:8200", "folder": "/"}, "expected one that begins with https://"),
        ({**PARAMETERS, "address": "https://127.0.0.1:9", "folder": "/nowhere"}, "No such file"),
        ({"address": "https://127.0.0.1:9"}, "parameters.json is incomplete; expected address, mount, role, role_id, "),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], parameters: dict[str, Any], told: str
) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps(parameters))
    assert renew_secret_id.main(["", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"renewing failed: [^\n]+\n", said.err)
    assert told in said.err


def test_a_server_that_isnt_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / PRESENT).write_text("x")
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps({**PARAMETERS, "address": "https://127.0.0.1:9", "folder": str(tmp_path)}))
    assert renew_secret_id.main(["", str(file)]) == 1
    assert "refused" in capsys.readouterr().err


def test_the_units_run_as_the_application_and_long_before_the_end() -> None:
    files = renewal.files(TOLD)
    service, timer = files["vault-renewal-aos.service"], files["vault-renewal-aos.timer"]
    assert "\nUser=aos-runner\n" in service
    assert "\nReadWritePaths=/var/lib/vault-renewal/aos\n" in service
    assert "\nProtectSystem=strict\n" in service
    assert "\nRestart=on-failure\n" in service
    assert "\nOnUnitInactiveSec=21600\n" in timer, "a quarter of a day"
    assert json.loads(files["vault-renewal-aos.json"]) == {
        "address": "https://vault.internal:8200",
        "ca_file": None,
        "mount": "approle",
        "role": "aos",
        "role_id": "known",
        "folder": "/var/lib/vault-renewal/aos",
        "grace_seconds": 60,
    }
    assert files["renew_secret_id.py"] == Path(renew_secret_id.__file__).read_text()
    assert "vault-renewal-aos.crt" not in files


def test_a_login_that_rotates_has_a_timer_for_it_beside_its_own() -> None:
    told = replace(TOLD, application="rotator-aos", rotation_document='{"schema_version": 1}\n')
    found = renewal.files(told)
    assert found["vault-rotation-rotator-aos.json"] == '{"schema_version": 1}\n'
    unit = found["vault-rotation-rotator-aos.service"].splitlines()
    assert "User=aos-runner" in unit
    assert "ExecStart=/usr/bin/env vault-estate rotate --due" in unit
    assert "Environment=VAULT_ESTATE_CONFIG=/etc/vault-estate/vault-rotation-rotator-aos.json" in unit
    assert "Environment=VAULT_SECRET_ID_FILE=/var/lib/vault-renewal/rotator-aos/secret-id" in unit
    assert "NoNewPrivileges=yes" in unit
    assert "OnUnitInactiveSec=900" in found["vault-rotation-rotator-aos.timer"].splitlines()
    script = found["install.sh"]
    installed = [name for line in script.splitlines() if line.startswith("install -m") for name in line.split()]
    assert {name for name in found if name != "install.sh"} <= set(installed)
    last = "systemctl enable --now vault-renewal-rotator-aos.timer\nsystemctl enable --now vault-rotation-rotator-aos."
    assert last in script


def test_without_its_command_nothing_is_installed(tmp_path: Path) -> None:
    script = tmp_path / "install.sh"
    script.write_text(renewal.files(replace(TOLD, rotation_document="{}"))["install.sh"])
    done = subprocess.run(["/bin/sh", script], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "vault-estate is missing; expected it on the path: pip install vault-estate\n"
    assert "vault-estate is missing" not in renewal.files(TOLD)["install.sh"]


def test_an_authority_of_ones_own_goes_along() -> None:
    files = renewal.files(SecretIdRenewal(**{**vars(TOLD), "authority": "PEM"}))
    assert files["vault-renewal-aos.crt"] == "PEM"
    assert json.loads(files["vault-renewal-aos.json"])["ca_file"] == "/etc/vault-estate/vault-renewal-aos.crt"
    assert "install -m 0644 vault-renewal-aos.json vault-renewal-aos.crt /etc/vault-estate/\n" in files["install.sh"]


@pytest.mark.parametrize(
    ("ttl", "every", "grace"), [(86_400, 21_600, 60), (600, 150, 37.5), (4, 1, 0.25), (1, 1, 0.25)]
)
def test_a_short_life_is_renewed_as_often(ttl: int, every: int, grace: float) -> None:
    told = SecretIdRenewal(**{**vars(TOLD), "secret_id_ttl": ttl})
    assert told.every == every
    assert json.loads(renewal.parameters(told))["grace_seconds"] == grace
