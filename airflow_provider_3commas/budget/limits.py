"""How often requests may be sent, and for how long none may: every share, margin and pause. Times in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from airflow_provider_3commas.api import pauses
from airflow_provider_3commas.api.errors import ConfigurationError

#: One of so many allowed requests is reserved for sells.
SELL_RESERVE_DIVISOR = 10
#: One of so many allowed requests is never used: some reach the server even later than expected.
SPARE_DIVISOR = 50
#: A request may reach the server late by one of so many parts of the window (2 s of a minute).
LATE_ARRIVAL_DIVISOR = 30
#: Longest queue of each priority; a request beyond it asks again later, without a ticket.
MAX_WAITERS = 500
#: So many polls that were late for their turn may catch up at once.
MAX_LATE_POLLS = 4

#: The longest pause, whatever a reply says.
LONGEST_PAUSE = round(pauses.LONGEST_PAUSE * 1000)
#: The shortest pause after a 418; it doubles with every further ban.
SHORTEST_BAN = round(pauses.SHORTEST_BAN * 1000)
#: A ``Retry-After`` may have been rounded down to whole seconds.
PAUSE_SLACK = 1_000

#: What a store holds longer than this was not written by us, in bytes.
MAX_STORED_BYTES = 500_000
#: No time is later: the end of the year 8999, which can still be printed after something was added to it.
MAX_TIME = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp() * 1000)
#: Nothing is counted further; a script of Redis writes numbers with 14 digits.
MAX_COUNT = 10**13


class Priority(StrEnum):
    """What a request is for: the sells go first."""

    SELL = "sell"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class Limits:
    """What follows from the server's limit: ``limit`` requests in a ``window``."""

    limit: int
    window: int

    @classmethod
    def of(cls, requests_per_minute: object, window_seconds: float = 60.0) -> Limits:
        """Parse the limit as a connection may hold it: a number, or its digits."""
        value = requests_per_minute
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= 10_000:
            raise ConfigurationError(
                f"requests_per_minute must be a whole number from 2 to 10000, got {requests_per_minute!r}. 3Commas "
                "documents 100 a minute; third parties have seen 5 (starter), 50 (pro) and 120 (expert) by plan."
            )
        return cls(value, round(window_seconds * 1000))

    @property
    def effective_window(self) -> int:
        """Time in which the caps hold: the server's window and a margin for requests that arrive late."""
        return self.window + self.window // LATE_ARRIVAL_DIVISOR

    @property
    def sell_cap(self) -> int:
        """Most requests in an effective window."""
        return self.limit - self.limit // SPARE_DIVISOR

    @property
    def poll_cap(self) -> int:
        """Most requests in an effective window before polls wait."""
        return self.limit - max(1, self.limit // SELL_RESERVE_DIVISOR)

    @property
    def burst(self) -> int:
        """Requests in an effective window before polls are spaced."""
        return min(max(3, self.limit // 10), self.poll_cap)

    @property
    def poll_spacing(self) -> int:
        """Time between polls that are spaced."""
        return self.effective_window // self.poll_cap

    @property
    def max_burst_debt(self) -> int:
        """Time that polls may be behind their spacing and still catch up."""
        return MAX_LATE_POLLS * self.poll_spacing

    @property
    def scarce(self) -> int:
        """Requests in an effective window from which on polls stand back between the requests of one sell."""
        return self.sell_cap // 2

    @property
    def max_recheck(self) -> int:
        """Longest that a waiter sleeps before it asks again, unless the key pauses."""
        return self.window // 4

    @property
    def turn_grace(self) -> int:
        """Time after its turn in which a waiter keeps its place."""
        return self.window // 20

    @property
    def sell_hold_off(self) -> int:
        """Time for which polls stand back after a sell's request: the next one of the same sell follows it."""
        return self.window // 30

    def cap(self, priority: Priority) -> int:
        """Return how many requests may be in an effective window before this priority waits."""
        return self.sell_cap if priority is Priority.SELL else self.poll_cap
