"""Run a sell-all task's tries against the simulator, with a state store that survives them and a clock that jumps."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_3commas.api import clock as clocks
from airflow_provider_3commas.budget import SleepingGate
from airflow_provider_3commas.liquidation import liquidator
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from tests.conftest import connection_to
from tests.fakes import TaskStateStore

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator import Simulator


class Killed(BaseException):
    """Stand for a process that ends at this instruction; nothing in the product may catch it."""


class TaskRun:
    """Hold one task instance of one DAG run: its store outlives its tries, its XComs don't."""

    def __init__(self, simulator: Simulator, **parameters: Any) -> None:
        self.simulator = simulator
        self.operator_class = parameters.pop("operator_class", SellAllToBtcOperator)
        self.parameters = {"account_id": simulator.account_id, **parameters}
        self.store: TaskStateStore | None = TaskStateStore()
        self.xcoms: dict[str, Any] = {}
        self.xcom_push = lambda key, value: None
        self.tries = 0
        self.state = "running"
        self.map_index = -1
        self.run_id = "a_run"
        self.outlet_events: Any = {}
        self.dag_run = SimpleNamespace(run_type="manual", run_after=pendulum.now("UTC"), clear_number=0)

    def clear(self) -> None:
        self.dag_run.clear_number += 1

    def attempt(self, **changes: Any) -> Any:
        self.tries += 1
        self.xcoms = {}
        operator = self.operator = rendered(self.operator_class, {**self.parameters, **changes})

        def push(key: str, value: Any) -> None:
            self.xcom_push(key, value)
            self.xcoms[key] = json.loads(json.dumps(value, allow_nan=False))

        ti = SimpleNamespace(
            try_number=self.tries,
            xcom_push=push,
            dag_id="a_dag",
            run_id=self.run_id,
            task_id="liquidate",
            map_index=self.map_index,
            get_task_states=self._states,
        )
        context = {
            "ti": ti,
            "dag_run": self.dag_run,
            "task": operator,
            "task_state_store": self.store,
            "outlet_events": self.outlet_events,
        }
        return operator.execute(context)

    def _states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str], map_index: int) -> Any:
        """Answer as Airflow does when it is asked for the states of task instances."""
        assert (dag_id, task_ids, run_ids, map_index) == ("a_dag", ["liquidate"], [self.run_id], self.map_index)
        state = self.state() if callable(self.state) else self.state
        name = "liquidate" if map_index < 0 else f"liquidate_{map_index}"
        return {self.run_id: {} if state is None else {name: state}}

    @property
    def phase(self) -> str | None:
        """How far the recorded sale has come."""
        journal = self.store.get(liquidator.JOURNAL_KEY)
        return journal and journal["phase"]

    @property
    def outcome(self) -> str:
        return self.xcoms["liquidation"]["outcome"]


def rendered(operator_class: type[Any], parameters: dict[str, Any]) -> Any:
    """Return a task whose templates have been rendered to these values."""
    templated = {name for name in parameters if name in operator_class.template_fields}
    operator = operator_class(
        task_id="liquidate", **{name: "{{ it }}" if name in templated else parameters[name] for name in parameters}
    )
    for name in templated:
        setattr(operator, name, parameters[name])
    return operator


@pytest.fixture
def simulator(simulate, monkeypatch, tmp_path):
    simulator = simulate("calm", speed=1)
    # Who has liquidated an account is remembered for all tasks of a test, and for no other test's.
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    connect(monkeypatch, simulator)
    # After a rate limit the whole key pauses for minutes, here as well; that is tested where the budget is.
    monkeypatch.setattr(SleepingGate, "admit", lambda gate: None)
    # Airflow has this if it has the store, which stands in for here.
    monkeypatch.setattr("airflow.sdk.NEVER_EXPIRE", timedelta.max, raising=False)
    return simulator


def connect(monkeypatch, simulator, *, login=None, password=None, **extra: Any) -> None:
    connection = connection_to(simulator, **{"timeout": 0.4, **extra})
    connection |= {key: value for key, value in (("login", login), ("password", password)) if value}
    monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps(connection))


@pytest.fixture(autouse=True)
def clock(monkeypatch, request):
    """Let the task's sleeps pass at once, and the simulated market with them."""
    clock = SimpleNamespace(now=1000.0, slept=0.0, started=time.time())

    def sleep(seconds: float) -> None:
        clock.now += seconds
        clock.slept += seconds
        if "simulator" in request.fixturenames:
            request.getfixturevalue("simulator").advance(seconds)

    faked = SimpleNamespace(monotonic=lambda: clock.now, time=lambda: clock.started + clock.now - 1000.0, sleep=sleep)
    monkeypatch.setattr(clocks, "time", faked)
    return clock


@pytest.fixture
def run(simulator):
    return TaskRun(simulator)
