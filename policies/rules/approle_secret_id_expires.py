"""Rule: what an AppRole hands out expires. Owns the longest times allowed."""

from collections.abc import Iterator

from .rule import Resource, Rule

LONGEST_TOKEN_TTL_SECONDS = 3_600
"""1 hour: the requirements' `token_ttl=1h`, and the hardening checklist's "defaults at most 1 h"."""

LONGEST_TOKEN_MAX_TTL_SECONDS = 14_400
"""4 hours: the requirements' `token_max_ttl=4h`."""

_LIMITS: tuple[tuple[str, int | None, str], ...] = (
    ("secretIdTtl", None, "a SecretID that never expires"),
    ("tokenTtl", LONGEST_TOKEN_TTL_SECONDS, "the server's default of 32 days"),
    ("tokenMaxTtl", LONGEST_TOKEN_MAX_TTL_SECONDS, "the server's maximum"),
)


def _check(resource: Resource) -> Iterator[str]:
    for name, longest, unset in _LIMITS:
        if not resource.known(name):
            continue
        seconds = resource.get(name) or 0
        if seconds <= 0:
            yield f"{name} is not set, which means {unset}"
        elif longest is not None and seconds > longest:
            yield f"{name} is {seconds:.0f} s; expected at most {longest} s"
    if resource.known("tokenPeriod") and resource.get("tokenPeriod"):
        yield "tokenPeriod is set, so its tokens can be renewed for ever"
    if resource.known("bindSecretId") and resource.get("bindSecretId") is False:
        yield "bindSecretId is false, so a RoleID alone logs in"


RULE = Rule(
    name="approle-secret-id-expires",
    sentence="An AppRole's SecretIDs expire, and its tokens live at most 1 hour, or 4 hours when renewed.",
    remediation=(
        "Set secret_id_ttl above 0, token_ttl to at most 3600 and token_max_ttl to at most 14400 seconds, "
        "and leave token_period and bind_secret_id alone."
    ),
    source="HashiCorp, Production hardening: short TTLs; hetzner-vault-plan.md: token_ttl=1h, token_max_ttl=4h",
    types=("vault:appRole/authBackendRole:AuthBackendRole",),
    check=_check,
)
