"""A login's whole life with a clock that is set, against a fake Vault in memory.

Not proven: that a server counts TTLs so (`tests/live/vault_estate/`).
"""

import copy
import logging
import pickle
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.scripted_vault import ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.answers import Answer
from vault_estate.auth import AppRoleAuth, SecretIdVariable, TokenAuth
from vault_estate.auth.agent import AgentAuth
from vault_estate.auth.method import LoginMethod
from vault_estate.events import Event, EventKind, Notifier
from vault_estate.session import Session
from vault_estate.transport import Call

ENVIRON = {"VAULT_SECRET_ID": SECRET_ID}
SECRET = "secret/data/app"


def _approle(environ: Mapping[str, str] = ENVIRON) -> AppRoleAuth:
    return AppRoleAuth(role_id=ROLE_ID, secret_id=SecretIdVariable("VAULT_SECRET_ID", environ))


def _session(vault: ScriptedVault, method: LoginMethod | None = None, notifier: Notifier | None = None) -> Session:
    vault.write("app", a="b")
    return Session(vault.transport(), method or _approle(), notifier=notifier)


def test_nobody_is_logged_in_before_something_is_asked_for() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    assert vault.asked == []
    assert session.ttl_seconds is None
    session.request("GET", SECRET)
    session.request("GET", SECRET)
    assert vault.asked == ["POST auth/approle/login", f"GET {SECRET}", f"GET {SECRET}"]
    assert session.ttl_seconds == 3_600


def test_many_who_come_first_log_in_once() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    with ThreadPoolExecutor(20) as pool:
        assert len({one.result() for one in [pool.submit(session.token) for _ in range(20)]}) == 1
    assert vault.count("login") == 1


def test_a_token_is_renewed_at_two_thirds_on_use() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    first = session.token()
    vault.clock.advance(3_600 * 0.6)
    assert session.token() == first
    assert vault.count("renew-self") == 0
    vault.clock.advance(3_600 * 0.2)
    assert session.token() == first
    assert vault.count("renew-self") == 1
    assert session.ttl_seconds == 3_600


def test_days_of_reads_never_fail_and_log_in_no_more_than_needed() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    for _ in range(3 * 24 * 60):
        vault.clock.advance(60)
        session.request("GET", SECRET)
    # The longest life is four hours; each is given up within its last one.
    assert 18 <= vault.count("login") <= 30
    assert vault.count("lookup-self") == 0


def test_lives_of_seconds_hold_too() -> None:
    vault = ScriptedVault(ttl=6, max_ttl=20)
    session = _session(vault)
    for _ in range(360):
        vault.clock.advance(0.5)
        session.request("GET", SECRET)
    assert vault.count("login") <= 12


def test_without_another_login_a_token_serves_to_its_last_second() -> None:
    """Its SecretID has ended, and nobody brought another."""
    vault = ScriptedVault(ttl=600, max_ttl=1_500)
    session = _session(vault)
    begun = vault.clock.now()
    session.token()
    vault.secret_ids = set()
    while vault.clock.now() < begun + 1_495:
        session.request("GET", SECRET)
        vault.clock.advance(5)
    vault.clock.advance(10)
    with pytest.raises(errors.CredentialExpired):
        session.token()
    assert vault.count("login") < 60


def test_a_file_that_is_missing_for_a_while_is_no_harm() -> None:
    vault = ScriptedVault(ttl=900, batch=True)
    environ = dict(ENVIRON)
    session = _session(vault, _approle(environ))
    first = session.token()
    del environ["VAULT_SECRET_ID"]
    vault.clock.advance(800)
    assert session.token() == first
    environ.update(ENVIRON)
    vault.clock.advance(50)
    assert session.token() != first


def test_a_given_token_near_its_longest_life_is_used_to_its_end() -> None:
    vault = ScriptedVault(ttl=600, max_ttl=1_000)
    environ = {"VAULT_TOKEN": _session(vault).token()}
    session = Session(vault.transport(), TokenAuth(environ=environ))
    for _ in range(99):
        session.request("GET", SECRET)
        vault.clock.advance(10)
    vault.clock.advance(20)
    with pytest.raises(errors.CredentialExpired, match="is dead"):
        session.request("GET", SECRET)


def test_a_token_that_is_given_up_is_not_revoked() -> None:
    vault = ScriptedVault(ttl=6, max_ttl=20)
    session = _session(vault)
    for _ in range(60):
        vault.clock.advance(0.5)
        session.token()
    assert session.logins == 2
    assert vault.count("revoke") == 0
    assert len(vault.tokens) == 2


