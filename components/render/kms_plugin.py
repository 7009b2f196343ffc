"""The plugin by which OpenBao has the seal by AWS KMS: since 2.7 that is a program of its own.

Owns its stanza and where it comes from. Refuses one without a checksum: a program that unseals sees what it unseals.
"""

from typing import Annotated, Self

from pydantic import model_validator

from ..model import Form, Section, SettingError
from .hcl import block, quote
from .release import Sha256
from .traffic import HTTPS_PORT, Need


class KmsPlugin(Section):
    """OpenBao's plugin for the seal by AWS KMS: an image that each server fetches when it starts, or a program that is
    in the server's own image. Either `image` or `command`."""

    image: (
        Annotated[
            str,
            Form(
                r"[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9._-]+)+",
                "a registry and a repository such as ghcr.io/openbao/openbao-plugin-kms-aws",
            ),
        ]
        | None
    ) = None
    """Image with the plugin, fetched by the servers themselves; its registry asks for no login."""
    command: Annotated[str, Form(r"[a-z0-9][a-z0-9._-]*", "a program's file name")] | None = None
    """File name of the plugin, where the server's image has it in the plugins' folder."""
    version: Annotated[str, Form(r"v[0-9]+\.[0-9]+\.[0-9]+", "an exact version such as v0.1.0")]
    """Version of the plugin; of an image, its tag."""
    sha256sum: Sha256
    """SHA-256 of the program itself, not of its image. Another one isn't run."""

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if (self.image is None) == (self.command is None):
            given = "missing" if self.image is None else "given beside command"
            raise SettingError("image", given, "either image or command")
        return self

    def needs(self) -> tuple[Need, ...]:
        """Where it is fetched from."""
        if self.image is None:
            return ()
        host, _, port = self.image.partition("/")[0].partition(":")
        return (Need(host=host, port=int(port or HTTPS_PORT), reason="OpenBao's plugin for AWS KMS"),)

    def lines(self, folder: str) -> list[str]:
        """Of the server's file; `folder` is that of plugins."""
        place = {"image": self.image, "command": self.command}
        told = [f"{name} = {quote(text)}" for name, text in place.items() if text is not None]
        told += [f"version = {quote(self.version)}", f"sha256sum = {quote(self.sha256sum)}"]
        fetched = ["plugin_auto_download = true"] if self.image else []
        return [f"plugin_directory = {quote(folder)}", *fetched, *block('plugin "kms" "awskms"', told)]
