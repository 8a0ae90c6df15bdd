"""The rules of the budget, and what is remembered to apply them: no I/O, no clock, no thread of its own.

A request is counted at the moment it is granted, and reaches the server a little later. So at most ``sell_cap`` are
granted in any ``effective_window``, which is the server's window and a margin for that delay: then no window of the
server's, fixed or sliding, wherever it starts, holds more than its limit. Polls stop at the lower ``poll_cap``, of
everything that was granted: what lies between the caps is out of their reach, and comes back to the sells as soon as
older requests leave it, because the polls wait until it has.

A caller that has to wait gets a ticket in a queue and the time at which its turn comes, from the times at which earlier
requests leave the window. It keeps its turn if it asks again by then; one that was killed loses it shortly after. Once
a burst has used up ``burst``, polls are spaced evenly, counting the sells, instead of being granted in step: so for a
sell that needs one a slot comes free all the time and not once a minute.

All times are milliseconds of one clock, that of the store. Anything may write to a store: what is not of the form of a
ledger counts as empty (``decode_ledger``), and a time that no rule here can have written becomes one that it can.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from airflow_provider_3commas.budget.limits import (
    LONGEST_PAUSE,
    MAX_COUNT,
    MAX_STORED_BYTES,
    MAX_TIME,
    MAX_WAITERS,
    PAUSE_SLACK,
    SHORTEST_BAN,
    Limits,
    Priority,
)

Time: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_TIME, le=MAX_TIME)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class Reason(StrEnum):
    """Why a request has to wait; the value is part of a sentence in the log."""

    BUDGET = "the request budget of this API key is used up"
    PAUSE = "3Commas told this API key to pause"
    SELL = "a sell goes first"


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer to a request that is about to be sent: counted, or how long to wait."""

    #: Seconds after which to ask again; 0 if the request was counted and may be sent.
    wait: float
    reason: Reason | None = None
    #: The place in the queue, to be passed when asking again; ``None`` if granted, or if the queue is full.
    ticket: int | None = None
    #: Requests that may be granted at this moment to the same priority.
    remaining: int = 0

    @property
    def granted(self) -> bool:
        """Whether the request was counted and may be sent."""
        return self.wait == 0


class Waiter(msgspec.Struct, array_like=True):
    """A place in the queue."""

    ticket: Count
    sells: bool
    turn_at: Time


