"""What is checked for each application, and what a result says. Each check itself is a fake; `tests/live` runs them."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hvac
import pytest
from hvac.exceptions import Forbidden

from components.render.login import CertificateLogin
from composition import contents
from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.vault import access_checks
from ops.vault.access_checks import AccessChecks, CheckResult, check_access, check_application, not_checked
from ops.vault.checks import database, kv, pki, renewal, transit
from ops.vault.checks.outcome import (
    NOT_GRANTED,
    PASSED,
    CannotCheckError,
    CheckError,
    CheckOutcome,
    CheckStatus,
    combined,
    outcome_of,
)
from ops.vault.endpoint import VaultEndpoint
from settings import Settings, parse
from settings.grants import grants
from tests.unit.settings.samples import MINIMAL, changed, full

FAILED = CheckOutcome(CheckStatus.FAILED, "no")
NOT_CHECKED = CheckOutcome(CheckStatus.NOT_CHECKED, "elsewhere")
WHERE = VaultEndpoint(
    address="https://127.0.0.1:8200",
    ca_file=Path("ca.crt"),
    login=CertificateLogin(certificate_file="a.crt", private_key_file="a.key"),
)
ADMINISTRATOR = hvac.Client(url="https://127.0.0.1:1", token="")


class Checks:
    """The checks, which write down what they were used on; `failing` are labels of grants, and other steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used: list[Any] = []
        self.failing: set[str] = set()
        self.denied: list[tuple[str, str]] = []
        for module, name in (
            (kv, "check"),
            (database, "check"),
            (database, "check_static"),
            (transit, "check"),
            (pki, "check"),
            (renewal, "check"),
        ):
            monkeypatch.setattr(module, name, self._check)
        monkeypatch.setattr(kv, "check_denied", lambda _, mount, path: self.denied.append((mount, path)))
        monkeypatch.setattr(access_checks, "_log_in_by_approle", lambda *_: self._step("login"))
        monkeypatch.setattr(access_checks, "_revoke", lambda *_: self._step("revoked"))

    def _check(self, client: hvac.Client, grant: Any, *_: object) -> None:
        assert client is not ADMINISTRATOR
        self.used.append(grant)
        self._step(grant.label)

    def _step(self, name: str) -> None:
        if name in self.failing:
            raise CheckError(f"no {name}")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    return Checks(monkeypatch)


@pytest.fixture(scope="module")
def local() -> Settings:
    return stack_file.read(Paths(project=ROOT), "local").settings


def _words(result: CheckResult) -> dict[str, str]:
    return {column: str(outcome) for column, outcome in result.columns.items()}


def _checked(settings: Settings, application: str) -> CheckResult:
    return check_application(ADMINISTRATOR, WHERE, settings, application)


def test_every_grant_is_used_once(checks: Checks) -> None:
    """One of each kind, among them a static role."""
    result = _checked(full(), "app")

    assert tuple(checks.used) == grants(full(), "app")
    assert _words(result) == {
        "login": "passed",
        "secret": "passed",
        "denied": "passed",
        "database": "passed",
        "encryption": "passed",
        "certificate": "passed",
        "revoked": "passed",
    }


def test_every_grant_of_the_local_stack_is_used(checks: Checks, local: Settings) -> None:
    for application in local.applications:
        checks.used.clear()

        result = _checked(local, application)

        assert tuple(checks.used) == grants(local, application), application
        assert set(_words(result).values()) == {"passed"}, application


@pytest.mark.parametrize(
    ("label", "column"),
    [
        ("secret/app/test/database (read)", "secret"),
        ("database/app-read (readonly)", "database"),
        ("database/app-legacy (static, user legacy)", "database"),
        ("transit/app-key (aes256-gcm96)", "encryption"),
        ("pki_int/app-cert (server)", "certificate"),
    ],
)
def test_a_grant_that_fails_fails_its_column_and_the_rest_is_checked_still(
    checks: Checks, label: str, column: str
) -> None:
    checks.failing = {label}

    result = _checked(full(), "app")

    assert len(checks.used) == 5
    assert {name: text for name, text in _words(result).items() if text != "passed"} == {
        column: f"failed: {label}: no {label}"
    }
    assert not result.passed


