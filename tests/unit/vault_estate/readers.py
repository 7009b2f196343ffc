"""A double of whoever reads secrets, for tests of what is done with them. It says so: it has no cache and no server."""

from collections.abc import Mapping
from types import TracebackType

from vault_estate.errors import SecretNotFound, VaultEstateError
from vault_estate.manifest import ClientManifest


class DoubleReader:
    """It has these secrets, or raises in their place, and counts. It stands for `VaultClient`."""

    def __init__(
        self, secrets: Mapping[str, Mapping[str, str] | VaultEstateError], manifest: ClientManifest | None = None
    ) -> None:
        self.secrets, self.manifest = secrets, manifest
        self.asked: list[str] = []
        self.closed = False

    def __enter__(self) -> "DoubleReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True

    def get_secret(self, name: str, /) -> Mapping[str, str]:
        """The values by their keys."""
        self.asked.append(name)
        found = self.secrets.get(name, SecretNotFound(f"secret {name} is not there"))
        if isinstance(found, VaultEstateError):
            raise found
        return found