class Ledger(msgspec.Struct, omit_defaults=True):
    """What was granted and who waits, for one key at one address."""

    #: When the ledger was last used.
    seen: Time = 0
    #: When each request of the effective window was granted.
    granted: list[Time] = msgspec.field(default_factory=list)
    waiters: list[Waiter] = msgspec.field(default_factory=list)
    #: The last ticket.
    places: Count = 0
    paused_until: Time = 0
    banned_until: Time = 0
    #: Bans in a row; each doubles the next.
    bans: Count = 0
    #: When a sell's request was last asked for.
    last_sell: Time = 0
    #: When the next poll's turn is, while polls are spaced.
    paced: Time = 0

    def advance(self, now: int, limits: Limits) -> None:
        """Drop what has left the window, and waiters who did not come back."""
        self._bring_to(now)
        self.paced = min(self.paced, now + limits.effective_window)
        start = now - limits.effective_window
        self.granted = [at for at in self.granted if at > start]
        latest = self._latest_turn(limits, now)
        self.waiters = [waiter for waiter in self.waiters if now < waiter.turn_at + limits.turn_grace <= latest]

    def reserve(self, limits: Limits, priority: Priority, ticket: int | None, now: int) -> Reservation:
        """Count one request, or return when to ask again; ``ticket`` is that of the last answer, if there was one."""
        self.advance(now, limits)
        sells = priority is Priority.SELL
        self.waiters = [waiter for waiter in self.waiters if waiter.ticket != ticket]
        ahead = sum(
            1 for waiter in self.waiters if waiter.sells == sells and (ticket is None or waiter.ticket < ticket)
        )
        grant_at, reason = self._earliest_grant(limits, priority, ahead, now)
        if sells:
            self.last_sell = now
        if grant_at <= now:
            self._grant(limits, now, sells=sells)
            return Reservation(0.0, remaining=self.remaining(limits, priority, now))
        if self.paused_until > now:
            reason = Reason.PAUSE
        grant_at = min(grant_at, self._latest_turn(limits, now) - limits.turn_grace)
        return Reservation((grant_at - now) / 1000, reason, self._enqueue(ticket, grant_at, sells=sells))

    def withdraw(self, ticket: int) -> None:
        """Give up a place in the queue."""
        self.waiters = [waiter for waiter in self.waiters if waiter.ticket != ticket]

    def pause(self, seconds: float, now: int, *, ban: bool) -> float:
        """Grant nothing for so many seconds, longer for a ban (418); return the seconds that the pause lasts from now.

        A ban that comes while one is in force answers a request that was sent before it, and does not count again.
        """
        self._bring_to(now)
        length = max(0, round(seconds * 1000))
        if ban:
            length = max(length, SHORTEST_BAN)
            if now >= self.banned_until:
                forgotten = now >= self.banned_until + LONGEST_PAUSE
                self.bans = 1 if forgotten else self.bans + 1
                length = length << min(self.bans - 1, 16)
            length = min(length, LONGEST_PAUSE)
            self.banned_until = max(self.banned_until, now + length)
        self.paused_until = max(self.paused_until, now + min(length, LONGEST_PAUSE) + PAUSE_SLACK)
        return (self.paused_until - now) / 1000

    def remaining(self, limits: Limits, priority: Priority, now: int) -> int:
        """Return how many requests may be granted to a priority at this moment; 0 during a pause."""
        if self.paused_until > now:
            return 0
        return max(0, limits.cap(priority) - len(self.granted))

    def merge(self, other: Ledger) -> None:
        """Add what was counted while the store was out of reach, in a copy of an earlier state of this ledger."""
        self.granted = sorted((Counter(self.granted) | Counter(other.granted)).elements())
        self.paused_until = max(self.paused_until, other.paused_until)
        self.banned_until = max(self.banned_until, other.banned_until)
        self.bans = max(self.bans, other.bans)
        self.last_sell = max(self.last_sell, other.last_sell)

    def _bring_to(self, now: int) -> None:
        """Move every time along with a clock that was set back, so that it counts as one that stood still.

        And bound it: none is negative, and none later than it can be for a request of this moment or a pause.
        """
        back = min(now - self.seen, 0)
        self.seen = now
        if back or max(self.granted, default=0) > now:
            self.granted = [min(at + back, now) for at in self.granted]
        for waiter in self.waiters:
            waiter.turn_at += back
        longest = now + LONGEST_PAUSE + PAUSE_SLACK
        for name, latest in (
            ("paused_until", longest),
            ("banned_until", longest),
            ("last_sell", now),
            ("paced", longest),
        ):
            setattr(self, name, max(0, min(getattr(self, name) + back, latest)))

    def _latest_turn(self, limits: Limits, now: int) -> int:
        """Return until when at most a waiter keeps a place: each asks again soon, or soon after a pause."""
        return max(now, self.paused_until) + limits.max_recheck + limits.turn_grace

    def _earliest_grant(self, limits: Limits, priority: Priority, ahead: int, now: int) -> tuple[int, Reason]:
        """Return when a request with so many ahead of it can be granted, and what it waits for until then."""
        start = max(now, self.paused_until)
        candidates = [
            (self.paused_until, Reason.PAUSE),
            (self._slot_free_at(limits, limits.cap(priority), ahead), Reason.BUDGET),
        ]
        if priority is Priority.POLL:
            candidates += [
                (self._poll_turn_at(limits, ahead, start), Reason.BUDGET),
                (self._sells_done_at(limits, ahead), Reason.SELL),
            ]
        return max(candidates, key=lambda item: item[0])

    def _slot_free_at(self, limits: Limits, cap: int, ahead: int) -> int:
        """Return when the cap has room for one more than those ahead, each of which leaves the window in its turn."""
        index = len(self.granted) + ahead - cap
        if index < 0:
            return 0
        windows = 1
        while index >= len(self.granted):
            index -= cap
            windows += 1
        if index < 0:
            return self.seen + (windows - 1) * limits.effective_window
        return self.granted[index] + windows * limits.effective_window

    def _poll_turn_at(self, limits: Limits, ahead: int, start: int) -> int:
        """Return when it is a poll's turn, if polls are being spaced."""
        beyond = len(self.granted) + ahead - limits.burst
        if beyond < 0:
            return 0
        return max(self.paced, start - limits.max_burst_debt) + min(beyond, ahead) * limits.poll_spacing

    def _sells_done_at(self, limits: Limits, ahead: int) -> int:
        """Return until when polls stand back: while a sell waits, and between its requests if slots are scarce."""
        waiting = max((waiter.turn_at + limits.turn_grace for waiter in self.waiters if waiter.sells), default=0)
        scarce = len(self.granted) + ahead >= limits.scarce
        return max(waiting, self.last_sell + limits.sell_hold_off if scarce else 0)

    def _grant(self, limits: Limits, now: int, *, sells: bool) -> None:
        """Count a request; a sell's, too, delays the next poll, so that the cap is not reached before slots return."""
        if len(self.granted) >= limits.burst:
            self.paced = max(self.paced, now - limits.max_burst_debt) + limits.poll_spacing
            if sells:
                self.paced = min(self.paced, now + limits.max_recheck)
        self.granted.append(now)

    def _enqueue(self, ticket: int | None, grant_at: int, *, sells: bool) -> int | None:
        if ticket is None:
            if sum(waiter.sells == sells for waiter in self.waiters) >= MAX_WAITERS:
                return None
            self.places += 1
            ticket = self.places
        self.waiters.append(Waiter(ticket, sells, grant_at))
        return ticket


def decode_ledger(data: bytes) -> Ledger:
    """Parse a ledger; one that can't be parsed, because anything may write to a store, counts as empty."""
    if not data or len(data) > MAX_STORED_BYTES:
        return Ledger()
    try:
        return msgspec.json.decode(data, type=Ledger)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Ledger()


@dataclass(frozen=True, slots=True)
class Reserve:
    """The operation ``Ledger.reserve`` as an object, so that ``RedisStore`` can run it as a Lua script."""

    limits: Limits
    priority: Priority
    ticket: int | None

    def __call__(self, ledger: Ledger, now: int) -> Reservation:
        """Apply it."""
        return ledger.reserve(self.limits, self.priority, self.ticket, now)
