"""Run a sell-all task's tries against the simulator, with a state store that survives them and a clock that jumps."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_3commas.api import client
from airflow_provider_3commas.budget import SleepingGate
from airflow_provider_3commas.liquidation import liquidator
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from tests.conftest import connection_to

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator import Simulator


class Killed(BaseException):
    """Stand for a process that ends at this instruction; nothing in the product may catch it."""


class Store:
    """Keep JSON values like Airflow's task state store; fail or kill where a test says so."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes: list[Any] = []
        self.before_set = self.after_set = lambda value: None

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.before_set(value)
        self.values[key] = json.dumps(value, allow_nan=False)
        self.writes.append(value)
        self.after_set(value)

    @property
    def phase(self) -> str | None:
        journal = self.get(liquidator.JOURNAL_KEY)
        return journal and journal["phase"]


class TaskRun:
    """Hold one task instance of one DAG run: its store outlives its tries, its XComs don't."""

    def __init__(self, simulator: Simulator, **parameters: Any) -> None:
        self.simulator = simulator
        self.operator_class = parameters.pop("operator_class", SellAllToBtcOperator)
        self.parameters = {"account_id": simulator.account_id, **parameters}
        self.store: Store | None = Store()
        self.xcoms: dict[str, Any] = {}
        self.xcom_push = lambda key, value: None
        self.tries = 0
        self.outlet_events: Any = {}
        self.dag_run = SimpleNamespace(run_type="manual", run_after=pendulum.now("UTC"), clear_number=0)

    def clear(self) -> None:
        self.dag_run.clear_number += 1

    def attempt(self, **changes: Any) -> Any:
        self.tries += 1
        self.xcoms = {}
        operator = self.operator_class(task_id="liquidate", **{**self.parameters, **changes})

        def push(key: str, value: Any) -> None:
            self.xcom_push(key, value)
            self.xcoms[key] = json.loads(json.dumps(value, allow_nan=False))

        context = {
            "ti": SimpleNamespace(try_number=self.tries, xcom_push=push, dag_id="a_dag", run_id="a_run"),
            "dag_run": self.dag_run,
            "task": operator,
            "task_state_store": self.store,
            "outlet_events": self.outlet_events,
        }
        return liquidator.Liquidator(operator, context).run()

    @property
    def outcome(self) -> str:
        return self.xcoms["liquidation"]["outcome"]


@pytest.fixture
def simulator(simulate, monkeypatch):
    simulator = simulate("calm", speed=1)
    connect(monkeypatch, simulator)
    # After a rate limit the whole key pauses for minutes, here as well; that is tested where the budget is.
    monkeypatch.setattr(SleepingGate, "admit", lambda gate: None)
    # Airflow has this if it has the store, which stands in for here.
    monkeypatch.setattr("airflow.sdk.NEVER_EXPIRE", timedelta.max, raising=False)
    return simulator


def connect(monkeypatch, simulator, *, login=None, password=None, **extra: Any) -> None:
    connection = connection_to(simulator, **{"timeout": 0.4, "budget_url": "memory://", **extra})
    connection |= {key: value for key, value in (("login", login), ("password", password)) if value}
    monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps(connection))


@pytest.fixture(autouse=True)
def clock(monkeypatch, request):
    """Let the task's sleeps pass at once, and the simulated market with them."""
    clock = SimpleNamespace(now=1000.0, slept=0.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds
        clock.slept += seconds
        if "simulator" in request.fixturenames:
            request.getfixturevalue("simulator").advance(seconds)

    for module in (client, liquidator):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return clock


@pytest.fixture
def run(simulator):
    return TaskRun(simulator)
