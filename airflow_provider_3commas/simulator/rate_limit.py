"""The rate limit: windows, the mitigation period after one request too many, and the ban."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.simulator.scenarios import RateLimitSpec

PLAN_REQUESTS = {"free": 5, "starter": 5, "pro": 50, "expert": 120}


class Refusal(NamedTuple):
    """A 429 or a 418, and for how many seconds the caller should stay away."""

    status: int
    seconds: float


class _Rule(NamedTuple):
    """How many requests a window allows, and what one too many costs."""

    requests: int
    window_seconds: float
    pause_seconds: float
    name: str = ""


@dataclass(slots=True)
class _Caller:
    """The counters of a key, or of an address where there is no key, under one rule."""

    sent: deque[float] = field(default_factory=deque)
    window: int = -1
    count: int = 0
    paused_until: float = 0.0
    ignored: int = 0


@dataclass(slots=True)
class _Address:
    banned_until: float = 0.0
    bans: int = 0


class RateLimiter:
    """Counts requests in real time, and refuses what is too much; fixed windows start on the minutes of ``now``."""

    def __init__(self, spec: RateLimitSpec, now: Callable[[], float] = time.time) -> None:
        self.spec = spec
        self._rules = {
            call: _Rule(limit.requests, limit.window_seconds, limit.pause_seconds, str(number))
            for number, limit in enumerate(spec.endpoints)
            for call in limit.calls
        }
        self._now = now
        self._skipped = 0.0
        self._callers: dict[tuple[str, str], _Caller] = {}
        self._addresses: dict[str, _Address] = {}
        self.refused = {429: 0, 418: 0}

    def advance(self, seconds: float) -> None:
        """Jump ahead by real seconds, so that tests need not sit out a pause."""
        self._skipped += seconds

    def check(self, key: str, address: str, requests: int | None = None, call: str = "") -> Refusal | None:
        """Count a request; return why it is refused, or none.

        A plan has its own number of requests a window, but for calls that have a limit of their own.
        """
        if not self.spec.enabled:
            return None
        now = self._now() + self._skipped
        common = _Rule(requests or self.spec.requests, self.spec.window_seconds, self.spec.pause_seconds)
        refusal = self._judge(key, address, self._rules.get(call, common), now)
        if refusal is not None:
            self.refused[refusal.status] += 1
        return refusal

    def retry_after(self, refusal: Refusal) -> str | None:
        """Return the header ``Retry-After`` in the form that the rules ask for, if any."""
        seconds = max(1, ceil(refusal.seconds))
        if self.spec.retry_after == "seconds":
            return str(seconds)
        if self.spec.retry_after == "http-date":
            return formatdate(time.time() + seconds, usegmt=True)
        return None

    def _judge(self, key: str, address: str, rule: _Rule, now: float) -> Refusal | None:
        place = self._addresses.setdefault(address, _Address())
        if place.banned_until > now:
            return Refusal(418, place.banned_until - now)
        by_address = self.spec.scope == "ip" or not key
        who = f"ip:{address}" if by_address else f"key:{key}"
        caller = self._callers.setdefault((who, rule.name), _Caller())
        if caller.paused_until > now:
            return self._in_pause(caller, place, now)
        free_in = self._take(caller, rule, now)
        if free_in is None:
            return None
        caller.ignored = 0
        caller.paused_until = now + rule.pause_seconds
        return Refusal(429, max(free_in, rule.pause_seconds))

    def _in_pause(self, caller: _Caller, place: _Address, now: float) -> Refusal:
        caller.ignored += 1
        if caller.ignored <= self.spec.ban_after:
            return Refusal(429, caller.paused_until - now)
        caller.ignored = 0
        seconds = min(self.spec.ban_seconds * 2**place.bans, self.spec.ban_max_seconds)
        place.bans += 1
        place.banned_until = now + seconds
        return Refusal(418, seconds)

    def _take(self, caller: _Caller, rule: _Rule, now: float) -> float | None:
        """Take a slot and return none, or return the seconds until there is one."""
        length = rule.window_seconds
        if self.spec.window == "fixed":
            window = int(now // length)
            if window != caller.window:
                caller.window, caller.count = window, 0
            if caller.count >= rule.requests:
                return (window + 1) * length - now
            caller.count += 1
            return None
        sent = caller.sent
        while sent and sent[0] <= now - length:
            sent.popleft()
        if len(sent) >= rule.requests:
            return sent[0] + length - now
        sent.append(now)
        return None
