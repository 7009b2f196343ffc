"""Encrypted key shares in AWS Secrets Manager, kept by a role that can read none of them.

Shipped as text beside bootstrap.py, which loads it where no disk lasts. It needs Python 3.9 and boto3.

The secret `NAME/record` is made by the first run, which has it thereby. Its value says nothing; what first boot has got
to stands in its tags, which DescribeSecret shows to somebody who may read no secret: which run is the last one, how far
each got, and once for all that one of them was complete. Key shares are the value of a secret of their own, `NAME/` and
twelve random characters, made by one request and never changed. Both have a policy of their own, by which one role
alone may end or replace them. Which one counts is in the last run's tag; those of a run that was stopped before anybody
could log in are void, and stay.

A file's lock ends with the process that has it. Here a run writes down when it ends at the latest, ends itself then,
and whoever comes later waits for that and goes on from what it reads. A run writes its own tag only, so one that comes
back after another took over changes nothing that counts.

Every failure is raised as what `refused` makes of one sentence. Nothing in it, in a tag or in a name is secret.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import secrets
import signal
import time
from typing import Any, Callable  # noqa: UP035 - as the Python 3.9 of this program has it

Document = dict[str, Any]
RECORD, COMPLETE = "record", "complete"
TAG, LAST = "vault-estate:", "last-run"  # tags of the record: these, and one by the name of each run
RUN_SECONDS = 420  # as long as the server may take to answer and to unseal itself, three minutes more, and no pause
MARGIN_SECONDS = 30  # by which two nodes' clocks may differ
POLL_SECONDS = 5.0
FACT = re.compile(r"(\w+)=(\S+)")
ENDED = 7  # exit code of a run that took too long, as of one that was stopped by a signal


def _end(number: int, frame: object) -> None:
    """Not by an exception, which could be caught; and by a handler, since the first process of a container ignores
    signals that have none."""
    del number, frame
    os._exit(ENDED)


def _text(facts: Document) -> str:
    return " ".join(f"{name}={fact}" for name, fact in facts.items())


def _tag(name: str, value: str) -> Document:
    return {"Key": TAG + name, "Value": value}


class KeySharesInAws:
    """What SharesFile of bootstrap.py is for a file."""

    def __init__(self, told: Document, *, refused: Callable[[str], Exception], progress: Callable[..., None]) -> None:
        self.name, self.path = told["name"], f"{told['name']}/{RECORD}"
        self.key, self.kept, self.refused, self.progress = told["kms_key_arn"], told["kept"], refused, progress
        self.run, self.last, self.ended, self.opened = secrets.token_hex(6), "", "", False
        self.facts: Document = {}  # of this run, once it has the record
        failures = importlib.import_module("botocore.exceptions")
        self.errors = (failures.BotoCoreError, failures.ClientError)
        configuration = importlib.import_module("botocore.config").Config(
            retries={"max_attempts": 5, "mode": "standard"}, connect_timeout=5, read_timeout=20
        )
        self.client = importlib.import_module("boto3").client(
            "secretsmanager", region_name=told["region"], config=configuration
        )

    def wait_for_earlier_run(self) -> None:
        """Wait until a run that may still be there has ended: a killed one says nothing."""
        waited_for, deadline = "", 0.0
        while True:
            record = self._record()
            if self.last != waited_for:
                waited_for, deadline = self.last, time.monotonic() + RUN_SECONDS + MARGIN_SECONDS
            left = min(self._seconds_of_another(record), deadline - time.monotonic())
            if left <= 0:
                self.ended = self.last
                return
            self.progress("waiting-for-an-earlier-run", seconds=round(left))
            time.sleep(min(left, POLL_SECONDS))

    def read(self) -> Document:
        """How far first boot has got."""
        record = self._record()
        return {"state": record["state"], "token_ends": float(record.get("token_ends", 0))}

    def read_completion(self) -> Document | None:
        """What was noted when everything was done; None if it wasn't."""
        record = self._record()
        return record if record.get("state") == COMPLETE else None

    def reserve(self, shares: int, state: str) -> None:
        """Have the record for this run, and note the state. Its secret was made by this role under this key, so that
        another one can be made after the init. It is kept from here on, so that what may not keep it is told by now."""
        del shares  # a secret takes 65,536 bytes, and settings don't name so many people
        if self.facts:
            self._note({"state": state, "ends": self.facts["ends"]})
        else:
            self._take({"state": state})
        self._keep(self.path)

    def hold(self) -> None:
        """Keep every other run from the record, and go on from where the last one was."""
        if not self.facts:
            self._take(self._record())

    def _take(self, facts: Document) -> None:
        if self._seconds_of_another(self._record()) > 0:
            raise self.refused(f"key shares {self.path} are held by another bootstrap still running")
        self._ask("tag_resource", SecretId=self.path, Tags=self._begun(facts))

    def _begun(self, facts: Document) -> list[Document]:
        """Tags of a run that has the record from now on, and ends itself in time."""
        signal.signal(signal.SIGALRM, _end)
        signal.alarm(RUN_SECONDS)
        self.facts = {**facts, "ends": str(time.time() + RUN_SECONDS)}
        return [_tag(LAST, self.run), self._own_tag()]

    def fill(self, document: Document) -> None:
        """Note the state; make the secret of the key shares first, where it is theirs."""
        noted = {"state": document["state"]}
        if document["state"] == "initialised":
            # Nobody knows the name before the secret is there, so none can have been put in its place.
            noted["shares"] = secrets.token_hex(6)
            value = json.dumps(document, indent=1)
            name = f"{self.name}/{noted['shares']}"
            self._create(name, value, "Encrypted key shares of a Vault", [])
            self._keep(name)
        if "token_ends" in document:
            noted["token_ends"] = str(document["token_ends"])
        self._note({**self.facts, **noted})

    def complete(self, document: Document) -> None:
        """Note that everything was done."""
        noted = {name: document[name] for name in ("completed", "administrator_sha256", "version", "cluster_id")}
        self._still_ours()
        self.facts = {"state": COMPLETE, "shares": self.facts["shares"], **noted}
        self._ask("tag_resource", SecretId=self.path, Tags=[_tag(COMPLETE, _text(self.facts))])

    def close(self) -> None:
        """Let the next run begin at once. Where that can't be noted, it waits."""
        if self.facts:
            if self.facts["state"] != COMPLETE:
                self.facts["ends"] = str(time.time() - MARGIN_SECONDS)
                with contextlib.suppress(*self.errors):
                    self.client.tag_resource(SecretId=self.path, Tags=[self._own_tag()])
            signal.alarm(0)

    def _record(self) -> Document:
        """What the last run noted. The secret is made first: to a role that may describe it by its name and what AWS
        adds to that, AWS denies a secret that isn't there, since it has no such name yet."""
        if not self.opened:
            begun, value = self._begun({"state": "reserved"}), json.dumps({"format": 1})
            if not self._create(self.path, value, "How far first boot of a Vault has got", begun):
                self.facts = {}
                signal.alarm(0)
            self.opened = True
        found = self._ask("describe_secret", SecretId=self.path)
        if found.get("DeletedDate"):
            raise self.refused(
                f"key shares {self.path} are to be deleted; restore that secret, or wait until it is gone"
            )
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()}
        self.last = tags.get(TAG + LAST, "")
        facts = dict(FACT.findall(tags.get(TAG + COMPLETE) or tags.get(TAG + self.last, "")))
        if not (facts.get("state") == COMPLETE or {"state", "ends"} <= facts.keys()):
            raise self.refused(
                f"key shares {self.path} say nothing of the run {self.last}; look before changing its tags"
            )
        return facts

    def _seconds_of_another(self, record: Document) -> float:
        if self.last in (self.run, self.ended) or record["state"] == COMPLETE:
            return 0.0
        return float(record["ends"]) + MARGIN_SECONDS - time.time()

    def _note(self, facts: Document) -> None:
        self._still_ours()
        self.facts = facts
        self._ask("tag_resource", SecretId=self.path, Tags=[self._own_tag()])

    def _still_ours(self) -> None:
        self._record()
        if self.last != self.run:
            raise self.refused(f"key shares {self.path} were taken over by another bootstrap")

    def _own_tag(self) -> Document:
        return _tag(self.run, _text(self.facts))

    def _create(self, name: str, value: str, description: str, tags: list[Document]) -> bool:
        wanted = {"Name": name, "SecretString": value, "Description": description, "KmsKeyId": self.key}
        return bool(self._ask("create_secret", **wanted, **({"Tags": tags} if tags else {})))

    def _keep(self, name: str) -> None:
        """Have a secret deny its end and another value to all but one role. The same again changes nothing."""
        self._ask("put_resource_policy", SecretId=name, ResourcePolicy=self.kept, BlockPublicPolicy=True)

    def _ask(self, action: str, **arguments: Any) -> Document:
        """One request, tried again by its client; empty where the secret to be made is there already."""
        try:
            answer: Document = getattr(self.client, action)(**arguments)
        except self.errors as error:
            said = getattr(error, "response", {}).get("Error", {})
            if action == "create_secret" and said.get("Code") == "ResourceExistsException":
                return {}
            name = arguments.get("Name") or arguments["SecretId"]
            reason = ": ".join(filter(None, (said.get("Code"), said.get("Message")))) or str(error)
            raise self.refused(f"key shares {name}: {action}: {reason}") from None
        return answer
