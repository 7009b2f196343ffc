"""The stack `prod`, with a load balancer and roles by tokens beside what is committed, previewed by its command and the
real engine without an account; docs/eks.md's block does the same with `staging` as it is.

Not proven: that AWS or a cluster take any of it. Nothing is made.
"""

import json
import resource
from collections import Counter
from pathlib import Path

from ops.paths import ROOT
from tests.support.checkouts import Checkout, copy_code

PREVIEW_PROCESSOR_SECONDS = 20.0
"""Of a first preview: ten seconds on two cores, as the design asks. Processor time, since other work may run beside."""


def processor_seconds() -> float:
    """What processes took that have ended, and whose end was waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_prod_is_previewed_without_an_account_and_the_pack_judges_what_is_in_the_cluster(tmp_path: Path) -> None:
    made = Checkout(directory=tmp_path / "estate")
    copy_code(made.directory)
    committed = (ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8")
    balanced = (
        "      load_balancer: { domain: vault.example.com, client_cidrs: [10.0.0.0/8], hosted_zone_id: Z0123456789 }\n"
    )
    with_more = committed.replace("      node_type:", f"{balanced}      pod_roles: irsa\n      node_type:", 1)
    by_tokens = "".join(line for line in with_more.splitlines(keepends=True) if "pod_identity_agent" not in line)
    (made.directory / "Pulumi.prod.yaml").write_text(by_tokens, encoding="utf-8")

    refused = made.run("up", "prod")
    before = processor_seconds()
    done = made.run("preview", "prod", "--json")
    took = processor_seconds() - before

    assert refused.returncode == 2
    assert "platform.chart.file is 'charts/vault-0.34.1.tgz', which isn't there" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert 0 < took <= PREVIEW_PROCESSOR_SECONDS
    document = json.loads(done.stdout)
    assert "fake providers for aws, kubernetes, vault: " in done.stderr
    assert "the cloud's credentials are missing" in document["fake_providers"]
    assert document["changes"].keys() == {"create"}
    kinds = Counter(one["urn"].split("::")[2].rpartition("$")[2] for one in document["resources"])
    assert kinds["kubernetes:apps/v1:StatefulSet"] == kinds["aws:eks/cluster:Cluster"] == 1
    assert kinds["kubernetes:core/v1:PersistentVolumeClaim"] == 10
    assert kinds["aws:lb/loadBalancer:LoadBalancer"] == 1
    assert kinds["aws:autoscaling/attachment:Attachment"] == 3
    assert kinds["aws:eks/podIdentityAssociation:PodIdentityAssociation"] == 0
    assert kinds["aws:iam/openIdConnectProvider:OpenIdConnectProvider"] == 1
    assert (kinds["kubernetes:batch/v1:Job"], kinds["kubernetes:batch/v1:CronJob"]) == (2, 1)
    assert kinds["vault:kubernetes/authBackendRole:AuthBackendRole"] == 4
    # The seal's key is bound to KMS' endpoint in the network, whose id only AWS knows.
    unjudged = {
        line.partition("policy ")[2].partition(":")[0] for line in done.stderr.splitlines() if "warning" in line
    }
    assert unjudged == {"key-is-opened-by-its-own-policy", "key-names-its-users"}
