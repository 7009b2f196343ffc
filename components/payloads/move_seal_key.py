"""Put a new key in the place of a static seal's, and have an older one beside it for an older snapshot.

Run as root on a node by `./estate move-seal-key STACK --node` and `./estate restore STACK --node`, which send this text
and, on standard input, one JSON document: which step. Python 3.11 and its standard library. Whatever was killed, and
wherever: the node's next start opens the storage with what is there then, and each step can be done again. A key is in
memory and in pipes here, and wrapped by `systemd-creds` on the volume. Nothing printed is secret.
"""

import base64
import hashlib
import json
import os
import re
import secrets
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

HOME, ETC, LIBRARY = Path("/var/lib/vault"), Path("/etc/vault-estate"), Path("/usr/local/lib/vault-estate")
CREDENTIALS = HOME / "credentials"
CURRENT, PREVIOUS, COMING = (CREDENTIALS / name for name in ("seal-key", "seal-key-previous", "seal-key-coming"))
OLDER, ESCROW = CREDENTIALS / "seal-keys", CREDENTIALS / "escrow"
TIMER, SNAPSHOT, SERVER = "vault-snapshot.timer", "vault-snapshot.service", "vault.service"
FIRST_ID, FIRST_BYTES = "1", 32
SECONDS, ANSWER_SECONDS, NAME_DIGITS = 60, 10, 16
Document = dict[str, Any]


def new_key() -> bytes:
    """A key that takes another's place. Its form tells it from the first one."""
    return secrets.token_hex(FIRST_BYTES).encode()


def is_key(content: bytes) -> bool:
    """Whether it is a key in one of the two forms."""
    return len(content) == FIRST_BYTES or re.fullmatch(rb"[0-9a-f]{64}", content) is not None


def fingerprint(key: bytes) -> str:
    """What a key is called in escrow. Tells keys from one another, and nothing of the key."""
    return hashlib.sha256(b"seal-key\n" + key).hexdigest()[:NAME_DIGITS]


def key_id(key: bytes) -> str:
    """What the server knows a key by, as `serve-static` has it. All that it wraps is marked by that."""
    return FIRST_ID if len(key) == FIRST_BYTES else fingerprint(key)


def refuse(sentence: str) -> NoReturn:
    """End with a sentence."""
    sys.exit(f"seal key: {sentence}")


