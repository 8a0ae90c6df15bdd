"""A DAG run is deleted after it has sold, and one of the same id comes: by the scheduler's doing, or a person's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scheduler.airflow_components import FINISHED
from tests.scheduler.case_and_cluster import Play, Stage
from tests.scheduler.test_other_times import runs, unpause

pytestmark = pytest.mark.scheduler


def delete_what_the_scheduler_made(stage: Stage) -> None:
    unpause(stage)
    stage.play.facts["deleted"] = run_that_has_ended(stage)
    stage.delete_run(stage.play.facts["deleted"]["dag_run_id"])
    # Every half minute elsewhere: then the scheduler knows of no run for the last tick.
    token = stage.airflow.get(f"dags/{stage.dag_id}")["file_token"]
    stage.airflow.send("PUT", f"parseDagFile/{token}", None)
    stage.play.facts["anew"] = run_that_has_ended(stage)
    stage.keep_time()


def run_that_has_ended(stage: Stage) -> dict[str, Any]:
    found: list[dict[str, Any]] = stage.wait_for(
        "a run", lambda: [run for run in runs(stage) if run["state"] in FINISHED]
    )
    return found[0]


def delete_and_trigger_again(stage: Stage) -> None:
    stage.trigger()
    stage.play.facts["first"] = stage.wait_for_end()
    stage.delete_run()
    stage.trigger()
    stage.airflow.forget_run_states()
    stage.wait_for_end()


SCHEDULED = Play("made_anew", delete_what_the_scheduler_made, "made_anew", {}, 9)
TRIGGERED = Play("triggered_anew", delete_and_trigger_again, "liquidation_once", {}, 9)


@pytest.mark.parametrize("played", [SCHEDULED], ids=["scheduled"], indirect=True)
def test_a_scheduled_run_that_is_made_anew_does_not_sell_again(played: Stage) -> None:
    deleted, anew = played.play.facts["deleted"], played.play.facts["anew"]
    assert anew["dag_run_id"] == deleted["dag_run_id"]
    assert anew["start_date"] > deleted["end_date"]
    assert (deleted["state"], anew["state"]) == ("success", "failed"), played.explain()
    assert len(played.sells()) == len(played.posts()) == 1, played.explain()
    told = played.airflow.xcom(played.dag_id, anew["dag_run_id"], "liquidation")
    assert told["outcome"] == "refused", told
    assert "deleted" in told["reason"], told


@pytest.mark.parametrize("played", [TRIGGERED], ids=["triggered"], indirect=True)
def test_nor_does_one_that_is_triggered_with_the_same_id(played: Stage) -> None:
    assert played.play.facts["first"] == "success", played.explain()
    assert played.state() == "failed", played.explain()
    assert len(played.sells()) == len(played.posts()) == 1, played.explain()
    told = played.xcom("liquidation")
    assert told["outcome"] == "refused", told
    assert "deleted" in told["reason"], told
