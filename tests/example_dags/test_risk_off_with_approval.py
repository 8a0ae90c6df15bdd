"""Nothing is sold unless a person said yes; what a clear does to that is as the DAG's documentation tells."""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_3commas.simulator import Simulator
from local_airflow.waiting import wait_for
from tests.conftest import ROOT, Run, _dag_bag, connection_to
from tests.scheduler.airflow_components import AirflowComponents
from tests.versions import AIRFLOW_VERSION

if AIRFLOW_VERSION < (3, 2):
    pytest.skip("needs a newer standard provider than comes with the oldest Airflow", allow_module_level=True)

from airflow.providers.standard.operators.hitl import ApprovalOperator

DAG_ID = "risk_off_with_approval"
ACCOUNT_IDS = itertools.count(32500001)


@pytest.fixture
def simulator(simulate):
    return simulate()


@pytest.fixture
def dag(example_dag):
    dag = example_dag(DAG_ID)
    dag.get_task("settled").poke_interval = 0.1
    return dag


@pytest.fixture
def run(airflow_home, dag):
    def run(run_conf=None, **options):
        DagBag, sync_bag_to_db = _dag_bag()
        bag = DagBag(os.devnull)
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        conf = {"account_id": 32402783, "dry_run": False, **(run_conf or {})}
        return Run(dag.test(run_conf=conf, **options))

    return run


def test_order_and_deadline(dag):
    liquidate, approve = dag.get_task("liquidate"), dag.get_task("approve")
    assert liquidate.upstream_task_ids == {"approve"}
    assert approve.defaults == [ApprovalOperator.REJECT]
    assert approve.response_timeout < liquidate.max_lateness


@pytest.mark.airflow
def test_without_an_account_nobody_is_asked(run, simulator):
    done = run(run_conf={"account_id": None})
    assert done.state == "failed"
    assert done.states()["look"] == "failed"
    assert done.states()["approve"] == "upstream_failed"
    assert not simulator.journal()


@pytest.mark.airflow
def test_approved_sells_once(run, simulator):
    done = run(mark_success_pattern="approve")
    assert done.state == "success"
    assert [sell["target"] for sell in simulator.sells()] == ["BTC"]
    assert "has settled" in done.xcom("report")


@pytest.mark.airflow
def test_approved_dry_run_sells_nothing(run, simulator):
    done = run(mark_success_pattern="approve", run_conf={"dry_run": True})
    assert done.state == "success"
    assert not simulator.sell_attempts()
    assert "dry run" in done.xcom("report")


@pytest.mark.airflow
def test_rejected_sells_nothing_and_says_so(run, simulator, monkeypatch):
    def answer(self, context):
        return self.execute_complete(
            context,
            {
                "chosen_options": [ApprovalOperator.REJECT],
                "params_input": {},
                "responded_at": datetime.now(UTC),
                "responded_by_user": {"id": "1", "name": "Grace"},
            },
        )

    monkeypatch.setattr(ApprovalOperator, "execute", answer)
    done = run()
    assert done.states() == {
        "look": "success",
        "approve": "success",
        "liquidate": "skipped",
        "settled": "skipped",
        "report": "success",
    }
    assert not simulator.sell_attempts()
    assert done.xcom("report") == "Rejected, or nobody has answered in time: nothing was sold."


@pytest.mark.airflow
def test_who_decides_sees_what_would_be_sold(run, simulator):
    text = run(mark_success_pattern="approve").xcom("look")
    assert text.startswith("My Binance US (32402783) is worth 0.7")
    assert "| ETH | 8.25 |" in text


@pytest.mark.airflow
def test_nothing_that_an_account_is_called_looks_like_our_own_words(run, simulator):
    name = "Main `*x*`\n\n# Dry run: nothing will be sold\n\n[yes](https://evil.example) ![](http://evil.example/x)"
    simulator.change_account(name=name, holdings={"ETH": "1", "BTC": "1"})
    text = run(mark_success_pattern="approve", run_conf={"dry_run": True}).xcom("look")
    first, *rest = text.splitlines()
    assert "(32402783) is worth" in first
    assert "nothing will be sold" in first
    assert not [line for line in rest if line.startswith(("#", "["))]
    assert "evil.example" not in text
    assert not re.search(r"(?<!\\)[`*\[\]]", text)


@pytest.fixture(scope="module")
def airflow_and_simulator(tmp_path_factory):
    dags = tmp_path_factory.mktemp("dags")
    # Without a schedule: it would run at once for last Friday, and the others would wait for that.
    text = (ROOT / "example_dags" / f"{DAG_ID}.py").read_text()
    (dags / f"{DAG_ID}.py").write_text(text.replace('schedule="0 21 * * 5"', "schedule=None"))
    with Simulator(speed=60) as simulator:
        simulator.rate_limit(enabled=False)
        environment = {
            "AIRFLOW_CONN_THREECOMMAS_DEFAULT": json.dumps(connection_to(simulator, requests_per_minute=10_000)),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        }
        airflow = AirflowComponents(tmp_path_factory.mktemp("approval") / "airflow", environment)
        try:
            airflow.wait_until_ready({DAG_ID})
            yield airflow, simulator
        finally:
            airflow.stop()