def test_a_batch_token_is_replaced_at_four_fifths_and_not_revoked() -> None:
    vault = ScriptedVault(ttl=900, batch=True)
    session = _session(vault)
    first = session.token()
    vault.clock.advance(700)
    assert session.token() == first
    vault.clock.advance(30)
    assert session.token() != first
    session.close()
    assert vault.count("renew-self") == 0
    assert vault.count("revoke-self") == 0


def test_while_one_renews_others_go_on() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    first = session.token()
    vault.clock.advance(3_000)
    reached, free = threading.Event(), threading.Event()

    def hold(call: object) -> None:
        if "renew-self" in repr(call):
            reached.set()
            assert free.wait(10)

    vault.before = hold
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(session.token)
        assert reached.wait(10)
        assert session.token() == first
        free.set()
        renewing.result()
    assert vault.count("renew-self") == 1


def test_an_outage_leaves_the_token_to_its_end() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    first = session.token()
    vault.clock.advance(3_000)
    vault.sealed = True
    assert session.token() == first
    asked = vault.count("renew-self")
    assert session.token() == first
    assert vault.count("renew-self") == asked, "it was asked a moment ago"
    vault.sealed = False
    vault.clock.advance(200)
    session.token()
    assert session.ttl_seconds == 3_600
    vault.sealed = True
    vault.clock.advance(3_601)
    with pytest.raises(errors.VaultSealed):
        session.token()


def test_a_dead_token_is_replaced_and_the_request_sent_again() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    session.token()
    vault.kill_tokens()
    session.request("GET", SECRET)
    assert vault.asked[1:] == [
        f"GET {SECRET}",
        "GET auth/token/lookup-self",
        "POST auth/approle/login",
        f"GET {SECRET}",
    ]


def test_many_with_a_dead_token_log_in_once() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    session.token()
    vault.kill_tokens()
    with ThreadPoolExecutor(10) as pool:
        for one in [pool.submit(session.request, "GET", SECRET) for _ in range(10)]:
            one.result()
    assert vault.count("login") == 2
    assert vault.count("lookup-self") == 1


def test_a_refusal_of_a_living_token_is_told_and_no_storm_follows() -> None:
    vault = ScriptedVault(denied={SECRET})
    session = _session(vault)
    for _ in range(10):
        with pytest.raises(errors.PermissionDenied):
            session.request("GET", SECRET)
    assert vault.count("login") == 1
    assert vault.count("lookup-self") == 1


def test_a_token_that_may_not_look_itself_up_makes_no_storm_either() -> None:
    vault = ScriptedVault(denied={SECRET, "auth/token/lookup-self"})
    session = _session(vault)
    for _ in range(10):
        with pytest.raises(errors.PermissionDenied):
            session.request("GET", SECRET)
    assert vault.count("login") == 2


def test_a_token_that_may_not_look_itself_up_is_given_up_less_and_less_often() -> None:
    vault = ScriptedVault(denied={SECRET, "auth/token/lookup-self"})
    session = _session(vault)
    for _ in range(360):
        with pytest.raises(errors.PermissionDenied):
            session.request("GET", SECRET)
        vault.clock.advance(10)
    assert vault.count("login") < 20
    vault.denied = {"auth/token/lookup-self"}
    vault.kill_tokens()
    vault.clock.advance(300)
    session.request("GET", SECRET)
    vault.kill_tokens()
    vault.clock.advance(5)
    session.request("GET", SECRET)


def test_a_refused_login_is_tried_again_later_and_later() -> None:
    vault = ScriptedVault(secret_ids=set())
    session = _session(vault)
    tried = 0
    for _ in range(600):
        before = vault.count("login")
        with pytest.raises(errors.CredentialExpired, match="the SecretID in VAULT_SECRET_ID is refused"):
            session.token()
        tried += vault.count("login") - before
        vault.clock.advance(1)
    assert 12 <= tried <= 17
    vault.secret_ids = {SECRET_ID}
    vault.clock.advance(60)
    assert session.token()


class InAnotherNamespace(ScriptedVault):
    """A fake which answers as OpenBao 2.7.2 does where a namespace isn't there."""

    def answer(self, call: Call) -> Answer:
        """What it says."""
        del call
        return self._said(404, {"errors": ["namespace not found"]})


def test_a_namespace_that_is_not_there_is_no_missing_value() -> None:
    """A setting that may be None would have been."""
    with pytest.raises(errors.AuthenticationError, match="there is no such login; expected VAULT_NAMESPACE") as caught:
        _session(InAnotherNamespace()).request("GET", SECRET)
    assert not isinstance(caught.value, errors.SecretNotFound)


