"""One poller an account, one client a connection, for all waits of a triggerer.

All triggers of a triggerer run in one process and one event loop. Waits for the same account share the answers; waits
that use the same connection share the client, its kept-alive session and its pauses. Polls run in threads, a few a
connection, so the loop is never blocked. Whatever is shared goes when the last wait that uses it ends.

::

    _Connection             a connection's:   the client, its threads, until when the server asked to be left alone
    └── _AccountPoller      an account's:     the polls
        └── Wait            a trigger's:      what it waits for, and what has become of it
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_3commas.api.errors import AuthenticationError, ConnectionFailed, ThreeCommasError
from airflow_provider_3commas.budget import WaitForBudget
from airflow_provider_3commas.settlement.decide import decide, next_interval, on_failed_poll, on_timeout
from airflow_provider_3commas.settlement.poll import Poll
from airflow_provider_3commas.settlement.state import Decision, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.settlement.assessment import Reading
    from airflow_provider_3commas.settlement.criteria import Criteria
    from airflow_provider_3commas.settlement.state import Progress

T = TypeVar("T")

# Polls of a connection at a time. The API allows 100 requests a minute, so this is plenty. Each thread more makes the
# event loop wait longer for the interpreter's lock: with a thousand accounts, p99 of its lag was 16-60 ms with eight,
# 5-11 with four.
_THREADS = 4
# Seconds that a poll at the deadline may take before the wait ends without it.
_GRACE = 10.0
# Jitter, as a share of the interval: waits that began together don't poll in step.
_FIRST_JITTER, _JITTER = 0.25, 0.1

# The connections of an event loop.
_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Connection]] = WeakKeyDictionary()


@dataclass(slots=True, eq=False, kw_only=True)
class Wait:
    """What one trigger waits for, and what has become of it."""

    criteria: Criteria
    progress: Progress
    #: Seconds between polls.
    interval: float
    #: When to give up, in seconds since 1970.
    deadline: float
    #: Seconds that the whole wait may take, for the message.
    timeout: float
    #: Whether the interval doubles from poll to poll.
    backoff: bool
    #: Seconds that it may grow to; ``None`` for no limit.
    max_interval: float | None
    #: Writes a line into the trigger's log.
    log: Callable[[str], None]
    next_poll_at: float = field(default=0.0, init=False)
    outcome: asyncio.Future[Decision] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future(), init=False
    )
    # The triggerer sorts log lines by context; the poller's is that of the wait that came first.
    _context: contextvars.Context = field(default_factory=contextvars.copy_context, init=False)

    @property
    def current_interval(self) -> float:
        """Seconds until the next poll, if nothing else matters."""
        return next_interval(self.progress, self.interval, backoff=self.backoff, max_interval=self.max_interval)

    def update(self, decision: Decision) -> None:
        """Go on from what a poll has shown, and log it if it has changed."""
        before, self.progress = self.progress, decision.progress
        changed = decision.cause or before.amounts != self.progress.amounts or before.stable != self.progress.stable
        if changed and not decision.final:
            self._context.run(self.log, decision.message)

    def finish(self, decision: Decision) -> None:
        """Set the outcome, unless the wait was cancelled."""
        if not self.outcome.done():
            self.outcome.set_result(decision)


async def wait_for_account(threecommas_conn_id: str, account_id: int, wait: Wait) -> Decision:
    """Wait until an account has settled, can't settle, or the time is over; return a final decision."""
    poller = _connection(threecommas_conn_id).poller(account_id)
    poller.join(wait)
    try:
        async with asyncio.timeout(max(wait.deadline - time.time(), 0.0) + _GRACE):
            return await wait.outcome
    except TimeoutError:
        return on_timeout(wait.criteria, wait.progress, account_id, wait.timeout)
    finally:
        poller.leave(wait)


