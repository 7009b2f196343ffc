"""Make a new node take a lost one's snapshots: its seal's key and key shares in the place of this node's own.

Run as root on the node, by `./estate seal-key STACK --node`, which sends this text and, on standard input, one JSON
document. Python 3.11 and its standard library. Wipes what the node's first boot made, and nothing else: refuses where
this server or a client stored anything since, unless it is forced, and always where the cluster in question is served.
Stopped half-way, it can be run again. Nothing printed is secret.
"""

import base64
import gzip
import json
import shutil
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

HOME, ETC, LIBRARY = Path("/var/lib/vault"), Path("/etc/vault-estate"), Path("/usr/local/lib/vault-estate")
AUDIT, HOST_SECRET = Path("/var/log/vault"), Path("/var/lib/systemd/credential.secret")
CREDENTIALS, CUSTODY, RAFT = HOME / "credentials", HOME / "custody/shares.json", HOME / "raft"
COMPLETE, UNDER_WAY = Path(f"{CUSTODY}.complete"), CREDENTIALS / ".adopting"
FIRST_BOOT = ("sys/policies/acl/", "sys/auth/", "sys/remount", "auth/cert/", "auth/cert-prepared/", "auth/token/")
"""Where the bootstrap writes, and the waiting administrator logs in."""
CHANGES = {"create", "update", "patch", "delete"}
SHOWN, SECONDS = 3, 30


def refuse(sentence: str) -> NoReturn:
    """End with a sentence, nothing changed."""
    sys.exit(f"adopt: {sentence}")


def run(*command: str, content: bytes | None = None) -> None:
    """A program that has to succeed; a secret goes to its standard input only."""
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"adopt: {command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")


def status() -> dict[str, Any]:
    """What this node's server says of itself."""
    told = json.loads((ETC / "bootstrap.json").read_text())
    context = ssl.create_default_context(cafile=told["ca_file"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"{told['address']}/v1/sys/seal-status", timeout=SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read())
    except OSError as error:
        refuse(f"the node's own server doesn't answer ({error}); expected it, to tell whether it may be wiped")
    return found


def stored() -> list[str]:
    """Paths that were written to since this server's first boot, other than by that."""
    found = set()
    for file in sorted(AUDIT.glob("audit.log*")):
        opening = gzip.open if file.suffix == ".gz" else open
        with opening(file, "rt", errors="replace") as lines:
            for line in lines:
                entry = json.loads(line) if line.startswith("{") else {}
                request = entry.get("request") or {}
                path = str(request.get("path"))
                changed = entry.get("type") == "response" and request.get("operation") in CHANGES
                if changed and not entry.get("error") and not path.startswith(FIRST_BOOT):
                    found.add(path)
    return sorted(found)


def check(cluster: str, *, force: bool) -> None:
    """Refuse to wipe what is worth something."""
    environment = (ETC / "node.env").read_text().splitlines()
    if "SEAL=static" not in environment:
        refuse("this node's seal isn't static; expected the same settings as when the snapshot was taken")
    if not HOME.is_mount():
        refuse(f"{HOME} has no volume; expected one")
    now = status()
    if not now["initialized"]:
        return
    serving = str(now.get("cluster_id"))
    if serving == cluster:
        refuse(f"this node serves cluster {cluster} already; nothing was changed")
    if not force:
        refuse_to_wipe(cluster, serving)


def refuse_to_wipe(cluster: str, serving: str) -> None:
    """Refuse what is more than a first boot, or a restore that was killed, has made."""
    if not COMPLETE.is_file():
        refuse("this node's first boot isn't done; expected it to be, so that it can be told what it made")
    own = json.loads(COMPLETE.read_text())["cluster_id"]
    if own == cluster:
        # The key is in place already; a restore that was killed left a server initialised for nobody.
        return
    if own != serving:
        refuse(f"this node serves cluster {serving}, and its key shares are of {own}; look before anything is wiped")
    if COMPLETE.stat().st_mtime < HOST_SECRET.stat().st_mtime:
        refuse("this node's data are older than this server; expected a volume that was empty when it was made")
    paths = stored()
    if paths:
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        refuse(f"this node holds more than its first boot made: {', '.join(paths[:SHOWN])}{more}. --force wipes it")


def write(file: Path, content: object) -> None:
    """A file of root's own."""
    beside = file.with_name(f".{file.name}.new")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(content, indent=1))
    beside.replace(file)


def main() -> None:
    """Read what was sent, look, and do it."""
    told = json.load(sys.stdin)
    key, cluster, custody = base64.b64decode(told["seal_key"]), told["cluster_id"], told["custody"]
    if not UNDER_WAY.exists():
        check(cluster, force=told["force"])
    UNDER_WAY.touch()
    run("systemctl", "stop", "vault-bootstrap.service", "vault.service")
    fresh = CREDENTIALS / ".seal-key"
    run("systemd-creds", "encrypt", "--with-key=host", "--name=seal-key", "-", str(fresh), content=key)
    fresh.replace(CREDENTIALS / "seal-key")
    for file in RAFT.iterdir():
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    # Of a move that was killed: those keys were of what is wiped.
    for old in (COMPLETE, CUSTODY, CREDENTIALS / "seal-key-previous", CREDENTIALS / "seal-key-coming"):
        old.unlink(missing_ok=True)
    if custody:
        write(CUSTODY, custody["shares"])
        write(COMPLETE, custody["complete"])
    run(str(LIBRARY / "seal"))
    run("systemctl", "reset-failed")
    # Not the bootstrap: it would make a cluster of its own. It finds everything in order at the next start.
    run("systemctl", "start", "vault.service")
    UNDER_WAY.unlink()
    print(json.dumps({"cluster_id": cluster, "custody": custody is not None}))


if __name__ == "__main__":
    main()
