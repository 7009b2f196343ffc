"""Images of containers, as OCI archives, from files of this machine: there is no registry to pull from.

Owns their names, which nobody can mistake for a registry's, and that the same files make the same digest.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

REGISTRY = "sandbox.invalid"
"""What images are called by: of a domain that is never there (RFC 6761)."""
AUTHORITIES_FILE = "etc/ssl/certs/ca-certificates.crt"
"""Whom programs of an image trust."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Layer:
    """A tar of part of a root, the same bytes each time. Folders are made on the way."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - `finish` closes it
        self._made: set[str] = set()

    def folder(self, path: str, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> None:
        """A folder, unless it was made before."""
        if path and path not in self._made:
            self._parents(path)
            self._made.add(path)
            self._add(path, tarfile.DIRTYPE, mode, owner=owner)

    def file(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """A file, unless something of that name was made before."""
        if path not in self._made:
            self._parents(path)
            self._made.add(path)
            self._add(path, tarfile.REGTYPE, mode, content.encode() if isinstance(content, str) else content)

    def copy(self, path: str, source: Path) -> None:
        """A file of this machine."""
        self.file(path, source.read_bytes(), 0o755 if source.stat().st_mode & 0o100 else 0o644)

    def link(self, path: str, target: str) -> None:
        """A symbolic link, unless something of that name was made before."""
        if path not in self._made:
            self._parents(path)
            self._made.add(path)
            self._add(path, tarfile.SYMTYPE, 0o777, link=target)

    def finish(self) -> bytes:
        """The tar."""
        self._tar.close()
        return self._bytes.getvalue()

    def _parents(self, path: str) -> None:
        self.folder(path.rpartition("/")[0])

    def _add(
        self,
        path: str,
        kind: bytes,
        mode: int,
        content: bytes = b"",
        *,
        link: str = "",
        owner: tuple[int, int] = (0, 0),
    ) -> None:
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, len(content)
        entry.uid, entry.gid = owner
        self._tar.addfile(entry, io.BytesIO(content))


@dataclass(frozen=True, kw_only=True)
class ClusterImage:
    """One image, in an archive."""

    name: str
    """With its registry, and without a tag."""
    digest: str
    """Of its manifest: `sha256:` and 64 hexadecimal digits."""
    archive: Path

    @property
    def reference(self) -> str:
        """By which a pod names it."""
        return f"{self.name}@{self.digest}"


def write(archive: Path, name: str, layers: Sequence[bytes], settings: Mapping[str, Any]) -> ClusterImage:
    """Make an archive; `settings` as an image's `config` has them. A killed run leaves none that is half there."""
    full = f"{REGISTRY}/{name}"
    blobs: dict[str, bytes] = {}

    def keep(kind: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    described = [keep("layer.v1.tar", layer) for layer in layers]
    image = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": dict(settings),
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in described]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": keep("config.v1+json", _json(image)),
        "layers": described,
    }
    found = keep("manifest.v1+json", _json(manifest))
    # A pod's image by its digest is looked for under that very name.
    found["annotations"] = {"io.containerd.image.name": f"{full}@{found['digest']}"}
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [found]}),
        **{f"blobs/sha256/{digest}": blob for digest, blob in blobs.items()},
    }
    archive.parent.mkdir(parents=True, exist_ok=True)
    fresh = archive.with_suffix(".new")
    with tarfile.open(fresh, "w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    fresh.replace(archive)
    return ClusterImage(name=full, digest=str(found["digest"]), archive=archive)


def read(archive: Path) -> ClusterImage:
    """The image of an archive."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None  # noqa: S101 - `write` made it a file
        found = json.load(index)["manifests"][0]
    full = str(found["annotations"]["io.containerd.image.name"])
    return ClusterImage(name=full.partition("@")[0], digest=str(found["digest"]), archive=archive)


def trusting(image: ClusterImage, archive: Path, authority: bytes) -> ClusterImage:
    """The image, whose programs trust one more authority, in an archive of its own."""
    with tarfile.open(image.archive) as tar:
        contents = {entry.name: file.read() for entry in tar if (file := tar.extractfile(entry)) is not None}
    blob = {f"sha256:{name.rpartition('/')[2]}": content for name, content in contents.items() if "/" in name}
    manifest = json.loads(blob[image.digest])
    layers = [blob[layer["digest"]] for layer in manifest["layers"]]
    added = Layer()
    added.file(AUTHORITIES_FILE, _trusted(layers) + authority)
    settings = json.loads(blob[manifest["config"]["digest"]])["config"]
    name = image.name.removeprefix(f"{REGISTRY}/")
    return replace(write(archive, name, [*layers, added.finish()], settings), name=image.name)


def _trusted(layers: Sequence[bytes]) -> bytes:
    found = b""
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for entry in tar:
                if entry.name == AUTHORITIES_FILE and (file := tar.extractfile(entry)) is not None:
                    found = file.read()
    return found


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
