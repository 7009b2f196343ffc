"""A node's user-data as the files that are in it, so that a change of it can be read.

Refuses nothing: what isn't in the form that `components.render.cloud_init` writes is one file, the whole text.
"""

import base64
import io
import tarfile
from collections.abc import Mapping

import yaml

BEGIN = "#cloud-config\n"
_PACKED = ".tar.xz.b85"


def files(text: str) -> Mapping[str, str]:
    """Each file by its path, and what cloud-init itself is told by its name there."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return {"user-data": text}
    found: dict[str, str] = {}
    for key, value in document.items():
        if key != "write_files":
            found[f"cloud-init's {key}"] = yaml.safe_dump(value, sort_keys=False)
    for written in document.get("write_files", []):
        if written["path"].endswith(_PACKED):
            found |= _unpacked(written["content"])
        else:
            found[written["path"]] = written["content"]
    return found


def _unpacked(content: str) -> Mapping[str, str]:
    with tarfile.open(fileobj=io.BytesIO(base64.b85decode(content.strip()))) as archive:
        members = {f"/{one.name}": archive.extractfile(one) for one in archive.getmembers() if one.isfile()}
        return {name: file.read().decode(errors="replace") for name, file in members.items() if file}
