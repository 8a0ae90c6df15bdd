"""The store that several machines share: a Redis server, and the scripts that it runs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import msgspec

from airflow_provider_3commas.api.base_url import is_loopback
from airflow_provider_3commas.budget.ledger import (
    Ledger,
    Reason,
    Reservation,
    Reserve,
)
from airflow_provider_3commas.budget.limits import LONGEST_PAUSE, MAX_WAITERS
from airflow_provider_3commas.budget.store import (
    INHERITED_CONNECTIONS,
    STORE_TIMEOUT,
    Change,
    Reach,
    StoreUnavailable,
    Swap,
    decode_ledger,
    milliseconds,
    swap_of,
)
from airflow_provider_3commas.budget.urls import describe_url, secrets_in_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

T = TypeVar("T")

# The last argument of each script is for how long the key is kept.

#: Write the key if it still holds ARGV[1] and the time is not too old; else return what it holds, to try again with.
_SWAP = """
local held = redis.call('GET', KEYS[1]) or ''
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if held ~= ARGV[1] or now - ARGV[3] > 500 then
    return {0, held, now}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
return {1, '', now}
"""

#: ``Ledger.reserve``, line for line; the arguments are the limits, the priority, the place and, for tests, the
#: time.
_RESERVE = """
local good, ledger = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '{}')
if not good or type(ledger) ~= 'table' then ledger = {} end
local limits, sells, ticket = cjson.decode(ARGV[1]), ARGV[2] == 'sell', tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000)

-- advance, and look at the queue
local back = math.min(now - (ledger.seen or 0), 0)
ledger.seen = now
for _, name in ipairs({'paused_until', 'banned_until', 'last_sell', 'paced'}) do
    ledger[name] = (ledger[name] or 0) + back
