"""HashiCorp's server under each seal that settings accept with it, as a node would start it; moto stands in for AWS.

Doesn't prove: systemd's handing over of the credentials, AWS itself, and the release that a node installs: the server
is built from its module.
"""

from pathlib import Path

import pytest

from components.render.seals import SealPlace, StaticSeal
from tests.support.sealed import pairs_of, refusal, walk


@pytest.mark.parametrize("kind", pairs_of("vault"))
def test_a_server_is_unsealed_after_it_was_stopped(tmp_path: Path, kind: str) -> None:
    walk(tmp_path / "node", "vault", kind)


def test_the_server_has_no_static_seal(tmp_path: Path) -> None:
    stanza = StaticSeal().stanza(SealPlace(static_key_file="/nowhere"))

    assert "static" in refusal(tmp_path / "node", "vault", stanza)
