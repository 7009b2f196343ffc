"""The bootstrap script against a real server, with its key shares in AWS' fake: stopped, begun anew, done.

Doesn't prove: that AWS answers as its fake does; what a kill leaves at each request, which the unit tests have.
"""

import base64
import json
import sys
from dataclasses import replace

import pytest

from components.payloads import bootstrap, key_shares_in_aws
from components.render.aws.role_policies import first_boot, kept_secret
from components.render.bootstrap import SharesSecret
from ops.local.servers import LocalServers
from tests.support.aws_samples import site
from tests.support.bootstrapping import parameters, run
from tests.support.fake_secrets_manager import REGION, FakeSecretsManager, served
from tests.support.servers import administrator_client, living_tokens
from tests.support.shares import open_share

NAME, KEY = "vault/staging/key-shares", "arn:aws:kms:eu-central-1:123456789012:key/1"


def test_a_first_boot_whose_key_shares_were_refused_is_begun_anew(
    platform: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "key_shares_in_aws", key_shares_in_aws)
    secret = SharesSecret(name=NAME, region=REGION, kms_key_arn=KEY, kept=kept_secret(site()))
    wanted = replace(parameters(platform, operators=2), shares_file=None, shares_secret=secret)
    aws = FakeSecretsManager(policy=first_boot(site(), NAME), key=KEY, around=lambda _, act: act())
    may_make = aws.policy["Statement"][0]
    allowed = may_make["Resource"]
    platform.start()
    with served(aws.answer):
        may_make["Resource"] = [f"{allowed[0]}"]
        code, steps, said = run(platform, wanted)
        assert (code, steps[-1]) == (6, "initialised")
        assert "create_secret: AccessDeniedException" in said

        may_make["Resource"] = allowed
        assert run(platform, wanted)[0] == bootstrap.START_OVER
        platform.empty_vault()
        assert run(platform, wanted)[0] == 0
        assert run(platform, wanted)[1][-1] == "nothing-to-do"

    assert [one["policies"] for one in living_tokens(administrator_client(platform))] == [["administrator", "default"]]
    (name,) = aws.secrets.keys() - {f"{NAME}/record"}
    kept = json.loads(aws.secrets[name].value)
    for number, share in enumerate(kept["shares"]):
        opened = open_share(
            platform.directory / f"operator-{number}" / "private.asc", base64.b64decode(share["encrypted_share"])
        )
        assert len(bytes.fromhex(opened.decode())) == 33
