"""One sell-all task against the simulator, try by try, and what can go wrong with its answers and its process."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_3commas.liquidation import liquidator
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from tests.conftest import connection_to
from tests.fakes import TaskStateStore
from tests.hostile_replies import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.simulator import Simulator

DROPPED = {"action": "drop"}
#: Faults after which it is not known whether the sell-all was carried out.
LOST_ANSWERS = [
    pytest.param({"action": "status", "status": 500}, id="500"),
    pytest.param({"action": "html", "status": 502}, id="502 html"),
    pytest.param({"action": "status", "status": 504}, id="504"),
    pytest.param({"action": "drop", "reset": True}, id="reset"),
    pytest.param(DROPPED, id="closed"),
    pytest.param({"action": "hang", "seconds": 5}, id="read timeout"),
    pytest.param({"action": "truncate"}, id="truncated"),
    pytest.param({"action": "html", "status": 200}, id="200 html"),
    pytest.param({"action": "empty", "status": 201}, id="201 empty"),
    pytest.param({"action": "wrong_account"}, id="another account"),
    pytest.param({"action": "redirect"}, id="302"),
]
#: What a hostile server may answer to a sell-all; none of them proves anything.
HOSTILE_ANSWERS = [
    pytest.param({"action": "raw", "body": b"".join(reply.parts()).decode("latin-1")}, id=reply.name)
    for reply in QUICK
    if reply.status not in (400, 401, 403, 404, 418, 422, 429)
]


class Killed(BaseException):
    """A process that ends at this instruction; nothing in the product may catch it."""


class TaskRun:
    """One task instance of one DAG run: its store outlives its tries, its XComs don't."""

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


def connect(monkeypatch, simulator, *, login=None, password=None, **extra: Any) -> None:
    connection = connection_to(simulator, **{"timeout": 0.4, **extra})
    connection |= {key: value for key, value in (("login", login), ("password", password)) if value}
    monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps(connection))


def lose_answer(simulator: Simulator, fault: dict[str, Any] = DROPPED, *, applied: bool) -> None:
    """Lose the answer to the next sell-all, which is carried out, or is not."""
    simulator.fault(**fault, path="sell_all", when="after" if applied else "before")


def refuse_sell_all(simulator: Simulator) -> None:
    """Refuse the next sell-all for certain."""
    simulator.fault("json", path="sell_all", status=403, body={"error": "access_denied"})


def kill_on(phase: str) -> Callable[[Any], None]:
    """Return a hook of the store that ends the process at the write of this phase."""

    def kill(value: Any) -> None:
        if value["phase"] == phase:
            raise Killed

    return kill


def kill_on_outcome(key: str, value: Any) -> None:
    """End the process before the XCom of the outcome is pushed."""
    if key == "liquidation":
        raise Killed
