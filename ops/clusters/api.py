"""The few verbs of a cluster's API that commands need. Owns no object; refuses to delete anything by its name alone."""

from collections.abc import Mapping
from typing import Any, Protocol

from ops.errors import EstateError

Document = Mapping[str, Any]
NOT_FOUND, TOO_MANY = "NotFound", "TooManyRequests"
"""Kubernetes' words for what isn't there, and for what a disruption budget forbids just now."""


class KubernetesRefusedError(EstateError):
    """The API refused a request, or didn't answer."""

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(message)
        self.why = why
        """Kubernetes' word for it (`metav1.StatusReason`); empty: it didn't answer."""


class KubernetesApi(Protocol):
    """One cluster, by the rights of whoever runs the command. Each verb raises KubernetesRefusedError."""

    def get(self, path: str) -> Document | None:
        """The object or the list at a path; None: there is none."""

    def create(self, path: str, body: Document) -> Document:
        """Send a new object to a path; what was made."""

    def delete(self, path: str, uid: str) -> None:
        """Delete the object at a path, as long as it is the one with this uid. One that is gone is no error."""

    def patch(self, kind: str, namespace: str, name: str, changes: Document) -> None:
        """Merge changes into an object (RFC 7396)."""
