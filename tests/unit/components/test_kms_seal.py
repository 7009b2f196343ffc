"""The key that opens a node's seal: which resources, which rights, and that no credential is made.

Not proven: that AWS takes them; the stand-in holds them in memory only.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.aws.kms_seal import alias, seal_policy
from composition import estate
from ops import stack_file
from ops.paths import Paths
from ops.platforms.registry import platform_of
from settings import parse
from tests.support.declare import Declared, declare
from tests.support.hetzner_samples import BUCKET, KMS, SSH, node
from tests.support.nodes import write_stack
from tests.unit.render.nodes import unpacked
from tests.unit.settings.samples import refusal

pytestmark = pytest.mark.usefixtures("folder")

OWN = {"kind": "awskms", "region": "eu-central-1"}
ARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"


def built(*, preview: bool = False, seal: Any = None, protect: bool = True) -> Declared:
    settings = parse({**node(seal=seal or OWN, ssh=SSH), "protect": protect})

    def program() -> None:
        estate.place(settings, pulumi.Output.secret)

    return declare(program, preview=preview, outputs=_of_aws)


def _of_aws(kind: str, _name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"arn": ARN, "keyId": "1234abcd"} if kind == "aws:kms/key:Key" else {}


def of_aws(declared: Declared) -> list[tuple[str, str]]:
    return sorted((one.type, one.name) for one in declared.records if "aws" in one.type)


@pytest.mark.parametrize("preview", [False, True])
def test_exactly_these_resources_and_no_access_key(preview: bool) -> None:
    assert of_aws(built(preview=preview)) == [
        ("aws:iam/user:User", "seal-user"),
        ("aws:iam/userPolicy:UserPolicy", "seal-policy"),
        ("aws:kms/alias:Alias", "seal-alias"),
        ("aws:kms/key:Key", "seal-key"),
        ("pulumi:providers:aws", "seal-key"),
    ]
    assert of_aws(built(preview=preview, seal=KMS)) == []


@pytest.mark.parametrize("protect", [True, False])
def test_the_key_turns_over_and_is_hard_to_lose(protect: bool) -> None:
    key = next(one for one in built(protect=protect).records if one.type == "aws:kms/key:Key")

    assert key.inputs["enableKeyRotation"] is True
    assert key.inputs["deletionWindowInDays"] == 30
    assert key.options.protect is protect


def test_the_server_calls_the_key_by_its_alias() -> None:
    declared = built()

    text = unpacked(declared.named("platform-server").inputs["userData"])["/etc/vault-estate/server.hcl"]

    assert declared.named("seal-alias").inputs["name"] == "alias/vault-test-seal"
    assert 'region = "eu-central-1"\n  kms_key_id = "alias/vault-test-seal"\n' in text


def test_the_user_may_do_three_things_with_one_key_from_one_address() -> None:
    assert seal_policy(ARN, "198.51.100.7") == (
        '{"Statement": [{"Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"], '
        '"Condition": {"IpAddress": {"aws:SourceIp": ["198.51.100.7/32"]}}, "Effect": "Allow", '
        f'"Resource": ["{ARN}"], "Sid": "Seal"}}], "Version": "2012-10-17"}}'
    )
    policy = json.loads(built().named("seal-policy").inputs["policy"])
    assert policy["Statement"][0]["Condition"] == {"IpAddress": {"aws:SourceIp": ["198.51.100.7/32"]}}


def test_the_alias_is_named_after_the_node() -> None:
    assert alias("vault-dev") == "alias/vault-dev-seal"


def test_a_key_of_another_region_is_refused() -> None:
    (line,) = refusal(node(seal={**KMS, "region": "us-east-1"}, ssh=SSH))

    assert line == (
        "vault-estate:estate.platform.seal.region is 'us-east-1'; "
        "expected 'eu-central-1', where key_arn says its key is"
    )


def with_bucket(*, seal: str | None, store: str | None) -> dict[str, Any]:
    """A key of one's own and a bucket, each with a profile or none."""
    own = {**OWN, **({"profile": seal} if seal else {})}
    bucket = {**BUCKET["store"], **({"profile": store} if store else {})}
    return {**node(seal=own, ssh=SSH), "snapshots": {**BUCKET, "store": bucket}}


@pytest.mark.parametrize(("profile", "said"), [(None, "missing"), ("one", "'one'")])
def test_a_key_of_ones_own_and_a_bucket_may_not_share_credentials(profile: str | None, said: str) -> None:
    (line,) = refusal(with_bucket(seal=profile, store=profile))

    assert f"platform.seal.profile is {said}; expected another than snapshots.store.profile" in line
    parse({**node(seal=KMS, ssh=SSH), "snapshots": BUCKET})  # a key that is there already is asked for by the node only


PROFILES = [("aws", "hetzner"), ("aws", None), (None, "hetzner")]


@pytest.mark.parametrize(("seal", "store"), PROFILES)
@pytest.mark.parametrize("preview", [False, True])
def test_seal_key_and_bucket_have_providers_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seal: str | None, store: str | None, preview: bool
) -> None:
    monkeypatch.chdir(folder)
    (folder / "keys/age.pub").write_text(f"age1{'q' * 58}\n")
    settings = parse(with_bucket(seal=seal, store=store))

    declared = declare(lambda: estate.place(settings, pulumi.Output.secret), preview=preview, outputs=_of_aws)

    providers = {one.name: one for one in declared.records if one.type == "pulumi:providers:aws"}
    assert {name: one.inputs.get("profile") for name, one in providers.items()} == {
        "seal-key": seal,
        "object-storage": store,
    }
    assert json.loads(providers["object-storage"].inputs["endpoints"]) == [{"s3": BUCKET["store"]["endpoint"]}]
    assert "endpoints" not in providers["seal-key"].inputs
    assert {(one.type, one.provider.split("::")[-2]) for one in declared.records if one.type.startswith("aws:")} == {
        *((f"aws:{kind}", "seal-key") for kind in _KEY_TYPES),
        *((f"aws:s3/{kind}", "object-storage") for kind in _BUCKET_TYPES),
    }


_KEY_TYPES = ("iam/user:User", "iam/userPolicy:UserPolicy", "kms/alias:Alias", "kms/key:Key")
_BUCKET_TYPES = (
    "bucket:Bucket",
    "bucketVersioning:BucketVersioning",
    "bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    "bucketLifecycleConfiguration:BucketLifecycleConfiguration",
)


@pytest.mark.parametrize(("seal", "packages"), [(OWN, ("aws", "hcloud", "vault")), (KMS, ("hcloud", "vault"))])
def test_the_engine_gets_the_plugin_it_takes(tmp_path: Path, seal: Any, packages: tuple[str, ...]) -> None:
    write_stack(tmp_path, node(seal=seal, ssh=SSH))

    paths = Paths(project=tmp_path)

    assert platform_of(paths, stack_file.read(paths, "dev")).packages == packages
