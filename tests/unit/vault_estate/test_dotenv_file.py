"""Which `.env` can be migrated, and what of it is read: as python-dotenv does, or not at all."""

import os
from pathlib import Path

import pytest
from dotenv import dotenv_values

from vault_estate.errors import ConfigurationError
from vault_estate.migration import dotenv_file

CANARY = "canary-q7Zq7Zq7Z"


def env(folder: Path, content: str | bytes) -> Path:
    """A file with this content."""
    file = folder / ".env"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize(
    "content",
    [
        "A=1\nB = two words # a comment\nexport C='three'\n\n\n  D=\"a\\nb\"",
        "A=1\r\nB='x\r\ny'\r\n# comment\r\nexport\tC=3\r\n",
        "A=\nB=''\nC=$HOME\nD=a#b\nE='it\\'s'\nF=\"\\\\\"\n",
        "\n# only comments\n\n",
        "",
        "P='-----BEGIN KEY-----\nabc\n-----END KEY-----'\nA=ünï=cödé\n",
    ],
)
def test_it_is_read_as_programs_read_it(content: str, tmp_path: Path) -> None:
    file = env(tmp_path, content)
    found = dotenv_file.load(file)
    assert {name: line.value for name, line in found.variables.items()} == dotenv_values(file, interpolate=False)
    assert "".join(line.text for line in found.lines).encode() == file.read_bytes()


def test_a_byte_order_mark_is_kept_and_no_part_of_a_name(tmp_path: Path) -> None:
    found = dotenv_file.load(env(tmp_path, b"\xef\xbb\xbfA=1\n"))
    assert list(found.variables) == ["A"]
    assert "".join(line.text for line in found.lines).encode() == b"\xef\xbb\xbfA=1\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"A=1\nA={CANARY}\n", "sets A twice"),
        (f"\nA=1\n\nB='{CANARY}\nC=1\n", "line 4, is not shown, and can't be read"),
        (f"A=1\n{CANARY} words\n", "line 2, is not shown, and can't be read"),
        (f"{CANARY}\n", "line 1, is not shown, and has no '='"),
        (f"{CANARY}=1\n", "line 1, has a name that is not shown"),
        (f"A={CANARY}${{B}}\n", "line 1: A names another variable"),
        (f"A={CANARY}\0\n", "A holds control characters"),
        ("A=" + CANARY + "x" * 1_048_576, "A is longer than 524288 bytes"),
        (CANARY.encode() + b"=\xff\n", "is no UTF-8"),
    ],
)
def test_what_would_be_guessed_at_is_refused_without_showing_it(
    content: str | bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="; expected ") as caught:
        dotenv_file.load(env(tmp_path, content))
    assert words in str(caught.value)
    assert CANARY not in str(caught.value)


def test_references_are_resolved_as_python_dotenv_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "db.example.com")
    file = env(tmp_path, "USER_A=u\nURL='pg://${USER_A}@${HOST}/${NAME:-main}'\nAGAIN=${URL}?x\n")
    found = dotenv_file.load(file, resolve=os.environ)
    assert {name: line.value for name, line in found.variables.items()} == dotenv_values(file)
    with pytest.raises(ConfigurationError, match="line 2: URL names a variable that isn't set"):
        dotenv_file.load(file, resolve={})


def test_only_the_file_itself_is_read(tmp_path: Path) -> None:
    file = env(tmp_path, "A=1\n")
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(ConfigurationError, match="it is a link"):
        dotenv_file.load(link)
    (tmp_path / "other").hardlink_to(file)
    with pytest.raises(ConfigurationError, match="no file of one name"):
        dotenv_file.load(file)
    with pytest.raises(ConfigurationError, match="No such file"):
        dotenv_file.load(tmp_path / "absent")
