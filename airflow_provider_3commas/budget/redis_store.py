"""The store that several machines share: a Redis server, and the scripts that it runs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import msgspec

from airflow_provider_3commas.api.base_url import is_loopback
from airflow_provider_3commas.api.redaction import Secret
from airflow_provider_3commas.budget.ledger import (
    Ledger,
    Reason,
    Reservation,
    Reserve,
    decode_ledger,
)
from airflow_provider_3commas.budget.limits import (
    LONGEST_PAUSE,
    MAX_COUNT,
    MAX_STORED_BYTES,
    MAX_TIME,
    MAX_WAITERS,
    PAUSE_SLACK,
)
from airflow_provider_3commas.budget.store import (
    INHERITED_CONNECTIONS,
    STORE_TIMEOUT,
    Change,
    Reach,
    StoreUnavailable,
    Swap,
    milliseconds,
    swap_of,
)
from airflow_provider_3commas.budget.urls import describe_url, secrets_in_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

T = TypeVar("T")


#: Write the key if it still holds ARGV[1] and the time is not too old; else return what it holds, to try again with. Of
#: what is too long for us it returns a part. ARGV[4] is for how long the key is kept.
_SWAP = """
local held = redis.call('GETRANGE', KEYS[1], 0, ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if held ~= ARGV[1] or now - ARGV[3] > 500 then
    return {0, held, now}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
return {1, '', now}
"""

#: ``Ledger.reserve``, line for line; the arguments are the limits, the priority, the place and, for tests, the
#: time, and for how long the key is kept.
_RESERVE = """
local limits, sells, ticket = cjson.decode(ARGV[1]), ARGV[2] == 'sell', tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000)

-- decode_ledger: whoever has sent the script begins what is not of this form anew
local text = redis.call('GETRANGE', KEYS[1], 0, limits.max_bytes)
local good, held = pcall(cjson.decode, text == '' and '{}' or text)
local ledger = {}
local function whole(value, least, most)
    return type(value) == 'number' and value == math.floor(value) and value >= least and value <= most
end
local function is_time(value) return whole(value, -limits.max_time, limits.max_time) end
local function is_count(value) return whole(value, 0, limits.max_count) end
local function is_waiter(value)
    return type(value) == 'table' and is_count(value[1]) and type(value[2]) == 'boolean' and is_time(value[3])
end
local function read(name, fits)
    local value = held[name]
    if value == nil then value = 0 end
    good, ledger[name] = good and fits(value), value
end
local function read_list(name, fits)
    local list, found = held[name], 0
    if list == nil then list = {} end
    good = good and type(list) == 'table'
    for _, value in pairs(good and list or {}) do
        found, good = found + 1, good and fits(value)
    end
    good, ledger[name] = good and found == #list, list
end
good = good and type(held) == 'table' and #text <= limits.max_bytes
if good then
    for _, name in ipairs({'seen', 'paused_until', 'banned_until', 'last_sell', 'paced'}) do read(name, is_time) end
    for _, name in ipairs({'places', 'bans'}) do read(name, is_count) end
    read_list('granted', is_time)
    read_list('waiters', is_waiter)
end
if not good then return false end

-- advance, and look at the queue
local back = math.min(now - ledger.seen, 0)
ledger.seen = now
local function bring_to(name, latest)
    ledger[name] = math.max(0, math.min(ledger[name] + back, latest))
