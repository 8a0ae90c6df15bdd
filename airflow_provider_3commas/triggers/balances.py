"""Wait in the triggerer until the balances of an exchange account have settled."""

from __future__ import annotations

import asyncio
import inspect
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_3commas.api.account_ids import parse_account_id
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import Progress, final_event, new_progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Event status for a defect; the others are those of ``settlement.state.Status``.
ERROR = "error"

_DEFAULT_TIMEOUT = 7 * 86400.0
# Seconds from the start until the event may be fired: Airflow (3.3.2, most of all on SQLite) marks a task as failed
# that resumes before the scheduler has taken note that its first part is over.
_EARLIEST_EVENT = 10.0


class BalancesSettledTrigger(BaseTrigger):
    """Fire once, when an account has settled, can't settle, or the time is over. Only reads.

    Waits on the same account and connection share their requests. Every argument is JSON, none is a secret, and all
    but the account id have a default, so that a wait that an older version began goes on.

    The event is a dict: ``status`` (``settled``, ``stalled``, ``failed``, ``timeout`` or ``error``), ``message``,
    ``result`` (what ``BalancesSettledSensor`` returns; or ``None``), ``history``, ``details`` and, except for
    ``error``, ``facts`` (the sensor's XCom ``settlement_facts``).

    :param account_id: id of the account, a positive integer.
    :param threecommas_conn_id: id of the connection.
    :param criteria: what settled means: fields of ``settlement.criteria.Criteria``, numbers as text.
    :param progress: what the polls before have shown: fields of ``settlement.state.Progress``.
    :param poll_interval: seconds between polls; the first comes after one interval, and up to a quarter more.
    :param deadline: when to give up: ISO 8601 with an offset. Without one, ``timeout`` seconds from the start.
    :param timeout: seconds that the whole wait may take, for the message.
    :param exponential_backoff: whether the interval doubles from poll to poll.
    :param max_wait: seconds that it may grow to; ``None`` for no limit.
    """

    def __init__(
        self,
        account_id: int,
        threecommas_conn_id: str = "threecommas_default",
        *,
        criteria: dict[str, Any] | None = None,
        progress: dict[str, Any] | None = None,
        poll_interval: float = 60.0,
        deadline: str | None = None,
        timeout: float = _DEFAULT_TIMEOUT,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.account_id = account_id
        self.threecommas_conn_id = threecommas_conn_id
        self.criteria = criteria
        self.progress = progress
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.timeout = timeout
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what it takes to build this trigger again.

        :return: class path and arguments.
        """
        arguments = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return f"{__name__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire the one event.

        :return: an iterator over that event.
        """
        start = time.monotonic()
        event = await self._event()
        # In ``dag.test()`` there is no scheduler, and no task instance.
        if self.task_instance is not None:
            await asyncio.sleep(max(start + _EARLIEST_EVENT - time.monotonic(), 0.0))
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _event(self) -> dict[str, Any]:
        """Return the event; an exception would be logged by the resumed task, where no secret is masked yet."""
        try:
            return await self._wait()
        except Exception as error:
            self.log.exception("Waiting for account %s failed", self.account_id)
            message = f"Waiting for account {self.account_id} failed ({type(error).__name__}); see the triggerer's log."
            return {"status": ERROR, "message": message, "result": None, "history": [], "details": {}}

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_3commas.settlement import poller

        criteria = msgspec.convert(self.criteria or {}, Criteria)
        criteria.check_timeout(self.timeout)
        account_id = parse_account_id(self.account_id)
        start = time.time()
        wait = poller.Wait(
            criteria=criteria,
            progress=msgspec.convert(self.progress, Progress) if self.progress else new_progress(start),
            interval=self.poll_interval,
            deadline=datetime.fromisoformat(self.deadline).timestamp() if self.deadline else start + self.timeout,
            timeout=self.timeout,
            backoff=self.exponential_backoff,
            max_interval=self.max_wait,
            log=self.log.info,
        )
        decision = await poller.wait_for_account(self.threecommas_conn_id, account_id, wait)
        return final_event(criteria, account_id, decision)
