"""A cluster stack's settings with what names other services, images and the chart replaced by a sandbox's.

Owns the list of what is replaced, which is told before anything is done. Refuses to replace anything else: every other
setting is the file's own.
"""

from collections.abc import Iterator
from typing import Any

import settings
from ops.sandbox.cluster_services import SEAL_KEY, ClusterFacts
from ops.sandbox.overlay import Path, administrators, connections, laid_over
from ops.sandbox.serving_audit import AUDIT_PORT
from ops.stack_file import StackFile
from settings.eks import EksPlatform

NO_VERSION = "v0.0.0-eksbuild.1"
"""Of an add-on that nobody installs."""


def apply(file: StackFile, platform: EksPlatform, facts: ClusterFacts) -> StackFile:
    """The stack's file as the sandbox has it, with what was replaced.
    Raises EstateError if the settings can't be had in a sandbox."""
    return laid_over(file, _values(file.settings, platform, facts))


def _values(declared: settings.Settings, platform: EksPlatform, facts: ClusterFacts) -> Iterator[tuple[Path, Any]]:
    """Every setting that names something elsewhere, and what it names in the sandbox; None takes a setting out."""
    yield ("server", "flavor"), facts.flavor
    yield ("server", "version"), facts.server_version
    yield ("protect",), False
    yield ("platform", "profile"), None
    if platform.pod_roles != "pod_identity":
        # Tokens are judged by nobody here; the nodes have an agent of their own.
        yield ("platform", "pod_roles"), "pod_identity"
        yield ("platform", "addons", "pod_identity_agent"), NO_VERSION
    repository, _, digest = facts.server_image.partition("@")
    yield ("platform", "pods", "image"), {"repository": repository, "digest": digest}
    yield ("platform", "tools_image"), facts.tools_image
    yield ("platform", "chart"), {"file": facts.chart_file, "checksum": facts.chart_checksum}
    if platform.seal is None and facts.flavor == "openbao":
        yield ("platform", "seal"), {"kind": "transit", "address": facts.seal, "key": SEAL_KEY}
    if platform.postgres:
        # Connections are to this machine's.
        yield ("platform", "postgres"), None
    if platform.destinations:
        yield ("platform", "destinations"), {facts.address: [f"{facts.address}/32"]}
    if declared.audit and declared.server.flavor != facts.flavor:
        # OpenBao has a device of its own in its file, and takes none by its API.
        yield ("audit",), None
    elif facts.flavor == "vault":
        for name, device in (declared.audit or {}).items():
            if device.needs(name):
                yield ("audit", name, "address"), f"{facts.address}:{AUDIT_PORT}"
    yield from administrators(declared, facts.folder)
    if declared.snapshots:
        yield ("snapshots", "store", "profile"), None
    yield from connections(declared, facts.address)
