"""A case: something that is done to a liquidation on the running Airflow, on an exchange account of its own."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.scheduler.airflow_components import TASK_ID, AirflowComponents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airflow_provider_3commas.simulator import Simulator

#: Seconds that a connection waits for an answer: ``reconcile_for`` of the DAGs is longer than two of them.
TIMEOUT = 3
PATIENT_TIMEOUT = 40
#: Seconds after which a case has failed.
LONGEST = 240
#: More often than the scheduler gives up the tries of any case.
ANY = 9


@dataclass(frozen=True)
class Account:
    """An exchange account of one case's own, with an API key, and so a request budget, of its own."""

    name: str
    id: int
    patient: bool = False

    @property
    def conn_id(self) -> str:
        return f"case_{self.name}"

    @property
    def api_key(self) -> str:
        return f"api-key-of-{self.name}-4f1d"

    @property
    def secret(self) -> str:
        return f"secret-of-{self.name}-9b7e2c"

    @property
    def exchange_key(self) -> str:
        """What the simulator's Accounts hold in the field ``api_key``, as the real ones do."""
        return f"simulator-LEAKED-exchange-api-key-{self.id}"

    def connection(self, url: str) -> str:
        return json.dumps(
            {
                "conn_type": "threecommas",
                "host": url,
                "login": self.api_key,
                "password": self.secret,
                "extra": {"timeout": PATIENT_TIMEOUT if self.patient else TIMEOUT},
            }
        )

    def scenario(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": f"Account of {self.name}",
            "market_code": "binance",
            "holdings": {"BTC": "0.2114", "ETH": "8.25", "SOL": "61.4", "USDT": "7340.55", "DOGE": "21.7"},
            "bots": 3,
            "deals": 2,
        }


@dataclass(frozen=True)
class Case:
    """Something that is done to a DAG run on the running Airflow, at the same time as other cases.

    :param name: its name, and the id of its DAG run.
    :param steps: what is done.
    :param dag_id: the run's DAG; those of patient DAGs have a connection that waits long for an answer.
    :param parameters: what the steps and the test have to know, among it ``takes``, about how many seconds it takes,
        and ``others``, how many further accounts it needs.
    :param allowed_give_ups: how often the scheduler is to find that a try has ended or gone quiet: once for a killed
        task, twice for a killed or stopped supervisor; ``ANY`` where that can't be told.
    :param exclusive: whether nothing else is to happen before it is over.
    """

    name: str
    steps: Callable[[CaseRun], None]
    dag_id: str = "liquidation"
    parameters: dict[str, Any] = field(default_factory=dict, hash=False)
    allowed_give_ups: int = 0
    exclusive: bool = False

    @property
    def patient(self) -> bool:
        return self.dag_id.startswith("patient")