def test_a_secret_id_is_read_anew_at_each_login() -> None:
    vault = ScriptedVault()
    environ = dict(ENVIRON)
    session = _session(vault, _approle(environ))
    session.token()
    vault.secret_ids = {"another"}
    environ["VAULT_SECRET_ID"] = "another"
    vault.clock.advance(20_000)
    session.request("GET", SECRET)
    assert vault.count("login") == 2


def test_closing_revokes_the_token_and_a_later_call_logs_in() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    session.close()
    session.token()
    session.close()
    session.close()
    assert vault.count("revoke-self") == 1
    assert vault.tokens == {}
    session.token()
    vault.gone = True
    session.close()


def test_a_given_token_is_kept_renewed_and_neither_replaced_nor_revoked() -> None:
    vault = ScriptedVault()
    other = _session(vault)
    environ = {"VAULT_TOKEN": other.token()}
    session = Session(vault.transport(), TokenAuth(environ=environ))
    session.request("GET", SECRET)
    session.close()
    assert vault.count("revoke-self") == 0
    session.request("GET", SECRET)
    vault.kill_tokens()
    with pytest.raises(errors.CredentialExpired, match="token gives no other"):
        session.request("GET", SECRET)
    with pytest.raises(errors.CredentialExpired, match="the token in VAULT_TOKEN is dead"):
        Session(vault.transport(), TokenAuth(environ=environ)).token()


def test_another_token_in_the_file_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    vault = ScriptedVault()
    vault.write("app", a="b")
    file = tmp_path / "token"
    file.touch(mode=0o600)
    giver = Session(vault.transport(), _approle())

    def give() -> None:
        giver.forked()  # it forgets the one before, and doesn't revoke it
        file.write_text(giver.token())

    give()
    session = Session(vault.transport(), TokenAuth(file=file))
    session.request("GET", SECRET)
    first = session.token()
    del vault.tokens[first]
    with pytest.raises(errors.CredentialExpired, match="token gives no other"):
        session.request("GET", SECRET)
    give()
    session.request("GET", SECRET)
    assert session.token() == file.read_text() != first
    file.unlink()
    vault.clock.advance(5)  # a refusal asks so often whether the token is dead
    vault.kill_tokens()
    with pytest.raises(errors.CredentialExpired, match="token gives no other"):
        session.request("GET", SECRET)
    assert vault.count("revoke-self") == 0


def test_another_token_in_the_file_is_taken_before_the_longest_life_ends(tmp_path: Path) -> None:
    vault = ScriptedVault(ttl=1_500, max_ttl=1_500)
    vault.write("app", a="b")
    file = tmp_path / "token"
    file.touch(mode=0o600)
    giver = Session(vault.transport(), _approle())
    file.write_text(giver.token())
    session = Session(vault.transport(), TokenAuth(file=file))
    for passed in range(0, 9_000, 5):
        vault.clock.advance(5)
        if passed % 1_200 == 600:
            giver.forked()
            file.write_text(giver.token())
        session.request("GET", SECRET)
    assert session.logins >= 6


def test_behind_an_agent_nobody_logs_in() -> None:
    vault = ScriptedVault()
    session = _session(vault, AgentAuth())
    with pytest.raises(errors.PermissionDenied):
        session.request("GET", SECRET)
    assert vault.asked == [f"GET {SECRET}"]
    assert session.ttl_seconds == float("inf")


def test_a_fork_logs_in_itself_and_says_what_a_used_secret_id_means() -> None:
    vault = ScriptedVault()
    session = _session(vault)
    parents = session.token()
    session.forked()
    assert session.token() != parents
    session.close()
    assert parents in vault.tokens
    vault.secret_ids = set()
    session.forked()
    with pytest.raises(errors.ConfigurationError, match="created after the fork"):
        session.token()


def test_what_happens_is_told() -> None:
    vault = ScriptedVault()
    told: list[Event] = []

    def broken(_: Event) -> None:
        raise RuntimeError

    notifier = Notifier([broken, told.append])
    session = _session(vault, notifier=notifier)
    session.token()
    vault.clock.advance(3_000)
    session.token()
    vault.kill_tokens()
    session.request("GET", SECRET)
    assert [one.kind for one in told] == [
        EventKind.LOGIN,
        EventKind.TOKEN_RENEWED,
        EventKind.TOKEN_LOST,
        EventKind.LOGIN,
    ]
    assert notifier.failures == 4


def test_a_token_is_shown_and_pickled_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    vault = ScriptedVault()
    session = _session(vault)
    value = session.token()
    held = session._current().token
    assert value not in f"{session!r} {held!r} {session.method!r} {caplog.text}"
    assert SECRET_ID not in f"{session.method!r} {caplog.text}"
    for one in (session, held):
        for take in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="expected not to be pickled"):
                take(one)
