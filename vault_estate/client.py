"""The client: what an application asks Vault for.

Owns the public calls, and what each is of Vault's API. Refuses to log in before something is asked for, to be shared
with another process by pickling, and to be of one with its parent after a fork.
"""

import atexit
import base64
import json
import logging
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vault_estate.accepted import GRACE_SECONDS, AcceptedVersions
from vault_estate.answers import seconds_of
from vault_estate.cache import Cache, CacheEvent
from vault_estate.clock import Clock
from vault_estate.errors import (
    ConfigurationError,
    InvalidRequest,
    ProtocolError,
    SecretNotFound,
    VaultUnavailable,
)
from vault_estate.events import Event, EventKind, Notifier, Observer
from vault_estate.guarded import NotPickled
from vault_estate.hiding import hides_values
from vault_estate.leases import DatabaseLogin, DatabasePlace, Leases
from vault_estate.models import ROTATION_NOTE, IssuedCertificate, Secret, VaultHealth
from vault_estate.opening import VaultClientConfig, opened
from vault_estate.rewrapping import WrappedText, batches
from vault_estate.session import RENEW_AT, Session
from vault_estate.transport import HEALTH_STATUSES, Repeat

if TYPE_CHECKING:
    import hvac

    from vault_estate.manifest import ClientManifest

_LOG = logging.getLogger("vault_estate")
_LOG.addHandler(logging.NullHandler())

PINNED_SECONDS = 3_600.0
"""How long one version of a secret is kept: it can't change, only be deleted."""
_WARNED_EACH_SECONDS = 60.0
_KINDS = {
    CacheEvent.HIT: EventKind.CACHE_HIT,
    CacheEvent.MISS: EventKind.CACHE_MISS,
    CacheEvent.REFRESHED: EventKind.SECRET_REFRESHED,
    CacheEvent.STALE: EventKind.SECRET_STALE,
}
_LAST = -1
"""After what a program has registered, which may read a secret once more."""
_CHILDREN: set[int] = set()
"""This process, if it is a child whose end is registered. In one that was forked, its parent until then."""
_CLIENTS: "weakref.WeakSet[VaultClient]" = weakref.WeakSet()


