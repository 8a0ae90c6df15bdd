"""Drive poke and reschedule mode: poll, decide, remember. Apart from the sensor, to keep DAG parsing cheap."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from airflow_provider_3commas.api.account_ids import parse_account_id
from airflow_provider_3commas.api.errors import ThreeCommasError
from airflow_provider_3commas.budget import WaitForBudget
from airflow_provider_3commas.parameters import parse_bool
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.decide import (
    decide,
    needs_entities,
    next_interval,
    on_failed_poll,
    on_no_budget,
    on_timeout,
)
from airflow_provider_3commas.settlement.poll import Poll
from airflow_provider_3commas.settlement.state import Progress, as_json, final_event, new_progress, wait_facts

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import Context

    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
    from airflow_provider_3commas.settlement.assessment import Reading
    from airflow_provider_3commas.settlement.state import Decision

#: Key of what a rescheduled sensor remembers, in the task's state store.
PROGRESS_KEY = "settlement_progress"

# 2100-01-01: deadlines beyond it can't be written as dates everywhere.
_LATEST_DEADLINE = 4102444800.0


class _Sensor(Protocol):
    """What is asked of the sensor, beside the criteria: each is an attribute of the same name."""

    account_id: Any
    deferrable: bool
    exponential_backoff: bool
    max_wait: timedelta | None
    poke_interval: float
    timeout: float

    @property
    def dry_run(self) -> Any: ...

    @property
    def hook(self) -> ThreeCommasHook: ...

    @property
    def reschedule(self) -> bool: ...


class SensorRun:
    """One try of a rendered sensor, whose parameters it parses: what it has to know between its polls."""

    def __init__(self, sensor: _Sensor, context: Context) -> None:
        self.account_id = parse_account_id(sensor.account_id)
        self.dry_run = parse_bool(sensor.dry_run, "dry_run")
        self.criteria = Criteria.parse(**{name: getattr(sensor, name) for name in Criteria.__struct_fields__})
        self.criteria.check_timeout(sensor.timeout)
        self._sensor = sensor
        self._reschedules = sensor.reschedule and not sensor.deferrable
        self._ti = context["ti"]
        self._store = context.get("task_state_store")
        # Whether there was no request budget for the last poll.
        self._postponed = False
        first_poll = self._first_reschedule(context)
        self._polled_before = first_poll is not None
        started = time.time() if first_poll is None else first_poll.timestamp()
        self.deadline = min(started + sensor.timeout, _LATEST_DEADLINE)
        self.progress = self._restore()

    def poll(self) -> Decision:
        """Poll once, and decide."""
        poll = Poll(self.account_id, lambda reading: needs_entities(self.criteria, self.progress, reading, time.time()))
        try:
            reading = self._read(poll)
        except WaitForBudget as wait:
            decision = on_no_budget(self.progress, self.account_id, wait.seconds, time.time())
        except ThreeCommasError as error:
            decision = on_failed_poll(self.criteria, self.progress, error, self.account_id, time.time())
        else:
            decision = decide(self.criteria, self.progress, reading, time.time())
        decision = decision.add_requests(poll.requests)
        self._postponed = not decision.final and decision.result is None and decision.cause is None
        self.progress = decision.progress
        if decision.final or self.dry_run or time.time() < self.deadline:
            return decision
        return on_timeout(self.criteria, self.progress, self.account_id, self._sensor.timeout)

    def event(self, decision: Decision) -> dict[str, Any]:
        """Return what the trigger would fire for a final decision."""
        return final_event(self.criteria, self.account_id, decision)

    def interim_facts(self) -> dict[str, Any]:
        """Return the facts that hold if the trigger never fires; how many requests it will send is not known."""
        progress = msgspec.structs.replace(self.progress, requests=None)
        return wait_facts(self.criteria, self.account_id, progress, settled=False)

    def _read(self, poll: Poll) -> Reading:
        """Read the account; once a poll has begun, its budget is waited for here, or what it has used is lost."""
        client = self._sensor.hook.get_conn()
        while True:
            try:
                return poll.run(client)
            except WaitForBudget as wait:
                if not poll.started or self.time_left() <= 0:
                    raise
                time.sleep(min(wait.seconds, self.time_left()))

    def time_left(self) -> float:
        """Return the seconds until the timeout."""
        return max(self.deadline - time.time(), 0.0)

    def seconds_to_next_poll(self) -> float:
        """Return how long to wait for the next poll: not less than the server asked for, not beyond the timeout."""
        asked_for = max(self.progress.not_before - time.time(), 0.0)
        if self._postponed:
            return min(asked_for, self.time_left())
        sensor = self._sensor
        interval = next_interval(
            self.progress,
            sensor.poke_interval,
            backoff=sensor.exponential_backoff,
            max_interval=sensor.max_wait.total_seconds() if sensor.max_wait else None,
        )
        return min(max(interval, asked_for), self.time_left())

    @property
    def would_lose_stable_reads(self) -> bool:
        """Whether the reads so far look settled and would be forgotten by a reschedule."""
        return self._store is None and self.progress.stable > 0

    @property
    def lacks_reads(self) -> bool:
        """Whether it takes more reads, and not only more time, until the account counts as settled."""
        return self.progress.stable < self.criteria.stable_reads

    def save(self) -> None:
        """Write what the next poll has to know to the task's state store, if there is one."""
        if self._store is None:
            return
        owner = {"try": self._ti.try_number, "account_id": self.account_id}
        self._store.set(PROGRESS_KEY, {**owner, "progress": as_json(self.progress)})

    def _first_reschedule(self, context: Context) -> datetime | None:
        if not self._reschedules:
            return None
        first = self._ti.get_first_reschedule_date(context)
        # Text before Airflow 3.2.
        return datetime.fromisoformat(first) if isinstance(first, str) else first

    def _restore(self) -> Progress:
        """Return what earlier polls of this try have written down; a retry starts anew, or a stall would last."""
        fresh = new_progress(time.time())
        if not self._reschedules:
            return fresh
        # What earlier polls have sent is not known if they are forgotten.
        forgotten = msgspec.structs.replace(fresh, requests=None) if self._polled_before else fresh
        if self._store is None:
            return forgotten
        saved = self._store.get(PROGRESS_KEY, default=None)
        if not isinstance(saved, dict):
            return forgotten
        if (saved.get("try"), saved.get("account_id")) != (self._ti.try_number, self.account_id):
            return fresh
        try:
            return msgspec.convert(saved.get("progress"), Progress)
        except msgspec.ValidationError:
            return forgotten
