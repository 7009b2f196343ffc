"""One stack's settings, typed, frozen and checked. Owns what may be asked for; refuses to make any of it."""

from settings.estate import Settings
from settings.layers import Layered, SettingsError
from settings.loading import SETTING, Read, laid, load, parse, read

__all__ = ["SETTING", "Layered", "Read", "Settings", "SettingsError", "laid", "load", "parse", "read"]