@pytest.fixture
def question(airflow_and_simulator):
    """Return a function that starts a run which asks; it is ended with the test, because the next would wait for it."""
    airflow, simulator = airflow_and_simulator
    questions = []

    def ask(run_id):
        # An account of its own: one that another run has just sold is refused for ten minutes.
        account_id = next(ACCOUNT_IDS)
        account = {"id": account_id, "name": "Main", "holdings": {"BTC": "0.2114", "ETH": "8.25"}, "bots": 3}
        simulator.reset({"extends": "calm", "name": run_id, "accounts": [account]}, speed=60)
        simulator.rate_limit(enabled=False)
        airflow.trigger(DAG_ID, run_id, {"account_id": account_id, "dry_run": False})
        questions.append(Question(airflow, simulator, run_id, account_id))
        return questions[-1]

    yield ask
    for question in questions:
        question.end()


@pytest.mark.scheduler
@pytest.mark.skipif(
    AIRFLOW_VERSION < (3, 3),
    reason="before Airflow 3.3 a question waits in the triggerer, and a cleared task never sells",
)
@pytest.mark.scheduler
class TestAnswers:
    """With a scheduler, and answers through the REST API."""

    def test_yes_sells_once_and_a_clear_sends_nothing(self, question):
        asked = question("yes")
        asked.wait_for("approve", "awaiting_input")
        assert "ETH" in asked.details()["body"]
        assert not asked.simulator.sell_attempts()
        asked.answer("Approve")
        asked.wait_for("liquidate", "success")
        assert len(asked.simulator.sells()) == 1

        asked.clear("liquidate")
        asked.wait_for("liquidate", "success", try_number=2)
        assert asked.state("approve") == "success"
        assert len(asked.simulator.sell_attempts()) == 1

        asked.clear("approve", downstream=True)
        asked.wait_for("approve", "awaiting_input", try_number=2)
        assert not asked.details()["response_received"]
        assert asked.state("liquidate") != "success"
        asked.answer("Approve")
        asked.wait_for("liquidate", "success", try_number=3)
        assert len(asked.simulator.sell_attempts()) == 1

    def test_old_approval_counts_for_a_cleared_task_that_has_not_sold(self, question):
        asked = question("refused")
        asked.change_account(fast_convert_available=False)
        asked.wait_for("approve", "awaiting_input")
        asked.answer("Approve")
        asked.wait_for("liquidate", "failed")
        assert not asked.simulator.sell_attempts()

        asked.change_account(fast_convert_available=True)
        asked.clear("liquidate")
        asked.wait_for("liquidate", "success", try_number=2)
        assert asked.state("approve") == "success"
        assert len(asked.simulator.sells()) == 1

    def test_no_sells_nothing_after_a_clear_neither(self, question):
        asked = question("no")
        asked.wait_for("approve", "awaiting_input")
        asked.answer("Reject")
        asked.wait_for("report", "success")
        assert asked.state("liquidate") == "skipped"
        assert "nothing was sold" in asked.xcom("report")

        asked.clear("liquidate")
        asked.wait_for("liquidate", "skipped")
        assert asked.run_ends() == "success"
        assert asked.state("approve") == "success"
        assert not asked.simulator.sell_attempts()

    def test_deadline_is_a_no(self, question):
        asked = question("late")
        asked.wait_for("approve", "awaiting_input")
        asked.let_the_deadline_pass()
        asked.wait_for("report", "success")
        assert asked.state("liquidate") == "skipped"
        assert not asked.simulator.sell_attempts()
        assert "nothing was sold" in asked.xcom("report")


class Question:
    """A run that asks."""

    def __init__(self, airflow, simulator, run_id, account_id):
        self.airflow, self.simulator, self.run_id, self.account_id = airflow, simulator, run_id, account_id
        self.tasks = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances"

    def change_account(self, **change):
        self.simulator.change_account(self.account_id, **change)

    def task(self, task_id):
        return self.airflow.get(f"{self.tasks}/{task_id}")

    def state(self, task_id):
        return self.task(task_id)["state"]

    def wait_for(self, task_id, state, try_number=0):
        def reached():
            task = self.task(task_id)
            return task["state"] == state and task["try_number"] >= try_number

        wait_for(f"{task_id} to be {state}", reached, 120, lambda: str(self.airflow.get(self.tasks)["task_instances"]))

    def end(self):
        self.airflow.send("PATCH", f"dags/{DAG_ID}/dagRuns/{self.run_id}", {"state": "failed"})

    def run_ends(self):
        self.airflow.forget_run_states()
        return self.airflow.wait_for_run(DAG_ID, self.run_id, 120)

    def details(self):
        return self.airflow.get(f"{self.tasks}/approve/-1/hitlDetails")

    def answer(self, option):
        # An answer within a second overtakes Airflow 3.3.2's scheduler, which then calls the task failed.
        time.sleep(6)
        body = {"chosen_options": [option], "params_input": {}}
        self.airflow.send("PATCH", f"{self.tasks}/approve/-1/hitlDetails", body)

    def clear(self, task_id, *, downstream=False):
        body = {
            "dag_run_id": self.run_id,
            "task_ids": [task_id],
            "include_downstream": downstream,
            "only_failed": False,
            "dry_run": False,
        }
        self.airflow.send("POST", f"dags/{DAG_ID}/clearTaskInstances", body)

    def xcom(self, task_id):
        return self.airflow.get(f"{self.tasks}/{task_id}/xcomEntries/return_value?deserialize=true")["value"]

    def let_the_deadline_pass(self):
        import sqlite3

        past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        with sqlite3.connect(self.airflow.home / "airflow.db", timeout=30) as database:
            database.execute(
                "UPDATE task_instance SET trigger_timeout = ? WHERE run_id = ? AND task_id = 'approve'",
                (past, self.run_id),
            )
