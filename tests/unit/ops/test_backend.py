"""Where a stack's state is: made once, and never with another passphrase beside it."""

from pathlib import Path

import pytest

from ops.engine.environment import Backend
from ops.errors import EstateError


def test_state_and_passphrase_are_made_once(tmp_path: Path) -> None:
    backend = Backend(state=tmp_path / "state", passphrase_file=tmp_path / "passphrase")
    backend.prepare()
    first = (tmp_path / "passphrase").read_text()
    backend.prepare()
    assert (tmp_path / "passphrase").read_text() == first
    assert len(first) >= 40
    assert (tmp_path / "passphrase").stat().st_mode & 0o077 == 0


def test_a_lost_passphrase_is_told_and_no_other_is_made(tmp_path: Path) -> None:
    stacks = tmp_path / "state/.pulumi/stacks/vault-estate"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text("{}")
    backend = Backend(state=tmp_path / "state", passphrase_file=tmp_path / "passphrase")
    with pytest.raises(EstateError) as caught:
        backend.prepare()
    words = (
        f"{tmp_path}/passphrase is missing, while {tmp_path}/state holds secrets that only it opens; expected the file"
    )
    assert str(caught.value) == f"{words}, from a copy"
    assert not (tmp_path / "passphrase").exists()


def test_a_users_own_login_needs_neither() -> None:
    Backend().prepare()
    assert Backend() == Backend(state=None, passphrase_file=None)
