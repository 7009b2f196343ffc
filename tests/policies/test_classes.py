"""Each type of resource that a stack may have is said to hold data, or to hold none.

Doesn't prove: that a type is in the right list.
"""

from collections import Counter

from fake_providers.aws import TYPES as AWS
from fake_providers.hcloud import TYPES as HCLOUD
from fake_providers.kubernetes import CHART
from fake_providers.kubernetes import TYPES as KUBERNETES
from fake_providers.vault.table import TABLE
from policies.rules.data_holding_is_protected import HOLDS_DATA, HOLDS_NONE

EVERY_TYPE = {
    *(
        f"{package}:{token}"
        for package, table in (("aws", AWS), ("hcloud", HCLOUD), ("kubernetes", KUBERNETES), ("vault", TABLE))
        for token in table
    ),
    CHART,
}
"""What the fake providers serve, which is what the components declare: another type is refused by them."""


def test_every_type_is_classed_once() -> None:
    classed = Counter([*HOLDS_DATA, *HOLDS_NONE])
    assert sorted(classed) == sorted(EVERY_TYPE)
    assert max(classed.values()) == 1
