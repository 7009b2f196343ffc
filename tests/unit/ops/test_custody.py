"""Custody files and operators' keys that aren't what they should be: one line each, and nothing of their contents."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pysequoia import Cert, Profile, Tsk, encrypt

from ops.errors import EstateError
from ops.vault.key_shares import open_share

SHARE = "-".join(("canary", "of", "a", "share"))


def never(question: str) -> str:
    pytest.fail(f"asked: {question}")


def custody(folder: Path, certificate: Cert, **changes: Any) -> Path:
    message = encrypt(SHARE.encode(), recipients=[certificate])
    share = {
        "operator": "ada",
        "fingerprint": str(certificate.fingerprint).upper(),
        "encrypted_share": base64.b64encode(message).decode(),
    }
    file = folder / "shares.json"
    file.write_text(json.dumps({"keys": "secret", "shares": [share], **changes}))
    return file


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """An operator's key without a passphrase."""
    file = tmp_path / "ada.asc"
    file.write_text(str(Tsk.generate("ada", profile=Profile.RFC4880)))
    return file


def certificate(key: Path) -> Cert:
    return Tsk.from_bytes(key.read_bytes()).extract_certificate()


def refused(file: Path, key: Path, *answers: str) -> str:
    left = list(answers)
    with pytest.raises(EstateError) as caught:
        open_share(file, key, lambda _: left.pop(0))
    assert "\n" not in str(caught.value)
    assert SHARE not in str(caught.value)
    return str(caught.value)


def test_the_share_of_ones_own_key_is_opened(tmp_path: Path, pair: Path) -> None:
    assert open_share(custody(tmp_path, certificate(pair)), pair, never) == SHARE


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "can't be read: No such file or directory; expected key shares"),
        ("{", "is not a file of key shares; expected shares.json as the first boot wrote it"),
        ("[]", "is not a file of key shares; expected shares.json as the first boot wrote it"),
        ('{"shares": [{}]}', "is not a file of key shares; expected shares.json as the first boot wrote it"),
        ('{"state": "reserved"}', "holds no share; expected the key shares of a server whose seal is 'shamir'"),
    ],
)
def test_a_file_that_is_not_a_custody_is_refused(tmp_path: Path, pair: Path, content: str | None, line: str) -> None:
    file = tmp_path / "shares.json"
    if content is not None:
        file.write_text(content)

    assert refused(file, pair) == f"--share-file {file} {line}"


def test_recovery_shares_open_no_seal(tmp_path: Path, pair: Path) -> None:
    file = custody(tmp_path, certificate(pair), keys="recovery")

    assert refused(file, pair).startswith(f"--share-file {file} holds recovery shares, which open no seal; expected")


def test_a_key_of_nobody_there_is_refused(tmp_path: Path, pair: Path) -> None:
    file = custody(tmp_path, certificate(pair))
    other = tmp_path / "other.asc"
    other.write_text(str(Tsk.generate("other", profile=Profile.RFC4880)))

    assert refused(file, other) == f"--key {other} opens no share of {file}; expected the private key of one of: ada"


def test_what_is_no_private_key_is_refused(tmp_path: Path, pair: Path) -> None:
    file = custody(tmp_path, certificate(pair))
    public = tmp_path / "public.asc"
    public.write_text(str(certificate(pair)))

    assert refused(file, tmp_path / "none") == (
        f"--key {tmp_path / 'none'} can't be read: No such file or directory; expected a PGP private key"
    )
    text = tmp_path / "text.asc"
    text.write_text("text")
    assert refused(file, text).startswith(f"--key {text} is not a PGP private key that decrypts; expected one as `gpg ")
    assert refused(file, public).startswith(
        f"--key {public} is not a PGP private key that decrypts; expected one as `gpg "
    )


def test_a_share_that_was_tampered_with_is_refused(tmp_path: Path, pair: Path) -> None:
    file = custody(tmp_path, certificate(pair))
    document = json.loads(file.read_text())
    message = bytearray(base64.b64decode(document["shares"][0]["encrypted_share"]))
    middle = len(message) // 2
    message[middle : middle + 4] = b"AAAA"
    document["shares"][0]["encrypted_share"] = base64.b64encode(bytes(message)).decode()
    file.write_text(json.dumps(document))

    assert refused(file, pair) == f"--key {pair} doesn't open the share of ada; expected the key it was made for"


def test_a_passphrase_is_asked_for_and_opens_the_key(tmp_path: Path) -> None:
    """With a key as GnuPG makes it, which protects it by default."""
    secret = "-".join(("open", "sesame"))
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0"]
    subprocess.run([*gpg, "--quick-gen-key", "ada", "future-default"], input=secret.encode(), check=True, timeout=60)
    exported = subprocess.run(
        [*gpg, "--export-secret-keys", "--armor"], input=secret.encode(), capture_output=True, check=True, timeout=60
    )
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, timeout=60)
    key = tmp_path / "ada.asc"
    key.write_bytes(exported.stdout)
    file = custody(tmp_path, certificate(key))
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return secret

    assert open_share(file, key, answer) == SHARE
    assert asked == [f"passphrase of {key}: "]
    assert refused(file, key, f"{secret}?") == f"--key {key} isn't opened by this passphrase; expected its own"
