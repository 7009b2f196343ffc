"""A login at a person's own issuer: their browser goes there, and comes back to a listener on this machine.

Owns that listener, for one login. Refuses an answer that isn't to this login's own question: its state is compared
here, its nonce by Vault, which also asks for a number that only this process knows.
"""

import secrets
import threading
import time
import webbrowser
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from ops.console import Console
from ops.errors import EstateError
from ops.vault.api import call, reason

SECONDS = 300.0
"""How long a person may take at their issuer."""
_HERE = "localhost"


class _Answers(HTTPServer):
    """Takes one answer of one login."""

    def __init__(self, port: int, path: str, state: str) -> None:
        self.path, self.state, self.answer = path, state, {}
        super().__init__(("127.0.0.1", port), _Handler)

    path: str
    state: str
    answer: dict[str, str]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a browser that goes away early isn't worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Answers
    timeout = 5.0  # browsers open connections that they don't use

    def do_GET(self) -> None:
        """What isn't the answer to this login's question changes nothing."""
        url = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(url.query).items()}
        state = given.get("state", "").encode(errors="surrogateescape")
        if url.path != self.server.path or not secrets.compare_digest(state, self.server.state.encode()):
            self._say(404, "Nothing is waited for here.")
            return
        self.server.answer = given
        self._say(200, "The login goes on where it began. This page can be closed.")

    def _say(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Nothing: the line would hold the code."""


def log_in(client: hvac.Client, mount: str, uris: Sequence[str], console: Console, *, opens: bool) -> dict[str, Any]:
    """Let a person log in at the issuer of an OIDC mount; what Vault answers of the token.
    Raises EstateError: nobody came back in time, the issuer or Vault refuses, or the port is taken."""
    uri = next((one for one in uris if urlsplit(one).hostname == _HERE), None)
    if uri is None:
        raise EstateError("people.oidc.redirect_uris has none on this machine; expected http://localhost:PORT/…")
    nonce = secrets.token_urlsafe(24)
    url = _question(client, mount, uri, nonce)
    state = parse_qs(urlsplit(url).query)["state"][0]
    here = urlsplit(uri)
    try:
        server = _Answers(here.port or 80, here.path, state)
    except OSError as error:
        raise EstateError(f"port {here.port} is taken ({error.strerror}); expected it free for this login") from None
    with server:
        console.say(f"log in at: {url}")
        if opens:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        answer = _answer(server)
    if "code" not in answer:
        why = answer.get("error_description") or answer.get("error") or "no code"
        printable = "".join(letter for letter in why if letter.isprintable())[:200]
        raise EstateError(f"the issuer refuses the login: {printable}; expected somebody it lets in")
    query = urlencode({"state": state, "code": answer["code"], "client_nonce": nonce})
    try:
        return dict(call(client, "get", f"auth/{mount}/oidc/callback?{query}")["auth"])
    except (InvalidRequest, Forbidden) as error:
        said = reason(error).split(" at auth/")[0]
        raise EstateError(
            f"Vault refuses what the issuer says: {said}; expected who is bound in the settings"
        ) from None


def _question(client: hvac.Client, mount: str, uri: str, nonce: str) -> str:
    """Where the browser has to go."""
    body = {"redirect_uri": uri, "client_nonce": nonce}
    try:
        url = str(call(client, "post", f"auth/{mount}/oidc/auth_url", body)["data"]["auth_url"])
    except (Forbidden, InvalidPath, InvalidRequest):
        # Vault says the same of a mount, of its issuer and of its role that aren't there.
        raise EstateError(f"nobody can log in at auth/{mount} yet; expected an ./estate up that went well") from None
    if not url:
        raise EstateError(f"Vault gives no address to log in at for {uri}; expected it among redirect_uris of its role")
    if not parse_qs(urlsplit(url).query).get("state"):
        # Then whatever comes back would be taken for the answer.
        raise EstateError("Vault gives an address to log in at that has no state; expected one that has")
    return url


def _answer(server: _Answers) -> dict[str, str]:
    ends = time.monotonic() + SECONDS
    while not server.answer:
        server.timeout = max(0.0, ends - time.monotonic())
        if server.timeout <= 0:
            raise EstateError(f"nobody came back from the issuer within {SECONDS:.0f} s; expected a login in a browser")
        server.handle_request()
    return server.answer
