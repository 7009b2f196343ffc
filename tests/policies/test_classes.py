"""Each type of resource that a stack may have is said to hold data, or to hold none.

Doesn't prove: that a type is in the right list.
"""

from collections import Counter

from fake_providers.aws import TYPES as AWS
from fake_providers.hcloud import TYPES as HCLOUD
from fake_providers.vault.table import TABLE
from policies.rules.data_holding_is_protected import HOLDS_DATA, HOLDS_NONE
from tests.support.cluster_samples import CHART_MAKES, servers
from tests.support.declare import declare

SERVED = {
    f"{package}:{token}" for package, table in (("aws", AWS), ("hcloud", HCLOUD), ("vault", TABLE)) for token in table
}
"""What the fake providers serve, which is what most components declare: another type is refused by them."""


def test_every_type_is_classed_once() -> None:
    in_cluster = {one.type for one in declare(servers).records if one.type.startswith("kubernetes:")}
    classed = Counter([*HOLDS_DATA, *HOLDS_NONE])
    assert sorted(classed) == sorted(SERVED | in_cluster | CHART_MAKES)
    assert max(classed.values()) == 1
