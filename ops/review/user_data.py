"""A node's user-data as the files that are in it, so that a change of it can be read.

Refuses nothing: what isn't in the form that `components.render.cloud_init` writes is one file, the whole text.
"""

import base64
import io
import tarfile
from collections.abc import Mapping

import yaml

from components.render.node import archive

BEGIN = "#cloud-config\n"
_OF_CLOUD_INIT = "cloud-init's "
USERS = f"{_OF_CLOUD_INIT}users"
"""What cloud-init itself is told of users, by its name among the files."""
_PACKED_BEFORE = ".tar.xz.b85"
"""How the first commits packed them."""


def files(text: str) -> Mapping[str, str]:
    """Each file by its path, and what cloud-init itself is told by its name there."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return {"user-data": text}
    found: dict[str, str] = {}
    for key, value in document.items():
        if key != "write_files":
            found[f"{_OF_CLOUD_INIT}{key}"] = yaml.safe_dump(value, sort_keys=False)
    for written in document.get("write_files", []):
        if written["path"].endswith(archive.SUFFIX):
            packed = base64.b85decode(written["content"].strip())
            found |= {name: content for name, (content, _) in archive.unpack(packed).items()}
        elif written["path"].endswith(_PACKED_BEFORE):
            found |= _of_tar(written["content"])
        else:
            found[written["path"]] = written["content"]
    return found


def _of_tar(content: str) -> Mapping[str, str]:
    with tarfile.open(fileobj=io.BytesIO(base64.b85decode(content.strip()))) as tar:
        members = {f"/{one.name}": tar.extractfile(one) for one in tar.getmembers() if one.isfile()}
        return {name: file.read().decode(errors="replace") for name, file in members.items() if file}
