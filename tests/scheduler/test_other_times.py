"""Runs that were meant for another time sell nothing, unless told to."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_3commas.api.errors import RateLimitExceeded
from airflow_provider_3commas.budget import RequestBudget
from tests.scheduler.airflow_components import FINISHED
from tests.scheduler.cases import ANY, Case, CaseRun
from tests.scheduler.cluster import PAST, Cluster
from tests.scheduler.steps import dag_runs, unpause

pytestmark = pytest.mark.scheduler

DAYS = 5
TICKS = 4


def backfill(case_run: CaseRun) -> None:
    unpause(case_run)
    days = [(datetime.now(UTC) - timedelta(days=ago)).date().isoformat() for ago in (7, 7 - DAYS)]
    case_run.airflow.command(
        "backfill", "create", "--dag-id", case_run.dag_id, "--from-date", days[0], "--to-date", days[1]
    )
    wait_for_runs(case_run, "backfill", DAYS)


def unpause_late(case_run: CaseRun) -> None:
    unpause(case_run)
    wait_for_runs(case_run, "scheduled", 1)


def wait_for_runs(case_run: CaseRun, run_type: str, count: int) -> None:
    def ended() -> bool:
        ours = [run for run in dag_runs(case_run) if run["run_type"] == run_type]
        return len(ours) >= count and all(run["state"] in FINISHED for run in ours)

    case_run.wait_for(f"the end of {count} runs", ended)
    case_run.record_duration()


def check(case_run: CaseRun, cluster: Cluster, run_type: str, count: int, parameter: str) -> None:
    ours = [run for run in dag_runs(case_run) if run["run_type"] == run_type]
    logs = {run["dag_run_id"]: case_run.airflow.task_log(case_run.dag_id, run["dag_run_id"]) for run in ours}
    explained = "\n".join(logs.values())
    assert [run["state"] for run in ours] == ["failed"] * count, explained
    for run_id, log in logs.items():
        tries = 1 + case_run.airflow.count_give_ups(run_id)
        assert len(case_run.airflow.tries(case_run.dag_id, run_id)) == tries, explained
        assert "Nothing was sent" in log, explained
        assert parameter in log, explained
    assert not cluster.simulator.journal(path=f"/accounts/{cluster.accounts[PAST].id}/", sell=True), explained


def trigger_while_paused(case_run: CaseRun) -> None:
    case_run.trigger()
    time.sleep(7)
    unpause(case_run)
    case_run.wait_for_end()


def catch_up(case_run: CaseRun) -> None:
    unpause(case_run)
    try:
        wait_for_runs(case_run, "scheduled", TICKS)
    finally:
        case_run.airflow.send("PATCH", f"dags/{case_run.dag_id}", {"is_paused": True})


def pause_budget(case_run: CaseRun) -> None:
    """Have somebody else's 429 pause the key, for longer than the run may be late, when the account has been read."""
    case_run.simulator.fault(
        "hold", when="after", method="GET", path=f"{case_run.account_path}/active_trading_entities"
    )
    case_run.start(case_run.dag_id, case_run.run_id, max_lateness=60)
    held = case_run.wait_for_held_sell()
    budget = RequestBudget(
        case_run.account.api_key, case_run.simulator.url, path=case_run.airflow.home / "threecommas_budget.sqlite"
    )
    case_run.results["paused for"] = budget.report(RateLimitExceeded("429", status_code=429, retry_after=300))
    budget.close()
    case_run.simulator.release(held)
    case_run.wait_for_end()


# Creating a backfill on SQLite fails while anything else writes.
BACKFILLED = Case("backfilled", backfill, "backfilled", exclusive=True)
LATE = Case("unpaused_late", unpause_late, "unpaused_late", exclusive=True)


@pytest.mark.parametrize("case_run", [BACKFILLED], ids=["backfilled"], indirect=True)
def test_a_backfill_of_five_days_sells_nothing(case_run: CaseRun, cluster: Cluster) -> None:
    check(case_run, cluster, "backfill", DAYS, "allow_backfill=True")


@pytest.mark.parametrize("case_run", [LATE], ids=["unpaused_late"], indirect=True)
def test_a_dag_unpaused_three_days_late_sells_nothing(case_run: CaseRun, cluster: Cluster) -> None:
    check(case_run, cluster, "scheduled", 1, "max_lateness")


@pytest.mark.parametrize(
    "case_run", [Case("paused", trigger_while_paused, "paused", allowed_give_ups=ANY)], ids=["paused"], indirect=True
)
def test_a_run_that_waited_on_a_paused_dag_sells_nothing(case_run: CaseRun, cluster: Cluster) -> None:
    check(case_run, cluster, "manual", 1, "max_lateness")


PAUSED_BUDGET = Case("paused_budget", pause_budget, "patient_liquidation", allowed_give_ups=ANY)


@pytest.mark.parametrize("case_run", [PAUSED_BUDGET], ids=["paused_budget"], indirect=True)
def test_a_pause_of_the_budget_between_reading_and_selling_makes_it_too_late(case_run: CaseRun) -> None:
    assert case_run.results["paused for"] > 60
    assert case_run.state() == "failed", case_run.explain()
    assert len(case_run.tries()) == 1, case_run.explain()
    assert not case_run.posts(), case_run.explain()
    liquidation = case_run.xcom("liquidation")
    assert liquidation["outcome"] == "refused", liquidation
    assert "max_lateness" in liquidation["reason"], liquidation
    assert case_run.xcom("holdings_before"), "the account had been read"


CATCH_UP = Case("every_minute", catch_up, "every_minute", allowed_give_ups=ANY)


@pytest.mark.parametrize("case_run", [CATCH_UP], ids=["every_minute"], indirect=True)
def test_ticks_that_are_caught_up_sell_once_and_name_the_first(case_run: CaseRun) -> None:
    ours = [run for run in dag_runs(case_run) if run["run_type"] == "scheduled"]
    states = [run["state"] for run in ours]
    assert states.count("success") == 1, states
    assert len(case_run.sells()) == len(case_run.posts()) == 1
    [first] = [run["dag_run_id"] for run in ours if run["state"] == "success"]
    logs = [case_run.airflow.task_log(case_run.dag_id, run["dag_run_id"]) for run in ours if run["state"] == "failed"]
    assert all(f"every_minute/{first}/liquidate" in log and "not_within" in log for log in logs), logs
