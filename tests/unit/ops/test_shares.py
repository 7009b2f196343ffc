"""Who gives which share. `tests/live/test_operators.py` gives them to a server."""

from pathlib import Path

import pytest

from ops.commands import shares
from ops.commands.shares import Givers

HELD = {"ada.asc": "share-1", "copy-of-ada.asc": "share-1", "cy.asc": "share-2", "nobody.asc": ""}


def test_a_share_is_given_once_however_often_its_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "open_with", lambda _document, key, _ask: HELD[key.name])
    keys = [Path(name) for name in ("ada.asc", "nobody.asc", "ada.asc", "copy-of-ada.asc", "cy.asc")]
    given = Givers(ask=lambda _prompt: "", keys=keys).shares({"shares": []}, "share", lambda: (2, 2))
    assert list(given) == ["share-1", "share-2"]
