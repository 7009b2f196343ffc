"""First boot of a Vault or OpenBao server: initialise it without anyone ever holding a secret in the clear.

This file is shipped as text and run as `python3 bootstrap.py PARAMETERS.json` on the VPS, in the cluster and on the
local machine. It needs Python 3.9 and its standard library, plus `gpg` or the `pysequoia` package to try PGP keys with.

It tries each operator's PGP key, waits for the server, reserves a place for the key shares, initialises the server so
that they leave it only encrypted, and writes them there: into a file, or, by key_shares_in_aws.py beside it, into a
secret of AWS that it can't read. It exchanges the root token for one that ends by itself after
30 seconds, and looks whether the root token is dead. Then it prepares the administrator's login by certificate at a
path that nobody uses, and moves it to its own path, which Vault does at once or not at all. It refuses to initialise
when key shares or a snapshot exist: then storage is missing, not new. Run again after success it changes nothing.

Killed at any moment, the next run goes on. Where nobody could log in yet, the server holds nothing: it ends with 10,
whoever runs it empties the server's storage and runs it once more. Where the administrator can log in, the root token
was dead before, and it waits for the end of the other. It ends with 5 or 7 where it can't be certain.

It prints one JSON object per step on standard output, and one sentence on standard error when it fails. Neither holds a
secret; a token is in this process's memory only. Exit codes:

0 done, or nothing to do                  6 the key shares' file can't be written or read
2 bad parameters or PGP key               7 stopped by a signal, or somebody else let somebody in
3 the server doesn't answer, is sealed    8 the server refused a request or doesn't do what was configured
4 refused: key shares or a snapshot exist 9 the key shares are another server's
5 initialised by somebody else            10 stopped before anybody could log in: to be emptied
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import functools
import hashlib
import http.client
import importlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Any

BAD_PARAMETERS, NO_ANSWER, REFUSED, NO_CUSTODY, UNWRITABLE, INCOMPLETE, SERVER_REFUSED, OTHER_SERVER = range(2, 10)
START_OVER = 10
# States of the key shares' file, each written before what it announces.
RESERVED, INITIALISING, EMPTYING = "reserved", "initialising", "emptying"
INITIALISED, ADMITTING = "initialised", "admitting"
WITHOUT_SHARES = (RESERVED, INITIALISING, EMPTYING)
TOKEN_SECONDS = 30  # the few calls that need it take under 1 s
FORMAT = 1
SHARE_BYTES = 8192  # room reserved in the file per share; one encrypted to an RSA 4096 key takes under 1,500
POLL_SECONDS, SIGNALS = 0.1, (signal.SIGTERM, signal.SIGINT)
PEOPLE_POLL_SECONDS = 1.0  # while people are waited for, perhaps for a day
ARMOR = re.compile(
    r"\s*-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?:[\w-]+: .*\n)*\s*?\n?([A-Za-z0-9+/\s]+=*)\s*(?:=[\w+/]{4}\s+)?"
    r"-----END PGP PUBLIC KEY BLOCK-----\s*"
)
Document = dict[str, Any]


class BootstrapError(Exception):
    """Ends the run with an exit code and one sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def progress(step: str, **facts: object) -> None:
    """Print one step that has been done. Never called with a secret."""
    print(json.dumps({"step": step, **facts}), flush=True)


