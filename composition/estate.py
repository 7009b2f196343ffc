"""The whole estate of one stack: the platform that its settings name, and what is inside Vault there."""

from collections.abc import Mapping

import pulumi

from components.platform.endpoint import Platform
from composition import contents, local
from composition.contents import SecretReader
from settings import Settings
from settings.eks import EksPlatform
from settings.platform import LocalPlatform


def build(settings: Settings, secret: SecretReader) -> Mapping[str, pulumi.Input[str]]:
    """Declare the whole estate of one stack; what the stack exports, which README describes.

    Raises ValueError where a file that the settings name can't be read.
    """
    platform = place(settings, secret)
    return {**platform.exports, **contents.build(settings, platform.endpoint, secret)}


def place(settings: Settings, secret: SecretReader) -> Platform:
    """Declare where Vault runs. Raises ValueError where a file that the settings name can't be read."""
    if isinstance(settings.platform, LocalPlatform):
        return local.build(settings, settings.platform)
    # Each cloud's SDK costs every other stack's start 40 ms.
    if isinstance(settings.platform, EksPlatform):
        from composition import eks  # noqa: PLC0415 - as above

        return eks.build(settings, settings.platform, secret)
    from composition import hetzner  # noqa: PLC0415 - as above

    return hetzner.build(settings, settings.platform)
