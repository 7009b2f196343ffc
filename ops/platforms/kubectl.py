"""A cluster's API by the program `kubectl`, which knows how its user logs in to the cluster.

Owns how a verb becomes a command, and what its last line means. Refuses to show what was sent.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from composition.private_files import private_directory
from ops.clusters.api import NOT_FOUND, Document, KubernetesRefusedError
from ops.platforms.forwarding import INVALID, ForwardedPort, Programs

_REFUSED = re.compile(r"Error from server \((\w+)\): (.*)")
"""How kubectl tells what the API answered, except that an object would be invalid."""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """The cluster that a forwarded port belongs to."""

    cluster: ForwardedPort
    programs: Programs = field(default_factory=Programs)

    def find(self) -> None:
        """Have the cluster's address written where `kubectl` reads it. Raises KubernetesRefusedError."""
        if missing := self.programs.missing():
            raise KubernetesRefusedError(f"{' and '.join(missing)} not found; expected them on PATH")
        private_directory(self.cluster.kubeconfig.parent)
        for step in self.cluster.finds:
            _, trouble = self.programs.ask(step)
            if trouble:
                raise KubernetesRefusedError(
                    f"cluster {self.cluster.cluster} isn't found: {trouble}; expected it there"
                )

    def get(self, path: str) -> Document | None:
        """As `KubernetesApi` has it."""
        try:
            return self._asked("get", "--raw", path)
        except KubernetesRefusedError as error:
            if error.why == NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: Document) -> Document:
        """As `KubernetesApi` has it."""
        return self._asked("create", "--raw", path, "--filename", "-", given=body)

    def delete(self, path: str, uid: str) -> None:
        """As `KubernetesApi` has it."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            self._asked("delete", "--raw", path, "--filename", "-", given=options)
        except KubernetesRefusedError as error:
            if error.why != NOT_FOUND:
                raise

    def patch(self, kind: str, namespace: str, name: str, changes: Document) -> None:
        """As `KubernetesApi` has it."""
        words = ["patch", kind, name, "--namespace", namespace, "--type", "merge", "--output", "json"]
        self._asked(*words, "--patch", json.dumps(changes))

    def _asked(self, *words: str, given: Document | None = None) -> dict[str, Any]:
        sent = "" if given is None else json.dumps(given)
        said, trouble = self.programs.ask([*self.cluster.kubectl, *words], sent)
        if trouble:
            if found := _REFUSED.search(trouble):
                why, text = found.groups()
            else:
                found = INVALID.search(trouble)
                why, text = ("Invalid", found[0]) if found else ("", trouble)
            raise KubernetesRefusedError(f"the cluster refuses {words[0]}: {text}; expected it to be done", why)
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise KubernetesRefusedError(f"kubectl {words[0]} printed no object; expected the one that it asked for")
        return answer