end
bring_to('paused_until', now + limits.longest_pause)
bring_to('banned_until', now + limits.longest_pause)
bring_to('last_sell', now)
bring_to('paced', now + limits.effective_window)
local latest_turn = math.max(now, ledger.paused_until) + limits.max_recheck + limits.turn_grace
local granted, waiters, ahead, alike, selling = {}, {}, 0, 0, 0
for _, at in ipairs(ledger.granted) do
    at = math.min(at + back, now)
    if at > now - limits.effective_window then granted[#granted + 1] = at end
end
for _, waiter in ipairs(ledger.waiters) do
    local waiting, turn_at = waiter[1], waiter[3] + back
    local leaves = turn_at + limits.turn_grace
    if now < leaves and leaves <= latest_turn and waiting ~= ticket then
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
    end
    grant_at = math.min(grant_at, latest_turn - limits.turn_grace)
    wait = grant_at - now
    if not ticket and alike < limits.max_waiters then
        ledger.places = ledger.places + 1
        ticket = ledger.places
    end
    if ticket then waiters[#waiters + 1] = {ticket, sells, grant_at} end
end

-- An empty table would be written as an object.
ledger.granted, ledger.waiters = #granted > 0 and granted or nil, #waiters > 0 and waiters or nil
local new = cjson.encode(ledger)
redis.call('SET', KEYS[1], new, 'PX', ARGV[5])
return {wait, reason, ticket or 0, remaining, new, now}
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
#: And what it needs of what holds for every limit.
_BOUNDS = {
    "longest_pause": LONGEST_PAUSE + PAUSE_SLACK,
    "max_bytes": MAX_STORED_BYTES,
    "max_count": MAX_COUNT,
    "max_time": MAX_TIME,
    "max_waiters": MAX_WAITERS,
}
_SCRIPTS = {"swap": _SWAP, "reserve": _RESERVE}


class RedisStore:
    """The ledger as one key of a Redis server, whose clock counts for everybody, and each text as another."""

    #: Bans are remembered for as long after their end as the longest one lasts.
    _LEDGER_EXPIRY = 3 * LONGEST_PAUSE
    #: A day longer than the longest ``not_within``.
    _TEXT_EXPIRY = 31 * 86_400_000

    def __init__(self, url: str, identity: str, clock: Callable[[], float] | None = None) -> None:
        self._url = Secret(url)
        self._key = f"airflow-provider-3commas:budget:{identity}"
        self._texts = f"airflow-provider-3commas:text:{identity}"
        self._clock = clock
        self._client: redis.Redis | None = None
        self._scripts: dict[str, Any] = {}

    def update(self, change: Change[T], pending: Ledger | None = None) -> tuple[T, Ledger, int]:
        """See ``Store``."""
        with self._errors_as_unavailable():
            reserved = self._reserve(change) if isinstance(change, Reserve) and pending is None else None
            if reserved is not None:
                return cast("tuple[T, Ledger, int]", reserved)
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
            import redis  # noqa: F401
        except ImportError as error:
            raise StoreUnavailable(
                f"budget_url names {describe_url(self._url)}, and the package for it is not installed here. "
                "Install airflow-provider-3commas[redis]."
            ) from error
        try:
            yield
        except Exception as error:  # whatever it is, a sell goes on
            self.close()
            raise StoreUnavailable(f"{describe_url(self._url)} can't be used ({self._redacted(error)}).") from None

    def _reserve(self, change: Reserve) -> tuple[Reservation, Ledger, int] | None:
        """Run the change in Redis; ``None`` if what it holds has to be begun anew."""
        limits, priority = change.limits, change.priority
        limit_values = {name: getattr(limits, name) for name in _LIMITS} | {"cap": limits.cap(priority)}
        answer = self._run(
            "reserve",
            self._key,
            msgspec.json.encode(limit_values | _BOUNDS),
            str(priority),
            change.ticket or "",
            "" if self._clock is None else milliseconds(self._clock()),
            self._LEDGER_EXPIRY,
        )
        if answer is None:
            return None
        wait, reason, ticket, remaining, ledger, now = answer
        if not 0 <= wait <= LONGEST_PAUSE + PAUSE_SLACK + limits.max_recheck:
            raise ValueError(f"its answer is to wait {wait!r:.100} ms")
        reservation = Reservation(
            wait / 1000, Reason[reason.decode()] if wait else None, ticket or None, remaining if not wait else 0
        )
        return reservation, decode_ledger(ledger), _plausible(now)

    def _swap(self, key: str, change: Swap[T], expiry: int) -> tuple[T, int]:
        until = time.monotonic() + STORE_TIMEOUT
        swapped, old, server_now = self._run("swap", key, "?", "", 0, expiry, MAX_STORED_BYTES)
        while True:
            now = _plausible(server_now) if self._clock is None else milliseconds(self._clock())
            result, new = change(old, now)
            if new == old:
                return result, now
            swapped, old, server_now = self._run("swap", key, old, new, server_now, expiry, MAX_STORED_BYTES)
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


def _plausible(now: int) -> int:
    """Return a server's time if it can be one."""
    if not 0 <= now <= MAX_TIME:
        raise ValueError(f"its time is {now!r:.100}")
    return now
