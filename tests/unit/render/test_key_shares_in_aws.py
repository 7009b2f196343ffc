"""First boot with its key shares in AWS: what is asked of AWS, what it refuses, and a kill at every single request.

Doesn't prove: that AWS answers as its fake does; the program against a real server, which the live tests have.
"""

import base64
import contextlib
import io
import json
import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.payloads import bootstrap, key_shares_in_aws
from components.render.aws.role_policies import first_boot, kept_secret
from components.render.bootstrap import Administrator, Bootstrap, BootstrapRun, Operator, SharesSecret, parameters
from tests.support.aws_samples import site
from tests.support.fake_first_boot import Clock, FakeFirstServer, KilledError, Wire
from tests.support.fake_secrets_manager import REGION, FakeSecretsManager, client, served

NAME, KEY = "vault/staging/key-shares", "arn:aws:kms:eu-central-1:123456789012:key/1"
RECORD = f"{NAME}/record"
POLICY = first_boot(site(), NAME)
PEM = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(b'certificate').decode()}\n-----END CERTIFICATE-----\n"
PGP = (
    f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{base64.b64encode(b'key').decode()}\n-----END PGP PUBLIC KEY BLOCK-----\n"
)
OPERATORS = tuple(Operator(name=name, pgp_key=f"{name}.asc") for name in ("ada", "bob", "cy"))
RUN = BootstrapRun(
    bootstrap=Bootstrap(
        operators=OPERATORS,
        threshold=2,
        administrator=Administrator(certificate_pem=PEM, private_key_secret="administrator"),
    ),
    texts={operator.pgp_key: PGP for operator in OPERATORS},
    address="https://vault-0.vault-internal.vault.svc:8200",
    ca_file="/authority/ca.crt",
    auto_unseal=True,
    shares_secret=SharesSecret(name=NAME, region=REGION, kms_key_arn=KEY, kept=kept_secret(site())),
    servers=3,
    policy='path "*" {}',
)
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class World:
    """What outlives a run: the server, the secrets and the time."""

    file: Path
    clock: Clock = field(default_factory=Clock)
    alarms: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """All that any run printed."""

    def __post_init__(self) -> None:
        self.server = FakeFirstServer(self.clock)
        self.aws = FakeSecretsManager(policy=POLICY, key=KEY, around=self._around)
        self.wire = Wire(self.clock)

    def _around(self, what: str, act: Callable[[], Any]) -> Any:
        return self.wire.request(what, act)

    def run(self, wire: Wire | None = None) -> tuple[int, list[str], str]:
        """One run: exit code, steps, what it said. Raises KilledError."""
        before, self.wire = self.wire, wire or Wire(self.clock)
        output, said = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(said):
                code = bootstrap.main([str(self.file)])
        finally:
            self.wire = before
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self.said += [output.getvalue(), said.getvalue()]
        return code, [json.loads(line)["step"] for line in output.getvalue().splitlines()], said.getvalue()

    def until_done(self) -> list[int]:
        """Run and do what the exit code asks for, until it is done; the exit codes."""
        codes: list[int] = []
        while not codes or codes[-1]:
            codes.append(self.run()[0])
            assert codes[-1] in (0, bootstrap.START_OVER), self.said[-1]
            assert len(codes) < 4
            if codes[-1] == bootstrap.START_OVER:
                self.server.empty()
        return codes

    @property
    def record(self) -> dict[str, str]:
        """What the last run noted."""
        tags = self.aws.secrets[RECORD].tags
        noted = tags.get("vault-estate:complete") or tags[f"vault-estate:{tags['vault-estate:last-run']}"]
        return dict(fact.split("=") for fact in noted.split(" "))

    def note(self, **facts: str) -> None:
        """Have another run say something, and none have been complete."""
        noted = " ".join(f"{name}={fact}" for name, fact in facts.items())
        self.aws.secrets[RECORD].tags.pop("vault-estate:complete", None)
        self.aws.secrets[RECORD].tags |= {"vault-estate:last-run": "another", "vault-estate:another": noted}

    def is_whole(self) -> None:
        """One server, its own key shares, its administrator, no token, and no secret anywhere."""
        record = self.record
        assert (record["state"], record["cluster_id"]) == ("complete", self.server.cluster_id)
        kept = json.loads(self.aws.secrets[f"{NAME}/{record['shares']}"].value)
        for name in (RECORD, f"{NAME}/{record['shares']}"):
            assert self.aws.secrets[name].policy == kept_secret(site()), name
        assert [share["encrypted_share"] for share in kept["shares"]] == self.server.shares
        assert [share["operator"] for share in kept["shares"]] == ["ada", "bob", "cy"]
        assert (kept["threshold"], kept["keys"]) == (2, "recovery")
        assert self.server.mounts["cert"]["administrator"]["certificate"] == PEM
        assert self.server.living() == []
        seen = [
            *self.said,
            *self.aws.secrets,
            *(json.dumps([one.value, one.tags]) for one in self.aws.secrets.values()),
        ]
        assert not any("canary" in text for text in seen)


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Makes worlds, of which the newest is the one that programs find."""
    file = tmp_path / "parameters.json"
    file.write_text(parameters(RUN))
    here: list[World] = []

    def made() -> World:
        here[:] = [World(file)]
        monkeypatch.setattr(bootstrap, "time", here[0].clock)
        monkeypatch.setattr(key_shares_in_aws, "time", here[0].clock)
        return here[0]

    def call(api: bootstrap.VaultApi, method: str, path: str, body: Any = None) -> Any:
        return here[0].wire.request(f"{method} {path}", lambda: here[0].server.answer(api.token, method, path, body))

    class Signals:
        """The module `signal`, without an alarm that would end these tests."""

        SIGALRM = signal.SIGALRM

        @staticmethod
        def signal(number: int, handler: Any) -> None:
            assert (number, handler) == (signal.SIGALRM, key_shares_in_aws._end)

        @staticmethod
        def alarm(seconds: int) -> None:
            here[0].alarms.append(seconds)

    def answer(request: Any, **more: Any) -> Any:
        return here[0].aws.answer(request, **more)

    monkeypatch.setattr(bootstrap.VaultApi, "call", call)
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: cafile)
    monkeypatch.setattr(bootstrap.KeyHolder, "_try_gpg", lambda holder: holder.name)
    monkeypatch.setattr(bootstrap.KeyHolder, "_try_sequoia", lambda holder: holder.name)
    monkeypatch.setitem(sys.modules, "key_shares_in_aws", key_shares_in_aws)
    monkeypatch.setattr(key_shares_in_aws, "signal", Signals)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    mask = os.umask(0o077)
    with served(answer):
        yield made
    os.umask(mask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def world(worlds: Any) -> World:
    """One world."""
    made: World = worlds()
    return made


def test_a_first_boot_makes_two_secrets_and_reads_none(world: World) -> None:
    code, steps, said = world.run()

    assert (code, said) == (0, "")
    assert steps == [
        "keys-tried",
        "server-answers",
        "key-shares-reserved",
        "initialised",
        "key-shares-written",
        "root-token-dead",
        "read-back",
        "login-enabled",
        "token-dead",
        "done",
    ]
    world.is_whole()
    assert len(world.aws.secrets) == 2
    assert {action for action, _ in world.aws.asked} == {
        "CreateSecret",
        "DescribeSecret",
        "PutResourcePolicy",
        "TagResource",
    }
    assert world.aws.asked[0] == ("CreateSecret", RECORD)
    assert world.alarms == [key_shares_in_aws.RUN_SECONDS, 0]


def test_a_second_run_changes_nothing(world: World) -> None:
    world.run()
    before, asked = dict(world.record), len(world.aws.asked)

    code, steps, _ = world.run()

    assert (code, steps[-1], world.record) == (0, "nothing-to-do", before)
    assert {action for action, _ in world.aws.asked[asked:]} == {"CreateSecret", "DescribeSecret"}
    assert world.alarms[2:] == [key_shares_in_aws.RUN_SECONDS, 0]
    world.is_whole()


def killed(world: World, at: int) -> None:
    """A run that is killed when that request was done: before its answer, or before the next request."""
    with pytest.raises(KilledError):
        world.run(Wire(world.clock, kill_at=at))


def test_killed_at_any_request_the_next_run_finishes_or_begins_anew(worlds: Any) -> None:
    undisturbed = Wire(worlds().clock)
    worlds().run(undisturbed)
    outcomes = []
    for number in range(1, len(undisturbed.sent) + 1):
        world = worlds()
        killed(world, number)
        outcomes.append(world.until_done())
        world.is_whole()
        assert world.run()[1][-1] == "nothing-to-do"

    # From the init until somebody can log in, and at no other request, the server has to be emptied.
    begins, ends = undisturbed.sent.index("PUT sys/init"), undisturbed.sent.index("POST sys/remount")
    emptied = [number for number, codes in enumerate(outcomes) if codes == [bootstrap.START_OVER, 0]]
    assert emptied == list(range(begins, ends))
    assert all(codes == [0] for number, codes in enumerate(outcomes) if number not in emptied)


def test_killed_twice_it_still_finishes(worlds: Any) -> None:
    undisturbed = Wire(worlds().clock)
    worlds().run(undisturbed)
    for first in range(3, len(undisturbed.sent), 4):
        world = worlds()
        killed(world, first)
        for second in range(1, 12):
            with contextlib.suppress(KilledError):
                if world.run(Wire(world.clock, kill_at=second))[0] == bootstrap.START_OVER:
                    world.server.empty()
        world.until_done()
        world.is_whole()


def test_one_that_was_away_longer_than_it_may_run_harms_nothing_when_it_comes_back(worlds: Any) -> None:
    """Its own alarm would have ended it; here it goes on."""
    undisturbed = Wire(worlds().clock)
    worlds().run(undisturbed)
    for number in range(1, len(undisturbed.sent) + 1):
        world = worlds()

        def meanwhile(world: World = world) -> None:
            world.until_done()
            world.is_whole()

        code, steps, _ = world.run(Wire(world.clock, kill_at=number, meanwhile=meanwhile))
        assert code != bootstrap.START_OVER, undisturbed.sent[number - 1]
        assert code == 0 or "done" not in steps
        world.is_whole()


def test_a_run_that_is_under_way_is_waited_for(world: World) -> None:
    world.run()
    completion = world.record
    world.note(state="admitting", ends=str(world.clock.now + 200))

    def done() -> None:
        if len(world.clock.slept) == 3:
            world.note(**completion)

    world.clock.asleep = done
    code, steps, _ = world.run()

    assert (code, steps[-1], len(world.clock.slept)) == (0, "nothing-to-do", 3)
    assert "waiting-for-an-earlier-run" in steps


@pytest.mark.parametrize("ahead", [0, 100, 1_000_000])
def test_it_waits_no_longer_than_a_run_may_take_whatever_a_clock_says(world: World, ahead: int) -> None:
    world.run()
    ends, token_ends = str(world.clock.now + ahead), str(world.clock.now)
    world.note(state="admitting", ends=ends, token_ends=token_ends, shares=world.record["shares"])

    assert world.run()[0] == 0
    longest = key_shares_in_aws.RUN_SECONDS + key_shares_in_aws.MARGIN_SECONDS
    # Each look at the record takes some time, too.
    assert min(ahead, longest) * 0.9 <= sum(world.clock.slept) <= longest


@pytest.mark.parametrize(
    ("begun", "words"),
    [(False, "were taken over by another bootstrap"), (True, "are held by another bootstrap still running")],
    ids=["alone", "after-a-kill"],
)
def test_another_that_comes_in_between_is_given_way_to(world: World, begun: bool, words: str) -> None:
    if begun:
        killed(world, 4)
        world.clock.now += 10_000

    def another() -> None:
        world.note(state="initialising", ends=str(world.clock.now + 200))

    code, _, said = world.run(Wire(world.clock, kill_at=3, meanwhile=another))

    assert (code, world.server.initialised) == (6, False)
    assert f"key shares {RECORD} {words}" in said


def test_a_failed_init_is_tried_again_at_once(world: World) -> None:
    world.server.seal_is_reached = False
    code, _, said = world.run()
    assert (code, "the seal's key can't be used" in said) == (8, True)

    world.server.seal_is_reached = True
    assert world.run()[0] == 0
    assert sum(world.clock.slept) < 5
    world.is_whole()


def test_a_server_that_somebody_else_initialised_is_refused(world: World) -> None:
    world.server.answer(
        "", "PUT", "sys/init", {"recovery_shares": 1, "recovery_threshold": 1, "recovery_pgp_keys": [1]}
    )
    code, _, said = world.run()
    assert (code, "this one didn't begin it" in said) == (5, True)


def test_storage_that_went_missing_is_refused(world: World) -> None:
    world.run()
    before = world.record
    world.server.empty()
    code, _, said = world.run()
    assert (code, f"{RECORD} exists: its storage is missing" in said) == (4, True)
    assert (world.server.initialised, world.record) == (False, before)


def test_another_server_and_a_lost_login_are_noticed(world: World) -> None:
    world.run()
    world.server.cluster_id = "cluster-9"
    assert world.run()[0] == 9
    world.server.cluster_id = world.record["cluster_id"]
    del world.server.mounts["cert"]
    assert world.run()[0] == 8


def test_a_standby_will_do_if_it_knows_who_is_active(world: World) -> None:
    world.run()
    world.server.standby = True
    assert world.run()[1][-1] == "nothing-to-do"
    world.server.leader = ""
    code, _, said = world.run()
    assert (code, said.strip().endswith("not active")) == (3, True)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("CreateSecret", "create_secret"),
        ("DescribeSecret", "describe_secret"),
        ("TagResource", "create_secret"),
        ("PutResourcePolicy", "put_resource_policy"),
    ],
)
def test_what_aws_denies_is_told_before_the_init(world: World, action: str, said: str) -> None:
    for statement in world.aws.policy["Statement"]:
        statement["Action"] = [one for one in statement["Action"] if not one.endswith(action)]
    code, _, told = world.run()
    assert (code, world.server.initialised) == (6, False)
    assert f"key shares {RECORD}: {said}" in told
    assert "AccessDeniedException" in told


def test_a_key_that_cant_be_used_and_a_record_to_be_deleted_are_told_before_the_init(world: World) -> None:
    world.aws.key = "another"
    assert "EncryptionFailure" in world.run()[2]
    world.aws.key = KEY
    world.run()
    world.server.empty()
    world.aws.secrets[RECORD].deleted = True
    code, _, said = world.run()
    assert (code, "InvalidRequestException" in said, world.server.initialised) == (6, True, False)


def test_the_role_can_neither_read_nor_replace_nor_delete(world: World) -> None:
    world.run()
    asking = client()
    shares = f"{NAME}/{world.record['shares']}"
    asked: Mapping[str, dict[str, Any]] = {
        "get_secret_value": {},
        "put_secret_value": {"SecretString": "other"},
        "update_secret": {"SecretString": "other"},
        "delete_secret": {},
        "describe_secret": {},
        "tag_resource": {"Tags": []},
    }
    for action, more in asked.items():
        for name in {shares} if action in ("describe_secret", "tag_resource") else {shares, RECORD}:
            with pytest.raises(asking.exceptions.ClientError, match="AccessDeniedException"):
                getattr(asking, action)(SecretId=name, **more)
    with pytest.raises(asking.exceptions.ResourceExistsException):
        asking.create_secret(Name=shares, SecretString="other", KmsKeyId=KEY)
    for elsewhere in ("vault/prod/key-shares/record", f"{NAME}/records", f"{NAME}/0123456789abc", NAME):
        with pytest.raises(asking.exceptions.ClientError, match="AccessDeniedException"):
            asking.create_secret(Name=elsewhere, SecretString="other", KmsKeyId=KEY)
    world.is_whole()


def test_a_record_that_somebody_changed_is_not_guessed_at(world: World) -> None:
    world.run()
    world.note(state="admitting")
    code, _, said = world.run()
    assert (code, "say nothing of the run another; look before changing its tags" in said) == (6, True)


def test_the_alarm_ends_the_process_whatever_it_is_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    key_shares_in_aws._end(signal.SIGALRM, None)
    assert ended == [bootstrap.INCOMPLETE]
