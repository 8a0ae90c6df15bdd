"""The budget of one API key, as a process sees it."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from airflow_provider_3commas.api.base_url import check_base_url
from airflow_provider_3commas.api.errors import (
    IpBanned,
    RateLimitExceeded,
    ThreeCommasError,
)
from airflow_provider_3commas.api.pauses import BAN_PAUSE, RATE_LIMIT_PAUSE
from airflow_provider_3commas.budget.claims import Claims
from airflow_provider_3commas.budget.ledger import Ledger, Reservation, Reserve
from airflow_provider_3commas.budget.limits import Limits, Priority
from airflow_provider_3commas.budget.redis_store import RedisStore
from airflow_provider_3commas.budget.store import (
    RETRY_STORE_AFTER,
    MemoryStore,
    Reach,
    SqliteStore,
    Store,
    StoreUnavailable,
    Swap,
    milliseconds,
)
from airflow_provider_3commas.budget.urls import check_url

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """The budget at one moment."""

    #: Requests that the server allows in a window.
    limit: int
    #: Requests of the window that ends now.
    used: int
    #: Requests left to polls.
    remaining: int
    remaining_for_sells: int
    #: Requests in the queue.
    waiting: int
    #: Seconds in which nothing may be sent.
    paused_for: float
    #: Why this process counts alone, if it does.
    store_error: str | None


class RequestBudget:
    """The rate limit of one API key at one address, shared with every process that uses the same store.

    No call blocks for longer than the store takes: a request that has to wait gets the seconds to wait. If the store
    fails, one warning is logged and this process counts by itself, from what it last knew; the store is tried again
    every minute and then gets what was counted meanwhile. Can be shared by threads, and survives a fork.

    Of the key, only a hash is kept. ``url`` is the connection's ``budget_url``; ``path`` is the SQLite file to use
    without one; without both, only this process is counted. ``window_seconds`` and ``clock`` (seconds since the epoch,
    otherwise the machine's or the Redis server's) are for tests.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str,
        *,
        requests_per_minute: object = 100,
        url: str | None = None,
        path: Path | None = None,
        window_seconds: float = 60.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.limits = Limits.of(requests_per_minute, window_seconds)
        self.identity = hashlib.sha256(f"{check_base_url(base_url)}\n{api_key}".encode()).hexdigest()[:32]
        self._clock = clock or time.time
        self._store: Store = make_store(url, path, self.identity, clock)
        self._fallback: MemoryStore | None = None
        self._store_error: str | None = None
        self._retry_at = 0.0
        self._last_ledger = Ledger()
        self._clock_offset = 0.0
        self._lock = threading.Lock()
        #: Who is liquidating which account.
        self.claims = Claims(self)
        _instances.add(self)

    def __repr__(self) -> str:
        return f"RequestBudget(identity={self.identity!r}, limit={self.limits.limit})"

    def reserve(self, priority: Priority, ticket: int | None = None) -> Reservation:
        """Count one request that is about to be sent, or return how long to wait; see ``Ledger.reserve``."""
        return self._update(Reserve(self.limits, priority, ticket))

    def withdraw(self, ticket: int) -> None:
        """Give up a place in the queue; one that nobody comes back for expires by itself."""
        self._update(lambda ledger, _now: ledger.withdraw(ticket))

    def report(self, error: ThreeCommasError) -> float:
        """Pause every process after a 429 or 418, but not the plan's 429; return the seconds, 0 without a pause."""
        if not isinstance(error, (RateLimitExceeded, IpBanned)):
            return 0.0
        ban = isinstance(error, IpBanned)
        unsaid = BAN_PAUSE if ban else RATE_LIMIT_PAUSE
        seconds_asked = unsaid if error.retry_after is None else error.retry_after
        seconds = self._update(lambda ledger, now: ledger.pause(seconds_asked, now, ban=ban))
        _logger.warning(
            "3Commas answered %s: nothing is sent with this API key, by any process, for %.0f s.",
            error.status_code or ("418" if ban else "429"),
            seconds,
        )
        return seconds

    def status(self) -> BudgetStatus:
        """Return the state of the budget, counting nothing."""
        used, polls, sells, waiting, paused = self._update(self._figures)
        return BudgetStatus(self.limits.limit, used, polls, sells, waiting, paused, self._store_error)

    @property
    def reach(self) -> Reach:
        """Who sees what is counted: all machines, this one, or only this process."""
        return self._store.reach

    def swap(self, name: str, change: Swap[T]) -> tuple[T, int]:
        """Change a text that the store keeps beside the ledger; see ``Store.swap``.

        Unlike a count, not without the store: raises ``StoreUnavailable``.
        """
        with self._lock:
            result, now = self._store.swap(name, change)
            self._clock_offset = now / 1000 - self._clock()
            return result, now

    def now(self) -> int:
        """Return the store's time in milliseconds, as far as it is known without asking."""
        return milliseconds(self._clock() + self._clock_offset)

    def close(self) -> None:
        """Close files and connections; the next call opens them again."""
        with self._lock:
            self._store.close()

    def _figures(self, ledger: Ledger, now: int) -> tuple[int, int, int, int, float]:
        ledger.advance(now, self.limits)
        return (
            len(ledger.granted),
            ledger.remaining(self.limits, Priority.POLL, now),
            ledger.remaining(self.limits, Priority.SELL, now),
            len(ledger.waiters),
            max(0, ledger.paused_until - now) / 1000,
        )

    def _update(self, change: Callable[[Ledger, int], T]) -> T:
        with self._lock:
            fallback = self._fallback
            if fallback is None or time.monotonic() >= self._retry_at:
                try:
                    result, ledger, now = self._store.update(change, fallback.ledger if fallback else None)
                except StoreUnavailable as error:
                    fallback = self._fall_back_to_memory(str(error))
                else:
                    self._last_ledger, self._clock_offset = ledger, now / 1000 - self._clock()
                    self._reconnected()
                    return result
            return fallback.update(change)[0]

    def _fall_back_to_memory(self, error: str) -> MemoryStore:
        self._retry_at = time.monotonic() + RETRY_STORE_AFTER
        if self._fallback is not None:
            return self._fallback
        self._store_error = error
        offset = self._clock_offset
        self._fallback = MemoryStore(self.identity, lambda: self._clock() + offset, self._last_ledger)
        _logger.warning(
            "The request budget is not shared at the moment: %s Until it can be used again, this process counts its "
            "own requests only, so that several together may exceed the limit.",
            error,
        )
        return self._fallback

    def _reconnected(self) -> None:
        if self._fallback is not None:
            self._fallback = self._store_error = None
            _logger.warning("The request budget is shared again.")

    def _after_fork(self) -> None:
        """In a child process: take a new lock and let go of the parent's connection."""
        self._lock = threading.Lock()
        self._store.after_fork()
        if self._fallback is not None:
            self._fallback.after_fork()


