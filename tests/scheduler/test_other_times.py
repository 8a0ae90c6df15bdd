"""Runs that were meant for another time sell nothing, unless told to."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_3commas.api.errors import RateLimitExceeded
from airflow_provider_3commas.budget import RequestBudget
from tests.scheduler.airflow_components import FINISHED
from tests.scheduler.case_and_cluster import PAST, Play, Stage, World

pytestmark = pytest.mark.scheduler

DAYS = 5
TICKS = 4


def backfill(stage: Stage) -> None:
    unpause(stage)
    days = [(datetime.now(UTC) - timedelta(days=ago)).date().isoformat() for ago in (7, 7 - DAYS)]
    stage.airflow.command("backfill", "create", "--dag-id", stage.dag_id, "--from-date", days[0], "--to-date", days[1])
    wait_for_runs(stage, "backfill", DAYS)


def unpause_late(stage: Stage) -> None:
    unpause(stage)
    wait_for_runs(stage, "scheduled", 1)


def unpause(stage: Stage) -> None:
    stage.airflow.send("PATCH", f"dags/{stage.dag_id}", {"is_paused": False})


def wait_for_runs(stage: Stage, run_type: str, count: int) -> None:
    def ended() -> bool:
        ours = [run for run in runs(stage) if run["run_type"] == run_type]
        return len(ours) >= count and all(run["state"] in FINISHED for run in ours)

    stage.wait_for(f"the end of {count} runs", ended)
    stage.keep_time()


def runs(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.airflow.get(f"dags/{stage.dag_id}/dagRuns")["dag_runs"]
    return found


def check(played: Stage, world: World, run_type: str, count: int, parameter: str) -> None:
    ours = [run for run in runs(played) if run["run_type"] == run_type]
    logs = {run["dag_run_id"]: played.airflow.task_log(played.dag_id, run["dag_run_id"]) for run in ours}
    explained = "\n".join(logs.values())
    assert [run["state"] for run in ours] == ["failed"] * count, explained
    for run_id, log in logs.items():
        tries = 1 + played.airflow.count_give_ups(run_id)
        assert len(played.airflow.tries(played.dag_id, run_id)) == tries, explained
        assert "Nothing was sent" in log, explained
        assert parameter in log, explained
    assert not world.simulator.journal(path=f"/accounts/{world.accounts[PAST].id}/", sell=True), explained


def trigger_while_paused(stage: Stage) -> None:
    stage.trigger()
    time.sleep(7)
    unpause(stage)
    stage.wait_for_end()


def catch_up(stage: Stage) -> None:
    unpause(stage)
    try:
        wait_for_runs(stage, "scheduled", TICKS)
    finally:
        stage.airflow.send("PATCH", f"dags/{stage.dag_id}", {"is_paused": True})


def pause_budget(stage: Stage) -> None:
    """Have somebody else's 429 pause the key, for longer than the run may be late, when the account has been read."""
    stage.simulator.fault("hold", when="after", method="GET", path=f"{stage.account_path}/active_trading_entities")
    stage.start(stage.dag_id, stage.run_id, max_lateness=60)
    held = stage.wait_held()
    budget = RequestBudget(
        stage.account.api_key, stage.simulator.url, path=stage.airflow.home / "threecommas_budget.sqlite"
    )
    stage.play.facts["paused for"] = budget.report(RateLimitExceeded("429", status_code=429, retry_after=300))
    budget.close()
    stage.simulator.release(held)
    stage.wait_for_end()


# Creating a backfill on SQLite fails while anything else writes.
BACKFILLED = Play("backfilled", backfill, "backfilled", alone=True)
LATE = Play("unpaused_late", unpause_late, "unpaused_late", alone=True)


@pytest.mark.parametrize("played", [BACKFILLED], ids=["backfilled"], indirect=True)
def test_a_backfill_of_five_days_sells_nothing(played: Stage, world: World) -> None:
    check(played, world, "backfill", DAYS, "allow_backfill=True")


@pytest.mark.parametrize("played", [LATE], ids=["unpaused_late"], indirect=True)
def test_a_dag_unpaused_three_days_late_sells_nothing(played: Stage, world: World) -> None:
    check(played, world, "scheduled", 1, "max_lateness")


@pytest.mark.parametrize(
    "played", [Play("paused", trigger_while_paused, "paused", given_up=9)], ids=["paused"], indirect=True
)
def test_a_run_that_waited_on_a_paused_dag_sells_nothing(played: Stage, world: World) -> None:
    check(played, world, "manual", 1, "max_lateness")


PAUSED_BUDGET = Play("paused_budget", pause_budget, "patient_liquidation", given_up=9)


@pytest.mark.parametrize("played", [PAUSED_BUDGET], ids=["paused_budget"], indirect=True)
def test_a_pause_of_the_budget_between_reading_and_selling_makes_it_too_late(played: Stage) -> None:
    assert played.play.facts["paused for"] > 60
    assert played.state() == "failed", played.explain()
    assert len(played.tries()) == 1, played.explain()
    assert not played.posts(), played.explain()
    told = played.xcom("liquidation")
    assert told["outcome"] == "refused", told
    assert "max_lateness" in told["reason"], told
    assert played.xcom("holdings_before"), "the account had been read"


CATCH_UP = Play("every_minute", catch_up, "every_minute", given_up=9)


@pytest.mark.parametrize("played", [CATCH_UP], ids=["every_minute"], indirect=True)
def test_ticks_that_are_caught_up_sell_once_and_name_the_first(played: Stage) -> None:
    ours = [run for run in runs(played) if run["run_type"] == "scheduled"]
    states = [run["state"] for run in ours]
    assert states.count("success") == 1, states
    assert len(played.sells()) == len(played.posts()) == 1
    [first] = [run["dag_run_id"] for run in ours if run["state"] == "success"]
    logs = [played.airflow.task_log(played.dag_id, run["dag_run_id"]) for run in ours if run["state"] == "failed"]
    assert all(f"every_minute/{first}/liquidate" in log and "not_within" in log for log in logs), logs
