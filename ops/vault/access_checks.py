"""What each application really gets: it logs in and uses everything it was granted, and is denied what it wasn't.

Owns the run over all applications and its cleaning up: each token is revoked at the end, and with it the leases it
took. Refuses to pass over what can't be checked from here: the result says so, and why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

import hvac
from hvac.exceptions import Forbidden, VaultError

from components.vault.approle import AppRoleLogin
from components.vault.jwt import JwtLogin
from components.vault.kubernetes import KubernetesLogin
from ops.console import Console
from ops.vault import turns
from ops.vault.api import call
from ops.vault.checks import capabilities, database, elsewhere, kv, pki, renewal, transit
from ops.vault.checks.elsewhere import PodsOfApplications
from ops.vault.checks.outcome import (
    NOT_GRANTED,
    CannotCheckError,
    CheckError,
    CheckOutcome,
    CheckStatus,
    combined,
    outcome_of,
)
from ops.vault.endpoint import VaultEndpoint
from ops.vault.secret_ids import issue_secret_id
from ops.vault.seeding import seed_secrets
from ops.vault.values import Value, look
from settings import Settings
from settings.grants import (
    DatabaseGrant,
    Grant,
    KvGrant,
    PkiGrant,
    RenewalGrant,
    StaticDatabaseGrant,
    TransitGrant,
    grants,
)
from settings.rotator_policies import rotator_policies

Check = Callable[[hvac.Client, list[database.LeasedLogin]], None]
"""Uses one grant by the application's own client; what it leases goes into the list."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What was found for one application."""

    application: str
    login: CheckOutcome = NOT_GRANTED
    secret: CheckOutcome = NOT_GRANTED
    denied: CheckOutcome = NOT_GRANTED
    """Whether another application's secret was refused."""
    database: CheckOutcome = NOT_GRANTED
    encryption: CheckOutcome = NOT_GRANTED
    certificate: CheckOutcome = NOT_GRANTED
    revoked: CheckOutcome = NOT_GRANTED
    """Whether the token and the leased database logins were dead afterwards."""

    @property
    def columns(self) -> dict[str, CheckOutcome]:
        """Each column by its name, without the application."""
        return {name: value for name, value in vars(self).items() if name != "application"}

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(outcome.status is not CheckStatus.FAILED for outcome in self.columns.values())


@dataclass(frozen=True, kw_only=True)
class AccessChecks:
    """What was found for every application, and what had to be made for it."""

    results: Sequence[CheckResult]
    seeded: int = 0
    """Secrets that had no value yet and got one that the estate chose."""
    values: Sequence[Value] = ()
    """Every value of the settings, and where it came from; none where the server wasn't asked."""

    @property
    def passed(self) -> bool:
        """Whether nothing failed. What can't be checked from here isn't a failure."""
        return all(result.passed for result in self.results)


def check_access(
    client: hvac.Client,
    endpoint: VaultEndpoint,
    settings: Settings,
    console: Console,
    pods: PodsOfApplications | None = None,
) -> AccessChecks:
    """As the administrator write the first values that the estate may choose, then use everything as each application;
    as one that logs in from pods, where there are `pods`.
    Raises EstateError: a secret could not be written. Raises VaultError: it can't be told which values there are."""
    seeded = seed_secrets(
        client, {settings.secret_path(owner, name): one.first_values for owner, name, one in settings.secrets()}
    )
    results: list[CheckResult] = []
    with console.stage("checking each application's access") as steps:
        for application in settings.applications:
            steps.step(application, finished=False)
            results.append(check_application(client, endpoint, settings, application, pods))
            steps.step(application, finished=True)
        results += [check_rotator(client, endpoint, settings, role, pods) for role in rotator_policies(settings)]
    return AccessChecks(results=results, seeded=len(seeded), values=look(client, settings))


def not_checked(settings: Settings, reason: str) -> AccessChecks:
    """The result where no application can be checked at all."""
    results = [_not_checked(settings, application, reason) for application in settings.applications]
    unknown = CheckOutcome(CheckStatus.NOT_CHECKED, reason)
    return AccessChecks(results=[*results, *(_rotator(role, unknown, unknown) for role in rotator_policies(settings))])


