"""A release mirror's files: the packaged server as an archive, its checksums, their signature and the signing key.

Owns the sandbox's signing key. Refuses a flavour this machine has no server of.
"""

import gzip
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pysequoia import Cert, Profile, SignatureMode, Tsk, sign

from components.payloads.snapshot import sha256_of
from components.render import release
from components.render.release import Architecture, Server
from composition.private_files import private_directory, write_private
from ops.local.openbao import wheel_binary, wheel_version


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a node has to be told about the release."""

    version: str
    architecture: Architecture
    archive_sha256: str
    fingerprint: str
    """Of the signing key, as gpg prints it."""


def publish(
    mirror: Path, signing_key: Path, cache: Path, architecture: Architecture, say: Callable[[str], None]
) -> Published:
    """Put everything into the mirror's folder, unless it is there. The private signing key, a file made on first use,
    lies beside the mirror, never in it; the cache keeps the archive, which takes seconds to make."""
    private_directory(mirror)
    version = wheel_version()
    names = release.published(Server(flavor="openbao", version=version), architecture)
    archive = _archive(cache, names["ARCHIVE"], say)
    archive_sha256 = sha256_of(archive)
    linked = mirror / names["ARCHIVE"]
    if not linked.exists():
        linked.unlink(missing_ok=True)  # to a cache that was emptied
        linked.symlink_to(archive)
    if not signing_key.exists():
        # The profile of 2007 (RFC 4880): gpg of Debian 12 reads no other.
        made = Tsk.generate("vault-estate sandbox releases <releases@localhost>", profile=Profile.RFC4880)
        write_private(signing_key, str(made).encode())
    key = Tsk.from_bytes(signing_key.read_bytes())
    checksums = f"{archive_sha256}  {names['ARCHIVE']}\n".encode()
    write_private(mirror / names["CHECKSUMS"], checksums)
    signature = sign(key.signer(), checksums, mode=SignatureMode.DETACHED)
    write_private(mirror / names["SIGNATURE"], signature)
    public: Cert = key.extract_certificate()
    write_private(mirror / "signing-key.asc", str(public).encode())
    return Published(
        version=version,
        architecture=architecture,
        archive_sha256=archive_sha256,
        fingerprint=public.fingerprint.upper(),
    )


def _archive(cache: Path, name: str, say: Callable[[str], None]) -> Path:
    folder = cache / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / name
    if not archive.exists():
        say(f"packing {name} for the release mirror (once)")
        fresh = archive.with_name(f".{name}.{os.getpid()}")
        # The least compression: it travels over a bridge.
        with (
            gzip.GzipFile(fresh, "wb", compresslevel=1, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w") as tar,
        ):
            tar.add(wheel_binary(), arcname=release.binary("openbao"), filter=_plain)
        fresh.replace(archive)
    return archive


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 0
    return member
