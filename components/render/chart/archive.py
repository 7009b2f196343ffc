"""The official chart's archive as settings name it: a file on the machine that runs the program, and its checksum.

Owns which version the values are for. Refuses another one, of which nobody has read the templates.
"""

from ...model import RelativeFile, Section, SettingError
from ..release import Flavor, Sha256
from .names import NAMES


class ChartArchive(Section):
    """The archive of the flavour's official chart. `./estate up` fetches it where it isn't there; nothing is fetched
    while a stack is built."""

    file: RelativeFile
    """Its file, relative to the project's root, under the name that the chart's publisher gives it."""
    checksum: Sha256
    """SHA-256 of the file. Another file isn't used."""

    def hold(self, flavor: Flavor) -> None:
        """Raises SettingError where it isn't the version of the flavour's chart that the values are for."""
        names = NAMES[flavor]
        expected = f"{names.chart}-{names.version}.tgz"
        if self.file.rpartition("/")[2] != expected:
            raise SettingError("file", repr(self.file), f"a file called {expected}, the chart that the values are for")
