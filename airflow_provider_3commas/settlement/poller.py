"""One poller an account, one client a connection, for all waits of a triggerer.

All triggers of a triggerer run in one process and one event loop. Waits for the same account share the answers; waits
that use the same connection share the client, its kept-alive session and its pauses. Polls run in a small pool of
threads, so the loop is never blocked. Whatever is shared goes when the last wait that uses it ends.

::

    _LoopState              an event loop's:  the pool of threads
    └── _Connection         a connection's:   the client, and until when the server asked to be left alone
        └── _AccountPoller  an account's:     the polls
            └── Wait        a trigger's:      what it waits for, and what has become of it
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING
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

# Polls at a time. The API allows 100 requests a minute, so this is plenty. Each thread more makes the event loop wait
# longer for the interpreter's lock: with a thousand accounts, p99 of its lag was 16-60 ms with eight, 5-11 with four.
_THREADS = 4
# Seconds that a poll at the deadline may take before the wait ends without it.
_GRACE = 10.0
# Shares of the interval by which polls are delayed, so that waits that began together don't beat in step.
_FIRST_SPREAD, _SPREAD = 0.25, 0.1

_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopState] = WeakKeyDictionary()


class Wait:
    """Wait for one account, on behalf of one trigger.

    :param criteria: what settled means.
    :param progress: what the polls so far have shown.
    :param interval: seconds between polls.
    :param deadline: when to give up, in seconds since 1970.
    :param timeout: seconds that the whole wait may take, for the message.
    :param backoff: whether the interval doubles from poll to poll.
    :param longest: seconds that it may grow to.
    :param say: writes a line into the trigger's log.
    """

    __slots__ = (
        "_context",
        "_say",
        "backoff",
        "criteria",
        "deadline",
        "due",
        "interval",
        "longest",
        "outcome",
        "progress",
        "timeout",
    )

    def __init__(
        self,
        criteria: Criteria,
        progress: Progress,
        *,
        interval: float,
        deadline: float,
        timeout: float,
        backoff: bool = False,
        longest: float | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.criteria = criteria
        self.progress = progress
        self.interval = interval
        self.deadline = deadline
        self.timeout = timeout
        self.backoff = backoff
        self.longest = longest
        self.due = 0.0
        self.outcome: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._say = say
        # The triggerer sorts log lines by context; the poller's is that of whoever came first.
        self._context = contextvars.copy_context()

    @property
    def pause(self) -> float:
        """Seconds until the next poll, if nothing else matters."""
        return next_interval(self.progress, self.interval, backoff=self.backoff, longest=self.longest)

    def take(self, decision: Decision) -> None:
        """Go on from what a poll has shown.

        :param decision: what that poll means for this wait.
        """
        before, self.progress = self.progress, decision.progress
        news = decision.cause or before.amounts != self.progress.amounts or before.stable != self.progress.stable
        if news and not decision.final:
            self._context.run(self._say, decision.message)

    def end(self, decision: Decision) -> None:
        """Hand the outcome over, unless nobody waits for it any more.

        :param decision: the outcome.
        """
        if not self.outcome.done():
            self.outcome.set_result(decision)


async def settle(threecommas_conn_id: str, account_id: int, wait: Wait) -> Decision:
    """Wait until an account has settled, can't settle, or the time is over.

    :param threecommas_conn_id: id of the connection.
    :param account_id: the account's id.
    :param wait: what to wait for.
    :return: a final decision.
    """
    poller = _loop_state().connection(threecommas_conn_id).poller(account_id)
    poller.join(wait)
    try:
        async with asyncio.timeout(max(wait.deadline - now(), 0.0) + _GRACE):
            return await wait.outcome
    except TimeoutError:
        return on_timeout(wait.progress, account_id, wait.timeout)
    finally:
        poller.leave(wait)


def now() -> float:
    """Return the time, in seconds since 1970."""
    return time.time()


async def connect(threecommas_conn_id: str) -> ThreeCommasClient:
    """Build a client from an Airflow connection, without blocking the event loop.

    :param threecommas_conn_id: id of the connection.
    :return: the client.
    :raises ThreeCommasError: the connection can't be used, or could not be fetched.
    """
    from airflow.providers.common.compat.connection import get_async_connection
    from asgiref.sync import sync_to_async

    from airflow_provider_3commas.hooks.connection import client_from
    from airflow_provider_3commas.hooks.gates import raising_gate

    try:
        connection = await get_async_connection(threecommas_conn_id)
        # In a thread, because parsing an RSA key takes up to 0.2 s; one of asgiref's, because masking secrets talks to
        # Airflow's supervisor, which before 3.3 it can do from no other.
        return await sync_to_async(client_from)(connection, raising_gate)
    except ThreeCommasError:
        raise
    except Exception as error:
        raise ConnectionFailed(
            f"Airflow's connection {threecommas_conn_id!r} could not be fetched ({type(error).__name__})."
        ) from error


class _LoopState:
    """Hold what the waits of one event loop share."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="threecommas")
        self._connections: dict[str, _Connection] = {}

    def connection(self, threecommas_conn_id: str) -> _Connection:
        if threecommas_conn_id not in self._connections:
            self._connections[threecommas_conn_id] = _Connection(self, threecommas_conn_id)
        return self._connections[threecommas_conn_id]

    def drop(self, connection: _Connection) -> None:
        del self._connections[connection.conn_id]
        if not self._connections:
            self.pool.shutdown(wait=False, cancel_futures=True)
            _loops.pop(asyncio.get_running_loop(), None)


