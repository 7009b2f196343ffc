"""The environment's variables that OpenBao's and HashiCorp's own clients take.

Owns their names and which of two counts. Refuses two that say different things, and to leave the server's certificate
unverified.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vault_estate.errors import ConfigurationError, redacted
from vault_estate.guarded import NotPickled
from vault_estate.paths import is_path
from vault_estate.tls import Trust
from vault_estate.transport import Patience

_PREFIXES = ("BAO_", "VAULT_")
"""OpenBao's own client looks in this order."""
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)?")
_LONGEST_SECONDS = 86_400.0
"""Of a month, sockets say that it is too much."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


@dataclass(frozen=True, kw_only=True)
class Variable(NotPickled):
    """One that is set, and not to nothing."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Variables(NotPickled):
    """The environment, read where it is asked for."""

    environ: Mapping[str, str] = field(repr=False)

    def find(self, name: str, *others: str) -> Variable | None:
        """`BAO_name`, else `VAULT_name`, else others by their whole names.
        Raises ConfigurationError: two are set, and differ."""
        names = [*(f"{prefix}{name}" for prefix in _PREFIXES), *others]
        found = [Variable(name=one, value=value) for one in names if (value := self.environ.get(one, "").strip())]
        for other in found[1:]:
            if other.value != found[0].value:
                raise ConfigurationError(
                    f"{found[0].name} and {other.name} are set, and differ; expected one of them, or both alike"
                )
        return found[0] if found else None

    def file(self, name: str) -> tuple[Path, str] | None:
        """A file that a variable names, and the variable."""
        found = self.find(name)
        return (Path(found.value), found.name) if found else None

    def mount(self) -> Variable | None:
        """Where the auth method is mounted. Raises ConfigurationError: two differ, or it is no path of a mount."""
        found = self.find("AUTH_MOUNT")
        if found is not None and not is_path(found.value):
            raise ConfigurationError(
                f"{found.name} is {redacted(found.value)!r}; expected the path of a mount, as {'approle'!r}"
            )
        return found

    def address(self) -> Variable | None:
        """Of Vault. Raises ConfigurationError: two differ."""
        found = self.find("ADDR", "VAULT_URL")
        if found is not None and found.name == "VAULT_URL":
            warnings.warn("VAULT_URL is read for older programs; expected VAULT_ADDR", DeprecationWarning, stacklevel=2)
        return found

    def trust(self) -> Trust:
        """Whom to believe. Raises ConfigurationError: nobody is to be verified, or two variables differ."""
        skip = self.find("SKIP_VERIFY")
        if skip is not None and skip.value.lower() not in ("0", "f", "false"):
            raise ConfigurationError(
                f"{skip.name} is set; expected the CA's certificate in VAULT_CACERT instead, as whoever answers "
                "would get the token"
            )
        content, file, folder = self.find("CACERT_BYTES"), self.file("CACERT"), self.file("CAPATH")
        name, certificate, key = self.find("TLS_SERVER_NAME"), self.file("CLIENT_CERT"), self.file("CLIENT_KEY")
        return Trust(
            ca_certificate=content.value if content else None,
            ca_file=file[0] if file and not content else None,
            ca_folder=folder[0] if folder and not (file or content) else None,
            server_name=name.value if name else None,
            certificate_file=certificate[0] if certificate else None,
            key_file=key[0] if key else None,
        )

    def patience(self) -> Patience:
        """How long one call may take. Raises ConfigurationError: that is no duration, or no number."""
        timeout, retries = self.find("CLIENT_TIMEOUT"), self.find("MAX_RETRIES")
        usual = Patience()
        seconds = _seconds(timeout) if timeout else usual.deadline_seconds
        if retries is not None and not re.fullmatch("[0-9]{1,3}", retries.value):
            raise ConfigurationError(f"{retries.name} is {retries.value[:20]!r}; expected a number from 0 to 999")
        return Patience(
            deadline_seconds=seconds,
            read_seconds=seconds if timeout else usual.read_seconds,
            tries=int(retries.value) + 1 if retries else usual.tries,
        )


def _seconds(variable: Variable) -> float:
    """As Go writes a duration: `60s`, `2m`, `500ms`, or seconds alone."""
    found = _DURATION.fullmatch(variable.value)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise ConfigurationError(
            f"{variable.name} is {variable.value[:20]!r}; expected a duration of a day at most, as 60s"
        )
    return seconds
