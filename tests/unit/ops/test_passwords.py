"""A first password that isn't there is told before anything begins, and what was given isn't shown."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import stack_file
from ops.commands import passwords
from ops.errors import EstateError
from ops.paths import Paths
from tests.support.eks_samples import POSTGRES, cluster
from tests.unit.settings.samples import FULL, MISSING, changed

PASTED = "-".join(("pasted", "by", "mistake"))
CONNECTION = "database/connections/main"


def refuse(folder: Path, settings: dict[str, Any], **config: Any) -> None:
    """What is found of a stack file's passwords."""
    written = {"config": {"vault-estate:estate": settings, **config}}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(written))
    paths = Paths(project=folder)
    passwords.refuse_missing(paths, stack_file.read(paths, "dev"))


def with_file(name: str) -> dict[str, Any]:
    """Settings whose password is in a file."""
    whole = changed(f"{CONNECTION}/password_secret", MISSING)
    return changed(f"{CONNECTION}/password_file", name, whole)


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        (changed(f"{CONNECTION}/password_secret", PASTED), "password_secret"),
        (with_file(PASTED), "password_file"),
    ],
)
def test_a_password_that_is_not_there(tmp_path: Path, settings: dict[str, Any], setting: str) -> None:
    with pytest.raises(EstateError) as refused:
        refuse(tmp_path, settings)

    said = str(refused.value)
    assert said.startswith(f"Pulumi.dev.yaml: vault-estate:estate.database.connections.main.{setting} names no ")
    assert len(said.splitlines()) == 1
    assert PASTED not in said


def test_the_password_of_a_database_that_the_stack_brings(tmp_path: Path) -> None:
    settings = cluster(postgres=POSTGRES)
    with pytest.raises(EstateError, match=r"estate\.platform\.postgres\.password_secret names no setting of this file"):
        refuse(tmp_path, settings)
    refuse(tmp_path, settings, **{"vault-estate:postgres-password": {"secure": "v1:a:b"}})


def test_passwords_that_are_there(tmp_path: Path) -> None:
    refuse(tmp_path, dict(FULL), **{"vault-estate:database-password": {"secure": "v1:a:b"}})
    (tmp_path / "first").write_text("x")
    refuse(tmp_path, with_file("first"))
    own = with_file(".estate/local/postgres/initial-password")
    refuse(tmp_path, changed(f"{CONNECTION}/port", 15_432, own))
