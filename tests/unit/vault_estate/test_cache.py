"""The cache alone, with a clock that is set. Not proven: how fast a hit is (`tests/live/vault_estate/`)."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.clocks import SetClock
from vault_estate import errors
from vault_estate.cache import Cache, CacheEvent, Freshness


class Source:
    """What is loaded: a number that grows, or what `fails` is."""

    def __init__(self) -> None:
        self.loads = 0
        self.fails: Exception | None = None
        self.during = threading.Event()
        self.during.set()
        self.began = threading.Event()

    def __call__(self) -> str:
        self.loads += 1
        number = self.loads
        self.began.set()
        assert self.during.wait(10)
        if self.fails is not None:
            raise self.fails
        return f"v{number}"


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def cache(clock: SetClock) -> Cache[str, str]:
    return Cache(mark_stale=lambda value: f"stale {value}", clock=clock)


def test_a_value_is_loaded_once_and_read_ahead_of_its_end(
    cache: Cache[str, str], clock: SetClock, source: Source
) -> None:
    assert [cache.get("a", source) for _ in range(3)] == ["v1"] * 3
    clock.advance(239)
    assert cache.get("a", source) == "v1"
    clock.advance(2)
    assert cache.get("a", source) == "v2"
    assert cache.asked == {CacheEvent.HIT: 3, CacheEvent.MISS: 1, CacheEvent.REFRESHED: 1, CacheEvent.STALE: 0}
    assert cache.hit_ratio() == 0.6


def test_lives_differ() -> None:
    clock = SetClock(chance=0.0)
    cache: Cache[str, str] = Cache(mark_stale=str, clock=clock)
    source = Source()
    cache.get("a", source)
    clock.advance(240 * 0.8 - 1)
    assert cache.peek("a") == "v1"
    clock.advance(2)
    assert cache.peek("a") is None


def test_while_one_reads_ahead_others_have_the_old_one(cache: Cache[str, str], clock: SetClock, source: Source) -> None:
    cache.get("a", source)
    clock.advance(250)
    source.during.clear()
    source.began.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get, "a", source)
        assert source.began.wait(10)
        assert cache.get("a", source) == "v1"
        source.during.set()
        assert first.result() == "v2"


def test_many_who_ask_for_one_cold_key_ask_once(cache: Cache[str, str], source: Source) -> None:
    source.during.clear()
    with ThreadPoolExecutor(50) as pool:
        found = [pool.submit(cache.get, "a", source) for _ in range(50)]
        assert source.began.wait(10)
        source.during.set()
        assert Counter(one.result() for one in found) == {"v1": 50}
    assert source.loads == 1


def test_many_have_one_error_each_their_own(cache: Cache[str, str], source: Source) -> None:
    source.during.clear()
    source.fails = errors.VaultSealed("sealed")
    with ThreadPoolExecutor(5) as pool:
        found = [pool.submit(cache.get, "a", source) for _ in range(5)]
        assert source.began.wait(10)
        source.during.set()
        raised = [one.exception() for one in found]
    assert {type(one) for one in raised} == {errors.VaultSealed}
    assert len({id(one) for one in raised}) == 5


def test_an_outage_is_outlived_by_an_hour_at_most(cache: Cache[str, str], clock: SetClock, source: Source) -> None:
    cache.get("a", source)
    source.fails = errors.VaultSealed("sealed")
    clock.advance(250)
    assert cache.get("a", source) == "v1", "it is still fresh"
    clock.advance(51)
    assert cache.get("a", source) == "stale v1"
    assert cache.has_stale()
    loads = source.loads
    assert cache.get("a", source) == "stale v1"
    assert source.loads == loads, "asked a moment ago"
    clock.advance(3_600 - 301 - 1)
    assert cache.get("a", source) == "stale v1"
    clock.advance(2)
    with pytest.raises(errors.VaultSealed):
        cache.get("a", source)
    source.fails = None
    assert cache.get("a", source).startswith("v")


def test_its_end_is_seen_within_two_seconds(cache: Cache[str, str], clock: SetClock, source: Source) -> None:
    cache.get("a", source)
    clock.advance(301)
    source.fails = errors.VaultSealed("sealed")
    cache.get("a", source)
    source.fails = None
    clock.advance(1.01)
    assert cache.get("a", source) == "v3"


@pytest.mark.parametrize(("kind", "longest"), [(errors.VaultSealed, 3_599), (errors.VaultUntrusted, 599)])
def test_in_an_outage_only_one_waits_for_an_answer(
    cache: Cache[str, str], clock: SetClock, source: Source, kind: type[errors.VaultUnavailable], longest: float
) -> None:
    cache.get("a", source)
    clock.advance(301)
    source.fails = kind("away")
    assert cache.get("a", source) == "stale v1"
    clock.advance(longest - 301)
    source.began.clear()
    source.during.clear()
    with ThreadPoolExecutor(2) as pool:
        try:
            asks = pool.submit(cache.get, "a", source)
            assert source.began.wait(10)
            assert pool.submit(cache.get, "a", source).result(1) == "stale v1"
            clock.advance(2)
            too_late = pool.submit(cache.get, "a", source)
        finally:
            source.during.set()
        for one in (asks, too_late):
            with pytest.raises(kind):
                one.result(10)


def test_a_quotas_wait_is_kept(cache: Cache[str, str], clock: SetClock, source: Source) -> None:
    cache.get("a", source)
    clock.advance(301)
    source.fails = errors.RateLimited("slow", retry_after=30)
    cache.get("a", source)
    clock.advance(29)
    assert cache.get("a", source) == "stale v1"
    assert source.loads == 2


def test_a_server_without_a_good_certificate_is_hidden_for_five_minutes(
    cache: Cache[str, str], clock: SetClock, source: Source
) -> None:
    cache.get("a", source)
    source.fails = errors.VaultUntrusted("not vouched for")
    clock.advance(500)
    assert cache.get("a", source) == "stale v1"
    clock.advance(200)
    with pytest.raises(errors.VaultUntrusted):
        cache.get("a", source)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(errors.SecretNotFound("none"), 10), (errors.SecretDeleted("gone"), 10), (errors.PermissionDenied("no"), 5)],
)
def test_a_refusal_drops_the_value_and_is_remembered(
    cache: Cache[str, str], clock: SetClock, source: Source, error: errors.VaultEstateError, seconds: int
) -> None:
    cache.get("a", source)
    clock.advance(301)
    source.fails = error
    for _ in range(3):
        with pytest.raises(type(error)) as raised:
            cache.get("a", source)
        assert raised.value is not error
    assert source.loads == 2
    source.fails = errors.VaultSealed("sealed")
    clock.advance(seconds)
    with pytest.raises(errors.VaultSealed):
        cache.get("a", source)


def test_another_error_is_told_and_not_remembered(cache: Cache[str, str], clock: SetClock, source: Source) -> None:
    cache.get("a", source)
    clock.advance(301)
    source.fails = errors.AuthenticationError("who")
    for _ in range(2):
        with pytest.raises(errors.AuthenticationError):
            cache.get("a", source)
    assert source.loads == 3


def test_an_interrupted_reader_leaves_nobody_waiting(cache: Cache[str, str], source: Source) -> None:
    source.fails = KeyboardInterrupt()  # type: ignore[assignment]  # no Exception, as the interruption isn't
    source.during.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", source)
        assert source.began.wait(10)
        second = pool.submit(cache.get, "a", source)
        while not second.running():
            pass
        source.during.set()
        assert isinstance(first.exception(), KeyboardInterrupt)
        assert isinstance(second.exception(), KeyboardInterrupt), "it asked itself"
    source.fails = None
    assert cache.get("a", source).startswith("v")


def test_what_will_not_do_is_asked_for(cache: Cache[str, str], source: Source) -> None:
    cache.get("a", source)
    assert cache.get("a", source, accept=lambda value: value >= "v2") == "v2"
    assert cache.get("a", source, accept=lambda value: value >= "v2") == "v2"
    source.fails = errors.VaultSealed("sealed")
    with pytest.raises(errors.VaultSealed):
        cache.get("a", source, accept=lambda value: value >= "v3")


def test_who_needs_a_newer_one_than_is_being_read_asks_again(cache: Cache[str, str], source: Source) -> None:
    source.during.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", source)
        assert source.began.wait(10)
        second = pool.submit(cache.get, "a", source, accept=lambda value: value >= "v2")
        source.during.set()
        assert (first.result(), second.result()) == ("v1", "v2")


def test_refreshing_reads_after_it_was_asked_for(cache: Cache[str, str], source: Source) -> None:
    source.during.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", source)
        assert source.began.wait(10)
        second = pool.submit(cache.refresh, "a", source)
        source.during.set()
        assert (first.result(), second.result()) == ("v1", "v2")
    assert cache.peek("a") == "v2"
    source.fails = errors.VaultSealed("sealed")
    with pytest.raises(errors.VaultSealed):
        cache.refresh("a", source)


def test_what_was_read_before_it_was_forgotten_is_not_kept(cache: Cache[str, str], source: Source) -> None:
    source.during.clear()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(cache.get, "a", source)
        assert source.began.wait(10)
        cache.invalidate("a".__eq__)
        source.during.set()
        assert reading.result() == "v1"
    assert cache.peek("a") is None


def test_who_asks_after_it_was_forgotten_has_no_older_answer(cache: Cache[str, str], source: Source) -> None:
    source.during.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", source)
        assert source.began.wait(10)
        source.began.clear()
        cache.invalidate("a".__eq__)
        second = pool.submit(cache.get, "a", source)
        assert source.began.wait(10), "it asks itself"
        source.during.set()
        assert (first.result(), second.result()) == ("v1", "v2")
    assert cache.peek("a") == "v2"


@pytest.mark.parametrize("error", [None, errors.PermissionDenied("of before")])
def test_a_read_that_ends_after_one_that_began_later_changes_nothing(
    cache: Cache[str, str], error: errors.VaultEstateError | None
) -> None:
    began, ends = threading.Event(), threading.Event()

    def slow() -> str:
        began.set()
        assert ends.wait(10)
        if error is not None:
            raise error
        return "old"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get, "a", slow)
        assert began.wait(10)
        assert cache.refresh("a", lambda: "new") == "new"
        ends.set()
        assert isinstance(first.exception(10), errors.PermissionDenied) if error else first.result(10) == "old"
    assert cache.get("a", slow) == "new"


def test_invalidating_forgets_one_or_all(cache: Cache[str, str], source: Source) -> None:
    cache.get("a", source)
    cache.get("b", source)
    cache.invalidate("a".__eq__)
    assert (cache.peek("a"), cache.peek("b")) == (None, "v2")
    cache.invalidate()
    assert cache.peek("b") is None
    source.fails = errors.SecretNotFound("none")
    with pytest.raises(errors.SecretNotFound):
        cache.get("c", source)
    cache.invalidate()
    source.fails = None
    assert cache.get("c", source) == "v4"


def test_of_too_many_the_one_used_longest_ago_goes(clock: SetClock, source: Source) -> None:
    cache: Cache[str, str] = Cache(mark_stale=str, freshness=Freshness(entries=2), clock=clock)
    for key in ("a", "b", "a", "c"):
        cache.get(key, source)
        clock.advance(1)
    assert [cache.peek(key) is not None for key in "abc"] == [True, False, True]
    source.fails = errors.SecretNotFound("none")
    for key in "defg":
        with pytest.raises(errors.SecretNotFound):
            cache.get(key, source)
    assert len(cache._refusals) <= 2


def test_after_a_fork_values_stay_and_questions_do_not(cache: Cache[str, str], source: Source) -> None:
    cache.get("a", source)
    source.during.clear()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(cache.get, "b", source)
        assert source.began.wait(10)
        cache.forked()
        source.during.set()
        assert cache.get("b", source) in ("v2", "v3")
    assert cache.peek("a") == "v1"


def test_each_question_is_told(clock: SetClock, source: Source) -> None:
    told: list[tuple[CacheEvent, str]] = []
    cache: Cache[str, str] = Cache(mark_stale=str, clock=clock, tell=lambda event, key: told.append((event, key)))
    cache.get("a", source, fresh_seconds=10)
    cache.get("a", source)
    clock.advance(11)
    cache.get("a", source)
    assert told == [(CacheEvent.MISS, "a"), (CacheEvent.HIT, "a"), (CacheEvent.REFRESHED, "a")]
    assert Cache(mark_stale=str).hit_ratio() is None


@pytest.mark.parametrize("wrong", [{"fresh_seconds": -1}, {"stale_seconds": -1}, {"entries": 0}])
def test_less_than_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(errors.ConfigurationError, match="; expected more"):
        Freshness(**wrong)
