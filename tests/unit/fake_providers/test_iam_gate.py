"""What a sandbox's AWS lets each role of a cluster do, by the policies that `up` declares, asked by boto3 over TLS.

Not proven: that AWS itself evaluates them so, and how it is with what the sandbox says isn't real.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
import pytest
import requests
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # as above
from moto.kms.models import kms_backends

from components.payloads.key_shares_in_aws import KeySharesInAws
from components.render.aws import key_policies, role_policies
from fake_providers.aws import AwsProvider
from tests.support.aws_samples import ACCOUNT, BUCKET, NAME, site
from tests.support.judged_account import (
    KEYS,
    REGION,
    SHARES,
    TAGS,
    WHERE,
    JudgedAccount,
    judged_account,
    key,
    objects,
    role,
)

POD_ROLES = ("servers", "snapshots", "bootstrap")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JudgedAccount]:
    """One for all tests here."""
    with judged_account(tmp_path_factory.mktemp("account")) as made:
        yield made


def key_id(name: str) -> str:
    """By which moto takes a key where its state is changed; AWS takes the ARN, too."""
    return key(name).rpartition("/")[2]


def refused(client: Any, operation: str, **arguments: Any) -> str:
    """The error's code, and why; nothing where it was done."""
    try:
        getattr(client, operation)(**arguments)
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
    return ""


