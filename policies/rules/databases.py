"""Rules about databases of RDS: how they are kept, who reaches them, and whose their password is.

Checkov's numbers are named where a rule asks for the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from .constraints import given, inputs, off, on, on_unless_left
from .rule import Resource, Rule

_INSTANCE = ("aws:rds/instance:Instance",)
_SHORTEST_BACKUP_DAYS = 7
_LOGS = frozenset({"postgresql", "upgrade"})


_READS_FILES = frozenset({"10.11", "10.12", "10.13", "11.6", "11.7", "11.8"})
"""Versions of Aurora whose users can read files of the machine (AWS security bulletin AWS-2022-004)."""


def _patched(resource: Resource) -> Iterator[str]:
    if resource.has_inputs and resource.known("engine") and resource.known("engineVersion"):
        aurora = resource.get("engine") == "aurora-postgresql"
        if aurora and resource.get("engineVersion") in _READS_FILES:
            yield "engineVersion lets its users read files of the machine"


def _kept(value: Any) -> str | None:
    return None if value and value >= _SHORTEST_BACKUP_DAYS else f"is under {_SHORTEST_BACKUP_DAYS} days, or isn't set"


def _exported(value: Any) -> str | None:
    missing = sorted(_LOGS - set(value or []))
    return f"lacks {', '.join(missing)}" if missing else None


def _watched(value: Any) -> str | None:
    return None if value else "is off"


def _tls(value: Any) -> str | None:
    told: Mapping[Any, Any] = {one.get("name"): one.get("value") for one in value or []}
    return None if str(told.get("rds.force_ssl")) == "1" else "take connections in the clear"


RULES = (
    Rule(
        name="database-keeps-its-files",
        sentence="A database isn't of a version whose users can read files of its machine.",
        remediation="Give a later engine_version.",
        source="AWS security bulletin AWS-2022-004; Checkov CKV_AWS_388",
        types=_INSTANCE,
        check=_patched,
    ),
    Rule(
        name="database-is-encrypted",
        sentence="A database is encrypted by a key of the account's own.",
        remediation="Set storage_encrypted, and give kms_key_id.",
        source="CIS AWS Foundations Benchmark 3.0, 2.3.1; Checkov CKV_AWS_16",
        types=_INSTANCE,
        check=inputs(storageEncrypted=on, kmsKeyId=given),
    ),
    Rule(
        name="database-has-no-public-address",
        sentence="A database is reached from its network only.",
        remediation="Leave publicly_accessible off.",
        source="CIS AWS Foundations Benchmark 3.0, 2.3.3; Checkov CKV_AWS_17",
        types=_INSTANCE,
        check=inputs(publiclyAccessible=off),
    ),
    Rule(
        name="database-is-watched",
        sentence="What a database's machine does is told each minute or oftener.",
        remediation="Give monitoring_interval, and a role for it.",
        source="AWS RDS, Enhanced Monitoring; Checkov CKV_AWS_118",
        types=_INSTANCE,
        check=inputs(monitoringInterval=_watched, monitoringRoleArn=given),
    ),
    Rule(
        name="database-logs-are-kept",
        sentence="A database's logs outlive it.",
        remediation="List postgresql and upgrade in enabled_cloudwatch_logs_exports.",
        source="AWS RDS, Publishing PostgreSQL logs; Checkov CKV_AWS_129",
        types=_INSTANCE,
        check=inputs(enabledCloudwatchLogsExports=_exported),
    ),
    Rule(
        name="database-is-backed-up",
        sentence="A database can be restored to any second of a week.",
        remediation=f"Set backup_retention_period to {_SHORTEST_BACKUP_DAYS} or more.",
        source="AWS RDS, Backup retention period; Checkov CKV_AWS_133",
        types=_INSTANCE,
        check=inputs(backupRetentionPeriod=_kept),
    ),
    Rule(
        name="database-outlives-a-zone",
        sentence="A database goes on when a zone is lost.",
        remediation="Set multi_az.",
        source="AWS RDS, Multi-AZ deployments; Checkov CKV_AWS_157",
        types=_INSTANCE,
        check=inputs(multiAz=on),
    ),
    Rule(
        name="database-takes-identities",
        sentence="People and machines of the account may log in to a database without a password.",
        remediation="Set iam_database_authentication_enabled.",
        source="AWS RDS, IAM database authentication; Checkov CKV_AWS_161",
        types=_INSTANCE,
        check=inputs(iamDatabaseAuthenticationEnabled=on),
    ),
    Rule(
        name="database-gets-minor-versions",
        sentence="A database gets its corrections by itself.",
        remediation="Leave auto_minor_version_upgrade on.",
        source="CIS AWS Foundations Benchmark 3.0, 2.3.2; Checkov CKV_AWS_226",
        types=_INSTANCE,
        check=inputs(autoMinorVersionUpgrade=on_unless_left),
    ),
    Rule(
        name="database-shows-its-load",
        sentence="What statements take is recorded, encrypted by a key of the account's own.",
        remediation="Set performance_insights_enabled, and give performance_insights_kms_key_id.",
        source="AWS RDS, Performance Insights; Checkov CKV_AWS_353, CKV_AWS_354",
        types=_INSTANCE,
        check=inputs(performanceInsightsEnabled=on, performanceInsightsKmsKeyId=given),
    ),
    Rule(
        name="database-password-is-sent-once",
        sentence="A database's first password is in no state, and nobody but Vault replaces it.",
        remediation="Give password_wo with password_wo_version, in place of password or manage_master_user_password.",
        source="AWS RDS, Password management with Secrets Manager: rotation; this project's docs/adr/0039",
        types=_INSTANCE,
        check=inputs(password=off, manageMasterUserPassword=off, passwordWoVersion=given),
    ),
    Rule(
        name="database-takes-tls-only",
        sentence="A database refuses connections in the clear.",
        remediation="Set rds.force_ssl to 1 in its parameters.",
        source="AWS RDS, Requiring an SSL connection to PostgreSQL; Checkov CKV2_AWS_69",
        types=("aws:rds/parameterGroup:ParameterGroup",),
        check=inputs(parameters=_tls),
    ),
)