def test_a_token_that_stays_alive_fails(checks: Checks) -> None:
    checks.failing = {"revoked"}

    assert _words(_checked(full(), "app"))["revoked"] == "failed: no revoked"


def test_a_kind_of_grant_that_is_unknown_is_refused_by_policy_and_check(
    checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both read the same grants, so a new kind can't be granted without a check, nor checked without a rule."""
    for module in (contents, access_checks):
        monkeypatch.setattr(module, "grants", lambda *_: (SimpleNamespace(label="new"),))

    with pytest.raises(AttributeError, match="rules"):
        contents.application_policy(full(), "app")
    with pytest.raises(AssertionError, match="unreachable"):
        _checked(full(), "app")


@pytest.mark.parametrize(
    ("application", "reason", "granted"),
    [
        ("pod", "it logs in by kubernetes, as a pod of its cluster", {"login", "secret", "denied", "revoked"}),
        ("job", "it logs in by jwt, as a job of its CI", {"login", "secret", "denied", "revoked"}),
    ],
)
def test_a_login_that_cant_be_had_here_is_told_and_is_no_failure(
    checks: Checks, application: str, reason: str, granted: set[str]
) -> None:
    result = _checked(full(), application)

    assert _words(result) == dict.fromkeys(result.columns, "not granted") | dict.fromkeys(
        granted, f"not checked: {reason}"
    )
    assert result.passed
    assert checks.used == []


def test_a_login_that_fails_leaves_the_rest_unchecked(checks: Checks) -> None:
    checks.failing = {"login"}

    result = _checked(full(), "app")

    assert _words(result) == dict.fromkeys(result.columns, "not checked: the login failed") | {
        "login": "failed: no login"
    }
    assert not result.passed
    assert checks.used == []


def test_an_application_with_a_secret_only_is_checked_for_nothing_else(checks: Checks) -> None:
    application = {"login": {"kind": "approle"}, "secrets": {"only": {"keys": ["key"]}}}
    settings = parse({**MINIMAL, "approle": {}, "applications": {"app": application}})

    words = _words(_checked(settings, "app"))

    assert {column for column, text in words.items() if text == "not granted"} == {
        "denied",
        "database",
        "encryption",
        "certificate",
    }


def test_a_secret_that_is_shared_with_it_is_not_one_it_is_denied(checks: Checks, local: Settings) -> None:
    """`dagster` may read all of `bike-data-flow`, so the first foreign secret is another team's."""
    _checked(local, "greenlang-agents")
    _checked(local, "dagster")

    assert checks.denied == [
        ("secret", "bike-data-flow/development/database-url"),
        ("secret", "greenlang/database/postgresql"),
    ]


def test_no_application_is_denied_what_it_has(checks: Checks, local: Settings) -> None:
    for application in local.applications:
        _checked(local, application)

        mount, path = checks.denied[-1]
        assert f"{mount}/{path} (read)" not in {grant.label for grant in grants(local, application)}
    assert len(checks.denied) == len(local.applications)


def test_the_login_is_at_the_mount_of_the_settings(checks: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Sequence[object]] = []
    monkeypatch.setattr(access_checks, "_log_in_by_approle", lambda *arguments: used.append(arguments[2:]))

    _checked(parse(changed("approle/path", "machines")), "app")

    assert used == [("machines", "app")]


@pytest.mark.parametrize(
    ("outcomes", "passed"),
    [([], True), ([PASSED, NOT_CHECKED, NOT_GRANTED], True), ([PASSED, FAILED], False), ([NOT_GRANTED], True)],
)
def test_nothing_may_fail(outcomes: list[CheckOutcome], passed: bool) -> None:
    results = [CheckResult(application=f"app-{number}", login=one) for number, one in enumerate(outcomes)]

    assert AccessChecks(results=results).passed is passed


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([], "not granted"),
        ([PASSED, PASSED], "passed"),
        ([PASSED, NOT_CHECKED], "not checked: 1: elsewhere"),
        ([FAILED, PASSED, FAILED], "failed: 0: no; 2: no"),
        ([NOT_CHECKED, FAILED], "failed: 0: not checked: elsewhere; 1: no"),
    ],
)
def test_several_grants_make_one_column(outcomes: list[CheckOutcome], text: str) -> None:
    assert str(combined([(str(number), outcome) for number, outcome in enumerate(outcomes)])) == text


