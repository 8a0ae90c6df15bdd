"""The rules of the budget, and what is remembered to apply them: no I/O, no clock, no thread of its own.

A request is counted at the moment it is granted, and reaches the server a little later. So at most ``sell_cap`` are
granted in any ``span``, which is the server's window and a margin for that delay: then no window of the server's,
fixed or sliding, wherever it starts, holds more than its limit. Polls stop at the lower ``poll_cap``, of everything
that was granted: what lies between the caps is out of their reach, and comes back to the sells as soon as older
requests leave the span, because the polls wait until it has.

Who has to wait gets a place in a queue and the time at which its turn comes, from the times at which earlier requests
leave the span. It keeps that place if it asks again by then; one that was killed loses it shortly after. Once a burst
has used up ``free``, polls are spaced evenly, counting the sells, instead of being granted in step: so for a sell that
needs one a slot comes free all the time and not once a minute.

All times are milliseconds of one clock, that of the store.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from airflow_provider_3commas.api.errors import ConfigurationError

#: No ban lasts longer than 3 days.
MAX_PAUSE = 3 * 86_400_000
#: The shortest pause after a 418; it doubles with every further ban.
MIN_BAN = 600_000
#: A ``Retry-After`` is rounded down to whole seconds by whoever sent it.
PAUSE_SLACK = 1_000
#: So many wait in order; whoever comes when the queue is longer asks again later, without a place.
MAX_WAITERS = 500
#: Polls that were late for their turn may catch up by so many.
CATCH_UP = 4


class Priority(StrEnum):
    """What a request is for: the sells go first."""

    SELL = "sell"
    POLL = "poll"


class Reason(StrEnum):
    """Why a request has to wait; the value is the middle of a sentence in the log."""

    BUDGET = "the request budget of this API key is used up"
    PAUSE = "3Commas told this API key to pause"
    SELL = "a sell goes first"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Say whether a request was counted and may be sent now.

    :param wait: seconds after which to ask again; 0 if the request was counted and may be sent.
    :param reason: why it has to wait, or ``None``.
    :param ticket: the place in the queue, to be handed in when asking again; ``None`` if there is none.
    :param remaining: requests that may be granted at this moment to the same priority.
    """

    wait: float
    reason: Reason | None = None
    ticket: int | None = None
    remaining: int = 0

    @property
    def granted(self) -> bool:
        """Whether the request was counted and may be sent."""
        return self.wait == 0


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold what follows from the limit and the window; times in milliseconds.

    :param limit: requests that the server allows in a window.
    :param window: the server's window.
    """

    limit: int
    window: int

    @classmethod
    def of(cls, requests_per_minute: object, window_seconds: float = 60.0) -> Rules:
        """Check the limit as a connection may hold it.

        :param requests_per_minute: a number, or its digits.
        :param window_seconds: the server's window.
        :return: the rules.
        :raises ConfigurationError: not a whole number that makes sense.
        """
        value = requests_per_minute
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= 10_000:
            raise ConfigurationError(
                f"requests_per_minute must be a whole number from 2 to 10000, got {requests_per_minute!r}. 3Commas "
                "allows 100 a minute; the plans allow 5 (starter), 50 (pro) and 120 (expert)."
            )
        return cls(value, round(window_seconds * 1000))

    @property
    def span(self) -> int:
        """Time in which the caps hold: a request may reach the server a thirtieth of the window (2 s) late."""
        return self.window + self.window // 30

    @property
    def sell_cap(self) -> int:
        """Most requests in a span: two of a hundred less than allowed, for what is even later than that."""
        return self.limit - self.limit // 50

    @property
    def poll_cap(self) -> int:
        """Most requests in a span before polls wait: a tenth of the limit, at least one, is the sells' alone."""
        return self.limit - max(1, self.limit // 10)

    @property
    def free(self) -> int:
        """Requests in a span before polls are spaced."""
        return min(max(3, self.limit // 10), self.poll_cap)

    @property
    def spacing(self) -> int:
        """Time between polls that are spaced."""
        return self.span // self.poll_cap

    @property
    def patience(self) -> int:
        """Longest that a waiter sleeps before it asks again, unless the key pauses."""
        return self.window // 4

    @property
    def grace(self) -> int:
        """Time after its turn in which a waiter keeps its place."""
        return self.window // 20

    @property
    def linger(self) -> int:
        """Time for which polls stand back after a sell's request: the next one of the same sell follows it."""
        return self.window // 30

    def cap(self, priority: Priority) -> int:
        """Return how many requests may be in a span before this priority waits.

        :param priority: who asks.
        :return: the cap.
        """
        return self.sell_cap if priority is Priority.SELL else self.poll_cap


class Waiter(msgspec.Struct, array_like=True):
    """Hold a place in the queue."""

    place: int
    sells: bool
    due: int


class Ledger(msgspec.Struct, omit_defaults=True):
    """Remember what was granted and who waits, for one key at one address."""

    seen: int = 0
    granted: list[int] = msgspec.field(default_factory=list)
    waiters: list[Waiter] = msgspec.field(default_factory=list)
    places: int = 0
    paused_until: int = 0
    banned_until: int = 0
    bans: int = 0
    last_sell: int = 0
    paced: int = 0

    def advance(self, now: int, rules: Rules) -> None:
        """Forget what no longer counts.

        A clock that was set back counts as one that stood still: every time in the ledger moves with it.

        :param now: the store's time.
        :param rules: the limits.
        """
        if now < self.seen:
            self._move(now - self.seen)
        self.seen = now
        start = now - rules.span
        self.granted = [at for at in self.granted if at > start]
        self.waiters = [waiter for waiter in self.waiters if waiter.due + rules.grace > now]

    def reserve(self, rules: Rules, priority: Priority, ticket: int | None, now: int) -> Reservation:
        """Count one request, or say when to ask again.

        :param rules: the limits.
        :param priority: who asks.
        :param ticket: the place that an earlier answer gave, if there was one.
        :param now: the store's time.
        :return: the answer.
        """
        self.advance(now, rules)
        sells = priority is Priority.SELL
        self.waiters = [waiter for waiter in self.waiters if waiter.place != ticket]
        ahead = sum(1 for waiter in self.waiters if waiter.sells == sells and (ticket is None or waiter.place < ticket))
        due, reason = self._due(rules, priority, ahead, now)
        if sells:
            self.last_sell = now
        if due <= now:
            self._grant(rules, now, sells=sells)
            return Reservation(0.0, remaining=self.remaining(rules, priority, now))
        if self.paused_until > now:
            reason = Reason.PAUSE
        else:
            due = min(due, now + rules.patience)
        return Reservation((due - now) / 1000, reason, self._enqueue(ticket, due, sells=sells))

    def withdraw(self, ticket: int) -> None:
        """Give up a place.

        :param ticket: the place.
        """
        self.waiters = [waiter for waiter in self.waiters if waiter.place != ticket]

    def pause(self, seconds: float, now: int, *, ban: bool) -> float:
        """Let nobody send for a while.

        A ban that comes while one is in force answers a request that was sent before it, and does not count again.

        :param seconds: what the server said, or what the documentation says.
        :param now: the store's time.
        :param ban: whether it was a 418.
        :return: seconds that the pause lasts from now.
        """
        length = max(0, round(seconds * 1000))
        if ban:
            length = max(length, MIN_BAN)
            if now >= self.banned_until:
                forgotten = now >= self.banned_until + MAX_PAUSE
                self.bans = 1 if forgotten else self.bans + 1
                length = length << min(self.bans - 1, 16)
            length = min(length, MAX_PAUSE)
            self.banned_until = max(self.banned_until, now + length)
        self.paused_until = max(self.paused_until, now + min(length, MAX_PAUSE) + PAUSE_SLACK)
        return (self.paused_until - now) / 1000

    def remaining(self, rules: Rules, priority: Priority, now: int) -> int:
        """Return how many requests may be granted at this moment.

        :param rules: the limits.
        :param priority: to whom.
        :param now: the store's time.
        :return: none during a pause.
        """
        if self.paused_until > now:
            return 0
        return max(0, rules.cap(priority) - len(self.granted))

    def absorb(self, other: Ledger) -> None:
        """Add what was counted elsewhere while the store was out of reach.

        :param other: a ledger that started as a copy of an earlier state of this one.
        """
        self.granted = sorted((Counter(self.granted) | Counter(other.granted)).elements())
        self.paused_until = max(self.paused_until, other.paused_until)
        self.banned_until = max(self.banned_until, other.banned_until)
        self.bans = max(self.bans, other.bans)
        self.last_sell = max(self.last_sell, other.last_sell)

    def _move(self, by: int) -> None:
        self.granted = [at + by for at in self.granted]
        for waiter in self.waiters:
            waiter.due += by
        for name in ("paused_until", "banned_until", "last_sell", "paced"):
            setattr(self, name, getattr(self, name) + by)

    def _due(self, rules: Rules, priority: Priority, ahead: int, now: int) -> tuple[int, Reason]:
        """Return when a request with so many ahead of it can be granted, and what it waits for until then."""
        start = max(now, self.paused_until)
        found = [(self.paused_until, Reason.PAUSE), (self._slot(rules, rules.cap(priority), ahead), Reason.BUDGET)]
        if priority is Priority.POLL:
            found += [
                (self._turn(rules, ahead, start), Reason.BUDGET),
                (self._sells_are_through(rules, ahead), Reason.SELL),
            ]
        return max(found, key=lambda item: item[0])

    def _slot(self, rules: Rules, cap: int, ahead: int) -> int:
        """Return when the cap has room for one more than those ahead, each of whom leaves the span in its turn."""
        index = len(self.granted) + ahead - cap
        if index < 0:
            return 0
        spans = 1
        while index >= len(self.granted):
            index -= cap
            spans += 1
        return self.granted[index] + spans * rules.span if index >= 0 else self.seen + (spans - 1) * rules.span

    def _turn(self, rules: Rules, ahead: int, start: int) -> int:
        """Return when it is a poll's turn, if polls are being spaced."""
        beyond = len(self.granted) + ahead - rules.free
        if beyond < 0:
            return 0
        return max(self.paced, start - CATCH_UP * rules.spacing) + min(beyond, ahead) * rules.spacing

    def _sells_are_through(self, rules: Rules, ahead: int) -> int:
        """Return until when polls stand back: while a sell waits, and between a sell's requests if slots are rare."""
        waiting = max((waiter.due + rules.grace for waiter in self.waiters if waiter.sells), default=0)
        rare = len(self.granted) + ahead >= rules.sell_cap // 2
        return max(waiting, self.last_sell + rules.linger if rare else 0)

    def _grant(self, rules: Rules, now: int, *, sells: bool) -> None:
        """Count a request; a sell's, too, delays the next poll, so that the cap is not reached before slots return."""
        if len(self.granted) >= rules.free:
            self.paced = max(self.paced, now - CATCH_UP * rules.spacing) + rules.spacing
            if sells:
                self.paced = min(self.paced, now + rules.patience)
        self.granted.append(now)

    def _enqueue(self, ticket: int | None, due: int, *, sells: bool) -> int | None:
        if ticket is None:
            if sum(waiter.sells == sells for waiter in self.waiters) >= MAX_WAITERS:
                return None
            self.places += 1
            ticket = self.places
        self.waiters.append(Waiter(ticket, sells, due))
        return ticket


@dataclass(frozen=True, slots=True)
class Reserve:
    """Be the change that counts a request, recognizable for a store that has a way of its own to apply it.

    :param rules: the limits.
    :param priority: who asks.
    :param ticket: the place that an earlier answer gave, if there was one.
    """

    rules: Rules
    priority: Priority
    ticket: int | None

    def __call__(self, ledger: Ledger, now: int) -> Reservation:
        """Apply it."""
        return ledger.reserve(self.rules, self.priority, self.ticket, now)
