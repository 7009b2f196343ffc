"""A fake of a Vault server at its first boot, a clock that is set, and a wire on which a process is killed.

The server is as strict as a real one where bootstrap.py could go wrong: it is initialised once, every request needs a
token that is alive, a token with a time to live ends, a login that isn't mounted answers 403. The live tests hold
bootstrap.py against a real one. Not here: PGP, seals, policies, TLS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


class KilledError(BaseException):
    """The process ended here, as by SIGKILL: nothing of it runs on."""


@dataclass
class Clock:
    """Time that passes only by sleeping and by requests; what the module `time` is to a program."""

    now: float = 1_800_000_000.0
    asleep: Callable[[], None] = lambda: None
    """What happens elsewhere each time that somebody sleeps."""
    slept: list[float] = field(default_factory=list)

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds
        self.asleep()

    def gmtime(self) -> Any:
        """For strftime."""
        return self.now

    def strftime(self, form: str, when: Any) -> str:
        """Any time will do."""
        assert form.endswith("Z")
        assert when
        return "2027-01-15T08:00:00Z"


@dataclass
class Wire:
    """Every request of one process. It is killed when one has been done and its answer hasn't arrived."""

    clock: Clock
    kill_at: int = 0
    """Number of that request; 0: none."""
    meanwhile: Callable[[], None] | None = None
    """What happens elsewhere at that request instead of the kill."""
    sent: list[str] = field(default_factory=list)

    def request(self, what: str, act: Callable[[], Any]) -> Any:
        """Send one. Raises KilledError at the request of the kill, and ever after."""
        self.clock.now += 0.05
        self.sent.append(what)
        number = len(self.sent)
        if self.kill_at and number > self.kill_at and not self.meanwhile:
            raise KilledError
        answer = act()
        if number == self.kill_at:
            if self.meanwhile is None:
                raise KilledError
            self.meanwhile()
        return answer


class FakeFirstServer:
    """One server without data."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.generation = clock, 0
        self.standby, self.leader = False, "https://vault-0.invalid:8200"
        self.seal_is_reached = True
        self.empty()

    def empty(self) -> None:
        """Its storage is emptied."""
        self.initialised, self.cluster_id = False, ""
        self.tokens: dict[str, float] = {}
        self.policies: dict[str, str] = {}
        self.mounts: dict[str, dict[str, Document]] = {}
        self.shares: list[str] = []

    def living(self) -> list[str]:
        """Tokens that are good for something now."""
        return [token for token, ends in self.tokens.items() if ends > self.clock.now]

    def answer(self, token: str, method: str, path: str, body: Document) -> tuple[int, Document]:
        """What it answers."""
        open_to_all = {"sys/health": self._health, "sys/leader": self._leader, "sys/init": self._init}
        if path in open_to_all:
            return open_to_all[path](body)
        if not self.initialised:
            return 503, {"errors": ["Vault is sealed"]}
        mount, _, rest = path.removeprefix("auth/").partition("/")
        if rest == "login":
            return (400, {"errors": ["no certificate"]}) if mount in self.mounts else (403, {"errors": ["denied"]})
        if token not in self.living():
            return 403, {"errors": ["permission denied"]}
        return self._by_token(token, method, path, body)

    def _health(self, body: Document) -> tuple[int, Document]:
        del body
        facts = {"initialized": self.initialised, "sealed": not self.initialised, "standby": self.standby}
        return 200, {**facts, "cluster_id": self.cluster_id, "version": "2.0.4", "cluster_name": "vault-cluster-1"}

    def _leader(self, body: Document) -> tuple[int, Document]:
        del body
        return 200, {"leader_address": self.leader}

    def _init(self, body: Document) -> tuple[int, Document]:
        if self.initialised:
            return 400, {"errors": ["Vault is already initialized"]}
        if not self.seal_is_reached:
            return 500, {"errors": ["the seal's key can't be used"]}
        assert body["recovery_threshold"] <= body["recovery_shares"] == len(body["recovery_pgp_keys"])
        self.generation += 1
        self.initialised, self.cluster_id = True, f"cluster-{self.generation}"
        self.shares = [f"encrypted-{self.generation}-{number}" for number in range(body["recovery_shares"])]
        root = "-".join(("canary", "root", str(self.generation)))
        self.tokens = {root: float("inf")}
        return 200, {"root_token": root, "recovery_keys_base64": self.shares}

    def _by_token(self, token: str, method: str, path: str, body: Document) -> tuple[int, Document]:
        if path == "auth/token/create-orphan":
            made = "-".join(("canary", "short", str(self.generation)))
            self.tokens[made] = self.clock.now + int(body["ttl"].removesuffix("s"))
            return 200, {"auth": {"client_token": made}}
        if path == "auth/token/revoke-self":
            del self.tokens[token]
            return 204, {}
        if path == "auth/token/lookup-self":
            return 200, {"data": {}}
        if path.startswith("sys/policies/acl/"):
            name = path.rpartition("/")[2]
            if method == "PUT":
                self.policies[name] = body["policy"]
                return 204, {}
            return 200, {"data": {"policy": self.policies[name]}}
        return self._mounts(method, path, body)

    def _mounts(self, method: str, path: str, body: Document) -> tuple[int, Document]:
        if path == "sys/remount":
            source, target = body["from"].removeprefix("auth/"), body["to"].removeprefix("auth/")
            assert target not in self.mounts
            self.mounts[target] = self.mounts.pop(source)
            return 200, {"migration_id": "1"}
        if path == "sys/remount/status/1":
            return 200, {"data": {"migration_info": {"status": "success"}}}
        if path.startswith("sys/auth/"):
            assert path.rpartition("/")[2] not in self.mounts
            self.mounts[path.rpartition("/")[2]] = {}
            return 204, {}
        mount, kind, role = path.removeprefix("auth/").split("/")
        assert kind == "certs"
        if method == "POST":
            self.mounts[mount][role] = body
        return 200, {"data": self.mounts[mount][role]}
