"""A simulator with an account for everything that is played, and an Airflow that can reach it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil

from airflow_provider_3commas.simulator import Simulator
from local_airflow.errors import LocalAirflowError
from local_airflow.waiting import wait_for
from tests.scheduler.airflow_components import TASK_ID, AirflowComponents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

DAG_IDS = {
    "kill_matrix",
    "patient_kill_matrix",
    "kill_matrix_once",
    "kill_matrix_last",
    "mapped_kill_matrix_once",
    "mapped_kill_matrix_last",
    "liquidation",
    "liquidation_once",
    "liquidation_anyway",
    "mapped_liquidation",
    "moved_liquidation",
    "patient_liquidation",
    "backfilled",
    "unpaused_late",
    "paused",
    "every_minute",
    "made_anew",
}
#: For runs whose operator knows neither account nor connection from its run's conf.
PAST = "past"
#: Seconds that a connection waits for an answer: ``reconcile_for`` of the DAGs is longer than two of them.
TIMEOUT = 3
PATIENT_TIMEOUT = 40
#: Seconds after which a play has failed.
LONGEST = 240


@dataclass(frozen=True)
class Account:
    """An exchange account of one play's own, with an API key, and so a request budget, of its own."""

    name: str
    id: int
    patient: bool = False

    @property
    def conn_id(self) -> str:
        return f"play_{self.name}"

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
class Play:
    """Something that is tried on the running Airflow, at the same time as others.

    :param name: its name, and the id of its DAG run.
    :param act: does it.
    :param dag_id: the DAG that it is about; those of patient DAGs have a connection that waits long for an answer.
    :param facts: what the test that judges it has to know.
    :param given_up: how often the scheduler is to find that a try has ended or gone quiet: once for a killed task,
        twice for a killed or stopped supervisor.
    :param alone: whether nothing else is to happen before it is over.
    """

    name: str
    act: Callable[[Stage], None]
    dag_id: str = "liquidation"
    facts: dict[str, Any] = field(default_factory=dict, hash=False)
    given_up: int = 0
    alone: bool = False

    @property
    def patient(self) -> bool:
        return self.dag_id.startswith("patient")


@dataclass(eq=False)
class Stage:
    """What one play acts on, and what was seen of it."""

    airflow: AirflowComponents
    simulator: Simulator
    account: Account
    play: Play
    folder: Path
    run_id: str
    others: list[Account] = field(default_factory=list)
    new_dag_id: str = ""
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def dag_id(self) -> str:
        return self.play.dag_id

    @property
    def new_run_id(self) -> str:
        """The run that a person starts beside or after the play's own."""
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

    def lead_to(self, conn_id: str) -> None:
        """Say which connection a run of ``moved_liquidation`` is to use."""
        (self.folder / f"{self.run_id}.conn").write_text(conn_id)

    def write_accounts(self, account_ids: list[int]) -> None:
        """Say which accounts a mapped run is to liquidate."""
        (self.folder / f"{self.run_id}.accounts").write_text(str(account_ids))

    def wait_for_end(self) -> str:
        """Wait for the end of the run, return its state, and keep how long it all took."""
        state = self.airflow.wait_for_run(self.dag_id, self.run_id, LONGEST, self.explain)
        self.keep_time()
        return state

    def keep_time(self) -> None:
        """Keep how long it took so far."""
        self.seconds = time.monotonic() - self.began

    def state(self) -> str:
        return self.airflow.run_state(self.dag_id, self.run_id)

    def disturbed(self) -> bool:
        """Tell whether Airflow has given a try up by mistake, as its scheduler may do with SQLite under heavy load."""
        return self.airflow.count_give_ups(self.run_id) > self.play.given_up

    def told(self, event: str, try_number: int = 1, run_id: str | None = None) -> dict[str, Any] | None:
        """Return what the injection in a try has told, if it has."""
        for facts in self.trace(run_id):
            if (facts["event"], facts["try"]) == (event, try_number):
                return facts
        return None

    def trace(self, run_id: str | None = None) -> list[dict[str, Any]]:
        """Return everything that the injection has told."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / f"{run_id or self.run_id}.jsonl").read_text("utf-8").splitlines()
            return [json.loads(line) for line in lines]
        return []

    def let_go_on(self, try_number: int = 1, run_id: str | None = None) -> None:
        """End the wait at the injection's point."""
        (self.folder / f"{run_id or self.run_id}.{try_number}.go").touch()

    def hold_sell(self, when: str) -> None:
        """Have the simulator keep the next sell waiting, before or after carrying it out."""
        self.simulator.fault("hold", when=when, method="POST", path=f"{self.account_path}/sell_all")

    def wait_held(self) -> int:
        """Wait until the sell is in flight, and return the number to release it by."""
        held = self.wait_for("a held sell", lambda: [one for one in self.simulator.held() if self._is_mine(one)])
        number: int = held[0]["id"]
        return number

    def held_is_gone(self) -> bool:
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

    def mark(self, state: str) -> None:
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
            "injection": self.trace(),
            "task log": self.task_log(),
            "new run's log": self.airflow.task_log(self.new_dag_id, self.new_run_id) if self.new_dag_id else "",
        }
        return "\n".join(
            [
                f"{self.dag_id} {self.run_id}, account {self.account.id}, after {time.monotonic() - self.began:.0f} s",
                *(_titled(title, part) for title, part in parts.items()),
            ]
        )