class VaultClient(NotPickled):
    """Reads what an estate keeps for one application. One for a process is enough: it may be used by all threads."""

    @hides_values
    def __init__(
        self,
        config: VaultClientConfig | None = None,
        *,
        manifest: "ClientManifest | str | os.PathLike[str] | None" = None,
        environ: Mapping[str, str] = os.environ,
        observers: Sequence[Observer] = (),
        clock: Clock | None = None,
    ) -> None:
        """Nothing is asked of Vault yet.

        Args:
            config: what the program says itself.
            manifest: the document, or its file; without it `$VAULT_ESTATE_CONFIG`, `vault-estate.json`, or none.
            environ: where variables are read.
            observers: who is told what happens.
            clock: for tests.

        Raises:
            ConfigurationError: the address or the login is missing, not clear, or can't be used.
        """
        self.config = config or VaultClientConfig()
        found = opened(self.config, manifest=manifest, environ=environ, clock=clock)
        self.manifest = found.manifest
        self.chosen = found.chosen
        """How it logs in, and why."""
        self._transport = found.transport
        self._clock = found.transport.clock
        self._notifier = Notifier(observers)
        self._session = Session(
            found.transport, found.chosen.method, notifier=self._notifier, logged_in=_close_at_a_childs_end
        )
        self._cache: Cache[tuple[str, int | None], Secret] = Cache(
            mark_stale=Secret.as_stale, freshness=found.freshness, clock=self._clock, tell=self._cached
        )
        self._accepted = AcceptedVersions(self, now=self._clock.now, server_time=self._transport.server_time)
        self._leases = Leases(self._session, self._notifier)
        self._tells_hits = bool(observers)
        self._warned_at = -_WARNED_EACH_SECONDS
        _CLIENTS.add(self)

    def __repr__(self) -> str:
        name = self.manifest.application if self.manifest else "no manifest"
        return f"VaultClient({name}, {self._transport.addresses[0]}, {self.chosen.method.kind})"

    def __enter__(self) -> "VaultClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Revoke the token, and with it every lease, within a second; close connections. It is done at the process's
        end, too, and at that of multiprocessing's children, but where a signal ends it, as SIGTERM does unless the
        program handles it, or `os._exit`. A later call logs in anew."""
        self._leases.close()
        try:
            self._session.close()
        finally:
            self._transport.close()

    def get_secret(self, name: str, *, version: int | None = None, min_version: int | None = None) -> Secret:
        """A secret, from memory if it was read in the last minutes.

        Args:
            name: as the manifest has it; without one, its path in the mount.
            version: this one and no other.
            min_version: this one or a newer one, even if an older one was read a moment ago.

        Raises:
            ConfigurationError: the manifest has no such secret; the known ones are listed. Or a version below 1.
            SecretNotFound: Vault has none, or (`SecretDeleted`) not any more, or not yet in `min_version`.
            MountNotFound: its mount or the namespace isn't there.
            PermissionDenied: this login may not read it.
            VaultUnavailable: Vault can't be asked, and what was read is older than an hour.
            AuthenticationError: nobody could be logged in.
        """
        found = self.peek(name, version=version, min_version=min_version)
        return self._asked(name, version, min_version) if found is None else found

    @hides_values
    def _asked(self, name: str, version: int | None, min_version: int | None) -> Secret:
        if version is not None and version < 1:
            # Vault takes 0 for the newest, which is no version that can't change.
            raise ConfigurationError(f"version is {version}; expected 1 or more")
        key = (name, version)
        if min_version is None:
            return self._cache.get(key, self._reader(name, version), fresh_seconds=PINNED_SECONDS if version else None)
        secret = self._cache.get(key, self._reader(name, version), accept=lambda one: one.version >= min_version)
        if secret.version < min_version:
            raise SecretNotFound(
                f"secret {name} is at version {secret.version}; expected {min_version} or later", path=secret.path
            )
        return secret

    def peek(
        self, name: str, *, version: int | None = None, min_version: int | None = None, is_asked: bool = False
    ) -> Secret | None:
        """A secret that is in memory and fresh, without asking Vault; None: it isn't. Near its end it counts as fresh
        only if `is_asked`: somebody reads it anew."""
        accept = None if min_version is None else lambda one: one.version >= min_version
        return self._cache.peek((name, version), accept, is_asked=is_asked)

    @hides_values
    def refresh(self, name: str) -> Secret:
        """A secret as Vault has it now, which is kept. Raises as `get_secret`, and nothing stale."""
        return self._cache.refresh((name, None), self._reader(name, None))

    def invalidate(self, name: str | None = None) -> None:
        """Forget a secret with every version of it, or all: whoever asks next asks Vault."""
        self._cache.invalidate(lambda key: name in (None, key[0]))

    @hides_values
    def accepted(self, name: str, *, key: str | None = None, grace_seconds: float | None = None) -> tuple[Secret, ...]:
        """What a verifier takes: the secret, and each version before it until its grace is over, newest first; none
        that was ended before its time (`rotate --now`): none with any value that was, or with `key` none where that
        one was. By Vault's clock; without `grace_seconds` as long as the secret's rotation says, else 10 minutes.
        Raises as `get_secret`."""
        return self._accepted.find(name, key, self._grace_seconds(name, grace_seconds))

    @hides_values
    def accepts(self, name: str, key: str, shown: str, *, grace_seconds: float | None = None) -> bool:
        """Whether a value that somebody shows is one that a verifier takes (`accepted`). One that isn't known is looked
        for in Vault, each few seconds at most: a rotated value is seen by others before this process reads it anew.
        Raises as `get_secret`, and SecretKeyMissing: the secret has no such key."""
        return self._accepted.has(name, key, shown, self._grace_seconds(name, grace_seconds))

    def database(self, role: str) -> DatabaseLogin:
        """A database role's credentials, kept alive and replaced in time. Use it with `with`.
        Raises ConfigurationError: the manifest has no such role."""
        if self.manifest is None:
            return DatabaseLogin(
                DatabasePlace(role=role, path=f"database/creds/{_path(role)}", connection={}), self._leases
            )
        found, database = self.manifest.database_role(role), self.manifest.database
        mount = database.mount if database else "database"
        engine = "static-creds" if database and role in database.static_roles else "creds"
        connection = {"host": found.host, "port": found.port, "dbname": found.database, "sslmode": found.ssl_mode}
        place = DatabasePlace(role=role, path=f"{mount}/{engine}/{_path(role)}", connection=connection)
        return DatabaseLogin(place, self._leases)

    @hides_values
    def certificate(
        self, role: str, common_name: str, *, ttl_seconds: int | None = None, names: Sequence[str] = ()
    ) -> IssuedCertificate:
        """A new certificate with a new private key, which is kept nowhere. `names` are further ones it is for.
        Raises ConfigurationError: the manifest has no such role. Raises InvalidRequest: the role refuses the names."""
        mount = "pki"
        if self.manifest is not None:
            self.manifest.pki_role(role)
            mount = self.manifest.pki.mount if self.manifest.pki else mount
        body: dict[str, Any] = {"common_name": common_name}
        if names:
            body["alt_names"] = ",".join(names)
        if ttl_seconds is not None:
            body["ttl"] = f"{ttl_seconds}s"
        path = f"{mount}/issue/{_path(role)}"
        begun_at = self._transport.server_time()
        with self._observed("issue", "pki", role):
            data = self._data(self._session.request("POST", path, body=body, repeat=Repeat.UNSENT), path)
        ends_at = seconds_of(_member(data, "expiration", path), path)
        authorities = data.get("ca_chain") or [_member(data, "issuing_ca", path)]
        return IssuedCertificate(
            common_name=common_name,
            certificate=str(_member(data, "certificate", path)),
            key=str(_member(data, "private_key", path)),
            authorities=tuple(map(str, authorities)),
            serial_number=str(_member(data, "serial_number", path)),
            ends_at=ends_at,
            renew_at=begun_at + (ends_at - begun_at) * RENEW_AT,
        )

    @hides_values
    def encrypt(self, key: str, plaintext: bytes, *, context: bytes | None = None) -> str:
        """A ciphertext by a transit key, which stays in Vault. `context` is asked for by derived keys, and again to
        decrypt. Raises ConfigurationError: the manifest has no such key."""
        body = {"plaintext": _base64(plaintext)}
        return str(self._transit("encrypt", key, body, context, "ciphertext"))

    @hides_values
    def decrypt(self, key: str, ciphertext: str, *, context: bytes | None = None) -> bytes:
        """What was encrypted. Raises InvalidRequest: it was not by this key, or with another context."""
        found = self._transit("decrypt", key, {"ciphertext": ciphertext}, context, "plaintext")
        try:
            return base64.b64decode(str(found), validate=True)
        except ValueError:
            pass  # its traceback would have the plaintext
        raise ProtocolError(f"key {key}: the answer's plaintext is not base64; expected what Vault sends")

    @hides_values
    def rewrap(self, key: str, wrapped: Sequence[WrappedText]) -> list[WrappedText]:
        """The same, encrypted by the newest version of a transit key, in the same order; no plaintext leaves Vault. All
        of them or none: nothing is changed in Vault. Raises ConfigurationError: the manifest has no such key. Raises
        InvalidRequest: one is no ciphertext, or not by this key, or with another context; its number is told."""
        for number, one in enumerate(wrapped, 1):
            if not one.is_ciphertext:
                # Not shown: it may be a plaintext.
                raise InvalidRequest(f"ciphertext {number} is other text; expected vault:vN: and base64")
        found: list[WrappedText] = []
        for batch in batches(wrapped):
            body = {"batch_input": [one.document for one in batch]}
            results = self._transit("rewrap", key, body, None, "batch_results")
            if not isinstance(results, list) or len(results) != len(batch):
                raise ProtocolError(f"key {key}: the answer has not as many ciphertexts; expected {len(batch)}")
            for one, result in zip(batch, results, strict=True):
                found.append(_rewrapped(one, result, key, len(found) + 1))
        return found

    @hides_values
    def health(self) -> VaultHealth:
        """How Vault is, and this client. Nobody is logged in for it; that Vault doesn't answer is no error."""
        call = self._transport.prepared("GET", "sys/health")
        told: Mapping[str, Any] = {}
        reachable = True
        try:
            told = self._transport.answered(call, statuses=HEALTH_STATUSES).document()
        except (VaultUnavailable, ValueError):
            reachable = False
        return VaultHealth(
            reachable=reachable,
            initialized=bool(told.get("initialized")),
            sealed=bool(told.get("sealed")),
            standby=bool(told.get("standby")),
            version=str(told.get("version") or ""),
            token_ttl_seconds=self._session.ttl_seconds,
            cache_hit_ratio=self._cache.hit_ratio(),
            stale=self._cache.has_stale(),
        )

    @property
    def hvac(self) -> "hvac.Client":
        """An hvac client with this one's login and connections, for everything else that Vault can do. Its errors are
        hvac's."""
        import hvac  # noqa: PLC0415 - it brings requests, which few need

        from vault_estate.hvac_adapter import Urllib3Adapter  # noqa: PLC0415 - as above

        return hvac.Client(
            url=self._transport.addresses[0],
            token="",
            adapter=Urllib3Adapter,
            transport=self._transport,
            token_source=self._session.token,
            another_token=self._session.another,
        )

    def _reader(self, name: str, version: int | None) -> Callable[[], Secret]:
        def read() -> Secret:
            mount, path = self._place(name)
            asked = f"{mount}/data/{_path(path)}{f'?version={version}' if version else ''}"
            with self._observed("read", "kv", name):
                data = self._data(self._session.request("GET", asked), asked)
            return _secret(data, name=name, path=f"{mount}/{path}", asked=asked)

        return read

    def _grace_seconds(self, name: str, given: float | None) -> float:
        rotation = self.manifest.secret(name).rotation if given is None and self.manifest else None
        if rotation is not None:
            return rotation.grace_seconds
        return GRACE_SECONDS if given is None else given

    def _place(self, name: str) -> tuple[str, str]:
        if self.manifest is None:
            _path(name, f"its path in {self.config.kv_mount}")
            return self.config.kv_mount, name
        found = self.manifest.secret(name)
        return found.mount, found.path

    def _transit(self, operation: str, key: str, body: dict[str, Any], context: bytes | None, wanted: str) -> object:
        mount = "transit"
        if self.manifest is not None:
            self.manifest.transit_key(key)
            mount = self.manifest.transit.mount if self.manifest.transit else mount
        if context is not None:
            body["context"] = _base64(context)
        path = f"{mount}/{operation}/{_path(key)}"
        with self._observed(operation, "transit", key):
            return _member(self._data(self._session.request("POST", path, body=body), path), wanted, path)

    @staticmethod
    def _data(document: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        data = document.get("data")
        if not isinstance(data, Mapping):
            raise ProtocolError(f"{path}: the answer has no data; expected some", path=path)
        return data

    @contextmanager
    def _observed(self, operation: str, secret_type: str, name: str) -> Iterator[None]:
        if not self._notifier:
            yield
            return
        begun_at, error = self._clock.now(), ""
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__  # also of what a signal handler raises: it is no success
            raise
        finally:
            self._notifier.tell(
                Event(
                    kind=EventKind.OPERATION,
                    operation=operation,
                    secret_type=secret_type,
                    name=name,
                    seconds=self._clock.now() - begun_at,
                    error=error,
                )
            )

    def _cached(self, event: CacheEvent, key: tuple[str, int | None]) -> None:
        if event is CacheEvent.STALE:
            self._warn_of_stale(key[0])
        if self._tells_hits:
            self._notifier.tell(Event(kind=_KINDS[event], operation="read", secret_type="kv", name=key[0]))  # noqa: S106 - a kind

    def _warn_of_stale(self, name: str) -> None:
        now = self._clock.now()
        if now - self._warned_at >= _WARNED_EACH_SECONDS:
            self._warned_at = now
            _LOG.warning("Vault can't be asked; secret %s is served as it was read before", name)

    def _forked(self) -> None:
        self._transport.forked()
        self._session.forked()
        self._cache.forked()
        self._leases.forked()


def _path(text: str, expected: str = "a name, or names joined by '/'") -> str:
    if not text.isprintable() or not {"", ".", ".."}.isdisjoint(text.split("/")):
        raise ConfigurationError(f"name is {text!a}; expected {expected}")
    return quote(text, safe="/")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _member(data: Mapping[str, Any], name: str, path: str) -> Any:
    if name not in data:
        raise ProtocolError(f"{path}: the answer has no {name}; expected one", path=path)
    return data[name]


def _rewrapped(one: WrappedText, result: object, key: str, number: int) -> WrappedText:
    told = result if isinstance(result, Mapping) else {}
    if told.get("error"):
        raise InvalidRequest(f"ciphertext {number} of key {key} is refused ({told['error']}); expected one by this key")
    found = WrappedText(ciphertext=str(told.get("ciphertext") or ""), context=one.context)
    if not found.is_ciphertext:
        raise ProtocolError(f"key {key}: the answer has no ciphertext {number}; expected one")
    return found


def _secret(data: Mapping[str, Any], *, name: str, path: str, asked: str) -> Secret:
    values, metadata = data.get("data"), data.get("metadata")
    if not isinstance(values, Mapping) or not isinstance(metadata, Mapping):
        raise ProtocolError(
            f"{asked}: the answer is no version of a secret; expected a KV mount of version 2", path=asked
        )
    try:
        version = int(metadata.get("version") or 0)
        created_time = str(metadata.get("created_time") or "")
        datetime.fromisoformat(created_time or "1970-01-01")
    except (TypeError, ValueError):
        pass
    else:
        accepted_from, values_accepted_from = _accepted_from(metadata.get("custom_metadata"))
        return Secret(
            values,
            name=name,
            path=path,
            version=version,
            created_time=created_time,
            accepted_from=accepted_from,
            values_accepted_from=values_accepted_from,
        )
    raise ProtocolError(f"{asked}: the answer's metadata is not Vault's; expected a version and its time", path=asked)


def _accepted_from(notes: object) -> tuple[int, Mapping[str, int]]:
    """As a rotation noted it, for all values and for some; a note that can't be read is none."""
    told = notes.get(ROTATION_NOTE) if isinstance(notes, Mapping) else None
    if not isinstance(told, str):
        return 0, {}
    try:
        note = json.loads(told)
    except ValueError:
        return 0, {}
    note = note if isinstance(note, Mapping) else {}
    of_all, of_some = note.get("accepted_from"), note.get("values_accepted_from")
    some = of_some.items() if isinstance(of_some, Mapping) else ()
    return of_all if isinstance(of_all, int) else 0, {key: one for key, one in some if isinstance(one, int)}


def _after_fork() -> None:
    for client in list(_CLIENTS):
        client._forked()


def _at_exit() -> None:
    """Close all, whatever an observer of one raises."""
    with ExitStack() as ends:
        for client in list(_CLIENTS):
            ends.callback(client.close)


def _close_at_a_childs_end() -> None:
    """A child of multiprocessing ends by `os._exit`, which leaves out what atexit has to call. What was registered
    before it was forked is forgotten there, so it is done when the child has a token of its own."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is None or util is None or process.parent_process() is None or os.getpid() in _CHILDREN:
        return
    _CHILDREN.clear()
    _CHILDREN.add(os.getpid())
    util.Finalize(None, _at_exit, exitpriority=_LAST)


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