class KeyHolder:
    """Someone who will hold one share: a name and a public key that was tried by an encryption."""

    def __init__(self, entry: Document) -> None:
        self.name = entry["name"]
        text = entry["public_key"]
        if "PRIVATE KEY BLOCK" in text:
            raise self._bad("holds a private key; expected the exported public key")
        armored = ARMOR.fullmatch(text.replace("\r\n", "\n"))
        if not armored:
            raise self._bad("is not one armored PGP public key (-----BEGIN PGP PUBLIC KEY BLOCK-----)")
        try:
            self.key = base64.b64decode("".join(armored.group(1).split()), validate=True)
        except binascii.Error:
            raise self._bad("is damaged: its armor is not base64") from None
        # A key that can't encrypt makes the server answer 400 *after* it initialised itself, and the shares are lost.
        self.fingerprint = self._try_gpg() if shutil.which("gpg") else self._try_sequoia()

    def _bad(self, reason: str) -> BootstrapError:
        return BootstrapError(BAD_PARAMETERS, f"public_key of operator {self.name!r} {reason}")

    def _try_sequoia(self) -> str:
        try:
            sequoia = importlib.import_module("pysequoia")
            certificate = sequoia.Cert.from_bytes(self.key)
            sequoia.encrypt(b"trial", recipients=[certificate])
        except ImportError:
            raise BootstrapError(BAD_PARAMETERS, "neither gpg nor pysequoia is here to try PGP keys with") from None
        except RuntimeError as error:
            raise self._bad(f"can't encrypt: {str(error).splitlines()[0]}") from None
        return str(certificate.fingerprint).upper()

    def _try_gpg(self) -> str:
        with tempfile.TemporaryDirectory() as home:
            gpg = ["gpg", "--homedir", home, "--batch", "--no-tty", "--no-autostart", "--quiet", "--with-colons"]
            subprocess.run([*gpg, "--import"], input=self.key, capture_output=True, check=False)
            listing = subprocess.run([*gpg, "--list-keys"], capture_output=True, text=True, check=False).stdout
            lines = [line.split(":") for line in listing.splitlines()]
            if [line[0] for line in lines].count("pub") != 1:
                raise self._bad("is not one PGP public key that gpg can read")
            fingerprint = next(line[9] for line in lines if line[0] == "fpr")
            trial = [*gpg, "--trust-model", "always", "--recipient", fingerprint, "--output", "-", "--encrypt"]
            tried = subprocess.run(trial, input=b"trial", capture_output=True, check=False)
        if tried.returncode != 0 or not tried.stdout:
            way_on = "`gpg --quick-generate-key NAME future-default` makes one that can"
            raise self._bad(f"can't encrypt (sign-only, expired or revoked?); {way_on}")
        return fingerprint