end
local granted, waiters, ahead, alike, selling = {}, {}, 0, 0, 0
for _, at in ipairs(ledger.granted or {}) do
    if at + back > now - limits.effective_window then granted[#granted + 1] = at + back end
end
for _, waiter in ipairs(ledger.waiters or {}) do
    local waiting, turn_at = waiter[1], waiter[3] + back
    if turn_at + limits.turn_grace > now and waiting ~= ticket then
        waiters[#waiters + 1] = {waiting, waiter[2], turn_at}
        if waiter[2] then selling = math.max(selling, turn_at + limits.turn_grace) end
        if waiter[2] == sells then
            alike = alike + 1
            if not ticket or waiting < ticket then ahead = ahead + 1 end
        end
    end
end

-- _earliest_grant
local grant_at, reason = ledger.paused_until, 'PAUSE'
local function wait_until(at, why)
    if at > grant_at then grant_at, reason = at, why end
end
local index, spans = #granted + ahead - limits.cap, 1
if index >= 0 then
    while index >= #granted do index, spans = index - limits.cap, spans + 1 end
    if index >= 0 then
        wait_until(granted[index + 1] + spans * limits.effective_window, 'BUDGET')
    else
        wait_until(now + (spans - 1) * limits.effective_window, 'BUDGET')
    end
end
local beyond = #granted + ahead - limits.burst
if not sells then
    if beyond >= 0 then
        local start = math.max(now, ledger.paused_until) - limits.max_burst_debt
        wait_until(math.max(ledger.paced, start) + math.min(beyond, ahead) * limits.poll_spacing, 'BUDGET')
    end
    wait_until(selling, 'SELL')
    if #granted + ahead >= limits.scarce then wait_until(ledger.last_sell + limits.sell_hold_off, 'SELL') end
else
    ledger.last_sell = now
end

-- _grant or _enqueue
local wait, remaining = 0, 0
if grant_at <= now then
    if #granted >= limits.burst then
        ledger.paced = math.max(ledger.paced, now - limits.max_burst_debt) + limits.poll_spacing
        if sells then ledger.paced = math.min(ledger.paced, now + limits.max_recheck) end
    end
    granted[#granted + 1] = now
    remaining, ticket = math.max(0, limits.cap - #granted), nil
else
    if ledger.paused_until > now then
        reason = 'PAUSE'
    else
        grant_at = math.min(grant_at, now + limits.max_recheck)
    end
    wait = grant_at - now
    if not ticket and alike < limits.max_waiters then
        ledger.places = (ledger.places or 0) + 1
        ticket = ledger.places
    end
    if ticket then waiters[#waiters + 1] = {ticket, sells, grant_at} end
end

-- An empty table would be written as an object.
ledger.granted, ledger.waiters = #granted > 0 and granted or nil, #waiters > 0 and waiters or nil
local text = cjson.encode(ledger)
redis.call('SET', KEYS[1], text, 'PX', ARGV[5])
return {wait, reason, ticket or 0, remaining, text, now}
"""

#: What the script needs of ``Limits``.
_LIMITS = (
    "burst",
    "effective_window",
    "max_burst_debt",
    "max_recheck",
    "poll_spacing",
    "scarce",
    "sell_hold_off",
    "turn_grace",
)
_SCRIPTS = {"swap": _SWAP, "reserve": _RESERVE}


class RedisStore:
    """The ledger as one key of a Redis server, whose clock counts for everybody, and each text as another."""

    #: Bans are remembered for as long after their end as the longest one lasts.
    _LEDGER_EXPIRY = 3 * LONGEST_PAUSE
    #: A day longer than the longest ``not_within``.
    _TEXT_EXPIRY = 31 * 86_400_000

    def __init__(self, url: str, identity: str, clock: Callable[[], float] | None = None) -> None:
        self._url = url
        self._key = f"airflow-provider-3commas:budget:{identity}"
        self._texts = f"airflow-provider-3commas:text:{identity}"
        self._clock = clock
        self._client: redis.Redis | None = None
        self._scripts: dict[str, Any] = {}

    def update(self, change: Change[T], pending: Ledger | None = None) -> tuple[T, Ledger, int]:
        """See ``Store``."""
        with self._errors_as_unavailable():
            if isinstance(change, Reserve) and pending is None:
                return cast("tuple[T, Ledger, int]", self._reserve(change))
            (result, ledger), now = self._swap(self._key, swap_of(change, pending), self._LEDGER_EXPIRY)
            return result, ledger, now

    def swap(self, name: str, change: Swap[T]) -> tuple[T, int]:
        """See ``Store``."""
        with self._errors_as_unavailable():
            return self._swap(f"{self._texts}:{name}", change, self._TEXT_EXPIRY)

    @property
    def reach(self) -> Reach:
        """See ``Store``; a server at a loopback address is another one on every machine."""
        host = urlsplit(self._url).hostname
        return Reach.MACHINES if host and not is_loopback(host) else Reach.MACHINE

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()

    def after_fork(self) -> None:
        """Forget the connection; see ``Store``."""
        INHERITED_CONNECTIONS.append(self._client)
        self._client = None

    @contextlib.contextmanager
    def _errors_as_unavailable(self) -> Iterator[None]:
        """Turn what goes wrong with Redis into ``StoreUnavailable``."""
        try:
            import redis
        except ImportError as error:
            raise StoreUnavailable(
                f"budget_url names {describe_url(self._url)}, and the package for it is not installed here. "
                "Install airflow-provider-3commas[redis]."
            ) from error
        try:
            yield
        except (redis.RedisError, OSError, ValueError, TypeError) as error:
            # The last two are what redis says of an option in the URL that it does not know.
            self.close()
            raise StoreUnavailable(f"{describe_url(self._url)} can't be used ({self._redacted(error)}).") from None

    def _reserve(self, change: Reserve) -> tuple[Reservation, Ledger, int]:
        limits, priority = change.limits, change.priority
        limit_values = {name: getattr(limits, name) for name in _LIMITS} | {
            "cap": limits.cap(priority),
            "max_waiters": MAX_WAITERS,
        }
        wait, reason, ticket, remaining, ledger, now = self._run(
            "reserve",
            self._key,
            msgspec.json.encode(limit_values),
            str(priority),
            change.ticket or "",
            "" if self._clock is None else milliseconds(self._clock()),
            self._LEDGER_EXPIRY,
        )
        reservation = Reservation(
            wait / 1000, Reason[reason.decode()] if wait else None, ticket or None, remaining if not wait else 0
        )
        return reservation, decode_ledger(ledger), now

    def _swap(self, key: str, change: Swap[T], expiry: int) -> tuple[T, int]:
        until = time.monotonic() + STORE_TIMEOUT
        swapped, old, server_now = self._run("swap", key, "?", "", 0, expiry)
        while True:
            now = server_now if self._clock is None else milliseconds(self._clock())
            result, new = change(old, now)
            if new == old:
                return result, now
            swapped, old, server_now = self._run("swap", key, old, new, server_now, expiry)
            if swapped:
                return result, now
            if time.monotonic() > until:
                raise TimeoutError(f"other processes changed the same key in between for {STORE_TIMEOUT:.0f} s")

    def _run(self, name: str, key: str, *arguments: object) -> Any:
        if self._client is None:
            self._client = self._connect()
            self._scripts = {each: self._client.register_script(text) for each, text in _SCRIPTS.items()}
        return self._scripts[name](keys=[key], args=arguments)

    def _connect(self) -> redis.Redis:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(
            self._url,
            socket_timeout=STORE_TIMEOUT,
            socket_connect_timeout=STORE_TIMEOUT,
            # Once more at once: a connection that was idle for long may have been dropped on the way.
            retry=Retry(NoBackoff(), 1),
        )

    def _redacted(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        for secret in sorted(secrets_in_url(self._url), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text