def _titled(title: str, part: Any) -> str:
    lines = part.splitlines()[-120:] if isinstance(part, str) else [str(item) for item in part]
    return "\n  ".join([f"{title}:", *lines])


class World:
    """Start everything that is needed for some plays.

    :param plays: the plays.
    :param folder: an empty folder.
    :param execution_api_environment: what is set for the tasks' API server alone.
    """

    def __init__(
        self, plays: Iterable[Play], folder: Path, execution_api_environment: Mapping[str, str] | None = None
    ) -> None:
        patient = {PAST: False}
        for play in plays:
            patient |= dict.fromkeys((play.name, _again(play), *_others(play)), play.patient)
        self.accounts = {name: Account(name, 33000000 + i, patient[name]) for i, name in enumerate(patient)}
        self.signals = folder / "signals"
        self.signals.mkdir()
        self.now = datetime.now(UTC)
        self.simulator = Simulator(
            {
                "extends": "calm",
                "name": "kill matrix",
                "keys": [{"key": account.api_key, "secret": account.secret} for account in self.accounts.values()],
                "accounts": [account.scenario() for account in self.accounts.values()],
            }
        )
        try:
            self.airflow = AirflowComponents(folder / "airflow", self._environment(), execution_api_environment)
        except BaseException:
            self.simulator.stop()
            raise

    def _environment(self) -> dict[str, str]:
        past = self.accounts[PAST]
        ticks = self.accounts.get("every_minute", past)
        return {
            "KILLING_FOLDER": str(self.signals),
            "KILLING_NOW": self.now.isoformat(),
            "KILLING_PAST_ACCOUNT": str(past.id),
            "KILLING_TICKS_ACCOUNT": str(ticks.id),
            "KILLING_TICKS_CONN": ticks.conn_id,
            "KILLING_ANEW_ACCOUNT": str(self.accounts.get("made_anew", past).id),
            "AIRFLOW_CONN_THREECOMMAS_DEFAULT": past.connection(self.simulator.url),
            **{
                f"AIRFLOW_CONN_{account.conn_id.upper()}": account.connection(self.simulator.url)
                for account in self.accounts.values()
            },
            # The same account and key, at another address.
            **{
                f"AIRFLOW_CONN_{account.conn_id.upper()}_ELSEWHERE": account.connection(
                    self.simulator.url.replace("127.0.0.1", "localhost")
                )
                for account in self.accounts.values()
                if account.name.startswith("moved")
            },
        }

    def act(self, play: Play) -> Stage:
        """Play something, and once more with another account if it was disturbed."""
        stage = self._stage(play, play.name)
        try:
            play.act(stage)
        except (AssertionError, LocalAirflowError):
            if not stage.disturbed():
                raise
        if stage.disturbed():
            stage = self._stage(play, _again(play))
            play.act(stage)
        return stage

    def _stage(self, play: Play, name: str) -> Stage:
        others = [self.accounts[other] for other in _others(play)]
        return Stage(self.airflow, self.simulator, self.accounts[name], play, self.signals, name, others)

    def stop(self) -> None:
        try:
            self.airflow.stop()
        finally:
            self.simulator.stop()


def _again(play: Play) -> str:
    return f"{play.name}_again"


def _others(play: Play) -> list[str]:
    """Name the further accounts that a play needs."""
    return [f"{play.name}_other_{number}" for number in range(play.facts.get("others", 0))]


def send_signal(number: signal.Signals, *pids: int) -> None:
    """Send a signal to processes, and wait until those that it stops have stopped."""
    for pid in pids:
        os.kill(pid, number)
    if number == signal.SIGSTOP:
        for pid in pids:
            process = psutil.Process(pid)
            wait_for(f"process {pid} to stop", lambda it=process: it.status() == psutil.STATUS_STOPPED, 10)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