TOKEN = "hvs" + "." + "A" * 24
"""Made of parts, so that nothing takes this file for one that holds a secret."""


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (CheckError(f"two\nlines with {TOKEN}"), "failed: two lines with [redacted]"),
        (CannotCheckError("not from here"), "not checked: not from here"),
        (EstateError("no role"), "failed: no role"),
        (KeyError("data"), "failed: 'data'"),
        (ValueError(), "failed: ValueError"),
        (
            Forbidden(
                errors=["1 error occurred:\n\t* permission denied\n\n"],
                method="get",
                url=f"https://vault.internal:8200/v1/secret/data/{'a' * 50}",
            ),
            f"failed: permission denied at secret/data/{'a' * 50}",
        ),
        (Forbidden(errors=[f"no {TOKEN}"], method="get", url="https://v/v1/a"), "failed: no [redacted] at a"),
    ],
)
def test_what_a_check_raises_is_its_outcome(raised: Exception, text: str) -> None:
    def check() -> None:
        raise raised

    assert str(outcome_of(check)) == text


def test_where_nothing_can_be_checked_every_application_is_told(local: Settings) -> None:
    found = not_checked(local, "too far away")

    assert [result.application for result in found.results] == list(local.applications)
    assert {text for result in found.results for text in _words(result).values()} == {"not checked: too far away"}
    assert (found.passed, found.seeded) == (True, 0)


def test_what_rotates_is_a_row_of_its_own(checks: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.used == []
    secret = {"keys": ["url"], "seed": "random", "rotation": {}}
    pod = {"kind": "kubernetes", "service_account": "rotator", "namespace": "prod"}
    settings = parse(changed("applications/app/rotator", pod, changed("applications/app/secrets/database", secret)))
    monkeypatch.setattr(access_checks, "seed_secrets", lambda *_: [])
    monkeypatch.setattr(access_checks, "look", lambda *_: ())
    elsewhere = "not checked: it logs in by kubernetes, as a pod of its cluster"
    for found, words in (
        (check_access(ADMINISTRATOR, WHERE, settings, Console()), elsewhere),
        (not_checked(settings, "too far away"), "not checked: too far away"),
    ):
        last = found.results[-1]
        assert last.application == "rotator-app"
        told = _words(last)
        assert {name for name, text in told.items() if text == words} == {"login", "secret", "revoked"}


def test_secrets_are_seeded_before_anything_is_checked(
    checks: Checks, local: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeded: list[tuple[str, str]] = []

    def seed(client: object, wanted: dict[tuple[str, str], dict[str, str]]) -> list[tuple[str, str]]:
        assert client is ADMINISTRATOR
        assert checks.used == []
        assert wanted["agenticverz", "app-prod"] == {"AOS_API_KEY": "{random}", "MACHINE_SECRET_TOKEN": "{random}"}
        assert wanted["agenticverz", "external-apis"] == {}
        seeded.extend(wanted)
        return seeded[:3]

    monkeypatch.setattr(access_checks, "seed_secrets", seed)
    monkeypatch.setattr(access_checks, "look", lambda *_: ())

    found = check_access(ADMINISTRATOR, WHERE, local, Console())

    assert len(seeded) == 21
    assert found.seeded == 3
    assert [result.application for result in found.results] == list(local.applications)
    assert found.passed
    assert capsys.readouterr().err == "checking each application's access\n"