async def connect(threecommas_conn_id: str) -> ThreeCommasClient:
    """Build a client from an Airflow connection, without blocking the event loop."""
    from airflow.providers.common.compat.connection import get_async_connection
    from asgiref.sync import sync_to_async

    from airflow_provider_3commas.hooks.connection import ConnectionFields, client_from
    from airflow_provider_3commas.hooks.gates import raising_gate

    try:
        fields = ConnectionFields.of(await get_async_connection(threecommas_conn_id))
        # In a thread, because parsing an RSA key takes up to 0.2 s; one of asgiref's, because masking secrets talks to
        # Airflow's supervisor, which before 3.3 it can do from no other.
        return await sync_to_async(client_from)(fields, raising_gate)
    except ThreeCommasError:
        raise
    except Exception as error:
        raise ConnectionFailed(
            f"Airflow's connection {threecommas_conn_id!r} could not be fetched ({type(error).__name__})."
        ) from error


def _connection(conn_id: str) -> _Connection:
    connections = _loops.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in connections:
        connections[conn_id] = _Connection(conn_id)
    return connections[conn_id]


@dataclass(eq=False)
class _Connection:
    """What the waits on one connection share."""

    conn_id: str
    #: Until when the server asked to be left alone, in seconds since 1970.
    not_before: float = 0.0
    _pollers: dict[int, _AccountPoller] = field(default_factory=dict)
    _client: ThreeCommasClient | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Its own, so that a server which answers slowly holds up no waits but its own.
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="threecommas")
    )

    def poller(self, account_id: int) -> _AccountPoller:
        if account_id not in self._pollers:
            self._pollers[account_id] = _AccountPoller(self, account_id)
        return self._pollers[account_id]

    def drop(self, poller: _AccountPoller) -> None:
        del self._pollers[poller.account_id]
        if not self._pollers:
            self._close()
            self._pool.shutdown(wait=False, cancel_futures=True)
            del _loops[asyncio.get_running_loop()][self.conn_id]

    async def client(self) -> ThreeCommasClient:
        async with self._lock:
            if self._client is None:
                self._client = await connect(self.conn_id)
            return self._client

    def renew(self, refused: ThreeCommasClient) -> None:
        """Fetch the connection again at the next use: its key may have been replaced since it was read."""
        if self._client is refused:
            self._close()

    async def run(self, function: Callable[[ThreeCommasClient], T], client: ThreeCommasClient) -> T:
        """Run a function of the client in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, client)

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


@dataclass(slots=True, eq=False)
class _AccountPoller:
    """Poll one account as often as its waits ask for, and never more than once an interval."""

    _connection: _Connection
    account_id: int
    # Those that have no outcome yet.
    _waits: list[Wait] = field(default_factory=list)
    # How many have joined and not left.
    _joined: int = 0
    _polls: int = 0
    _polled_at: float = float("-inf")
    _task: asyncio.Task[None] | None = None
    _sleeper: asyncio.Future[None] | None = None
    _wake_at: float = 0.0

    def join(self, wait: Wait) -> None:
        first_interval = wait.current_interval * (1 + _FIRST_JITTER * self._jitter(0))
        wait.next_poll_at = max(time.time() + first_interval, wait.progress.not_before)
        self._waits.append(wait)
        self._joined += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif min(wait.next_poll_at, wait.deadline) < self._wake_at:
            _wake(self._sleeper)

    def leave(self, wait: Wait) -> None:
        self._remove(wait)
        self._joined -= 1
        if self._joined == 0:
            if self._task is not None:
                self._task.cancel()
            self._connection.drop(self)

    def _remove(self, wait: Wait) -> None:
        with suppress(ValueError):
            self._waits.remove(wait)

    def _finish(self, wait: Wait, decision: Decision) -> None:
        self._remove(wait)
        wait.finish(decision)

    def _expire(self, wait: Wait) -> None:
        self._finish(wait, on_timeout(wait.criteria, wait.progress, self.account_id, wait.timeout))

    async def _run(self) -> None:
        try:
            while self._waits:
                self._wake_at = self._next_action_at()
                pause = self._wake_at - time.time()
                if pause > 0:
                    await self._sleep(pause)
                else:
                    await self._poll_or_expire()
        except Exception as error:  # a defect; nobody else would hear of it
            for wait in self._waits:
                if not wait.outcome.done():
                    wait.outcome.set_exception(error)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless a wait joins that is due earlier."""
        loop = asyncio.get_running_loop()
        # An event and a timeout would take three times as much memory, which counts with a thousand accounts.
        self._sleeper = loop.create_future()
        timer = loop.call_later(seconds, _wake, self._sleeper)
        try:
            await self._sleeper
        finally:
            timer.cancel()

    @property
    def _interval(self) -> float:
        return min(wait.current_interval for wait in self._waits)

    def _next_action_at(self) -> float:
        """Return when the next poll, or the end of a wait, is due."""
        interval = self._interval
        regular = max(
            self._polled_at + interval * (1 + _JITTER * self._jitter(self._polls)),
            # Waits that joined between two polls fall in with the others, at the poll nearest to when they are due.
            min(wait.next_poll_at for wait in self._waits) - (interval / 2 if self._polls else 0.0),
        )
        deadline = min(wait.deadline for wait in self._waits)
        return min(max(regular, self._connection.not_before), deadline)

    async def _poll_or_expire(self) -> None:
        """Poll for the waits that are due; where it is too early for a poll, only end those whose time is over."""
        now, half = time.time(), self._interval / 2
        if now < self._connection.not_before or now < self._polled_at + half:
            for wait in [wait for wait in self._waits if wait.deadline <= now]:
                self._expire(wait)
            return
        self._polls += 1
        self._polled_at = now
        due = [wait for wait in self._waits if wait.next_poll_at <= now + half or wait.deadline <= now]
        decisions = await self._poll(due)
        now = time.time()
        for wait, decision in zip(due, decisions, strict=True):
            wait.update(decision)
            if decision.final:
                self._finish(wait, decision)
            elif wait.deadline <= now:
                self._expire(wait)
            else:
                wait.next_poll_at = now + wait.current_interval

    async def _poll(self, waits: list[Wait]) -> list[Decision]:
        """Poll once, and decide for each of the waits."""
        decisions: list[Decision] = []

        def undecided(reading: Reading) -> bool:
            decisions[:] = _decide(waits, reading)
            return any(decision.status is Status.UNDECIDED for decision in decisions)

        poll = Poll(self.account_id, undecided)
        try:
            reading = await self._read(poll)
        except ThreeCommasError as error:
            now = time.time()
            self._connection.not_before = max(self._connection.not_before, now + (error.retry_after or 0.0))
            decisions = [on_failed_poll(wait.criteria, wait.progress, error, self.account_id, now) for wait in waits]
        else:
            if reading.rows is None or reading.entities is not None:
                decisions = _decide(waits, reading)
        return [decision.add_requests(poll.requests) for decision in decisions]

    async def _read(self, poll: Poll) -> Reading:
        """Poll in a thread, waiting for the budget here; fetch the connection again if the key is refused."""
        renewed = False
        while True:
            client = await self._connection.client()
            try:
                return await self._connection.run(poll.run, client)
            except WaitForBudget as wait:
                await asyncio.sleep(wait.seconds)
            except AuthenticationError:
                if renewed:
                    raise
                renewed = True
                self._connection.renew(client)

    def _jitter(self, poll: int) -> float:
        """Return a share between 0 and 1 that differs from account to account, and evenly so (golden ratio)."""
        return (self.account_id * 0.6180339887498949 + poll * 0.7548776662466927) % 1.0


def _decide(waits: list[Wait], reading: Reading) -> list[Decision]:
    now = time.time()
    return [decide(wait.criteria, wait.progress, reading, now) for wait in waits]


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)
