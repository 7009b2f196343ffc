"""What of a built stack stays as it was made: the kind of its seal."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from components.render.seals import Seal
from ops.commands import moves
from ops.errors import EstateError
from ops.stack_file import StackFile
from tests.unit.render.nodes import SEALS, of, render


def state(text: str) -> dict[str, object]:
    """One that has a node with this user-data."""
    server = {"urn": "urn::platform-server", "type": "hcloud:index/server:Server", "inputs": {"userData": text}}
    return {"resources": [server]}


def refuse(seal: Seal | None, text: str) -> None:
    """Compare settings with it."""
    settings = SimpleNamespace(platform=SimpleNamespace(seal=seal), database=None, transit=None, pki=None)
    moves.refuse(cast("StackFile", SimpleNamespace(path=Path("Pulumi.dev.yaml"), settings=settings)), state(text))


@pytest.mark.parametrize("wanted", SEALS)
@pytest.mark.parametrize("built", ["static", "shamir", "transit"])
def test_another_kind_of_seal_is_refused(built: str, wanted: str) -> None:
    text = render(of("openbao", built, "internal"))
    if built == wanted:
        refuse(SEALS[wanted], text)
        return

    with pytest.raises(EstateError) as caught:
        refuse(SEALS[wanted], text)

    assert str(caught.value) == (
        f"Pulumi.dev.yaml: vault-estate:estate.platform.seal.kind is {wanted!r}; expected {built!r}, which wrapped "
        "what the volume holds. Another kind takes a new stack (docs/operators.md)"
    )


def test_a_node_that_another_version_made_is_not_judged() -> None:
    refuse(SEALS["shamir"], "#cloud-config\npackages: []\n")
    refuse(None, render(of("openbao", "static", "internal")))