@dataclass(eq=False)
class CaseRun:
    """A case under way or over: what its steps act on, and what the test sees of it.

    :param results: what the steps keep for the test.
    """

    airflow: AirflowComponents
    simulator: Simulator
    account: Account
    case: Case
    signals: Path
    run_id: str
    other_accounts: list[Account] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    new_dag_id: str = ""
    started_at: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def dag_id(self) -> str:
        return self.case.dag_id

    @property
    def new_run_id(self) -> str:
        """The run that a person starts beside or after the case's own."""
        return f"{self.run_id}_new"

    @property
    def map_index(self) -> int:
        return 0 if self.dag_id.startswith("mapped") else -1

    def trigger(self, **injections: str) -> None:
        """Start the run.

        :param injections: by ``tryN`` what happens to that try: ``do at point``.
        """
        self.start(self.dag_id, self.run_id, injections)

    def start(self, dag_id: str, run_id: str, injections: Mapping[str, str] | None = None, **conf: Any) -> None:
        """Start a run of any DAG.

        :param dag_id: of which.
        :param run_id: its id.
        :param injections: as for ``trigger``.
        :param conf: what else is in its conf.
        """
        orders = {
            name.removeprefix("try"): dict(zip(("do", "point"), order.split(" at "), strict=True))
            for name, order in (injections or {}).items()
        }
        known = {"account_id": self.account.id, "conn_id": self.account.conn_id, "injections": orders}
        self.airflow.trigger(dag_id, run_id, known | conf)

    def wait_for(self, what: str, look: Callable[[], Any], seconds: float = LONGEST) -> Any:
        return self.airflow.wait_for(what, look, seconds, self.explain)

    def start_new_run(self, dag_id: str) -> str:
        """Do what a person does who sees a failed run: start another one; return its state when it has ended."""
        self.new_dag_id = dag_id
        self.start(dag_id, self.new_run_id)
        return self.wait_for_new_run()

    def wait_for_new_run(self) -> str:
        return self.airflow.wait_for_run(self.new_dag_id, self.new_run_id, LONGEST, self.explain)

    def new_xcom(self, key: str) -> Any:
        """Return an XCom of the new run."""
        return self.airflow.xcom(self.new_dag_id, self.new_run_id, key)

    def use_connection(self, conn_id: str) -> None:
        """Say which connection a run of ``moved_liquidation`` is to use."""
        (self.signals / f"{self.run_id}.conn").write_text(conn_id)

    def write_accounts(self, account_ids: list[int]) -> None:
        """Say which accounts a mapped run is to liquidate."""
        (self.signals / f"{self.run_id}.accounts").write_text(str(account_ids))

    def wait_for_end(self) -> str:
        """Wait for the end of the run, return its state, and keep how long it all took."""
        state = self.airflow.wait_for_run(self.dag_id, self.run_id, LONGEST, self.explain)
        self.record_duration()
        return state

    def record_duration(self) -> None:
        """Keep how long it took so far."""
        self.seconds = time.monotonic() - self.started_at

    def state(self) -> str:
        return self.airflow.run_state(self.dag_id, self.run_id)

    def disturbed(self) -> bool:
        """Tell whether Airflow has given a try up by mistake, as its scheduler may do with SQLite under heavy load."""
        return self.airflow.count_give_ups(self.run_id) > self.case.allowed_give_ups

    def reported_event(self, event: str, try_number: int = 1, run_id: str | None = None) -> dict[str, Any] | None:
        """Return an event that a try's injection has reported, or nothing if it has not."""
        for reported in self.reported_events(run_id):
            if (reported["event"], reported["try"]) == (event, try_number):
                return reported
        return None

    def reported_events(self, run_id: str | None = None) -> list[dict[str, Any]]:
        """Return every event that the injections have reported."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.signals / f"{run_id or self.run_id}.jsonl").read_text("utf-8").splitlines()
            return [json.loads(line) for line in lines]
        return []

    def resume_try(self, try_number: int = 1, run_id: str | None = None) -> None:
        """End a try's wait at its injection's point."""
        (self.signals / f"{run_id or self.run_id}.{try_number}.go").touch()

    def hold_sell(self, when: str) -> None:
        """Have the simulator keep the next sell waiting, before or after carrying it out."""
        self.simulator.fault("hold", when=when, method="POST", path=f"{self.account_path}/sell_all")

    def wait_for_held_sell(self) -> int:
        """Wait until the sell is in flight, and return the number to release it by."""
        held = self.wait_for("a held sell", lambda: [one for one in self.simulator.held() if self._is_mine(one)])
        number: int = held[0]["id"]
        return number

    def seller_has_ended(self) -> bool:
        """Tell whether the process that waits for the answer to the held sell has ended."""
        return any(one["gone"] for one in self.simulator.held() if self._is_mine(one))

    def _is_mine(self, held: dict[str, Any]) -> bool:
        return str(held["account_id"]) == str(self.account.id)

    @property
    def account_path(self) -> str:
        return f"/accounts/{self.account.id}"

    def sells(self) -> list[dict[str, Any]]:
        return self.simulator.sells(self.account.id)

    def posts(self) -> list[dict[str, Any]]:
        """Return the requests that tried to sell, carried out or not."""
        return self.simulator.journal(path=f"{self.account_path}/", sell=True)

    def tries(self) -> list[dict[str, Any]]:
        return self.airflow.tries(self.dag_id, self.run_id, self.map_index)

    def xcom(self, key: str) -> Any:
        return self.airflow.xcom(self.dag_id, self.run_id, key, self.map_index)

    def task_log(self, try_number: int | None = None) -> str:
        return self.airflow.task_log(self.dag_id, self.run_id, try_number, self.map_index)

    def mark_task(self, state: str) -> None:
        """Set the liquidation's state by hand."""
        path = f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{TASK_ID}"
        mapped = "" if self.map_index < 0 else f"/{self.map_index}"
        self.airflow.send("PATCH", f"{path}{mapped}", {"new_state": state})
        self.airflow.forget_run_states()

    def delete_run(self, run_id: str | None = None) -> None:
        """Delete a run and all that Airflow keeps of it, as a person does."""
        self.airflow.send("DELETE", f"dags/{self.dag_id}/dagRuns/{run_id or self.run_id}", None)
        self.airflow.forget_run_states()

    def clear_task(self) -> None:
        """Clear the liquidation, as a person does, and return at once."""
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": [TASK_ID], "only_failed": False}
        self.airflow.send("POST", f"dags/{self.dag_id}/clearTaskInstances", body)
        self.airflow.forget_run_states()

    def clear_run(self) -> None:
        """Clear the whole run, as a person does, and return at once."""
        body = {"dry_run": False, "only_failed": False}
        self.airflow.send("POST", f"dags/{self.dag_id}/dagRuns/{self.run_id}/clear", body)
        self.airflow.forget_run_states()

    def summary(self) -> dict[str, Any]:
        """Return what a table of results would show."""
        if not self.state():
            return {"seconds": round(self.seconds, 1)}
        return {
            "state": self.state(),
            "posts": len(self.posts()),
            "sells": len(self.sells()),
            "tries": len(self.tries()),
            "outcome": (self.xcom("liquidation") or {}).get("outcome"),
            "run": self.run_id,
            "seconds": round(self.seconds, 1),
        }

    def explain(self) -> str:
        """Say what is known, for a failed assertion."""
        parts: dict[str, Any] = {
            "sells": self.sells(),
            "posts": [
                {name: post[name] for name in ("seq", "time", "status", "fault", "applied")} for post in self.posts()
            ],
            "injections": self.reported_events(),
            "task log": self.task_log(),
            "new run's log": self.airflow.task_log(self.new_dag_id, self.new_run_id) if self.new_dag_id else "",
        }
        seconds = time.monotonic() - self.started_at
        return "\n".join(
            [
                f"{self.dag_id} {self.run_id}, account {self.account.id}, after {seconds:.0f} s",
                *(_titled(title, part) for title, part in parts.items()),
            ]
        )


def _titled(title: str, part: Any) -> str:
    lines = part.splitlines()[-120:] if isinstance(part, str) else [str(item) for item in part]
    return "\n  ".join([f"{title}:", *lines])
