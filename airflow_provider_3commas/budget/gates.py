"""How a client waits for the request budget: a task sleeps, a trigger gets an exception with the seconds to wait."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_3commas.api.errors import BudgetTimeout, ThreeCommasError
from airflow_provider_3commas.budget.ledger import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.budget.budget import RequestBudget
    from airflow_provider_3commas.budget.ledger import Reservation
    from airflow_provider_3commas.budget.limits import Priority

#: A wait of more than so many seconds is logged.
LOG_AFTER = 5.0
#: Longest sleep in one piece, in seconds: a long wait logs from time to time what is left of it.
MAX_SLEEP = 60.0

_logger = logging.getLogger(__name__)


class WaitForBudget(ThreeCommasError):
    """The request was not sent: ask again after ``seconds``, which the caller sleeps in its own way."""

    def __init__(self, reservation: Reservation) -> None:
        super().__init__(_describe(reservation), retry_after=reservation.wait)
        self.seconds = reservation.wait
        self.reason = reservation.reason


class InfoLog(Protocol):
    """What the standard library's loggers and Airflow's have in common."""

    def info(self, event: Any, /, *args: Any) -> Any:
        """Log a line with ``%s`` for each argument."""


class GateObserver(Protocol):
    """Receives what happens at a gate, for metrics."""

    def admitted(self, priority: Priority, waited: float, remaining: int) -> None:
        """Record a request that may be sent after ``waited`` seconds (0 at a ``RaisingGate``)."""

    def waiting(self, priority: Priority, seconds: float, reason: Reason | None) -> None:
        """Record a request that has to wait, for so long as far as is known now."""

    def paused(self, seconds: float) -> None:
        """Record that a reply made the whole key pause."""


class _Gate:
    def __init__(self, budget: RequestBudget, priority: Priority, observer: GateObserver | None) -> None:
        self._budget = budget
        self._priority = priority
        self._observer = observer

    def report(self, error: ThreeCommasError) -> None:
        """Pause everything that uses the key, if the error means that."""
        seconds = self._budget.report(error)
        if seconds and self._observer is not None:
            self._observer.paused(seconds)

    def _reserve(self, ticket: int | None) -> Reservation:
        reservation = self._budget.reserve(self._priority, ticket)
        if not reservation.granted and self._observer is not None:
            self._observer.waiting(self._priority, reservation.wait, reservation.reason)
        return reservation

    def _admitted(self, waited: float, reservation: Reservation) -> None:
        if self._observer is not None:
            self._observer.admitted(self._priority, waited, reservation.remaining)


class SleepingGate(_Gate):
    """Sleeps until the request may be sent: for tasks, which have a process of their own. Threads can share it.

    ``time_left`` returns the seconds that the caller may still wait, and is called whenever it matters; without it
    there is no end. ``max_wait`` is the seconds from now that requests may wait, for a person who would rather be told
    how long it takes.
    """

    def __init__(
        self,
        budget: RequestBudget,
        priority: Priority,
        *,
        time_left: Callable[[], float] | None = None,
        max_wait: float | None = None,
        sleep: Callable[[float], None] | None = None,
        logger: InfoLog = _logger,
        observer: GateObserver | None = None,
    ) -> None:
        super().__init__(budget, priority, observer)
        self._time_left = time_left
        self._deadline = None if max_wait is None else time.monotonic() + max_wait
        self._sleep = sleep or time.sleep
        self._logger = logger

    def admit(self) -> None:
        """Return when one more request may be sent, having counted it.

        Raise ``BudgetTimeout`` if ``time_left`` was over before, ``WaitForBudget`` if it would exceed ``max_wait``.
        """
        waited = 0.0
        logged_at, logged_reason = -MAX_SLEEP, None
        reservation = self._reserve(None)
        while not reservation.granted:
            left = self._check_time_left(reservation, waited)
            if reservation.wait > LOG_AFTER and (
                reservation.reason is not logged_reason or waited - logged_at >= MAX_SLEEP - 1
            ):
                self._logger.info("Request not sent yet: %s", _describe(reservation))
                logged_at, logged_reason = waited, reservation.reason
            delay = min(reservation.wait, MAX_SLEEP, left)
            self._sleep(delay)
            waited += delay
            reservation = self._reserve(reservation.ticket)
        if waited > LOG_AFTER:
            self._logger.info("Request sent after waiting %.0f s.", waited)
        self._admitted(waited, reservation)

    def _check_time_left(self, reservation: Reservation, waited: float) -> float:
        if self._deadline is not None and time.monotonic() + reservation.wait > self._deadline:
            self._withdraw(reservation)
            raise WaitForBudget(reservation)
        left = MAX_SLEEP if self._time_left is None else self._time_left()
        if left <= 0:
            self._withdraw(reservation)
            raise BudgetTimeout(
                f"Request not sent: the time to wait for it was over after {waited:.0f} s. {_describe(reservation)}",
                retry_after=reservation.wait,
            )
        return left

    def _withdraw(self, reservation: Reservation) -> None:
        if reservation.ticket is not None:
            self._budget.withdraw(reservation.ticket)


class RaisingGate(_Gate):
    """Raises ``WaitForBudget`` when the request may not be sent yet: for triggers, which must not block.

    Threads and coroutines can share it; the places in the queue belong to all of them together.
    """

    def __init__(self, budget: RequestBudget, priority: Priority, *, observer: GateObserver | None = None) -> None:
        super().__init__(budget, priority, observer)
        self._lock = threading.Lock()
        #: When each ticket's turn comes, on this process's monotonic clock.
        self._tickets: dict[int, float] = {}

    def admit(self) -> None:
        """Return if one more request may be sent now, having counted it; else raise, with nothing counted."""
        reservation = self._reserve(self._take_due_ticket())
        if reservation.granted:
            self._admitted(0.0, reservation)
            return
        if reservation.ticket is not None:
            with self._lock:
                self._tickets[reservation.ticket] = time.monotonic() + reservation.wait
        raise WaitForBudget(reservation)

    def _take_due_ticket(self) -> int | None:
        """Return the oldest ticket whose turn has come: the caller that got it is about to ask again."""
        # An event loop may wake a sleeper a little early.
        now = time.monotonic() + 0.05
        with self._lock:
            due = [ticket for ticket, at in self._tickets.items() if at <= now]
            ticket = min(due, default=None)
            if ticket is not None:
                del self._tickets[ticket]
            return ticket


def _describe(reservation: Reservation) -> str:
    if reservation.reason is Reason.PAUSE:
        return f"{reservation.reason}; {reservation.wait:.0f} s left."
    return f"{reservation.reason}; asking again in {reservation.wait:.1f} s."
