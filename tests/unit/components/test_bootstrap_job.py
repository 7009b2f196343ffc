"""First boot in a cluster and the authority it trusts: what runs, as whom, with what, after what.

Not proven: that a cluster takes it, and that EKS gives the pod its role; the script has tests of its own.
"""

import json
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from components.aws.first_boot_role import FirstBootRoleArgs
from components.kubernetes.bootstrap_job import BootstrapJob
from components.payloads import bootstrap, key_shares_in_aws
from components.render.chart import jobs
from tests.support.aws_samples import site
from tests.support.cluster_samples import FIRST_BOOT, SHARES, TOOLS, servers
from tests.support.declare import Declared, declare

RUNS = ("first-boot-run", "authority-publisher")


@cache
def built() -> Declared:
    """The usual one, which no test changes."""
    return declare(servers)


def run(**parts: Any) -> Declared:
    return declare(lambda: BootstrapJob("first-boot", replace(FIRST_BOOT, **parts)))


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = built().named(f"{name}-job").inputs["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_restricted_and_isnt_repeated_by_itself(name: str) -> None:
    made = built().named(f"{name}-job").inputs
    (container,) = pod(name)["containers"]

    assert (made["spec"]["backoffLimit"], made["spec"]["activeDeadlineSeconds"]) == (0, 900)
    assert "ttlSecondsAfterFinished" not in made["spec"]
    assert made["metadata"]["annotations"] == {"pulumi.com/replaceUnready": "true"}
    assert (pod(name)["restartPolicy"], pod(name)["activeDeadlineSeconds"]) == ("Never", 900)
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == TOOLS
    assert {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"} in container["env"]
    assert built().named(f"{name}-account").inputs["automountServiceAccountToken"] is False
    assert built().named(f"{name}-programs").inputs["immutable"] is True


def test_only_who_publishes_may_ask_kubernetes_and_only_for_one_config_map() -> None:
    assert pod("first-boot-run")["automountServiceAccountToken"] is False
    assert pod("authority-publisher")["automountServiceAccountToken"] is True
    assert built().named("authority-role").inputs["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["vault-authority"], "verbs": ["patch"]}
    ]
    assert built().named("authority-role").inputs["metadata"]["namespace"] == "vault-jobs"
    (subject,) = built().named("authority-binding").inputs["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "publish-authority", "namespace": "vault"}
    reached = built().named("authority-reached").inputs["spec"]
    assert reached["podSelector"]["matchLabels"] == jobs.labels("publish-authority")
    assert reached["egress"] == [
        {
            "to": [{"ipBlock": {"cidr": "10.0.0.0/16"}}, {"ipBlock": {"cidr": "172.20.0.1/32"}}],
            "ports": [{"protocol": "TCP", "port": 443}],
        }
    ]
    assert "ingress" not in reached


def test_neither_is_given_the_servers_private_key() -> None:
    (secret,) = (one["secret"] for one in pod("authority-publisher")["volumes"] if "secret" in one)
    assert secret == {"secretName": "vault-tls", "defaultMode": 0o444, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert not [one for one in pod("first-boot-run")["volumes"] if "secret" in one]
    (authority,) = (one for one in pod("first-boot-run")["volumes"] if one["name"] == "authority")
    assert authority["configMap"]["name"] == built().named("authority-published").inputs["metadata"]["name"]
    assert "data" not in built().named("authority-published").inputs
    assert built().named("authority-published").options.ignore_changes == ("data",)


def test_first_boot_asks_one_server_by_its_own_name_and_keeps_shares_in_aws() -> None:
    files = built().named("first-boot-run-programs").inputs["data"]
    told = json.loads(files["parameters.json"])

    assert sorted(files) == ["bootstrap.py", "key_shares_in_aws.py", "parameters.json"]
    assert told["address"] == "https://vault-0.vault-internal.vault.svc:8200"
    assert told["custody"] == {
        "kind": "secrets_manager",
        "name": "vault/staging/key-shares",
        "region": "eu-central-1",
        "kms_key_arn": SHARES,
        "kept": '{"Statement": []}',
    }
    assert (told["servers"], told["auto_unseal"], told["ca_file"]) == (3, True, "/authority/ca.crt")
    assert told["administrator"]["role"]["token_bound_cidrs"] == ["127.0.0.1/32"]
    (container,) = pod("first-boot-run")["containers"]
    assert container["command"][-2:] == ["/programs/bootstrap.py", "/programs/parameters.json"]
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    assert mounted == {"/programs", "/authority", "/tmp"}  # noqa: S108 - the pod's own


def test_first_boot_has_its_role_in_its_namespace() -> None:
    spec, account = pod("first-boot-run"), built().named("first-boot-run-account").inputs["metadata"]
    assert (spec["serviceAccountName"], account) == ("bootstrap", {"name": "bootstrap", "namespace": "vault-jobs"})


def test_a_run_comes_after_what_it_needs() -> None:
    def before(name: str, kind: str) -> set[str]:
        by_urn = {one.urn: one.name for one in built().records}
        one = built().named(name, kind)
        return {by_urn[urn] for urn in one.options.depends_on if urn in by_urn}

    assert {"vault-chart", "authority-publisher-job"} <= before("first-boot", "vault-estate:index:BootstrapJob")
    publisher = before("authority-publisher", "vault-estate:index:ProgramJob")
    assert {"authority-binding", "authority-reached", "authority-published"} <= publisher
    assert {"first-boot-run-account", "first-boot-run-programs"} <= before(
        "first-boot-run-job", "kubernetes:batch/v1:Job"
    )


def test_what_runs_is_in_its_name_and_the_key_is_not() -> None:
    def called(declared: Declared) -> str:
        name: str = declared.named("first-boot-run-job").inputs["metadata"]["name"]
        assert declared.named("first-boot-run-programs").inputs["metadata"]["name"] == name
        return name

    first = called(run())
    assert re.fullmatch(r"bootstrap-[0-9a-f]{12}", first)
    assert called(run(kms_key_arn="another")) == first
    others = {
        called(run(policy='path "other" {}')),
        called(run(texts={"ada.asc": "B"})),
        called(run(image=TOOLS.replace("1", "2"))),
    }
    assert len(others - {first}) == 3


def test_an_image_that_may_become_another_and_a_bad_environment_are_refused() -> None:
    with pytest.raises(ValueError, match=r"image is 'registry\.example\.com/tools:1'; expected an image by its digest"):
        run(image="registry.example.com/tools:1")
    with pytest.raises(ValueError, match=r"environment is '\.\.'; expected"):
        FirstBootRoleArgs(
            physical_name="vault", account=site(), boundary_arn="arn", environment="..", cluster_name="vault"
        )


def test_there_is_time_to_wait_for_a_killed_run_and_to_do_the_work() -> None:
    told = json.loads(built().named("first-boot-run-programs").inputs["data"]["parameters.json"])
    waits = key_shares_in_aws.RUN_SECONDS + key_shares_in_aws.MARGIN_SECONDS

    assert waits + key_shares_in_aws.RUN_SECONDS <= jobs.SECONDS
    # For the server to answer and to unseal itself, and as long as a token lives; the rest is for the requests.
    assert 2 * told["wait_seconds"] + bootstrap.TOKEN_SECONDS <= key_shares_in_aws.RUN_SECONDS