def check_application(
    client: hvac.Client,
    endpoint: VaultEndpoint,
    settings: Settings,
    application: str,
    pods: PodsOfApplications | None = None,
) -> CheckResult:
    """Log in as one application and use each of its grants. Raises nothing for what it finds."""
    own = turns.client(endpoint.address, endpoint.ca_file)
    login = outcome_of(partial(_log_in, client, own, settings, application, pods))
    bound = settings.applications[application].login
    if isinstance(bound, AppRoleLogin) and login.reason == elsewhere.REASON:
        return _asked_only(client, own, settings, application, bound)
    if login.status is not CheckStatus.PASSED:
        reason = login.reason if login.status is CheckStatus.NOT_CHECKED else "the login failed"
        return _not_checked(settings, application, reason, login=login)
    leased: list[database.LeasedLogin] = []
    found: dict[str, list[tuple[str, CheckOutcome]]] = {}
    for grant in grants(settings, application):
        column, check = _check_of(grant)
        found.setdefault(column, []).append((grant.label, outcome_of(partial(check, own, leased))))
    foreign = _foreign(settings, application)
    return CheckResult(
        application=application,
        login=_with_renewal(login, found),
        denied=combined([("/".join(foreign), outcome_of(partial(kv.check_denied, own, *foreign)))] if foreign else []),
        **{column: combined(outcomes) for column, outcomes in found.items()},
        revoked=outcome_of(partial(_revoke, own, leased, bound.token_type)),
    )


def check_rotator(
    client: hvac.Client,
    endpoint: VaultEndpoint,
    settings: Settings,
    role: str,
    pods: PodsOfApplications | None = None,
) -> CheckResult:
    """Log in as what rotates an application's secrets, and ask what it may: nothing is rotated. Raises nothing for what
    it finds."""
    own = turns.client(endpoint.address, endpoint.ca_file)
    login = outcome_of(partial(_log_in, client, own, settings, role, pods))
    if login.status is not CheckStatus.PASSED:
        reason = login.reason if login.status is CheckStatus.NOT_CHECKED else "the login failed"
        return _rotator(role, login, CheckOutcome(CheckStatus.NOT_CHECKED, reason))
    asked = outcome_of(partial(capabilities.check_rules, own, rotator_policies(settings)[role].rules))
    revoked = outcome_of(partial(_revoke, own, [], settings.logins[role].token_type))
    return replace(_rotator(role, login, asked), revoked=revoked)


def _rotator(role: str, login: CheckOutcome, other: CheckOutcome) -> CheckResult:
    return CheckResult(application=role, login=login, secret=other, revoked=other)


def _with_renewal(login: CheckOutcome, found: dict[str, list[tuple[str, CheckOutcome]]]) -> CheckOutcome:
    """A login and, where it is granted, the renewal of it."""
    failed = [one for one in found.pop("login", []) if one[1].status is not CheckStatus.PASSED]
    return combined([("login", login), *failed]) if failed else login


def _asked_only(
    administrator: hvac.Client, own: hvac.Client, settings: Settings, application: str, bound: AppRoleLogin
) -> CheckResult:
    """What the server says of an application that can't log in from here; where that is right, it wasn't tried."""
    mount = settings.approle.path if settings.approle else ""
    login = outcome_of(partial(elsewhere.check_role, administrator, mount, application, bound))
    found: dict[str, list[tuple[str, CheckOutcome]]] = {}
    untried = outcome_of(elsewhere.only_asked)

    def ask() -> None:
        with elsewhere.asking(administrator, own, mount, application):
            for grant in grants(settings, application):
                outcome = outcome_of(partial(capabilities.check, own, grant))
                found.setdefault(_check_of(grant)[0], []).append((grant.label, outcome))
            if foreign := _foreign(settings, application):
                outcome = outcome_of(partial(capabilities.check_denied, own, *foreign))
                found["denied"] = [("/".join(foreign), outcome)]

    asked = outcome_of(ask)
    if asked.status is CheckStatus.FAILED:
        return replace(_not_checked(settings, application, "the login failed", login=login), secret=asked)
    login = _with_renewal(login, found)
    columns = {column: combined(outcomes) for column, outcomes in found.items()}
    told = {name: untried if one.status is CheckStatus.PASSED else one for name, one in columns.items()}
    return CheckResult(application=application, login=login, revoked=untried, **told)


