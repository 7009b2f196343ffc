"""Where the copies of a comparison are, and that none stays. A repository is compared in tests/engine/test_diff.py."""

from pathlib import Path

from ops.paths import Paths
from ops.review import trees


def test_copies_are_gone_at_the_end(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)
    with trees.room(paths) as place:
        (place / "tree").mkdir()
        assert place.parent == paths.own
    assert not place.exists()


def test_what_a_killed_comparison_left_goes_with_the_next(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)
    with trees.room(paths) as place:
        pass
    (place / "tree").mkdir(parents=True)
    with trees.room(paths) as other:
        assert not place.exists()
        assert other.exists()


def test_a_comparison_that_runs_keeps_its_copies(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path)
    with trees.room(paths) as first:
        with trees.room(paths) as second:
            assert first.exists()
            assert second.exists()
        assert first.exists()
