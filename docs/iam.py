"""The page of a cluster's IAM, from the functions that render its documents. Owns the table's form and an example's
names; refuses a document that isn't among these: `tests/unit/test_docs.py` holds it against what a cluster declares.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.render.aws import key_policies, role_policies
from components.render.aws.account import AwsAccount
from components.render.snapshots import PREFIX

PAGE = Path(__file__).with_name("iam.md")
_NUMBER = "111122223333"
"""AWS' own in examples."""
_NAME = "vault-staging"
_BUCKET = "snapshots-of-vault-staging"


def _role(name: str) -> str:
    return f"arn:aws:iam::{_NUMBER}:role/{name}"


ACCOUNT = AwsAccount(
    account_id=_NUMBER,
    region="eu-central-1",
    deployer_role_arn=_role("up"),
    break_glass_role_arn=_role("break-glass"),
)
_CLUSTER = ACCOUNT.cluster_arn(_NAME)
_PROVIDER = ACCOUNT.identity_provider_arn("https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF")


def documents() -> Mapping[str, str]:
    """Each document by what it is of."""
    pods = role_policies.trusts_pods(ACCOUNT, _CLUSTER)
    key = f"arn:aws:kms:eu-central-1:{_NUMBER}:key/1234abcd"
    logs = f"arn:aws:logs:eu-central-1:{_NUMBER}:log-group:/vault-estate/{_NAME}/flow-logs"
    return {
        "Key of the seal": key_policies.seal_key(
            ACCOUNT,
            role_arn=_role(f"{_NAME}-servers"),
            cluster_arn=_CLUSTER,
            namespace="vault",
            service_account="vault",
            vpc_endpoint_id="vpce-1234abcd",
        ),
        "Key of the seal, of pods that take on roles by tokens": key_policies.seal_key(
            ACCOUNT,
            role_arn=_role(f"{_NAME}-servers"),
            cluster_arn=_CLUSTER,
            namespace="vault",
            service_account="vault",
            provider_arn=_PROVIDER,
        ),
        "Key of volumes and of the cluster's secrets": key_policies.disks_key(ACCOUNT),
        "Key of a database": key_policies.database_key(ACCOUNT),
        "Key of snapshots": key_policies.snapshots_key(ACCOUNT, role_arn=_role(f"{_NAME}-snapshots")),
        "Key of key shares": key_policies.key_shares_key(ACCOUNT, role_arn=_role(f"{_NAME}-bootstrap")),
        "The most that any role may": role_policies.boundary(ACCOUNT, "staging"),
        "Who takes on a role of pods": pods,
        "Who takes on a role of pods, by their tokens": role_policies.trusts_service_account(
            _PROVIDER,
            "vault",
            "vault",
        ),
        "Who takes on the control plane's role": role_policies.trusts_service("eks", ACCOUNT),
        "Who takes on the nodes' role": role_policies.trusts_machines(),
        "Who takes on the flow logs' role": role_policies.trusts_service("vpc-flow-logs", ACCOUNT),
        "Who takes on the role of what watches a database": role_policies.trusts_service("monitoring.rds", ACCOUNT),
        "What nodes may": role_policies.hands_out_identities(_CLUSTER),
        "What first boot may": role_policies.first_boot(ACCOUNT, "vault/staging/key-shares"),
        "Key shares": role_policies.kept_secret(ACCOUNT),
        "What snapshots may": role_policies.snapshots(_BUCKET, PREFIX),
        "What flow logs may": role_policies.flow_logs(logs),
        "Bucket of snapshots": role_policies.bucket(_BUCKET, key),
        "Bucket of records of access": role_policies.access_logs(ACCOUNT, f"{_BUCKET}-logs", _BUCKET),
        "Endpoint of S3": role_policies.storage_endpoint(ACCOUNT, (_BUCKET,)),
        **{f"Endpoint of {service}": role_policies.endpoint(ACCOUNT, service) for service in role_policies.ENDPOINTS},
        "Endpoint of sts, where pods take on roles by tokens": role_policies.token_endpoint(ACCOUNT),
    }


def lines() -> Iterator[str]:
    """The page below its introduction."""
    for title, text in documents().items():
        yield from (f"## {title}", "", "| statement | actions | on | who | if |", "|---|---|---|---|---|")
        yield from (_row(statement) for statement in json.loads(text)["Statement"])
        yield ""
    yield from ("## AWS' own policies", "", "| role | policy |", "|---|---|")
    own = {
        "control plane": role_policies.CLUSTER_POLICIES,
        "nodes": role_policies.NODE_POLICIES,
        "addresses of pods": role_policies.CNI_POLICIES,
        "volumes": role_policies.DISK_POLICIES,
    }
    yield from (f"| {role} | `{policy}` |" for role, policies in own.items() for policy in policies)


def _row(statement: Mapping[str, Any]) -> str:
    who = statement.get("Principal") or {}
    conditions = [
        f"{operator} {key} = {', '.join(values)}"
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    ]
    cells = (
        [f"{statement['Effect']} {statement['Sid']}"],
        statement["Action"],
        statement.get("Resource") or [],
        [one for several in who.values() for one in (several if isinstance(several, list) else [several])],
        conditions,
    )
    return f"| {' | '.join(_cell(one) for one in cells)} |"


def _cell(entries: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in entries)