def as_pods_find_it(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # Which keeps the credential that it found first.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def test_pods_take_on_their_role_through_the_agent_of_their_own_cluster(account: JudgedAccount) -> None:
    agent = account.client("sts", by="agent")
    tags = [{"Key": name, "Value": value} for name, value in TAGS.items()]
    given = agent.assume_role(RoleArn=role("servers"), RoleSessionName="vault-vault", Tags=tags)["Credentials"]

    client = account.client("kms", by=given["AccessKeyId"], token=given["SessionToken"])
    assert refused(client, "encrypt", KeyId=key("seal"), Plaintext=b"x") == ""
    who = account.client("sts", by=given["AccessKeyId"], token=given["SessionToken"]).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{NAME}-servers/vault-vault"
    for name in ("nodes", "none"):
        said = refused(agent, "assume_role", RoleArn=role(name), RoleSessionName="one", Tags=tags)
        assert said.startswith("AccessDenied: User: pods.eks.amazonaws.com is not authorized to perform: sts:Assume")


def test_a_role_of_another_cluster_is_not_given(account: JudgedAccount) -> None:
    there = account.gate.account.world.read_text()
    moved = json.loads(there)
    cluster = moved.pop(f"aws:eks/cluster:Cluster {NAME}")
    cluster["outputs"]["arn"] += "-other"
    moved["aws:eks/cluster:Cluster other"] = cluster
    account.gate.account.world.write_text(json.dumps(moved))
    try:
        agent = account.client("sts", by="agent")
        said = refused(agent, "assume_role", RoleArn=role("servers"), RoleSessionName="one")
    finally:
        account.gate.account.world.write_text(there)
    assert said.startswith("AccessDenied: ")


@pytest.mark.parametrize("operation", ["encrypt", "decrypt", "describe_key"])
def test_the_seals_key_is_for_the_servers_pods_of_this_cluster_alone(account: JudgedAccount, operation: str) -> None:
    servers = account.as_role("servers", "kms")
    sealed = servers.encrypt(KeyId=key("seal"), Plaintext=b"x")["CiphertextBlob"]
    arguments: dict[str, Any] = {"KeyId": key("seal")}
    arguments |= {"encrypt": {"Plaintext": b"x"}, "decrypt": {"CiphertextBlob": sealed}}.get(operation, {})

    assert refused(servers, operation, **arguments) == ""
    strangers = [
        account.as_role("nodes", "kms"),
        account.as_role("snapshots", "kms"),
        account.as_role("servers", "kms", {**TAGS, "kubernetes-namespace": "apps"}),
        account.as_role("servers", "kms", {**TAGS, "kubernetes-service-account": "other"}),
        account.as_role("servers", "kms", {**TAGS, "eks-cluster-arn": f"{TAGS['eks-cluster-arn']}-other"}),
        account.as_role("servers", "kms", {}),
    ]
    for stranger in strangers:
        assert refused(stranger, operation, **arguments).startswith("AccessDeniedException: User: ")
    # Who runs `up` administers the key, and encrypts nothing.
    deployer = account.client("kms")
    assert bool(refused(deployer, operation, **arguments)) is (operation != "describe_key")


def test_first_boot_makes_key_shares_once_and_reads_and_changes_none(account: JudgedAccount) -> None:
    boots = account.as_role("bootstrap", "secretsmanager")
    record = {"Name": f"{SHARES}/record", "SecretString": "1", "KmsKeyId": key("key-shares")}
    shares = {**record, "Name": f"{SHARES}/0123456789ab"}
    tags = [{"Key": "vault-estate:last-run", "Value": "x"}]

    assert refused(boots, "create_secret", **record, Tags=tags) == ""
    assert refused(boots, "create_secret", **shares) == ""
    assert refused(boots, "describe_secret", SecretId=record["Name"]) == ""
    assert refused(boots, "tag_resource", SecretId=record["Name"], Tags=tags) == ""
    kept = role_policies.kept_secret(WHERE)
    for name in (record["Name"], shares["Name"]):
        assert refused(boots, "put_resource_policy", SecretId=name, ResourcePolicy=kept) == ""

    assert refused(boots, "create_secret", **record, Tags=tags).startswith("ResourceExistsException")
    for operation, arguments in {
        "get_secret_value": {},
        "put_secret_value": {"SecretString": "2"},
        "update_secret": {"SecretString": "2"},
        "delete_secret": {},
        "restore_secret": {},
    }.items():
        for name in (record["Name"], shares["Name"]):
            assert refused(boots, operation, SecretId=name, **arguments).startswith("AccessDeniedException: ")
    assert refused(boots, "describe_secret", SecretId=shares["Name"]).startswith("AccessDeniedException: ")
    for name in ("vault/prod/key-shares/record", f"{SHARES}/short", "elsewhere"):
        assert refused(boots, "create_secret", **{**record, "Name": name}).startswith("AccessDeniedException: ")
    # Under another's key it can't be made: that key's policy isn't about first boot.
    said = refused(boots, "create_secret", **{**shares, "Name": f"{SHARES}/ba9876543210", "KmsKeyId": key("snapshots")})
    assert "is not authorized to perform: kms:GenerateDataKey on resource: " in said


def test_first_boots_own_program_gets_by_with_its_role(account: JudgedAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.as_role("bootstrap", "secretsmanager")
    by = next(reversed(account.gate.sessions))
    as_pods_find_it(monkeypatch, {**account.environment, "AWS_ACCESS_KEY_ID": by, "AWS_SESSION_TOKEN": by})
    # Another test's, which whoever keeps it may delete.
    refused(
        account.client("secretsmanager"), "delete_secret", SecretId=f"{SHARES}/record", ForceDeleteWithoutRecovery=True
    )
    told = {
        "name": SHARES,
        "region": REGION,
        "kms_key_arn": key("key-shares"),
        "kept": role_policies.kept_secret(WHERE),
    }
    account.told.clear()
    for done in ("initialised", "complete"):
        shares = KeySharesInAws(told, refused=ValueError, progress=lambda *_, **__: None)
        try:
            shares.hold()
            if done == "complete":
                facts = dict.fromkeys(("completed", "administrator_sha256", "version", "cluster_id"), "x")
                shares.complete(facts)
            else:
                shares.reserve(1, "reserved")
                shares.fill({"state": "initialised", "shares": []})
        finally:
            shares.close()

    assert shares.read_completion() is not None
    assert [line for line in account.told if line.startswith("denied")] == []


def test_who_keeps_key_shares_reads_them_and_nobody_else(account: JudgedAccount) -> None:
    boots = account.as_role("bootstrap", "secretsmanager")
    made = {"Name": f"{SHARES}/aaaaaaaaaaaa", "SecretString": "shares", "KmsKeyId": key("key-shares")}
    boots.create_secret(**made)

    keeper = account.client("secretsmanager")
    assert keeper.get_secret_value(SecretId=made["Name"])["SecretString"] == "shares"
    for name in (*POD_ROLES, "nodes"):
        client = account.as_role(name, "secretsmanager")
        assert refused(client, "get_secret_value", SecretId=made["Name"]).startswith("AccessDeniedException: ")
    # Not by the key itself, past Secrets Manager.
    said = refused(account.client("kms"), "generate_data_key", KeyId=key("key-shares"), KeySpec="AES_256")
    assert said.startswith("AccessDeniedException: ")


def test_a_role_whose_own_policy_is_widened_stays_within_the_boundary(account: JudgedAccount) -> None:
    there = account.gate.account.world.read_text()
    wide = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    widened = {
        **json.loads(there),
        "aws:iam/rolePolicy:RolePolicy wide": {
            "inputs": {"role": f"{NAME}-bootstrap", "policy": json.dumps(wide)},
            "outputs": {},
        },
    }
    account.gate.account.world.write_text(json.dumps(widened))
    try:
        boots = account.as_role("bootstrap", "secretsmanager")
        made = {"Name": f"{SHARES}/bbbbbbbbbbbb", "SecretString": "1", "KmsKeyId": key("key-shares")}
        assert refused(boots, "create_secret", **made) == ""
        for operation in ("get_secret_value", "delete_secret"):
            said = refused(boots, operation, SecretId=made["Name"])
            assert said.endswith("with an explicit deny in a permissions boundary")
        said = refused(account.as_role("bootstrap", "iam"), "list_users")
        assert said.endswith("because no permissions boundary allows the iam:ListUsers action")
    finally:
        account.gate.account.world.write_text(there)


def test_snapshots_are_added_looked_at_and_hidden_and_none_is_destroyed(account: JudgedAccount) -> None:
    taker = account.as_role("snapshots", "s3")
    where = {"Bucket": BUCKET, "Key": "raft/c/1.age"}

    version = taker.put_object(**where, Body=b"x")["VersionId"]
    assert taker.get_object(**where)["Body"].read() == b"x"
    assert taker.head_object(**where)["ContentLength"] == 1
    assert [one["Key"] for one in taker.list_objects_v2(Bucket=BUCKET, Prefix="raft/c/")["Contents"]] == [where["Key"]]
    assert refused(taker, "delete_object", **where) == ""
    upload = {"Bucket": BUCKET, "Key": "raft/c/2.age"}
    begun = taker.create_multipart_upload(**upload)["UploadId"]
    part = taker.upload_part(**upload, UploadId=begun, PartNumber=1, Body=b"y")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    assert refused(taker, "complete_multipart_upload", **upload, UploadId=begun, MultipartUpload=parts) == ""
    begun = taker.create_multipart_upload(**upload)["UploadId"]
    assert refused(taker, "abort_multipart_upload", **upload, UploadId=begun) == ""

    denied: list[tuple[str, dict[str, Any]]] = [
        ("delete_object", {**where, "VersionId": version}),
        ("get_object", {**where, "VersionId": version}),
        ("put_object", {"Bucket": BUCKET, "Key": "elsewhere/1.age", "Body": b"x"}),
        ("get_object", {"Bucket": BUCKET, "Key": "elsewhere/1.age"}),
        ("list_objects_v2", {"Bucket": BUCKET}),
        ("list_objects_v2", {"Bucket": BUCKET, "Prefix": "elsewhere/"}),
        ("list_object_versions", {"Bucket": BUCKET, "Prefix": "raft/"}),
        ("put_object_retention", {**where, "Retention": {"Mode": "GOVERNANCE"}}),
        ("put_bucket_versioning", {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Suspended"}}),
        ("delete_bucket", {"Bucket": BUCKET}),
        ("list_buckets", {}),
        ("create_bucket", {"Bucket": "another", "CreateBucketConfiguration": {"LocationConstraint": REGION}}),
    ]
    for operation, arguments in denied:
        assert refused(taker, operation, **arguments).startswith("AccessDenied: User: "), operation
    for name in ("servers", "bootstrap", "nodes"):
        assert refused(account.as_role(name, "s3"), "get_object", **upload).startswith("AccessDenied: ")


def test_an_upload_that_names_another_key_is_denied_to_everybody(account: JudgedAccount) -> None:
    for client in (account.as_role("snapshots", "s3"), account.client("s3")):
        upload = {"Bucket": BUCKET, "Key": "raft/c/3.age", "Body": b"x", "ServerSideEncryption": "aws:kms"}
        assert refused(client, "put_object", **upload, SSEKMSKeyId=key("snapshots")) == ""
        said = refused(client, "put_object", **upload, SSEKMSKeyId=key("other"))
        assert said.endswith("with an explicit deny in a resource-based policy")


def test_nothing_of_the_bucket_goes_without_tls(account: JudgedAccount) -> None:
    arguments = {"Bucket": BUCKET, "Prefix": "raft/"}
    for plain, said in ((False, ""), (True, "AccessDenied")):
        clients = (account.as_role("snapshots", "s3", plain=plain), account.client("s3", plain=plain))
        for client in clients:
            assert refused(client, "list_objects_v2", **arguments).partition(":")[0] == said


def test_who_runs_up_restores_snapshots_through_s3_and_not_past_it(account: JudgedAccount) -> None:
    where = {"Bucket": BUCKET, "Key": "raft/c/4.age"}
    account.as_role("snapshots", "s3").put_object(**where, Body=b"kept")

    assert account.client("s3").get_object(**where)["Body"].read() == b"kept"
    said = refused(account.client("kms"), "generate_data_key", KeyId=key("snapshots"), KeySpec="AES_256")
    assert said.startswith("AccessDeniedException: ")


def test_a_key_that_is_off_or_goes_encrypts_nothing(account: JudgedAccount) -> None:
    taker, keys = account.as_role("snapshots", "s3"), account.client("kms")
    where = {"Bucket": BUCKET, "Key": "raft/c/5.age"}
    taker.put_object(**where, Body=b"x")

    keys.disable_key(KeyId=identity("snapshots"))
    assert refused(taker, "put_object", **where, Body=b"x").startswith("KMS.DisabledException: ")
    assert refused(taker, "get_object", **where).startswith("KMS.DisabledException: ")
    assert refused(taker, "head_object", **where) == ""
    keys.enable_key(KeyId=identity("snapshots"))
    assert refused(taker, "get_object", **where) == ""
    keys.schedule_key_deletion(KeyId=identity("snapshots"), PendingWindowInDays=30)
    assert refused(taker, "get_object", **where).startswith("KMS.KMSInvalidStateException: ")
    keys.cancel_key_deletion(KeyId=identity("snapshots"))
    assert refused(taker, "get_object", **where).startswith("KMS.DisabledException: ")
    keys.enable_key(KeyId=identity("snapshots"))

    keys.disable_key(KeyId=identity("seal"))
    servers = account.as_role("servers", "kms")
    assert refused(servers, "encrypt", KeyId=key("seal"), Plaintext=b"x").startswith("DisabledException: ")
    assert refused(servers, "describe_key", KeyId=key("seal")) == ""
    keys.enable_key(KeyId=identity("seal"))
    for name in (*POD_ROLES, "nodes"):
        client = account.as_role(name, "kms")
        for operation in ("disable_key", "schedule_key_deletion", "enable_key"):
            assert refused(client, operation, KeyId=identity("seal")).startswith("AccessDeniedException: ")


def identity(name: str) -> str:
    """A key's id: moto knows none by its ARN, where its state changes."""
    return key(name).rpartition("/")[2]


def test_who_isnt_known_is_told_so_as_aws_does(account: JudgedAccount) -> None:
    assert refused(account.client("s3", by="AKIANOBODY"), "list_buckets").startswith("InvalidAccessKeyId: ")
    nobody = account.client("secretsmanager", by="AKIANOBODY")
    assert refused(nobody, "list_secrets").startswith("UnrecognizedClientException: ")
    session = account.as_role("snapshots", "s3")
    by = next(reversed(account.gate.sessions))
    assert refused(session, "list_objects_v2", Bucket=BUCKET, Prefix="raft/") == ""
    stolen = account.client("s3", by=by, token="another")
    assert refused(stolen, "list_objects_v2", Bucket=BUCKET, Prefix="raft/").startswith("InvalidAccessKeyId: ")
    answer = requests.get(f"{account.endpoint}/{BUCKET}", verify=str(account.ca_file), timeout=10)
    assert (answer.status_code, "MissingAuthenticationToken" in answer.text) == (403, True)


def test_what_the_gate_has_no_name_for_is_refused_and_said(account: JudgedAccount) -> None:
    said = refused(account.client("s3"), "get_bucket_website", Bucket=BUCKET)
    assert said.startswith("NotImplemented: unknown to the sandbox: GET /")
    assert refused(
        account.client("s3"), "copy_object", Bucket=BUCKET, Key="raft/x", CopySource={"Bucket": BUCKET, "Key": "raft/y"}
    ).startswith("NotImplemented: ")


def test_what_up_declares_is_there_and_judged_by(account: JudgedAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    as_pods_find_it(monkeypatch, account.environment)
    cloud = AwsProvider(account.gate.account.world)
    service = cloud.configure({"region": REGION, "allowedAccountIds": json.dumps([ACCOUNT])})
    bucket = {"bucket": "declared-by-up"}

    def up(kind: str, **inputs: Any) -> Any:
        return cloud.create(service, f"aws:s3/bucket{kind}:Bucket{kind}", {**bucket, **inputs})

    taker = cloud.create(service, "aws:iam/role:Role", {"name": "taker", "assumeRolePolicy": "{}"})
    policy = key_policies.snapshots_key(WHERE, role_arn=taker.outputs["arn"])
    made = cloud.create(service, "aws:kms/key:Key", {"policy": policy}).outputs["arn"]
    own = {"role": "taker", "name": "pods", "policy": role_policies.snapshots(bucket["bucket"], "raft/")}
    cloud.create(service, "aws:iam/rolePolicy:RolePolicy", own)
    up("", objectLockEnabled=True)
    up("Versioning", versioningConfiguration={"status": "Enabled"})
    by_key = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": made}
    encrypted = [{"applyServerSideEncryptionByDefault": by_key, "bucketKeyEnabled": True}]
    up("ServerSideEncryptionConfiguration", rules=encrypted)
    up("OwnershipControls", rule={"objectOwnership": "BucketOwnerEnforced"})
    closed = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    up("PublicAccessBlock", **dict.fromkeys(closed, True))
    up("Policy", policy=role_policies.bucket(bucket["bucket"], made))

    assert taker.outputs["arn"] == f"arn:aws:iam::{ACCOUNT}:role/taker"
    assert made.startswith(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-")
    client, named = account.client("s3"), {"Bucket": bucket["bucket"]}
    (rule,) = client.get_bucket_encryption(**named)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": made}
    assert client.get_bucket_ownership_controls(**named)["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]
    assert set(client.get_public_access_block(**named)["PublicAccessBlockConfiguration"].values()) == {True}
    session = account.as_role("taker", "s3")
    by = next(reversed(account.gate.sessions))
    caller = replace(account.gate.sessions[by].caller, name=taker.outputs["arn"])
    account.gate.sessions[by] = replace(account.gate.sessions[by], caller=caller)
    assert refused(session, "put_object", **named, Key="raft/1", Body=b"x") == ""
    assert refused(session, "put_object", **named, Key="other", Body=b"x").startswith("AccessDenied: ")
    said = refused(
        client,
        "put_object",
        **named,
        Key="raft/1",
        Body=b"x",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=key("snapshots"),
    )
    assert said.endswith("with an explicit deny in a resource-based policy")


def test_each_request_is_told_without_a_secret(account: JudgedAccount) -> None:
    account.told.clear()
    taker = account.as_role("snapshots", "s3")
    taker.put_object(Bucket=BUCKET, Key="raft/c/6.age", Body=b"x")

    assert account.told == [
        f"allowed: {role('snapshots')} s3:PutObject arn:aws:s3:::{BUCKET}/raft/c/6.age",
        f"allowed: {role('snapshots')} kms:GenerateDataKey {key('snapshots')}",
    ]


def test_all_declared_keys_are_there_by_their_own_names(account: JudgedAccount) -> None:
    keys = account.client("kms")

    assert {keys.describe_key(KeyId=key(name))["KeyMetadata"]["Arn"] for name in KEYS} == {key(name) for name in KEYS}
    assert len(objects()) > len(KEYS)


def test_a_ciphertext_tells_the_key_that_is_judged(account: JudgedAccount) -> None:
    servers = account.as_role("servers", "kms")
    sealed = servers.encrypt(KeyId=key("seal"), Plaintext=b"x")["CiphertextBlob"]

    # As Vault's seal asks: without the key's name.
    assert servers.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    said = refused(account.as_role("snapshots", "kms"), "decrypt", CiphertextBlob=sealed)
    assert said.startswith("AccessDeniedException: User: ")
    assert f"kms:Decrypt on resource: {key('seal')}" in said
    account.client("kms").disable_key(KeyId=key_id("seal"))
    try:
        assert refused(servers, "decrypt", CiphertextBlob=sealed).startswith("DisabledException: ")
    finally:
        account.client("kms").enable_key(KeyId=key_id("seal"))


def test_what_a_key_encrypted_is_opened_by_whoever_serves_next(account: JudgedAccount) -> None:
    sealed = account.as_role("servers", "kms").encrypt(KeyId=key("seal"), Plaintext=b"x")["CiphertextBlob"]
    kept = account.gate.account.world.with_name("kms")
    assert {one.stat().st_mode & 0o777 for one in kept.iterdir()} == {0o600}

    # Forgets what it has, as a process that ends does.
    kms_backends[ACCOUNT][REGION].reset()

    assert account.as_role("servers", "kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_what_moto_has_is_shown_to_this_machine_alone(account: JudgedAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    page = f"{account.plain}/moto-api/"
    monkeypatch.setattr(account.gate, "address", "127.0.0.1")
    assert requests.get(page, timeout=10).ok

    monkeypatch.setattr(account.gate, "address", "198.51.100.1")
    answer = requests.get(page, timeout=10)
    assert (answer.status_code, "MissingAuthenticationToken" in answer.text) == (403, True)


def test_who_is_in_the_network_comes_by_its_endpoint(account: JudgedAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of a key that answers there alone, as in production.
    there = account.gate.account.world.read_text()
    changed = json.loads(there)
    changed["aws:kms/key:Key seal"]["inputs"]["policy"] = key_policies.seal_key(
        WHERE,
        role_arn=role("servers"),
        cluster_arn=TAGS["eks-cluster-arn"],
        namespace="vault",
        service_account="vault",
        vpc_endpoint_id="7",
    )
    policy = role_policies.endpoint(WHERE, "kms")
    endpoint = {"serviceName": f"com.amazonaws.{REGION}.kms", "policy": policy}
    changed["aws:ec2/vpcEndpoint:VpcEndpoint 7"] = {"inputs": endpoint, "outputs": {}}
    account.gate.account.world.write_text(json.dumps(changed))
    servers = account.as_role("servers", "kms")
    encrypts: dict[str, Any] = {"operation": "encrypt", "KeyId": key("seal"), "Plaintext": b"x"}
    try:
        assert refused(servers, **encrypts).endswith("because no resource-based policy allows the kms:Encrypt action")
        monkeypatch.setattr(account.gate, "address", "198.51.100.1")
        assert refused(servers, **encrypts) == ""
        endpoint["policy"] = policy.replace('"kms:Encrypt"', '"kms:CreateKey"')
        account.gate.account.world.write_text(json.dumps(changed))
        assert refused(servers, **encrypts).endswith("because no VPC endpoint policy allows the kms:Encrypt action")
        monkeypatch.setattr(account.gate, "address", "127.0.0.1")
        assert refused(servers, **encrypts).endswith("because no resource-based policy allows the kms:Encrypt action")
    finally:
        account.gate.account.world.write_text(there)


def test_the_role_of_emergencies_may_what_the_key_keeps_from_others(
    account: JudgedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    emergency = site()
    assert emergency.break_glass_role_arn
    there = account.gate.account.world.read_text()
    changed = json.loads(there)
    changed["aws:kms/key:Key seal"]["inputs"]["policy"] = key_policies.seal_key(
        emergency, role_arn=role("servers"), cluster_arn="none", namespace="vault", service_account="vault"
    )
    account.gate.account.world.write_text(json.dumps(changed))
    keeper = account.client("kms", by="break-glass")
    try:
        assert refused(keeper, "disable_key", KeyId=key_id("seal")).startswith("UnrecognizedClientException")
        monkeypatch.setattr(account.gate, "break_glass", emergency.break_glass_role_arn)
        assert "explicit deny" in refused(account.client("kms"), "disable_key", KeyId=key_id("seal"))
        assert refused(keeper, "disable_key", KeyId=key_id("seal")) == ""
        assert refused(keeper, "enable_key", KeyId=key_id("seal")) == ""
    finally:
        account.gate.account.world.write_text(there)


def test_a_nodes_role_is_given_by_the_metadata_service_alone(account: JudgedAccount) -> None:
    asked = {"RoleArn": role("nodes"), "RoleSessionName": "one"}

    assert refused(account.client("sts", by="metadata"), "assume_role", **asked) == ""
    said = refused(account.client("sts", by="metadata"), "assume_role", **{**asked, "RoleArn": role("servers")})
    assert said.startswith("AccessDenied: User: ec2.amazonaws.com is not authorized to perform: sts:AssumeRole")