def make_store(url: str | None, path: Path | None, identity: str, clock: Callable[[], float] | None) -> Store:
    """Return the store of a ``budget_url``, or without one of the file at ``path``; nothing is opened yet."""
    if not url:
        return SqliteStore(path, identity, clock or time.time) if path else MemoryStore(identity, clock or time.time)
    parts = check_url(url)
    if parts.scheme == "memory":
        return MemoryStore(identity, clock or time.time)
    if parts.scheme == "sqlite":
        return SqliteStore(Path(unquote(parts.path[1:])), identity, clock or time.time)
    return RedisStore(url, identity, clock)


_instances: weakref.WeakSet[RequestBudget] = weakref.WeakSet()
_shared: dict[tuple[object, ...], RequestBudget] = {}
_shared_lock = threading.Lock()


def shared_budget(
    api_key: str,
    base_url: str,
    *,
    requests_per_minute: object = 100,
    url: str | None = None,
    path: Path | None = None,
) -> RequestBudget:
    """Return this process's ``RequestBudget`` for these parameters: the same one every time."""
    budget = RequestBudget(api_key, base_url, requests_per_minute=requests_per_minute, url=url, path=path)
    with _shared_lock:
        return _shared.setdefault((budget.identity, budget.limits, url, path), budget)


def _after_fork() -> None:
    global _shared_lock  # noqa: PLW0603
    _shared_lock = threading.Lock()
    for budget in list(_instances):
        budget._after_fork()


os.register_at_fork(after_in_child=_after_fork)
