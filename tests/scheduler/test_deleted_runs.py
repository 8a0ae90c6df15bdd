"""A DAG run is deleted after it has sold, and one of the same id comes: by the scheduler's doing, or a person's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scheduler.airflow_components import FINISHED
from tests.scheduler.cases import ANY, Case, CaseRun
from tests.scheduler.steps import dag_runs, unpause

pytestmark = pytest.mark.scheduler


def delete_what_the_scheduler_made(case_run: CaseRun) -> None:
    unpause(case_run)
    case_run.results["deleted"] = run_that_has_ended(case_run)
    case_run.delete_run(case_run.results["deleted"]["dag_run_id"])
    # Every half minute elsewhere: then the scheduler knows of no run for the last tick.
    token = case_run.airflow.get(f"dags/{case_run.dag_id}")["file_token"]
    case_run.airflow.send("PUT", f"parseDagFile/{token}", None)
    case_run.results["anew"] = run_that_has_ended(case_run)
    case_run.record_duration()


def run_that_has_ended(case_run: CaseRun) -> dict[str, Any]:
    found: list[dict[str, Any]] = case_run.wait_for(
        "a run", lambda: [run for run in dag_runs(case_run) if run["state"] in FINISHED]
    )
    return found[0]


def delete_and_trigger_again(case_run: CaseRun) -> None:
    case_run.trigger()
    case_run.results["first"] = case_run.wait_for_end()
    case_run.delete_run()
    case_run.trigger()
    case_run.airflow.forget_run_states()
    case_run.wait_for_end()


SCHEDULED = Case("made_anew", delete_what_the_scheduler_made, "made_anew", {}, allowed_give_ups=ANY)
TRIGGERED = Case("triggered_anew", delete_and_trigger_again, "liquidation_once", {}, allowed_give_ups=ANY)


@pytest.mark.parametrize("case_run", [SCHEDULED], ids=["scheduled"], indirect=True)
def test_a_scheduled_run_that_is_made_anew_does_not_sell_again(case_run: CaseRun) -> None:
    deleted, anew = case_run.results["deleted"], case_run.results["anew"]
    assert anew["dag_run_id"] == deleted["dag_run_id"]
    assert anew["start_date"] > deleted["end_date"]
    assert (deleted["state"], anew["state"]) == ("success", "failed"), case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == 1, case_run.explain()
    liquidation = case_run.airflow.xcom(case_run.dag_id, anew["dag_run_id"], "liquidation")
    assert liquidation["outcome"] == "refused", liquidation
    assert "deleted" in liquidation["reason"], liquidation


@pytest.mark.parametrize("case_run", [TRIGGERED], ids=["triggered"], indirect=True)
def test_nor_does_one_that_is_triggered_with_the_same_id(case_run: CaseRun) -> None:
    assert case_run.results["first"] == "success", case_run.explain()
    assert case_run.state() == "failed", case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == 1, case_run.explain()
    liquidation = case_run.xcom("liquidation")
    assert liquidation["outcome"] == "refused", liquidation
    assert "deleted" in liquidation["reason"], liquidation
