"""An account as `pulumi up` of a cluster declares it, served by a sandbox's AWS that judges, over TLS and without."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
from botocore.config import Config  # type: ignore[import-untyped]  # as above
from moto.moto_api._internal.models import moto_api_backend
from werkzeug.serving import make_server

from components.render.aws import key_policies, role_policies
from components.render.snapshots import PREFIX
from fake_providers.iam.declared import DeclaredAccount
from fake_providers.iam.gate import DEPLOYER, IamGate, RoleSession, gate
from fake_providers.iam.policies import Caller
from ops.keys.certificates import ensure_authority
from tests.support.aws_samples import ACCOUNT, BUCKET, NAME, site

REGION = "eu-central-1"
WHERE = site(break_glass_role_arn=None)
CLUSTER = WHERE.cluster_arn(NAME)
SHARES = role_policies.key_shares("staging")
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-boundary"
TAGS = {
    "eks-cluster-arn": CLUSTER,
    "kubernetes-namespace": "vault",
    "kubernetes-service-account": "vault",
}
KEYS = {"seal": 1, "snapshots": 2, "key-shares": 3, "other": 4}


def role(name: str) -> str:
    """A role's ARN."""
    return f"arn:aws:iam::{ACCOUNT}:role/{NAME}-{name}"


def key(name: str) -> str:
    """A key's ARN."""
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-4000-8000-{KEYS[name]:012d}"


def objects() -> dict[str, Any]:
    """What is declared, as a sandbox's file has it."""
    found: dict[str, Any] = {"count": 9}

    def put(token: str, key_of: str, arn: str = "", **inputs: Any) -> None:
        found[f"aws:{token} {key_of}"] = {"inputs": inputs, "outputs": {**inputs, "arn": arn}}

    trust = role_policies.trusts_pods(WHERE, CLUSTER)
    policies = {
        "servers": None,
        "snapshots": role_policies.snapshots(BUCKET, PREFIX),
        "bootstrap": role_policies.first_boot(WHERE, SHARES),
        "nodes": role_policies.hands_out_identities(CLUSTER),
    }
    for name, policy in policies.items():
        trusted = role_policies.trusts_machines() if name == "nodes" else trust
        arn = role(name)
        inputs = {"name": f"{NAME}-{name}", "assumeRolePolicy": trusted, "permissionsBoundary": BOUNDARY}
        put("iam/role:Role", name, arn, **inputs)
        if policy:
            put("iam/rolePolicy:RolePolicy", name, role=f"{NAME}-{name}", policy=policy)
    for name in role_policies.NODE_POLICIES:
        attached = {"role": f"{NAME}-nodes", "policyArn": role_policies.managed(name)}
        put("iam/rolePolicyAttachment:RolePolicyAttachment", name, **attached)
    put("iam/policy:Policy", "boundary", BOUNDARY, policy=role_policies.boundary(WHERE, "staging"))
    seal = key_policies.seal_key(
        WHERE, role_arn=role("servers"), cluster_arn=CLUSTER, namespace="vault", service_account="vault"
    )
    put("kms/key:Key", "seal", key("seal"), policy=seal)
    put(
        "kms/key:Key",
        "snapshots",
        key("snapshots"),
        policy=key_policies.snapshots_key(WHERE, role_arn=role("snapshots")),
    )
    shares = key_policies.key_shares_key(WHERE, role_arn=role("bootstrap"))
    put("kms/key:Key", "key-shares", key("key-shares"), policy=shares)
    put("kms/key:Key", "other", key("other"), policy=key_policies.snapshots_key(WHERE, role_arn=role("snapshots")))
    put("s3/bucketPolicy:BucketPolicy", "b", bucket=BUCKET, policy=role_policies.bucket(BUCKET, key("snapshots")))
    by_key = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key("snapshots")}}
    token = "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    put(token, "b", bucket=BUCKET, rules=[by_key])
    put("eks/cluster:Cluster", NAME, CLUSTER, name=NAME)
    return found


@dataclass(kw_only=True)
class JudgedAccount:
    """One that is served."""

    gate: IamGate
    endpoint: str
    plain: str
    """The same without TLS."""
    ca_file: Path
    told: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """By which AWS' clients find it, as whoever runs `up`."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.ca_file),
            "AWS_ACCESS_KEY_ID": DEPLOYER,
            "AWS_SECRET_ACCESS_KEY": "-".join(("any", "one")),
        }

    def client(self, service: str, *, by: str = DEPLOYER, token: str | None = None, plain: bool = False) -> Any:
        """boto3's own, of an access key."""
        return boto3.client(
            service,
            endpoint_url=self.plain if plain else self.endpoint,
            region_name=REGION,
            aws_access_key_id=by,
            aws_secret_access_key="-".join(("any", "one")),
            aws_session_token=token,
            verify=str(self.ca_file),
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def as_role(self, name: str, service: str, tags: Mapping[str, str] = TAGS, *, plain: bool = False) -> Any:
        """A client of a role's session, whoever took it on."""
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{NAME}-{name}/one"
        caller = Caller(name=role(name), session=session, account=ACCOUNT, tags=tags)
        by = f"ASIA{len(self.gate.sessions):016d}"
        self.gate.sessions[by] = RoleSession(caller=caller, token=by)
        return self.client(service, by=by, token=by, plain=plain)


@contextmanager
def judged_account(folder: Path) -> Iterator[JudgedAccount]:
    """One with a bucket of versions that are locked."""
    world = folder / "world.json"
    world.write_text(json.dumps(objects()))
    authority = ensure_authority(folder)
    told: list[str] = []
    # Every service of this process has the same memory.
    moto_api_backend.reset()
    inside = gate(DeclaredAccount(world=world, number=ACCOUNT), WHERE.deployer_role_arn, told.append)
    with ExitStack() as ending:
        ports = []
        for context in (None, (str(authority.certificate_file), str(authority.key_file))):
            server = make_server("127.0.0.1", 0, inside, threaded=True, ssl_context=context)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            ending.callback(server.server_close)
            ending.callback(thread.join)
            ending.callback(server.shutdown)
            ports.append(server.server_port)
        plain, secure = ports
        made = JudgedAccount(
            gate=inside,
            endpoint=f"https://127.0.0.1:{secure}",
            plain=f"http://127.0.0.1:{plain}",
            ca_file=authority.ca_file,
            told=told,
        )
        client = made.client("s3")
        place = {"LocationConstraint": REGION}
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=place)
        yield made
