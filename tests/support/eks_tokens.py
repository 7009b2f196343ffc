"""Tokens for EKS' login, as the program `aws eks get-token` makes them (awscli, customizations/eks/get_token.py), and
an account whose roles have access entries."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
from botocore.signers import RequestSigner  # type: ignore[import-untyped]  # as above

from fake_providers.iam.gate import IamGate, RoleSession
from fake_providers.iam.policies import Caller
from fake_providers.nodes.logins import HEADER, PREFIX

REGION, ACCOUNT, CLUSTER = "eu-central-1", "111122223333", "vault-test"
ARN = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
TEAM = "clients-of-tests"
"""The namespace that the role `editor` may write in, and no other."""


def address(
    credentials: Mapping[str, str], service: str, cluster: str, *, action: str = "GetCallerIdentity", seconds: int = 60
) -> str:
    """A signed one; `credentials` are boto3's own arguments of a session."""
    session = boto3.Session(region_name=REGION, **credentials)
    client = session.client("sts", endpoint_url=service)
    signer = RequestSigner(
        client.meta.service_model.service_id, REGION, "sts", "v4", session.get_credentials(), session.events
    )
    request = {
        "method": "GET",
        "url": f"{service}/?Action={action}&Version=2011-06-15",
        "body": {},
        "headers": {HEADER: cluster},
        "context": {},
    }
    return str(signer.generate_presigned_url(request, region_name=REGION, expires_in=seconds, operation_name=""))


def token(signed: str) -> str:
    """What an address is sent as."""
    return PREFIX + base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")


def role(name: str) -> str:
    """A role's ARN; as with EKS' own, a path before its name is no part of a session's."""
    return f"arn:aws:iam::{ACCOUNT}:role/teams/{name}"


def objects() -> dict[str, Any]:
    """Access entries as a sandbox's file has them: who administers, who views, who edits one namespace."""
    found: dict[str, Any] = {"aws:eks/cluster:Cluster one": {"inputs": {"name": CLUSTER}, "outputs": {"arn": ARN}}}
    everywhere: dict[str, Any] = {"type": "cluster"}
    scopes = {
        "administrator": ("AmazonEKSClusterAdminPolicy", everywhere),
        "viewer": ("AmazonEKSViewPolicy", everywhere),
        "editor": ("AmazonEKSEditPolicy", {"type": "namespace", "namespaces": [TEAM]}),
    }
    for name, (policy, scope) in scopes.items():
        entry = {"clusterName": CLUSTER, "principalArn": role(name), "type": "STANDARD"}
        found[f"aws:eks/accessEntry:AccessEntry {name}"] = {"inputs": entry, "outputs": entry}
        arn = f"arn:aws:eks::aws:cluster-access-policy/{policy}"
        access = {"clusterName": CLUSTER, "principalArn": role(name), "policyArn": arn, "accessScope": scope}
        found[f"aws:eks/accessPolicyAssociation:AccessPolicyAssociation {name}"] = {"inputs": access, "outputs": access}
    return found


def declare(world: Path, without: str = "") -> None:
    """Put the entries into a sandbox's file, but for one role's."""
    kept = {name: one for name, one in objects().items() if not (without and name.endswith(f" {without}"))}
    world.write_text(json.dumps(kept), encoding="utf-8")


def credentials(gate: IamGate, name: str) -> dict[str, str]:
    """Of a session of a role, which the gate handed out."""
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/one"
    caller = Caller(name=role(name), session=session, account=ACCOUNT)
    by = f"ASIA{len(gate.sessions):016d}"
    gate.sessions[by] = RoleSession(caller=caller, token=f"of-{by}", secret=f"made-{by}")
    return {"aws_access_key_id": by, "aws_secret_access_key": f"made-{by}", "aws_session_token": f"of-{by}"}


def sixteen_minutes_ago() -> datetime:
    """What a client's clock says whose token is too old by now."""
    return datetime.now(UTC) - timedelta(minutes=16)