class SharesFile:
    """Encrypted shares in a file that is created once and never replaced, with a record beside it when all is done."""

    def __init__(self, path: str) -> None:
        self.path, self.completion = Path(path), Path(path + ".complete")
        self.descriptor = -1

    def wait_for_earlier_run(self) -> None:
        """Nothing to wait for: the lock of a run ends with it."""

    def read(self) -> Document | None:
        """What the file of key shares holds; None if there is none."""
        return self._read(self.path)

    def read_completion(self) -> Document | None:
        """What the record holds that everything was done; None if there is none."""
        return self._read(self.completion)

    def _read(self, path: Path) -> Document | None:
        try:
            # Empty: a run was stopped in the very moment it made the file.
            document: Document = json.loads(path.read_text(encoding="utf-8") or f'{{"state": "{RESERVED}"}}')
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BootstrapError(
                UNWRITABLE, f"key shares {path} can't be read ({error}); look before removing it"
            ) from None
        return document

    def reserve(self, shares: int, state: str) -> None:
        """Create the file and fill it to its final size, so that nothing can fail for want of room after the init."""
        try:
            # One left by a run that was stopped before the init holds no share, so it may be taken over.
            self.hold(0 if self.path.exists() else os.O_CREAT | os.O_EXCL)
            self.fill({"format": FORMAT, "state": state}, SHARE_BYTES * (shares + 1))
            _sync_directory(self.path)
        except OSError as error:
            if self.descriptor >= 0:
                self.path.unlink()
            raise BootstrapError(UNWRITABLE, f"key shares {self.path} can't be written: {error.strerror}") from None

    def hold(self, flags: int = 0) -> None:
        """Open the file and keep every other run from it. Raises OSError."""
        if self.descriptor < 0:
            descriptor = os.open(self.path, os.O_RDWR | flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BootstrapError(
                    UNWRITABLE, f"key shares {self.path} are held by another bootstrap still running"
                ) from None
            self.descriptor = descriptor

    def close(self) -> None:
        """Let others have the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def fill(self, document: Document, size: int = 0) -> None:
        """Write the document over the room reserved for it. Raises OSError."""
        content = json.dumps(document, indent=1).encode()
        content = content.ljust((size or os.fstat(self.descriptor).st_size) - 1) + b"\n"
        offset = 0
        while offset < len(content):
            offset += os.pwrite(self.descriptor, content[offset:], offset)
        os.fsync(self.descriptor)

    def complete(self, document: Document) -> None:
        """Record that everything was done. Raises OSError."""
        with self.completion.open("x", encoding="utf-8") as stream:
            json.dump(document, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        _sync_directory(self.completion)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


class VaultApi:
    """The HTTP API. Holds the root token from the init to its revocation, in memory only."""

    def __init__(self, address: str, ca_file: str, *, servers: int) -> None:
        self.servers = servers
        parts = urllib.parse.urlsplit(address)
        self.address, self.host, self.port = address, parts.hostname or "", parts.port or 443
        if parts.scheme != "https" or not self.host:
            raise BootstrapError(BAD_PARAMETERS, f"address: {address!r} is not https://HOST:PORT")
        try:
            self.context = ssl.create_default_context(cafile=ca_file)
        except OSError:
            raise BootstrapError(BAD_PARAMETERS, f"ca_file: {ca_file!r} holds no readable CA certificates") from None
        self.token = ""

    def call(self, method: str, path: str, body: Document | None = None) -> tuple[int, Document]:
        """One request. Raises OSError or HTTPException if no answer comes."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.context)
        headers = {"X-Vault-Request": "true", "X-Vault-Token": self.token}
        with contextlib.closing(connection):
            connection.request(method, f"/v1/{path}", json.dumps(body or {}), headers)
            response = connection.getresponse()
            text = response.read()
        try:
            document = json.loads(text or b"{}")
        except ValueError:
            document = {}
        return response.status, document if isinstance(document, dict) else {}

    def must(self, method: str, path: str, body: Document | None = None, patience_seconds: float = 10) -> Document:
        """One request that has to succeed; tried again while the server, just unsealed, isn't quite there."""
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                status, document = self.call(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                raise BootstrapError(SERVER_REFUSED, f"{method} {path}: no answer ({type(error).__name__})") from None
            if status in (200, 204):
                return document
            if status < 500 or time.monotonic() > deadline:
                reasons = "; ".join(map(str, document.get("errors") or ["no reason given"]))
                raise BootstrapError(SERVER_REFUSED, f"{method} {path} answered {status}: {reasons}")
            time.sleep(POLL_SECONDS)

    def health(self, seconds: float, *, active: bool = False, poll_seconds: float = POLL_SECONDS) -> Document:
        """What the server says of itself, as soon as it answers, or as soon as it is unsealed and it or the server that
        it forwards to is active."""
        deadline = time.monotonic() + seconds
        while True:
            reason = "something else answers there"
            try:
                _, document = self.call("GET", "sys/health")
                if "initialized" in document:
                    if not active or not (document["sealed"] or (document["standby"] and not self._forwards())):
                        return document
                    reason = "sealed; unseal it and run this again" if document["sealed"] else "not active"
            except ssl.SSLCertVerificationError as error:
                raise BootstrapError(NO_ANSWER, f"{self.address} is not our server: {error.verify_message}") from None
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
            if time.monotonic() > deadline:
                raise BootstrapError(NO_ANSWER, f"{self.address} was not ready in time: {reason}")
            time.sleep(poll_seconds)

    def _forwards(self) -> bool:
        """Whether a standby knows an active server; where there is one server alone, it could be its own memory."""
        return self.servers > 1 and bool(self.call("GET", "sys/leader")[1].get("leader_address"))


def _key_shares(told: Document) -> Any:
    """Where they are kept."""
    if told["kind"] == "file":
        return SharesFile(told["path"])
    if told["kind"] != "secrets_manager":
        raise BootstrapError(BAD_PARAMETERS, f"custody.kind is {told['kind']!r}; expected 'file' or 'secrets_manager'")
    kept = importlib.import_module("key_shares_in_aws")
    return kept.KeySharesInAws(told, refused=functools.partial(BootstrapError, UNWRITABLE), progress=progress)


class FirstBoot:
    """One run."""

    def __init__(self, parameters: Document) -> None:
        self.administrator: Document = parameters["administrator"]
        self.auto_unseal, self.threshold = parameters["auto_unseal"], parameters["threshold"]
        self.snapshot, self.wait_seconds = parameters["snapshot"], parameters["wait_seconds"]
        self.unseal_wait_seconds = self.wait_seconds if self.auto_unseal else parameters["unseal_wait_seconds"]
        self.operators = [KeyHolder(entry) for entry in parameters["operators"]]
        if not 1 <= self.threshold <= len(self.operators):
            raise BootstrapError(BAD_PARAMETERS, f"threshold: {self.threshold} of {len(self.operators)} operators")
        progress("keys-tried", fingerprints=[operator.fingerprint for operator in self.operators])
        self.custody = _key_shares(parameters["custody"])
        self.server = VaultApi(parameters["address"], parameters["ca_file"], servers=parameters["servers"])

    def run(self) -> None:
        """Do what is left to do."""
        self.custody.wait_for_earlier_run()
        health = self.server.health(self.wait_seconds)
        progress("server-answers", initialized=health["initialized"])
        custody = self.custody.read()
        state = custody.get("state", "") if custody else ""
        has_shares = state not in ("", *WITHOUT_SHARES)
        if health["initialized"]:
            completion = self.custody.read_completion()
            if completion is not None and has_shares:
                self._verify_earlier_run(completion)
            else:
                self._finish_earlier_run(custody or {}, state)
            return
        self._refuse_to_lose_anything(has_shares=has_shares)
        self.custody.reserve(len(self.operators), RESERVED)
        progress("key-shares-reserved")
        self._initialise(was_initialising=state == INITIALISING)
        try:
            self._let_the_administrator_in()
        except BaseException:
            with contextlib.suppress(BootstrapError, OSError, http.client.HTTPException):
                self._revoke("token-dead")
            raise
        self._revoke("token-dead")
        self._complete()

    def _verify_earlier_run(self, completion: Document) -> None:
        cluster = self.server.health(self.wait_seconds, active=True).get("cluster_id")
        if cluster != completion["cluster_id"]:
            belongs = f"the key shares {self.custody.path} belong to cluster {completion['cluster_id']}"
            raise BootstrapError(OTHER_SERVER, f"{self.server.address} is cluster {cluster}, but {belongs}")
        if not self._login_is_enabled():
            mount = self.administrator["mount"]
            raise BootstrapError(SERVER_REFUSED, f"the administrator's login auth/{mount} is gone")
        progress("nothing-to-do", cluster_id=cluster)

    def _finish_earlier_run(self, custody: Document, state: str) -> None:
        """Go on where a run was killed after it had begun to initialise the server."""
        if state in ("", RESERVED):
            words = f"{self.server.address} is initialised, but {self.custody.path} holds no key shares"
            way_on = "give the file of the bootstrap that did it, or an empty server"
            raise BootstrapError(NO_CUSTODY, f"{words}: this one didn't begin it; {way_on}")
        self.custody.hold()
        # Without auto-unseal a server whose administrator was never prepared may stay sealed: it needn't be asked.
        may_be_open = self.auto_unseal or state == ADMITTING
        health = self.server.health(self.wait_seconds, active=may_be_open)
        if not health["sealed"] and self._login_is_enabled():
            if state != ADMITTING:
                login = f"{self.server.address} has a login auth/{self.administrator['mount']}"
                raise BootstrapError(INCOMPLETE, f"{login} that no bootstrap of these key shares made; look at it")
            seconds = min(max(custody["token_ends"] - time.time(), 0), TOKEN_SECONDS)
            progress("waiting-for-the-token-to-end", seconds=round(seconds))
            time.sleep(seconds)
            self._complete()
            return
        self._start_over()

    def _start_over(self) -> None:
        self._refuse_to_lose_anything(has_shares=False)
        self.custody.reserve(len(self.operators), EMPTYING)
        words = f"an earlier run initialised {self.server.address} and was stopped before anybody could log in"
        raise BootstrapError(START_OVER, f"{words}: it holds nothing; empty its storage and run this again")

    def _login_is_enabled(self) -> bool:
        path = f"auth/{self.administrator['mount']}/login"
        status, _ = self.server.call("POST", path, {})
        if status not in (400, 403):  # without a client certificate: 400 where the method is enabled, 403 where not
            raise BootstrapError(SERVER_REFUSED, f"POST {path} without a certificate answered {status}, not 400 or 403")
        return status == 400

    def _refuse_to_lose_anything(self, *, has_shares: bool) -> None:
        found = [str(self.custody.path)] if has_shares else []
        if self.snapshot and Path(self.snapshot).exists():
            found.append(f"a snapshot {self.snapshot}")
        if found:
            lost = f"{self.server.address} is not initialised, but {' and '.join(found)} exists: its storage is missing"
            way_on = "bring it back or restore a snapshot; to give the old contents up, move these away"
            raise BootstrapError(REFUSED, f"{lost}; {way_on}")

    def _initialise(self, *, was_initialising: bool) -> None:
        kind, keys = ("recovery", "recovery_pgp_keys") if self.auto_unseal else ("secret", "pgp_keys")
        body = {
            f"{kind}_shares": len(self.operators),
            f"{kind}_threshold": self.threshold,
            keys: [base64.b64encode(operator.key).decode() for operator in self.operators],
        }
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # from here on it is quicker to finish than to clean up
        self.custody.fill({"format": FORMAT, "state": INITIALISING})
        try:
            answer = self.server.must("PUT", "sys/init", body, patience_seconds=0)
        except BootstrapError:
            if was_initialising:  # the killed run's own request had still been under way
                self._start_over()
            raise
        self.server.token = answer["root_token"]
        shares = answer["recovery_keys_base64" if self.auto_unseal else "keys_base64"]
        progress("initialised")
        holders = [
            {"operator": operator.name, "fingerprint": operator.fingerprint, "encrypted_share": shares[index]}
            for index, operator in enumerate(self.operators)
        ]
        facts = {"address": self.server.address, "created": _now(), "keys": kind, "threshold": self.threshold}
        self.kept = {"format": FORMAT, **facts, "shares": holders}
        self.custody.fill({"state": INITIALISED, **self.kept})
        progress("key-shares-written", path=str(self.custody.path))

    def _let_the_administrator_in(self) -> None:
        wanted = self.administrator
        if not self.auto_unseal:
            progress("waiting-for-unseal", threshold=self.threshold)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # operators may take hours
        poll = POLL_SECONDS if self.auto_unseal else PEOPLE_POLL_SECONDS
        try:
            self.server.health(self.unseal_wait_seconds, active=True, poll_seconds=poll)
        except BootstrapError as error:
            if self.auto_unseal or error.code != NO_ANSWER:
                raise
            words = f"{self.server.address} was not unsealed within {self.unseal_wait_seconds} s"
            way_on = "the key shares handed out open nothing any more; the next run begins anew, with others"
            raise BootstrapError(error.code, f"{words}: {way_on}") from None
        self._exchange_the_root_token()
        role, policy_path = wanted["role"], f"sys/policies/acl/{wanted['policy_name']}"
        aside, mount = f"auth/{wanted['mount']}-prepared", f"auth/{wanted['mount']}"
        role_path = f"{aside}/certs/{wanted['role_name']}"
        self.server.must("PUT", policy_path, {"policy": wanted["policy"]})
        self.server.must("POST", f"sys/{aside}", {"type": "cert", "description": "Administrators"})
        self.server.must("POST", role_path, role)
        policy = self.server.must("GET", policy_path)["data"]["policy"]
        kept = self.server.must("GET", role_path)["data"]
        same = policy == wanted["policy"] and kept["certificate"].strip() == role["certificate"].strip()
        if not same or kept["token_policies"] != role["token_policies"]:
            raise BootstrapError(SERVER_REFUSED, "the administrator's policy or login reads back changed")
        progress("read-back")
        self._move(aside, mount)
        progress("login-enabled", mount=wanted["mount"], role=wanted["role_name"])

    def _exchange_the_root_token(self) -> None:
        """A token that ends by itself also when this process is killed, for the root token, which doesn't."""
        wanted = {"policies": ["root"], "ttl": f"{TOKEN_SECONDS}s", "renewable": False, "display_name": "first-boot"}
        token = self.server.must("POST", "auth/token/create-orphan", wanted)["auth"]["client_token"]
        # Written when the token is made: a time taken before would be earlier than the token's end.
        self.custody.fill({"state": ADMITTING, "token_ends": time.time() + TOKEN_SECONDS, **self.kept})
        self._revoke("root-token-dead")
        self.server.token = token

    def _move(self, source: str, target: str) -> None:
        moving = self.server.must("POST", "sys/remount", {"from": source, "to": target})["migration_id"]
        deadline = time.monotonic() + TOKEN_SECONDS
        while True:
            answer = self.server.must("GET", f"sys/remount/status/{moving}")["data"]["migration_info"]
            if answer["status"] == "success":
                return
            if answer["status"] != "in-progress" or time.monotonic() > deadline:
                raise BootstrapError(SERVER_REFUSED, f"sys/remount of {source} to {target} is {answer['status']}")
            time.sleep(POLL_SECONDS)

    def _revoke(self, step: str) -> None:
        self.server.must("POST", "auth/token/revoke-self", {})
        status, _ = self.server.call("GET", "auth/token/lookup-self")
        if status != 403:
            raise BootstrapError(SERVER_REFUSED, f"the revoked token still gets {status} instead of 403")
        self.server.token = ""
        progress(step)

    def _complete(self) -> None:
        health = self.server.health(self.wait_seconds, active=True)
        certificate = ssl.PEM_cert_to_DER_cert(self.administrator["role"]["certificate"])
        facts = {fact: health.get(fact) for fact in ("version", "cluster_id", "cluster_name")}
        fingerprint = hashlib.sha256(certificate).hexdigest()
        self.custody.complete({"format": FORMAT, "completed": _now(), "administrator_sha256": fingerprint, **facts})
        progress("done", cluster_id=facts["cluster_id"])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _terminate(number: int, frame: object) -> None:
    del number, frame
    raise BootstrapError(INCOMPLETE, "stopped by a signal")


def main(arguments: list[str]) -> int:
    """Run with the parameters of the file named. Returns the exit code."""
    for number in SIGNALS:
        signal.signal(number, _terminate)
    os.umask(0o077)
    try:
        parameters = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        first = FirstBoot(parameters)
        with contextlib.closing(first.custody):
            first.run()
    except BootstrapError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return error.code
    except (IndexError, KeyError, TypeError, ValueError) as error:
        print(f"bootstrap: {error!r} in the parameters; usage: bootstrap.py PARAMETERS.json", file=sys.stderr)
        return BAD_PARAMETERS
    except (OSError, http.client.HTTPException) as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return UNWRITABLE if getattr(error, "filename", None) else SERVER_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