def _loop_state() -> _LoopState:
    loop = asyncio.get_running_loop()
    if loop not in _loops:
        _loops[loop] = _LoopState()
    return _loops[loop]


class _Connection:
    """Hold what the waits on one connection share."""

    def __init__(self, loop_state: _LoopState, conn_id: str) -> None:
        self.loop_state = loop_state
        self.conn_id = conn_id
        self.not_before = 0.0
        self._pollers: dict[int, _AccountPoller] = {}
        self._client: ThreeCommasClient | None = None
        self._lock = asyncio.Lock()

    def poller(self, account_id: int) -> _AccountPoller:
        if account_id not in self._pollers:
            self._pollers[account_id] = _AccountPoller(self, account_id)
        return self._pollers[account_id]

    def drop(self, poller: _AccountPoller) -> None:
        del self._pollers[poller.account_id]
        if not self._pollers:
            self._close()
            self.loop_state.drop(self)

    async def client(self) -> ThreeCommasClient:
        async with self._lock:
            if self._client is None:
                self._client = await connect(self.conn_id)
            return self._client

    def renew(self, refused: ThreeCommasClient) -> None:
        """Fetch the connection again at the next use: its key may have been replaced since it was read."""
        if self._client is refused:
            self._close()

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class _AccountPoller:
    """Poll one account as often as its waits ask for, and never more than once an interval."""

    __slots__ = (
        "_connection",
        "_members",
        "_planned",
        "_polled_at",
        "_polls",
        "_task",
        "_waits",
        "_wake",
        "account_id",
    )

    def __init__(self, connection: _Connection, account_id: int) -> None:
        self.account_id = account_id
        self._connection = connection
        self._waits: list[Wait] = []
        self._members = 0
        self._polls = 0
        self._polled_at = float("-inf")
        self._wake: asyncio.Future[None] | None = None
        self._planned = 0.0
        self._task: asyncio.Task[None] | None = None

    def join(self, wait: Wait) -> None:
        wait.due = max(now() + wait.pause * (1 + _FIRST_SPREAD * self._spread(0)), wait.progress.not_before)
        self._waits.append(wait)
        self._members += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif min(wait.due, wait.deadline) < self._planned:
            _wake(self._wake)

    def leave(self, wait: Wait) -> None:
        self._drop(wait)
        self._members -= 1
        if self._members == 0:
            if self._task is not None:
                self._task.cancel()
            self._connection.drop(self)

    def _drop(self, wait: Wait) -> None:
        with suppress(ValueError):
            self._waits.remove(wait)

    def _end(self, wait: Wait, decision: Decision) -> None:
        self._drop(wait)
        wait.end(decision)

    async def _run(self) -> None:
        try:
            while self._waits:
                self._planned = self._next_poll()
                pause = self._planned - now()
                if pause > 0:
                    await self._sleep(pause)
                else:
                    await self._turn()
        except Exception as error:  # a defect; nobody else would hear of it
            for wait in self._waits:
                if not wait.outcome.done():
                    wait.outcome.set_exception(error)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless a wait joins that is due earlier."""
        loop = asyncio.get_running_loop()
        # An event and a timeout would take three times as much memory, which counts with a thousand accounts.
        self._wake = loop.create_future()
        timer = loop.call_later(seconds, _wake, self._wake)
        try:
            await self._wake
        finally:
            timer.cancel()

    @property
    def _interval(self) -> float:
        return min(wait.pause for wait in self._waits)

    def _next_poll(self) -> float:
        """Return when something is to be done: a poll, or the end of a wait."""
        interval = self._interval
        regular = max(
            self._polled_at + interval * (1 + _SPREAD * self._spread(self._polls)),
            # Waits that joined between two polls fall in with the others, at the poll nearest to when they are due.
            min(wait.due for wait in self._waits) - (interval / 2 if self._polls else 0.0),
        )
        deadline = min(wait.deadline for wait in self._waits)
        return min(max(regular, self._connection.not_before), deadline)

    async def _turn(self) -> None:
        """Poll the account for the waits that are due, or end those whose time is over without one."""
        moment, half = now(), self._interval / 2
        if moment < self._connection.not_before or moment < self._polled_at + half:
            for wait in [wait for wait in self._waits if wait.deadline <= moment]:
                self._end(wait, on_timeout(wait.progress, self.account_id, wait.timeout))
            return
        self._polls += 1
        self._polled_at = moment
        due = [wait for wait in self._waits if wait.due <= moment + half or wait.deadline <= moment]
        decisions = await self._poll(due)
        moment = now()
        for wait, decision in zip(due, decisions, strict=True):
            wait.take(decision)
            if decision.final:
                self._end(wait, decision)
            elif wait.deadline <= moment:
                self._end(wait, on_timeout(wait.progress, self.account_id, wait.timeout))
            else:
                wait.due = moment + wait.pause

    async def _poll(self, waits: list[Wait]) -> list[Decision]:
        """Poll once, and say what it means to each of the waits, and what it has cost."""
        decisions: list[Decision] = []

        def undecided(reading: Reading) -> bool:
            decisions[:] = _decide(waits, reading)
            return any(decision.status is Status.UNDECIDED for decision in decisions)

        poll = Poll(self.account_id, undecided)
        try:
            reading = await self._answer(poll)
        except ThreeCommasError as error:
            moment = now()
            self._connection.not_before = max(self._connection.not_before, moment + (error.retry_after or 0.0))
            decisions = [on_failed_poll(wait.criteria, wait.progress, error, self.account_id, moment) for wait in waits]
        else:
            if reading.rows is None or reading.entities is not None:
                decisions = _decide(waits, reading)
        return [decision.add_requests(poll.requests) for decision in decisions]

    async def _answer(self, poll: Poll) -> Reading:
        """Poll in a thread, waiting for the budget here; fetch the connection again if the key is refused."""
        loop = asyncio.get_running_loop()
        renewed = False
        while True:
            client = await self._connection.client()
            try:
                return await loop.run_in_executor(self._connection.loop_state.pool, poll.run, client)
            except WaitForBudget as wait:
                await asyncio.sleep(wait.seconds)
            except AuthenticationError:
                if renewed:
                    raise
                renewed = True
                self._connection.renew(client)

    def _spread(self, step: int) -> float:
        """Return a share between 0 and 1 that differs from account to account, and evenly so (golden ratio)."""
        return (self.account_id * 0.6180339887498949 + step * 0.7548776662466927) % 1.0


def _decide(waits: list[Wait], reading: Reading) -> list[Decision]:
    moment = now()
    return [decide(wait.criteria, wait.progress, reading, moment) for wait in waits]


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)
