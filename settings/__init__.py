"""One stack's settings, typed, frozen and checked. Owns what may be asked for; refuses to make any of it."""

from settings.estate import Settings
from settings.loading import SETTING, SettingsError, load, parse

__all__ = ["SETTING", "Settings", "SettingsError", "load", "parse"]
