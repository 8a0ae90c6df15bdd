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
from airflow_provider_3commas.settlement import decide as settlement
from airflow_provider_3commas.settlement import state
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.poll import Poll
from airflow_provider_3commas.settlement.state import Progress

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import Context

    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
    from airflow_provider_3commas.settlement.assessment import Reading
    from airflow_provider_3commas.settlement.state import Decision

#: Key of what a rescheduled sensor remembers, in the task's state store.
PROGRESS_KEY = "settlement_progress"

# Deadlines beyond this (2100-01-01) can't be written as dates everywhere.
_FAR = 4102444800.0


class Sensor(Protocol):
    """What is asked of the sensor, beside the criteria: each is an attribute of the same name."""

    account_id: Any
    deferrable: bool
    exponential_backoff: bool
    max_wait: timedelta | None
    poke_interval: float
    timeout: float

    @property
    def dry_run(self) -> Any:
        """Whether nothing was sold."""

    @property
    def hook(self) -> ThreeCommasHook:
        """The hook."""

    @property
    def reschedule(self) -> bool:
        """Whether the worker is left between the polls."""


class SensorRun:
    """Remember what one try of a sensor has to know, between its polls.

    :param sensor: the sensor, rendered.
    :param context: Airflow's context.
    :raises ConfigurationError: a parameter can't be used; nothing was sent.
    """

    def __init__(self, sensor: Sensor, context: Context) -> None:
        self.account_id = parse_account_id(sensor.account_id)
        self.dry_run = parse_bool(sensor.dry_run, "dry_run")
        self.criteria = Criteria.parse(**{name: getattr(sensor, name) for name in Criteria.__struct_fields__})
        self._sensor = sensor
        self._ti = context["ti"]
        self._store = context.get("task_state_store")
        self._postponed = False
        started = time.time()
        self._polled_before = False
        if sensor.reschedule and not sensor.deferrable:
            first = self._ti.get_first_reschedule_date(context)
            # Text before Airflow 3.2.
            first = datetime.fromisoformat(first) if isinstance(first, str) else first
            started = first.timestamp() if first else started
            self._polled_before = first is not None
        self.deadline = min(started + sensor.timeout, _FAR)
        self.progress = self._restore()

    def poll(self) -> Decision:
        """Poll once, and decide."""

        def needs_entities(reading: Reading) -> bool:
            return settlement.needs_entities(self.criteria, self.progress, reading, time.time())

        poll = Poll(self.account_id, needs_entities)
        try:
            reading = self._read(poll)
        except WaitForBudget as wait:
            decision = settlement.on_no_budget(self.progress, self.account_id, wait.seconds, time.time())
        except ThreeCommasError as error:
            decision = settlement.on_failed_poll(self.criteria, self.progress, error, self.account_id, time.time())
        else:
            decision = settlement.decide(self.criteria, self.progress, reading, time.time())
        decision = decision.add_requests(poll.requests)
        self._postponed = not decision.final and decision.result is None and decision.cause is None
        self.progress = decision.progress
        if decision.final or self.dry_run or time.time() < self.deadline:
            return decision
        return settlement.on_timeout(self.progress, self.account_id, self._sensor.timeout)

    def event(self, decision: Decision) -> dict[str, Any]:
        """Return what the trigger would fire.

        :param decision: a final one.
        :return: the event.
        """
        return state.final_event(self.criteria, self.account_id, decision)

    def interim_facts(self) -> dict[str, Any]:
        """Return what is known if nothing more is ever heard of this wait; how many requests it will send is not."""
        progress = msgspec.structs.replace(self.progress, requests=None)
        return state.wait_facts(self.criteria, self.account_id, progress, settled=False)

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

    def pause(self) -> float:
        """Return how long to wait for the next poll: not less than the server asked for, not beyond the timeout."""
        asked_for = max(self.progress.not_before - time.time(), 0.0)
        if self._postponed:
            return min(asked_for, self.time_left())
        sensor = self._sensor
        longest = sensor.max_wait.total_seconds() if sensor.max_wait else None
        interval = settlement.next_interval(
            self.progress, sensor.poke_interval, backoff=sensor.exponential_backoff, longest=longest
        )
        return min(max(interval, asked_for), self.time_left())

    @property
    def would_lose_stable_reads(self) -> bool:
        """Whether the reads so far look settled and would be forgotten by a reschedule."""
        return self._store is None and self.progress.stable > 0

    def save(self) -> None:
        """Write down what the next poll has to know."""
        if self._store is None:
            return
        owner = {"try": self._ti.try_number, "account_id": self.account_id}
        self._store.set(PROGRESS_KEY, {**owner, "progress": state.as_json(self.progress)})

    def _restore(self) -> Progress:
        """Return what earlier polls of this try have written down; a retry starts anew, or a stall would last."""
        fresh = state.new_progress(time.time())
        if not self._sensor.reschedule or self._sensor.deferrable:
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