def run(*command: str, content: bytes | None = None) -> bytes:
    """What a program that has to succeed says; a secret goes to its standard input only."""
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    if done.returncode:
        refuse(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def opened(file: Path) -> bytes:
    """A key; nothing where there is none."""
    name = PREVIOUS.name if file == PREVIOUS else CURRENT.name
    return run("systemd-creds", "decrypt", f"--name={name}", str(file), "-") if file.exists() else b""


def wrap(key: bytes, file: Path) -> None:
    """Write a key, on the disk when this returns."""
    name = PREVIOUS.name if file == PREVIOUS else CURRENT.name
    beside = file.with_name(f".{file.name}")
    run("systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", str(beside), content=key)
    os.sync()
    beside.replace(file)
    os.sync()


def keep(key: bytes) -> None:
    """Keep a key for the snapshots that were taken under it."""
    OLDER.mkdir(mode=0o700, exist_ok=True)
    if not (OLDER / key_id(key)).exists():
        wrap(key, OLDER / key_id(key))


def health() -> Document:
    """What the node's server says of itself; nothing while it doesn't answer."""
    told = json.loads((ETC / "bootstrap.json").read_text())
    context = ssl.create_default_context(cafile=told["ca_file"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    url = f"{told['address']}/v1/sys/health?sealedcode=200&uninitcode=200&standbycode=200"
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            found: Document = json.loads(answer.read())
    except OSError:
        return {}
    return found


def is_open() -> bool:
    """Whether it is at work, or waits for its first contents. By then everything is wrapped by the present key."""
    now = health()
    return bool(now) and (not now["initialized"] or not (now["sealed"] or now["standby"]))


def restarted() -> bool:
    """Whether the server opens after another start."""
    run("systemctl", "reset-failed", SERVER)  # or a few starts within minutes were too many
    run("systemctl", "restart", SERVER)
    deadline = time.monotonic() + SECONDS
    while not is_open():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def state() -> Document:
    """Which keys there are, by their ids."""
    older = sorted(file.name for file in OLDER.glob("[!.]*")) if OLDER.is_dir() else []
    ids = {file.name: key_id(key) if (key := opened(file)) else None for file in (CURRENT, PREVIOUS, COMING)}
    return {
        "current": ids[CURRENT.name],
        "previous": ids[PREVIOUS.name],
        "coming": ids[COMING.name],
        "older": older,
        "cluster_id": health().get("cluster_id"),
    }


def escrowed() -> list[Document]:
    """The present key and the coming one, encrypted for the recipients of snapshots; nothing without escrow."""
    lines = (ETC / "node.env").read_text().splitlines()
    recipients = " ".join(line.partition("=")[2].strip("'") for line in lines if line.startswith("ESCROW=")).split()
    if not recipients:
        return []
    words = [word for one in recipients for word in ("--recipient", one)]
    keys = [key for file in (CURRENT, COMING) if (key := opened(file))]
    return [
        {
            "name": fingerprint(key),
            "sealed": base64.b64encode(run("age", "--encrypt", *words, content=key)).decode(),
        }
        for key in keys
    ]


def prepare() -> Document:
    """Make a new key, which nothing uses yet, and keep the present one."""
    if "SEAL=static" not in (ETC / "node.env").read_text().splitlines():
        refuse("this node's seal isn't static; expected one whose key is on the node")
    if not (LIBRARY / "serve-static").is_file():
        refuse("this node was made by an earlier version, which knows one key; expected a rebuild: up --replace")
    if not COMING.exists():
        if not is_open():
            refuse("the node's server isn't at work; expected it to be, before its seal gets another key")
        keep(opened(CURRENT))
        wrap(new_key(), COMING)
    return {**state(), "escrow": escrowed()}


def use() -> Document:
    """Start the server with the new key and the one before it, by which it opens and wraps everything anew."""
    snapshots = "SNAPSHOTS=yes" in (ETC / "node.env").read_text().splitlines()
    if snapshots:
        # None is to be taken between the change of what is in escrow and the start.
        run("systemctl", "stop", TIMER, SNAPSHOT)
    if COMING.exists():
        wrap(opened(CURRENT), PREVIOUS)
        COMING.replace(CURRENT)
        os.sync()
    run(str(LIBRARY / "seal"))
    if not restarted():
        refuse("the server doesn't open with the new key and the one before it; look at its journal: the same goes on")
    if snapshots:
        run("systemctl", "start", TIMER)
    return state()


def alone() -> Document:
    """Take the other key away, and see that the server opens without it."""
    other = opened(PREVIOUS)
    if other:
        keep(other)
        PREVIOUS.unlink()
        os.sync()
    if not restarted():
        if other:
            wrap(other, PREVIOUS)
            restarted()
        refuse("the server doesn't open with its present key alone; the one before it stays beside it")
    return state()


def beside(wanted: str, key: bytes) -> Document:
    """Start the server with an older key beside its own: one that is here, or one that was sent."""
    found = opened(OLDER / wanted) or key
    if not found or key_id(found) != wanted:
        refuse(f"key {wanted} of the seal isn't on the node, nor in escrow; expected one of the two")
    wrap(found, PREVIOUS)
    if not restarted():
        refuse(f"the server doesn't open with key {wanted} beside its own; look at its journal")
    return state()


def main() -> None:
    """Do the step that is asked for."""
    told = json.load(sys.stdin)
    if told["step"] == "beside":
        answer = beside(told["id"], base64.b64decode(told["key"]))
    else:
        answer = {"state": state, "prepare": prepare, "use": use, "alone": alone}[told["step"]]()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
