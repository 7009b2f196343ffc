"""PGP keys that would lose their share are found before the server is asked for anything."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from composition.private_files import private_directory
from tests.support.bootstrapping import parameters, run
from tests.support.servers import new_platform


def sign_only_key(directory: Path) -> str:
    home = directory / "gpg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", "--quiet"]
    subprocess.run([*gpg, "--quick-generate-key", "signs", "rsa2048"], check=True, capture_output=True)
    exported = subprocess.run([*gpg, "--armor", "--export", "signs"], check=True, capture_output=True, text=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return exported.stdout


@pytest.mark.parametrize("with_gpg", [True, False], ids=["gpg", "pysequoia"])
@pytest.mark.parametrize("kind", ["sign-only", "not a key", "damaged", "private", "two"])
def test_a_key_that_cant_encrypt_is_found_before_the_init(
    tmp_path: Path, kind: str, with_gpg: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = new_platform(private_directory(tmp_path / "never-started"))
    wanted = parameters(platform)
    (operator,) = wanted.bootstrap.operators
    good = wanted.texts[operator.pgp_key]
    key, words = {
        "sign-only": (sign_only_key(tmp_path) if kind == "sign-only" else "", "can't encrypt"),
        "not a key": ("ssh-ed25519 AAAA", "is not one armored PGP public key"),
        "damaged": (good[:120] + good[200:], "is not one PGP|can't encrypt|is damaged"),
        "private": ((platform.directory / "operator-0/private.asc").read_text(), "holds a private key"),
        "two": (good + good, "is not one armored PGP public key"),
    }[kind]
    wanted = replace(wanted, ca_file="/dev/null", texts={**wanted.texts, operator.pgp_key: key})
    if not with_gpg:
        monkeypatch.setenv("PATH", str(tmp_path))
    code, steps, said = run(platform, wanted)
    assert (code, steps) == (2, [])
    assert said.startswith("bootstrap: public_key of operator 'o0' ")
    assert any(part in said for part in words.split("|"))
    assert len(said.splitlines()) == 1
