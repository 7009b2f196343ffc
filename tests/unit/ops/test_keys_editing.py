"""The pair goes into a stack's file line by line: what isn't the pair's stays as it was, byte by byte.

Doesn't prove that the engine can decrypt what is written: `tests/engine/test_keys.py` does.
"""

import re

import pytest
import yaml

from ops.errors import EstateError
from ops.keys.editing import EncryptedPair, with_pair
from ops.paths import ROOT

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"
KEPT = EncryptedPair(
    certificate=PEM, name="administrator-key", ciphertext="v1:abc/+=", engine={"encryptionsalt": "v1:salt=:v1:x"}
)
BLOCK = """\
# A heading.
config:
  # Above the settings.
  vault-estate:estate:
    bootstrap:
      threshold: 1   # aligned
      administrator:
        certificate: a.crt
        # About the key.
        private_key: a.key
        token_ttl: 2h

    kv: { secret: { } }
  # Below the settings.
# The end.
"""


def again(kept: EncryptedPair = KEPT) -> EncryptedPair:
    return EncryptedPair(
        certificate=PEM.replace("AAAA", "BBBB"), name=kept.name, ciphertext="v1:zzz", engine=kept.engine
    )


def test_lines_of_the_pair_change_and_no_other() -> None:
    assert (
        with_pair(BLOCK, KEPT)
        == """\
# A heading.
config:
  # Above the settings.
  vault-estate:estate:
    bootstrap:
      threshold: 1   # aligned
      administrator:
        certificate_pem: |
          -----BEGIN CERTIFICATE-----
          MIIB
          AAAA
          -----END CERTIFICATE-----
        private_key_secret: administrator-key
        # About the key.
        token_ttl: 2h

    kv: { secret: { } }
  vault-estate:administrator-key:
    secure: v1:abc/+=
  # Below the settings.
# The end.
encryptionsalt: v1:salt=:v1:x
"""
    )


def test_another_pair_takes_the_place_of_the_first() -> None:
    once = with_pair(BLOCK, KEPT)

    assert with_pair(once, again()) == once.replace("AAAA", "BBBB").replace("v1:abc/+=", "v1:zzz")
    assert with_pair(once, KEPT) == once


@pytest.mark.parametrize("stack", ["dev", "local"])
def test_a_committed_file_keeps_its_other_lines(stack: str) -> None:
    before = (ROOT / f"Pulumi.{stack}.yaml").read_text()

    after = with_pair(before, KEPT)

    gone = [line for line in before.splitlines() if line not in after.splitlines()]
    assert all(re.match(r" *(certificate|private_key): ", line) for line in gone)
    assert yaml.safe_load(after)["config"]["vault-estate:administrator-key"] == {"secure": "v1:abc/+="}


@pytest.mark.parametrize(
    "braces",
    ["{ certificate: a, private_key: b, token_ttl: 2h }", "{certificate: a,\n   private_key: b,\n token_ttl: 2h}"],
)
def test_an_administrator_in_braces_stays_in_braces(braces: str) -> None:
    text = BLOCK[: BLOCK.index("administrator:")] + f"administrator: {braces} # why\n" + BLOCK[BLOCK.index("    kv") :]

    after = with_pair(text, KEPT)

    assert (
        f'administrator: {{ certificate_pem: "{PEM}", private_key_secret: administrator-key, token_ttl: 2h }} # why\n'
    ).replace(PEM, PEM.replace("\n", "\\n")) in after
    assert with_pair(after, again()) == after.replace("AAAA", "BBBB").replace("v1:abc/+=", "v1:zzz")


def test_line_breaks_and_a_missing_last_one_are_kept_or_mended() -> None:
    dos = with_pair(BLOCK.replace("\n", "\r\n"), KEPT)
    assert dos.replace("\r\n", "\n") == with_pair(BLOCK, KEPT)
    assert dos.count("\n") == dos.count("\r\n")
    assert with_pair(BLOCK.removesuffix("\n"), KEPT) == with_pair(BLOCK, KEPT)


def test_a_salt_that_is_there_already_is_replaced_where_it_stands() -> None:
    text = "encryptionsalt: v1:old\n" + BLOCK

    assert with_pair(text, KEPT).startswith("encryptionsalt: v1:salt=:v1:x\n# A heading.\n")


def test_other_secrets_stay() -> None:
    text = BLOCK.replace("config:\n", "config:\n  vault-estate:database-password:\n    secure: v1:db\n")

    after = with_pair(text, KEPT)

    assert "  vault-estate:database-password:\n    secure: v1:db\n" in after


@pytest.mark.parametrize(
    "text",
    [
        "config: { 'vault-estate:estate': { bootstrap: { administrator: { certificate: a } } } }\n",
        BLOCK.replace("      administrator:", "      administrator: &pair") + "other: *pair\n",
        "config:\n  vault-estate:estate: 1\n",
        "- 1\n",
    ],
)
def test_what_cannot_be_edited_line_by_line_is_refused(text: str) -> None:
    with pytest.raises(EstateError, match=r"^the stack's file can't be edited line by line: .*; expected one key a"):
        with_pair(text, KEPT)
