"""The image that the Jobs run in has what their programs import, in the versions that the project is locked to.

Not proven: that the image is built; there is no registry here.
"""

import re

from fake_providers.nodes import roots
from ops.paths import ROOT

PLACE = ROOT / "components" / "payloads" / "tools_image"
PROGRAMS = ("bootstrap.py", "key_shares_in_aws.py", "publish_authority.py", "snapshot.py")
"""What Jobs and CronJobs run, and what comes with it."""
OWN = {"key_shares", "key_shares_in_aws"}


def locked(text: str) -> dict[str, str]:
    """By the name of each package what is said of it: its version, and its files' hashes."""
    blocks = re.split(r"^(?=[a-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    return {re.split(r"[=\[ ]", block)[0]: block.strip() for block in blocks if block.strip()}


def test_it_has_what_the_jobs_import() -> None:
    texts = [(ROOT / "components" / "payloads" / name).read_text(encoding="utf-8") for name in PROGRAMS]
    imported = {name for text in texts for name in re.findall(r'import_module\("([a-z0-9_]+)', text)} - OWN

    assert imported == {"boto3", "botocore", "pyrage", "pysequoia"}
    assert imported <= set(locked((PLACE / "requirements.txt").read_text(encoding="utf-8")))


def test_it_has_the_packages_of_the_sandbox_and_no_others() -> None:
    assert set(locked((PLACE / "requirements.txt").read_text(encoding="utf-8"))) == set(roots.needed())


def test_its_versions_and_hashes_are_the_projects() -> None:
    mine = locked((PLACE / "requirements.txt").read_text(encoding="utf-8"))
    projects = locked((ROOT / "requirements.txt").read_text(encoding="utf-8"))

    assert mine == {name: projects[name] for name in mine}
    assert all("--hash=sha256:" in block for block in mine.values())


def test_nothing_is_installed_that_is_not_locked() -> None:
    text = (PLACE / "Containerfile").read_text(encoding="utf-8")

    assert re.findall(r"pip install (.*?) --requirement", text) == [
        "--no-cache-dir --no-compile --no-deps --only-binary=:all: --require-hashes"
    ]
    # A base without a digest, or an old one, is never taken unseen.
    assert re.findall(r"^(?:ARG|FROM) .*$", text, re.MULTILINE) == ["ARG BASE", "FROM ${BASE}"]