def _check_of(grant: Grant) -> tuple[str, Check]:
    """The column that a grant belongs to, and the check of it."""
    match grant:
        case KvGrant():
            return "secret", lambda client, _: kv.check(client, grant)
        case DatabaseGrant():
            return "database", lambda client, leased: database.check(client, grant, leased)
        case StaticDatabaseGrant():
            return "database", lambda client, _: database.check_static(client, grant)
        case TransitGrant():
            return "encryption", lambda client, _: transit.check(client, grant)
        case PkiGrant():
            return "certificate", lambda client, _: pki.check(client, grant)
        case RenewalGrant():
            return "login", lambda client, _: renewal.check(client, grant)
        case _:
            assert_never(grant)


def _not_checked(settings: Settings, application: str, reason: str, login: CheckOutcome | None = None) -> CheckResult:
    unknown = CheckOutcome(CheckStatus.NOT_CHECKED, reason)
    granted = {_check_of(grant)[0] for grant in grants(settings, application)} - {"login"}
    return CheckResult(
        application=application,
        login=login or unknown,
        denied=unknown if _foreign(settings, application) else NOT_GRANTED,
        **dict.fromkeys(granted, unknown),
        revoked=unknown,
    )


def _foreign(settings: Settings, application: str) -> tuple[str, str] | None:
    """Mount and path of a secret that the application may not read."""
    own = {(grant.mount, grant.path) for grant in grants(settings, application) if isinstance(grant, KvGrant)}
    everything = (settings.secret_path(owner, name) for owner, name, _ in settings.secrets())
    return next((path for path in everything if path not in own), None)


def _log_in(
    administrator: hvac.Client, client: hvac.Client, settings: Settings, role: str, pods: PodsOfApplications | None
) -> None:
    """Log in as a machine does, if it does so by AppRole: only that login can be had by an administrator. As a pod
    does, where there may be one."""
    login = settings.logins[role]
    match login:
        case AppRoleLogin():
            mount = settings.approle.path if settings.approle else ""
            _log_in_by_approle(administrator, client, mount, role)
        case KubernetesLogin():
            if pods is None or settings.kubernetes is None:
                raise CannotCheckError("it logs in by kubernetes, as a pod of its cluster")
            mount = settings.kubernetes.path
            pods.log_in_from_pod(login, mount, role)
            answer = call(client, "post", f"auth/{mount}/login", {"role": role, "jwt": pods.token(login)})
            client.token = answer["auth"]["client_token"]
        case JwtLogin():
            raise CannotCheckError("it logs in by jwt, as a job of its CI")
        case _:
            assert_never(login)


def _log_in_by_approle(administrator: hvac.Client, client: hvac.Client, mount: str, role: str) -> None:
    """Unwrap a SecretID, after a look at where it was made, and log in with it."""
    wrapped = issue_secret_id(administrator, mount, role, wrap_ttl_seconds=60)
    if wrapped.creation_path != f"auth/{mount}/role/{role}/secret-id":
        raise CheckError(f"the SecretID was made at {wrapped.creation_path}")
    client.token = wrapped.wrapping_token
    secret_id = call(client, "post", "sys/wrapping/unwrap", {})["data"]["secret_id"]
    client.token = ""
    try:
        answer = call(client, "post", f"auth/{mount}/login", {"role_id": wrapped.role_id, "secret_id": secret_id})
    except VaultError as error:
        if "CIDR" not in str(error):
            raise
        raise elsewhere.ElsewhereError from error
    client.token = answer["auth"]["client_token"]


def _revoke(client: hvac.Client, leased: Sequence[database.LeasedLogin], kind: str) -> None:
    if kind == "batch" and call(client, "get", "auth/token/lookup-self")["data"]["type"] == "batch":
        raise CannotCheckError("a batch token can't be revoked: it ends after token_ttl, and its leases with it")
    call(client, "post", "auth/token/revoke-self", {})
    try:
        call(client, "get", "auth/token/lookup-self")
    except Forbidden:
        database.check_revoked(leased)
    else:
        raise CheckError("the revoked token still works")
