"""What an import of the library costs whoever has hvac already: CPU time, of a process that does nothing else.

Not proven: what files cost that have to be read from a disk first.
"""

import subprocess
import sys

from ops.paths import ROOT

LIMIT = 0.06
"""Seconds above hvac's own."""
_IMPORTING = """
import sys, time
import hvac
begun = time.process_time()
from vault_estate import AsyncVaultClient, VaultClient
print(time.process_time() - begun)
print("pydantic" in sys.modules)
"""


def test_an_import_takes_less_than_60_ms_above_hvacs() -> None:
    """The best of some: the machine has others to serve."""
    least = float("inf")
    for _ in range(10):
        command = [sys.executable, "-c", _IMPORTING]
        took, has_pydantic = subprocess.run(
            command, cwd=ROOT, env={}, capture_output=True, text=True, check=True
        ).stdout.split()
        assert has_pydantic == "False", "a manifest needs it, and an import doesn't"
        least = min(least, float(took))
        if least < LIMIT:
            break
    assert least < LIMIT
