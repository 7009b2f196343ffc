"""Each type of resource that a stack may have is said to hold data, or to hold none.

Doesn't prove: that a type is in the right list.
"""

from collections import Counter

from fake_providers.aws import TYPES as AWS
from fake_providers.hcloud import TYPES as HCLOUD
from fake_providers.vault.table import TABLE
from policies.rules.data_holding_is_protected import HOLDS_DATA, HOLDS_NONE
from tests.support.aws_samples import cluster, computed, site
from tests.support.cluster_samples import CHART_MAKES, servers
from tests.support.declare import declare

SERVED = {
    f"{package}:{token}" for package, table in (("aws", AWS), ("hcloud", HCLOUD), ("vault", TABLE)) for token in table
}
"""What the fake providers serve, which is what most components declare: another type is refused by them."""


def test_every_type_is_classed_once() -> None:
    place = site(endpoints="all")
    in_aws = declare(lambda: cluster(place), outputs=computed).records
    declared = {
        one.type for one in (*in_aws, *declare(servers).records) if one.type.startswith(("aws:", "kubernetes:"))
    }
    classed = Counter([*HOLDS_DATA, *HOLDS_NONE])
    assert sorted(classed) == sorted(SERVED | declared | CHART_MAKES)
    assert max(classed.values()) == 1
