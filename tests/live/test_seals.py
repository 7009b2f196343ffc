"""OpenBao under each seal that settings accept with it, as a node would start it; and what it says of one they refuse.

Doesn't prove: systemd's handing over of the credentials, which the node's own tests look at.
"""

from pathlib import Path

import pytest

from components.render.seals import AwsKmsSeal, SealPlace
from tests.support.sealed import move_transit_key, pairs_of, refusal, walk


@pytest.mark.parametrize("kind", pairs_of("openbao"))
def test_a_server_is_unsealed_after_it_was_stopped(tmp_path: Path, kind: str) -> None:
    walk(tmp_path / "node", "openbao", kind)


def test_a_transit_key_is_rotated_and_the_next_start_wraps_anew(tmp_path: Path) -> None:
    move_transit_key(tmp_path / "node", "openbao")


def test_the_server_has_no_seal_by_aws_kms(tmp_path: Path) -> None:
    stanza = AwsKmsSeal(region="eu-central-1").stanza(SealPlace(kms_key="alias/a"))

    assert "unknown wrapper: awskms" in refusal(tmp_path / "node", "openbao", stanza)
