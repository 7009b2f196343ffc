"""Get an application's next SecretID before the present one ends, so that it runs on without a person.

Run as `python3 renew_secret_id.py PARAMETERS.json` by a timer of the machine that the application runs on, as the user
that it runs as. Needs Python 3.9 and nothing else. In its folder the file `secret-id` is what the application reads at
each login. The first one comes as `wrapping-token`. A new SecretID takes the file's place once it has logged in, and
only a while after that the old one is destroyed. Killed at any moment, it goes on with its next run; `secret-id` is
good all the while. Nothing printed here is secret. Ends with 1 and one sentence when it fails.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import ssl
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 60
PRESENT, NEXT, OLD, WRAPPED = "secret-id", "secret-id.next", "secret-id.old", "wrapping-token"
OK = (200, 204)
Document = dict[str, Any]


class RenewalError(Exception):
    """Ends the run with one sentence."""


class Answer(NamedTuple):
    """Of the server."""

    status: int
    document: Document

    def held(self, *names: str) -> str:
        """The text that it holds there. Raises RenewalError: it holds none."""
        found: Any = self.document
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, str):
            raise RenewalError(f"the server's answer has no {'.'.join(names)}; expected one as Vault gives it")
        return found

    @property
    def words(self) -> str:
        """Its reason, on one line."""
        return " ".join("; ".join(str(one) for one in self.document.get("errors") or ["no reason"]).split())


class Server:
    """Vault, over its API. Follows no redirect and asks no proxy: what it sends is secret."""

    def __init__(self, address: str, ca_file: str | None) -> None:
        to = urllib.parse.urlsplit(address)
        if to.scheme != "https" or not to.hostname:
            raise RenewalError(f"address is {address!r}; expected one that begins with https://")
        self.host, self.port = to.hostname, to.port or 443
        self.context = ssl.create_default_context(cafile=ca_file)

    def ask(self, path: str, body: Document, token: str = "", wrap: bool = False) -> Answer:
        """One write, and what is answered."""
        headers = {"X-Vault-Request": "true", "Content-Type": "application/json"}
        if token:
            headers["X-Vault-Token"] = token
        if wrap:
            headers["X-Vault-Wrap-TTL"] = f"{SECONDS}s"
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=SECONDS, context=self.context)
        try:
            connection.request("POST", f"/v1/{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            document = json.loads(text or b"{}")
        except ValueError:
            document = {}
        return Answer(answer.status, document if isinstance(document, dict) else {})


class Folder:
    """The files, each whole or not there, and nobody's but their owner's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> str:
        """What is in a file; empty where there is none."""
        try:
            return (self.path / name).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""

    def write(self, name: str, text: str) -> None:
        """Put a file in its place."""
        made = self.path / f"{name}.new"
        made.unlink(missing_ok=True)
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.move(made.name, name)

    def move(self, name: str, to: str) -> None:
        """Let one file take another's place."""
        (self.path / name).replace(self.path / to)
        self._keep()

    def remove(self, name: str) -> None:
        """Take a file away."""
        (self.path / name).unlink(missing_ok=True)
        self._keep()

    def _keep(self) -> None:
        """Also when the machine loses its power now."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RenewalError(f"{self.path} is in use by another run; expected one at a time") from None
        else:
            yield
        finally:
            os.close(folder)


class Renewal:
    """One run."""

    def __init__(self, server: Server, folder: Folder, parameters: Document, wait: Callable[[float], None]) -> None:
        self.server, self.folder, self.wait = server, folder, wait
        self.role, self.role_id = str(parameters["role"]), str(parameters["role_id"])
        self.login_path = f"auth/{parameters['mount']}/login"
        self.path = f"auth/{parameters['mount']}/role/{self.role}/secret-id"
        self.grace = float(parameters["grace_seconds"])
        self.troubles: list[str] = []

    def run(self) -> str:
        """All of it; what was done, in words."""
        self._receive()
        token = self._accept_next()
        if token:
            done = "a SecretID that was waiting has taken its place"
        else:
            token = self._log_in_with_present()
            self._end_old(token)
            self.folder.write(NEXT, self._ask_for_next(token))
            self._give_back(token)
            token = self._accept_next()
            if not token:
                raise RenewalError(f"the next SecretID of {self.role} was refused; the present one stays")
            done = "the next SecretID has taken its place"
        if self.folder.read(OLD):
            # An application may have read it a moment ago.
            self.wait(self.grace)
            self._end_old(token)
        self._give_back(token)
        return done

    def _receive(self) -> None:
        """Unwrap what a person has delivered. That can be done once."""
        wrapped = self.folder.read(WRAPPED)
        if not wrapped:
            return
        found = self.server.ask("sys/wrapping/lookup", {"token": wrapped})
        if found.status in OK and found.held("data", "creation_path") != self.path:
            raise RenewalError(f"the wrapping token isn't of {self.path}; expected it as ./estate secret-id made it")
        answer = self.server.ask("sys/wrapping/unwrap", {}, wrapped) if found.status in OK else found
        if answer.status in OK:
            self.folder.write(NEXT, answer.held("data", "secret_id"))
        elif answer.status != 400:
            raise self._refused("unwrapping", answer)
        elif not self.folder.read(NEXT):
            # With the next one there, an earlier run unwrapped it and was killed.
            told = (
                f"the wrapping token of {self.role} has ended or was unwrapped before; expected a fresh one. Was it "
                "not unwrapped here, then somebody else has the SecretID: destroy that, and issue another"
            )
            if not self.folder.read(PRESENT):
                raise RenewalError(told)
            self.troubles.append(told)
        self.folder.remove(WRAPPED)

    def _accept_next(self) -> str:
        """Let a new SecretID take the place of the present one, once it has logged in: its token. Empty: none can."""
        new = self.folder.read(NEXT)
        if not new:
            return ""
        token = self._log_in(new)
        if not token:
            self.folder.remove(NEXT)
            return ""
        present, old = self.folder.read(PRESENT), self.folder.read(OLD)
        if old and old not in (present, new):
            self._destroy(token, old)
        if present and present != new:
            self.folder.write(OLD, present)
        self.folder.move(NEXT, PRESENT)
        return token

    def _log_in_with_present(self) -> str:
        present = self.folder.read(PRESENT)
        if not present:
            raise RenewalError(f"{self.folder.path} has no SecretID; expected {PRESENT}, or {WRAPPED} with one in it")
        token = self._log_in(present)
        if not token:
            raise RenewalError(
                f"the SecretID of {self.role} is refused: it has ended or was destroyed; expected another: "
                f"./estate secret-id {self.role}, its wrapping token in {self.folder.path / WRAPPED}"
            )
        return token

    def _log_in(self, secret_id: str) -> str:
        """A token; empty where the server says that the SecretID is none."""
        answer = self.server.ask(self.login_path, {"role_id": self.role_id, "secret_id": secret_id})
        if answer.status == 400 and "invalid role or secret" in answer.words:
            return ""
        if answer.status not in OK:
            raise self._refused("logging in", answer)
        return answer.held("auth", "client_token")

    def _ask_for_next(self, token: str) -> str:
        wrapped = self.server.ask(self.path, {}, token, wrap=True)
        if wrapped.status not in OK:
            raise self._refused("asking for the next SecretID", wrapped)
        made_at = wrapped.held("wrap_info", "creation_path")
        if made_at != self.path:
            raise RenewalError(f"the next SecretID was made at {made_at}; expected {self.path}")
        answer = self.server.ask("sys/wrapping/unwrap", {}, wrapped.held("wrap_info", "token"))
        if answer.status not in OK:
            raise self._refused("unwrapping", answer)
        return answer.held("data", "secret_id")

    def _end_old(self, token: str) -> None:
        """Destroy the SecretID before this one, unless it is this one: a run was killed before they changed places."""
        old = self.folder.read(OLD)
        if not old:
            return
        if old != self.folder.read(PRESENT):
            self._destroy(token, old)
        self.folder.remove(OLD)

    def _destroy(self, token: str, secret_id: str) -> None:
        """Where it can't be destroyed it ends by itself, which is no reason to go without the next one."""
        answer = self.server.ask(f"{self.path}/destroy", {"secret_id": secret_id}, token)
        if answer.status not in OK and answer.status != 404:
            self.troubles.append(str(self._refused("destroying the old SecretID", answer)))

    def _give_back(self, token: str) -> None:
        """A batch token can't be, which is no trouble: it ends soon."""
        self.server.ask("auth/token/revoke-self", {}, token)

    def _refused(self, act: str, answer: Answer) -> RenewalError:
        return RenewalError(f"{act} as {self.role}: the server answered {answer.status}, {answer.words}")


def _parameters(file: Path) -> Document:
    parameters = json.loads(file.read_text(encoding="utf-8"))
    wanted = ("address", "mount", "role", "role_id", "folder", "grace_seconds")
    if not isinstance(parameters, dict) or any(name not in parameters for name in wanted):
        raise RenewalError(f"{file} is incomplete; expected {', '.join(wanted)}, as ./estate secret-id wrote it")
    return parameters


def main(arguments: list[str]) -> int:
    """One run by its file of parameters."""
    try:
        parameters = _parameters(Path(arguments[1]))
        server = Server(parameters["address"], parameters.get("ca_file"))
        folder = Folder(Path(parameters["folder"]))
        with folder.alone():
            renewal = Renewal(server, folder, parameters, time.sleep)
            print(f"{renewal.role}: {renewal.run()}")
    except (RenewalError, OSError, http.client.HTTPException, ValueError) as error:
        print(f"renewing failed: {error or type(error).__name__}", file=sys.stderr)
        return 1
    for trouble in renewal.troubles:
        print(f"renewed, but {trouble}", file=sys.stderr)
    return 1 if renewal.troubles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
