"""Run a sensor in any mode, as Airflow would, in virtual time."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.bases.sensor import AirflowRescheduleException

from airflow_provider_3commas.api import Credentials
from airflow_provider_3commas.api.client import ThreeCommasClient
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor
from airflow_provider_3commas.settlement import poller
from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger
from tests.fakes import ACCOUNT, START, ScriptedClient, TaskInstance, TaskStateStore
from tests.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.simulator import Simulator

MODES = {"poke": {}, "reschedule": {"mode": "reschedule"}, "deferrable": {"deferrable": True}}


@dataclass
class SensorHarness:
    """Runs sensors in one of the modes, and keeps what Airflow would."""

    mode: str
    clock: time_machine.Coordinates
    store: TaskStateStore | None = field(default_factory=TaskStateStore)
    ti: TaskInstance = field(default_factory=TaskInstance)
    sleeps: list[float] = field(default_factory=list)
    deferrals: list[TaskDeferred] = field(default_factory=list)
    reschedules: int = 0
    outlet_events: Any = None
    edit_event: Callable[[Any], Any] = lambda event: event

    @property
    def context(self) -> Any:
        context = {"ti": self.ti, "outlet_events": self.outlet_events}
        return context if self.store is None else {**context, "task_state_store": self.store}

    def sensor(self, **arguments: Any) -> BalancesSettledSensor:
        arguments = {"account_id": ACCOUNT, "poke_interval": 60, "timeout": 3600, **MODES[self.mode], **arguments}
        return BalancesSettledSensor(task_id="settled", **arguments)

    def run(self, **arguments: Any) -> dict[str, Any]:
        """Run one try to its end, the way Airflow does: a new process, so a new sensor, for each part of it."""
        started = datetime.fromtimestamp(time.time(), UTC)
        while True:
            sensor = self.sensor(**arguments)
            try:
                return json.loads(json.dumps(sensor.execute(self.context)))
            except AirflowRescheduleException as reschedule:
                self.reschedules += 1
                self.ti.first_reschedule = self.ti.first_reschedule or started
                self.clock.move_to(reschedule.reschedule_date)
            except TaskDeferred as deferral:
                return self._resume(deferral, **arguments)

    def _resume(self, deferral: TaskDeferred, **arguments: Any) -> dict[str, Any]:
        self.deferrals.append(deferral)
        path, kwargs = deferral.trigger.serialize()
        assert path.endswith("BalancesSettledTrigger")
        trigger = BalancesSettledTrigger(**json.loads(json.dumps(kwargs)))

        async def fire() -> Any:
            return [event.payload async for event in trigger.run()]

        (payload,) = run_in_virtual_time(self.clock, fire())
        event = self.edit_event(json.loads(json.dumps(payload)))
        sensor = self.sensor(**arguments)
        return sensor.resume_execution(deferral.method_name, {"event": event}, self.context)

    @staticmethod
    def elapsed() -> float:
        return time.time() - START


@pytest.fixture(params=MODES)
def mode(request) -> str:
    return request.param


@pytest.fixture
def harness(mode, monkeypatch):
    with time_machine.travel(START, tick=False) as clock:
        built = SensorHarness(mode, clock)

        def sleep(seconds: float) -> None:
            built.sleeps.append(seconds)
            clock.shift(timedelta(seconds=seconds))

        monkeypatch.setattr(time, "sleep", sleep)
        yield built


@pytest.fixture
def exchange(monkeypatch):
    """Let hooks and triggers talk to a scripted exchange."""

    def to(*script: Any) -> ScriptedClient:
        built = ScriptedClient(*script)

        async def connect(conn_id: str) -> ScriptedClient:
            return built

        monkeypatch.setattr(ThreeCommasHook, "get_conn", lambda self: built)
        monkeypatch.setattr(poller, "connect", connect)
        return built

    return to


class SimulatedTimeClient(ThreeCommasClient):
    """A client whose exchange lives in the test's virtual time."""

    simulator: Simulator
    passed: float

    def load_balances(self, account_id: int) -> dict[str, Any]:
        now = time.time()
        self.simulator.advance(now - self.passed)
        self.passed = now
        return super().load_balances(account_id)

    def close(self) -> None:
        """Stay open for the polls to come."""


@pytest.fixture
def sell(simulate, harness, monkeypatch):
    """Let hooks and triggers talk to the simulator, in virtual time, and sell an account of a scenario now."""
    simulator = simulate(speed=0)
    client = SimulatedTimeClient(Credentials(simulator.api_key, simulator.secret), base_url=simulator.url)
    client.simulator, client.passed = simulator, time.time()

    async def connect(conn_id: str) -> ThreeCommasClient:
        return client

    monkeypatch.setattr(ThreeCommasHook, "get_conn", lambda self: client)
    monkeypatch.setattr(poller, "connect", connect)

    def sell(scenario: str, account_id: int = ACCOUNT, **changes: Any) -> None:
        simulate(scenario, speed=0)
        simulator.change_account(account_id, **changes)
        client.sell_all(account_id, "BTC", unguarded=True)

    yield sell
    ThreeCommasClient.close(client)
